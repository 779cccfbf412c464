"""The pool of workers on a stand-in for Ray: what a worker holds when it is given hosts."""

from types import SimpleNamespace

import pytest

from planner.fleet import pool as pool_module


class Calls:
    """Calls of workers' methods that were made and not carried out yet, in order; results by reference."""

    def __init__(self):
        self.waiting, self.results = [], {}

    def wait(self, refs, num_returns, timeout):
        return [ref for ref in refs if ref in self.results], []

    def carry_out(self, worker):
        """Let a worker do what it was told so far, one after the other, as an actor does."""
        for ref, whose, do in list(self.waiting):
            if whose is worker:
                self.waiting.remove((ref, whose, do))
                self.results[ref] = do()


class Worker:
    def __init__(self, calls):
        self._calls, self.held = calls, None
        self.hold = SimpleNamespace(remote=lambda factory, source, code: self._call(lambda: self._hold(source)))
        self.run_batch = SimpleNamespace(remote=lambda problems: self._call(lambda: (self.held, 0.0)))

    def _hold(self, source):
        self.held = source

    def _call(self, do):
        ref = object()
        self._calls.waiting.append((ref, self, do))
        return ref


@pytest.fixture
def calls(monkeypatch):
    found = Calls()
    stand_in = SimpleNamespace(put=lambda value: value, wait=found.wait, get=found.results.__getitem__)
    monkeypatch.setattr(pool_module, "ray", stand_in)
    return found


@pytest.fixture
def workers(calls, monkeypatch):
    made = []

    def new_actor():
        made.append(Worker(calls))
        return pool_module._Actor(made[-1])

    monkeypatch.setattr(pool_module, "_new_actor", new_actor)
    return made


def problems(count):
    return [SimpleNamespace(vm_idx=(0,), replicate=replicate) for replicate in range(count)]


def run(pool, calls, workers):
    """Step until all is done; return what the workers held that simulated."""
    found = []
    for _ in range(20):
        for worker in workers:
            calls.carry_out(worker)
        for message in pool.step(0.0):
            if isinstance(message, pool_module.Finished):
                return found
            found.append(message.outcomes)
    raise AssertionError("it does not end")


def test_a_worker_that_starts_late_simulates_what_is_asked_for_then(calls, workers):
    """Two fleets one after the other, as in a what-if; the second worker reports when the first fleet is done."""
    cluster = SimpleNamespace(is_own=lambda: True, n_workers=lambda: 2)
    pool = pool_module.Pool(cluster, 600.0)
    pool.hold(pool_module.Hold(None, "first fleet"))
    pool.begin(problems(1))
    assert run(pool, calls, workers[:1]) == ["first fleet"]
    pool.hold(pool_module.Hold(None, "second fleet"))
    pool.begin(problems(2))
    # Both get a host: the second one holds the first fleet until it has done what it was told last.
    assert run(pool, calls, workers) == ["second fleet", "second fleet"]
