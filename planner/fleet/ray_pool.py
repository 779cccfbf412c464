"""Run host problems on a pool of Ray actors: on this machine by default, or on a cluster that is joined.

One message goes out and one comes back per batch of hosts; the source of demand goes into the object store once. Each
actor has one batch in flight, so when it dies it is known which batch to repeat. The driver holds results only as long
as the sink needs to take them.
"""

import os
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from planner.errors import InputError, StoppedError
from planner.fleet.base import (
    Progress,
    SimFactory,
    SimulatesHosts,
    Sink,
    StopRequest,
    by_replicate,
    simulate,
)
from planner.fleet.batches import MAX_ATTEMPTS, Batch, BatchQueue
from planner.host.problem import HostFailure, HostProblem, Outcome
from planner.workload.source import DemandSource

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
_OBJECT_STORE_BYTES = 1 << 30
_REACHABLE_WITHIN_S = 10.0
_STOP_SEEN_WITHIN_S = 0.2


class HostWorker:
    """Holds one simulation and runs batches of host problems on it, from start to end of each host."""

    def __init__(self, sim_factory: SimFactory, source: DemandSource) -> None:
        self._sim_factory = sim_factory
        self._source = source
        self._sim: SimulatesHosts | None = None

    def run_batch(self, problems: list[HostProblem]) -> tuple[list[Outcome], float]:
        """Return the outcome of each problem, in order, and the CPU time spent. [s]."""
        started_s = time.process_time()
        if self._sim is None:
            self._sim = self._sim_factory(self._source)
        outcomes = [simulate(self._sim, problem) for problem in problems]
        return outcomes, time.process_time() - started_s


class RayExecutor:
    """A pool of actors. Use as a context manager: leaving it stops the Ray that it started.

    Parameters
    ----------
    workers : int or None
        Number of actors; None: one per CPU of the cluster.
    address : str or None
        Cluster to join; None: start Ray on this machine, on the loopback interface only, without a dashboard.
    stop : StopRequest, optional
        From its request on no batch is handed out; those that take too long are given up with their actors.

    Notes
    -----
    Where Ray already runs in this process (a notebook, a test session) it is used and left running.
    """

    def __init__(self, workers: int | None = None, address: str | None = None, stop: StopRequest | None = None) -> None:
        self._workers = workers
        self._address = address
        self._stop = stop or StopRequest()
        self._is_owner = False
        self._actors: _Actors | None = None
        self._cpu_s = 0.0

    def __enter__(self) -> "RayExecutor":
        if not ray.is_initialized():
            self._is_owner = True
            _start(self._workers, self._address)
        return self

    def __exit__(self, *_: object) -> None:
        self._actors = None
        if self._is_owner:
            ray.shutdown()

    def run_problems(
        self,
        problems: Sequence[HostProblem],
        sim_factory: SimFactory,
        source: DemandSource,
        sink: Sink,
        progress: Progress,
    ) -> None:
        """Run every problem; see `planner.fleet.base.Executor`."""
        groups = by_replicate(problems)
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        n_cpus = max(1, int(resources.get("CPU", 1)))
        n_workers = min(self._workers or n_cpus, n_cpus)
        queue = BatchQueue(groups, n_workers)
        if self._actors is None or not self._actors.is_for(sim_factory, source):
            self._actors = _Actors(sim_factory, source)
        pool = _Pool(queue, problems, self._actors, self._stop)
        try:
            pool.start(min(n_workers, len(queue)))
            while pool.is_busy():
                outcomes, cpu_s = pool.wait()
                self._cpu_s += cpu_s
                for position, outcome in outcomes:
                    sink(position, outcome)
                progress(len(outcomes))
            if len(queue):
                raise StoppedError
        finally:
            pool.stop()

    def worker_cpu_s(self) -> float:
        """Return the CPU time spent on problems so far, over all workers. [s]."""
        return self._cpu_s


class _Actors:
    """Actors of one simulation; idle ones are kept, with the demand they have drawn, for the next stage of a sweep."""

    def __init__(self, sim_factory: SimFactory, source: DemandSource) -> None:
        self._made_for = (sim_factory, source)
        self._source_ref = ray.put(source)
        self._idle: list[Any] = []

    def is_for(self, sim_factory: SimFactory, source: DemandSource) -> bool:
        """Whether these actors hold that very simulation and source."""
        return self._made_for[0] is sim_factory and self._made_for[1] is source

    def take(self) -> Any:
        """Return an idle actor, or a new one."""
        if self._idle:
            return self._idle.pop()
        actor_class = ray.remote(HostWorker).options(num_cpus=1, max_restarts=0)
        return actor_class.remote(self._made_for[0], self._source_ref)

    def give_back(self, actor: Any) -> None:
        """Keep an actor that has nothing to do."""
        self._idle.append(actor)


class _Pool:
    """Which actor is running which batch."""

    def __init__(self, queue: BatchQueue, problems: Sequence[HostProblem], actors: _Actors, stop: StopRequest) -> None:
        self._queue = queue
        self._problems = problems
        self._actors = actors
        self._stop = stop
        self._running: dict[Any, tuple[Any, Batch]] = {}

    def start(self, n_actors: int) -> None:
        for _ in range(n_actors):
            self._give_work(self._actors.take(), None)

    def is_busy(self) -> bool:
        return bool(self._running)

    def wait(self) -> tuple[list[tuple[int, Outcome]], float]:
        """Wait for one batch; return its outcomes (none when it is to be repeated) and the CPU time it took."""
        ready = self._next_ready()
        actor, batch = self._running.pop(ready)
        try:
            outcomes, cpu_s = ray.get(ready)
        except RayActorError as error:
            if getattr(error, "actor_init_failed", False):
                hint = "install the same version of planner on every machine of the cluster"
                raise InputError("workers", f"cannot start: {_last_line(error)}", hint) from error
            given_up = self._queue.give_back(batch)
            self._give_work(self._actors.take(), None)
            message = f"its worker process died {MAX_ATTEMPTS} times: {_first_line(error)}"
            failure = HostFailure(message, is_final=False)
            return [(position, failure) for position in given_up], 0.0
        except RayTaskError as error:
            # Not one host's failure (those are outcomes): the simulation could not be set up at all.
            raise error.cause or error from None
        self._give_work(actor, batch.replicate)
        return list(zip(batch.positions, outcomes, strict=True)), cpu_s

    def _next_ready(self) -> Any:
        while True:
            ready, _ = ray.wait(list(self._running), num_returns=1, timeout=_STOP_SEEN_WITHIN_S)
            if ready:
                return ready[0]
            if self._stop.left_s() == 0.0:
                raise StoppedError

    def stop(self) -> None:
        for actor, _ in self._running.values():
            ray.kill(actor)

    def _give_work(self, actor: Any, last_replicate: int | None) -> None:
        batch = None if self._stop.is_asked() else self._queue.take(last_replicate)
        if batch is not None:
            message = [self._problems[position] for position in batch.positions]
            self._running[actor.run_batch.remote(message)] = (actor, batch)
        else:
            self._actors.give_back(actor)


def _start(workers: int | None, address: str | None) -> None:
    """Start Ray on this machine, or join a cluster; quiet either way.

    A Ray of our own binds to the loopback interface where `RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0` was set before Ray was
    imported (`planner.cli.environment` does so); its workers inherit the environment of this process.
    """
    quiet: Mapping[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address is None:
        ray.init(
            address="local",
            num_cpus=workers or len(os.sched_getaffinity(0)),
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            **quiet,
        )
        return
    _check_reachable(address)
    try:
        ray.init(address=address, runtime_env={"env_vars": ONE_THREAD}, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        hint = "check that the cluster runs and that its address is host:port"
        raise InputError(f"--ray-address {address}", f"cannot join: {_first_line(error)}", hint) from error


def _check_reachable(address: str) -> None:
    """Refuse an address where nothing listens: Ray itself would try for minutes. Names like "auto" are left to Ray."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_REACHABLE_WITHIN_S).close()
    except (OSError, OverflowError) as error:
        hint = "check that the cluster runs and that its address is host:port"
        raise InputError(f"--ray-address {address}", f"nothing answers there ({error})", hint) from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _last_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[-1]
