"""A pool of Ray actors and what each of them is doing. Lives in the driver process.

One message goes out and one comes back per batch of hosts; the source of demand goes into the object store once. Each
actor has one batch in flight, so when it dies it is known which batch to repeat. Work goes only to actors that have
reported, so no batch waits for an actor that cannot be started.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import ray
from ray.exceptions import LocalRayletDiedError, ObjectLostError, RayActorError, RayError, RayTaskError

from planner.errors import InputError
from planner.fleet.base import by_replicate
from planner.fleet.batches import MAX_ATTEMPTS, Batch, BatchQueue
from planner.fleet.channel import Done, Failed, Finished, Hold, Lost, Say, pack_outcomes
from planner.fleet.cluster import Cluster, first_line
from planner.fleet.code import code_digest
from planner.fleet.worker import HostWorker
from planner.host.problem import HostFailure, HostProblem, Outcome

Message = Done | Failed | Finished | Lost | Say

HANGS_AFTER_TIMES = 50.0
HANGS_UNMEASURED_S = 6 * 3600.0
"""A batch counts as hung after some minutes and fifty times the time that it should take; before it is known how long
hosts take, after six hours. A wrong guess costs a repetition: both are far beyond what a busy machine does."""

_CAPACITY_EVERY_S = 5.0
_WAITING_SAID_AFTER_S = 15.0
_WAITING_SAID_EVERY_S = 30.0
_NO_MEMORY = "its machine ran out of memory"
_MOST_FAILED_STARTS = 10
_MOST_FAILED_LATER = 100
"""Workers that may fail in a row as they start: before one has started something is missing, later they are killed."""
_NEVER_RAN = "The actor never ran"
"""What Ray says of an actor that was cancelled before it started."""


@dataclass(eq=False)
class _Actor:
    handle: Any
    replicate: int | None = None


class _Task(NamedTuple):
    actor: _Actor
    batch: Batch
    since_s: float


class Pool:
    """Actors of one cluster, kept from one stage of a sweep to the next with the demand they have drawn.

    Parameters
    ----------
    cluster : Cluster
    hangs_after_s : float
        Time within which no worker is given up, whatever the pace. [s]
    """

    def __init__(self, cluster: Cluster, hangs_after_s: float) -> None:
        self._cluster = cluster
        self._hangs_after_s = hangs_after_s
        self._held: tuple[Any, Any] | None = None
        self._problems: Sequence[HostProblem] = ()
        self._queue: BatchQueue | None = None
        self._starting: dict[Any, _Actor] = {}
        self._running: dict[Any, _Task] = {}
        self._idle: list[_Actor] = []
        self._n_limit, self._n_failed_starts, self._most_failed_starts = 1, 0, _MOST_FAILED_STARTS
        self._counted_s = self._said_s = -1e9
        self._stuck_since_s = time.monotonic()
        self._is_stopping = False
        if cluster.is_own():
            # They import what they need while the driver's parent places VMs.
            self._idle = [_new_actor() for _ in range(cluster.n_workers())]

    def hold(self, what: Hold) -> None:
        """Give every actor another simulation and source.

        Raises
        ------
        InputError
            The source does not fit into the cluster's object store.
        """
        try:
            self._held = (what.sim_factory, ray.put(what.source))
        except RayError as error:
            hint = "give Ray's machines more memory, or a larger /dev/shm"
            raise InputError("workers", f"cannot take the fleet's demand: {first_line(error)}", hint) from error
        # Those that have not reported yet were given what was held before.
        actors = [*self._idle, *self._starting.values()]
        self._idle, self._starting = [], {}
        for actor in actors:
            self._let_hold(actor)

    def begin(self, problems: Sequence[HostProblem]) -> None:
        """Begin with problems."""
        costs = [float(len(problem.vm_idx)) for problem in problems]
        self._problems = problems
        self._queue = BatchQueue(by_replicate(problems), costs, self._count_limit())
        self._is_stopping = False
        self._stuck_since_s = time.monotonic()

    def stop(self) -> None:
        """Hand out nothing new."""
        self._is_stopping = True

    def is_at_work(self) -> bool:
        """Whether problems have been begun and not been finished."""
        return self._queue is not None

    def step(self, within_s: float) -> Iterator[Message]:
        """Hand out what can be, and yield what came back within a time. [s]."""
        assert self._queue is not None  # only called at work
        self._fill(self._queue)
        waited = [*self._running, *self._starting]
        if waited:
            ray.wait(waited, num_returns=1, timeout=within_s)
            for ref in ray.wait(waited, num_returns=len(waited), timeout=0)[0]:
                yield from self._take_back(ref, self._queue)
        yield from self._end_hung(self._queue)
        yield from self._say_if_stuck(self._queue)
        if not self._running and (self._is_stopping or not len(self._queue)):
            self._queue = None
            yield Finished()

    def _fill(self, queue: BatchQueue) -> None:
        """Give idle actors work, and start more of them while there is work for them."""
        if self._is_stopping:
            return
        for actor in list(self._idle):
            batch = queue.take(actor.replicate, is_alone=not self._running)
            if batch is None:
                break
            self._idle.remove(actor)
            if batch.attempt == MAX_ATTEMPTS:
                self._dismiss_idle()
            actor.replicate = batch.replicate
            message = [self._problems[position] for position in batch.positions]
            self._running[actor.handle.run_batch.remote(message)] = _Task(actor, batch, time.monotonic())
        n_actors = len(self._idle) + len(self._running) + len(self._starting)
        n_wanted = min(self._count_limit(), len(self._running) + queue.n_startable(bool(self._running)))
        queue.n_workers = max(n_actors, n_wanted)
        for _ in range(n_wanted - n_actors):
            self._let_hold(_new_actor())

    def _take_back(self, ref: Any, queue: BatchQueue) -> Iterator[Message]:
        if ref in self._starting:
            yield from self._take_started(ref)
            return
        task = self._running.pop(ref)
        try:
            outcomes, cpu_s = ray.get(ref)
        except RayTaskError as error:
            # Not one host's failure (those are outcomes): the simulation could not be set up at all.
            yield Failed(_cause(error))
        except LocalRayletDiedError:
            yield Lost("this machine's part of it ended")
        except RayError as error:
            yield from self._repeat(task, queue, _reason(error))
        else:
            queue.note_time(task.batch, time.monotonic() - task.since_s)
            self._idle.append(task.actor)
            self._stuck_since_s = time.monotonic()
            yield Done(task.batch.positions, outcomes, cpu_s)

    def _take_started(self, ref: Any) -> Iterator[Message]:
        actor = self._starting.pop(ref)
        try:
            ray.get(ref)
        except RayTaskError as error:
            yield Failed(_cause(error))
        except LocalRayletDiedError:
            yield Lost("this machine's part of it ended")
        except RayError as error:
            if _NEVER_RAN in str(error):
                return  # cancelled before anything of ours ran: killed, or its machine lost, while it started
            self._n_failed_starts += 1
            hint = "install what planner depends on, in the same versions, on every machine of the cluster"
            if os.environ.get("RAY_AUTH_MODE") == "token":
                hint += "; a cluster that was started without tokens is joined with RAY_AUTH_MODE=disabled"
            if _reason(error).text == _NO_MEMORY:
                hint = "start fewer with --workers, or use machines with more memory"
            is_hopeless = isinstance(error, RayActorError) and error.actor_init_failed
            if is_hopeless or self._n_failed_starts > self._most_failed_starts:
                what = _NO_MEMORY if _reason(error).text == _NO_MEMORY else _last_line(error)
                yield Failed(InputError("workers", f"cannot start: {what}", hint))
        else:
            self._n_failed_starts, self._most_failed_starts = 0, _MOST_FAILED_LATER
            self._stuck_since_s = time.monotonic()
            self._idle.append(actor)

    def _repeat(self, task: _Task, queue: BatchQueue, reason: "_Reason") -> Iterator[Message]:
        """Let another actor do what this one did not finish."""
        ray.kill(task.actor.handle)
        given_up = queue.give_back(task.batch, reason.is_blamed)
        n_hosts = len(task.batch.positions)
        hosts = "its host is" if n_hosts == 1 else f"its {n_hosts} hosts are"
        yield Say(f"a worker was lost ({reason.text}); {hosts} {'given up' if given_up else 'simulated again'}")
        if given_up:
            message = f"its worker was lost {MAX_ATTEMPTS} times, at last because {reason.text}"
            failures: list[Outcome] = [HostFailure(message, is_final=False)] * n_hosts
            yield Done(given_up, pack_outcomes(failures), 0.0)

    def _end_hung(self, queue: BatchQueue) -> Iterator[Message]:
        now_s = time.monotonic()
        for ref, task in list(self._running.items()):
            expected_s = queue.expected_s(task.batch)
            most_s = HANGS_UNMEASURED_S
            if expected_s is not None:
                most_s = max(self._hangs_after_s, HANGS_AFTER_TIMES * expected_s)
            if now_s - task.since_s > most_s:
                del self._running[ref]
                yield from self._repeat(task, queue, _Reason(f"it did not answer for {most_s:.0f} s", True))

    def _say_if_stuck(self, queue: BatchQueue) -> Iterator[Message]:
        now_s = time.monotonic()
        if self._running or not self._starting or now_s - self._stuck_since_s < _WAITING_SAID_AFTER_S:
            return
        if now_s - self._said_s >= _WAITING_SAID_EVERY_S:
            self._said_s = now_s
            n_left, n_all = len(queue), len(self._problems)
            what = "a worker to start" if self._cluster.is_own() else "a free CPU of the cluster"
            yield Say(
                f"waiting for {what}, for {now_s - self._stuck_since_s:.0f} s now; "
                f"{n_all - n_left} of {n_all} hosts are done"
            )

    def _count_limit(self) -> int:
        now_s = time.monotonic()
        if now_s - self._counted_s > _CAPACITY_EVERY_S:
            self._n_limit, self._counted_s = self._cluster.n_workers(), now_s
        return self._n_limit

    def _let_hold(self, actor: _Actor) -> None:
        assert self._held is not None  # the executor sends `Hold` before any problem
        sim_factory, source_ref = self._held
        actor.replicate = None
        self._starting[actor.handle.hold.remote(sim_factory, source_ref, code_digest())] = actor

    def _dismiss_idle(self) -> None:
        """End actors without work: the memory that they hold is wanted."""
        for actor in self._idle:
            ray.kill(actor.handle)
        self._idle = []


class _Reason(NamedTuple):
    """Why an actor was lost, in the user's words, and whether the hosts it ran may have done it."""

    text: str
    is_blamed: bool


def _new_actor() -> _Actor:
    return _Actor(ray.remote(HostWorker).options(num_cpus=1, max_restarts=0).remote())


def _reason(error: RayError) -> _Reason:
    text = str(error)
    if isinstance(error, ObjectLostError) or "node has died" in text or getattr(error, "preempted", False):
        return _Reason("its machine was lost", False)
    if "low on memory" in text or "OutOfMemory" in text:
        return _Reason(_NO_MEMORY, True)
    return _Reason("its process ended: it was killed, crashed or ran out of memory", True)


def _cause(error: RayTaskError) -> Exception:
    cause = error.cause
    return cause if isinstance(cause, Exception) else InputError("workers", _last_line(error))


def _last_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[-1]
