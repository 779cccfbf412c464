"""Run host problems on Ray: on this machine by default, or on a cluster that is joined.

Ray runs in a process of its own (`planner.fleet.driver`). Outcomes come back as they are found, so when that process is
lost, with Ray's head or without, only what was running then is simulated again.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from planner.errors import InputError, LostError, StoppedError
from planner.fleet.base import Progress, SimFactory, Sink, StopRequest
from planner.fleet.channel import Done, Failed, Finished, Hold, Lost, Run, Say, Started, Stop, unpack_outcomes
from planner.fleet.driver_process import DriverProcess
from planner.fleet.join import check_reachable
from planner.host.problem import HostProblem
from planner.workload.source import DemandSource

_LOOKS_EVERY_S = 0.2
_SILENT_FOR_S = 300.0
_HEARD_OUT_S = 10.0
_MOST_LOSSES = 3
"""Times that Ray may be lost without a host done in between, before the sweep ends."""
_BACK_WITHIN_S = 60.0
_TRIES_EVERY_S = 2.0


class RayExecutor:
    """Workers on Ray. Use as a context manager: leaving it ends the Ray that it started.

    Parameters
    ----------
    workers : int or None
        Number of workers; None: one per CPU of the cluster.
    address : str or None
        Cluster to join; None: start Ray on this machine, on the loopback interface only, without a dashboard.
    stop : StopRequest, optional
        From its request on no batch is handed out; those that take too long are given up with their actors.
    say : callable, optional
        Takes a line for the user: what was lost and is done again, what is waited for.
    hangs_after_s : float
        Time within which no worker is given up because it does not answer. [s]

    Notes
    -----
    Entering it returns at once: Ray starts while the caller prepares what it is to run.
    """

    def __init__(
        self,
        workers: int | None = None,
        address: str | None = None,
        stop: StopRequest | None = None,
        say: Callable[[str], None] = lambda text: None,
        hangs_after_s: float = 600.0,
    ) -> None:
        self._workers = workers
        self._address = address
        self._stop = stop or StopRequest()
        self._say = say
        self._hangs_after_s = hangs_after_s
        self._driver: DriverProcess | None = None
        self._held: tuple[SimFactory, DemandSource] | None = None
        self._is_started = False
        self._cpu_s = 0.0

    def __enter__(self) -> "RayExecutor":
        if self._address is not None:
            check_reachable(self._address)
        self._driver = DriverProcess(self._workers, self._address, self._hangs_after_s)
        return self

    def __exit__(self, *_: object) -> None:
        self._end_driver()

    def run_problems(
        self,
        problems: Sequence[HostProblem],
        sim_factory: SimFactory,
        source: DemandSource,
        sink: Sink,
        progress: Progress,
    ) -> None:
        """Run every problem; see `planner.fleet.base.Executor`.

        Raises
        ------
        LostError
            Ray was lost, and could not be started or joined again.
        """
        work = _Work(problems, sink, progress)
        n_losses = 0
        while work.left:
            n_left = len(work.left)
            try:
                self._run(work, sim_factory, source)
            except _DriverLostError as lost:
                n_losses = n_losses + 1 if len(work.left) == n_left else 1
                self._end_driver()
                work.has_losses = True
                if n_losses > _MOST_LOSSES:
                    raise self._lost(lost.reason, work) from lost
                self._restart(lost.reason, work)

    def worker_cpu_s(self) -> float:
        """Return the CPU time spent on problems so far, over all workers. [s]."""
        return self._cpu_s

    def driver_pid(self) -> int | None:
        """Return the number of the process that runs Ray; None where there is none."""
        return None if self._driver is None else self._driver.pid

    def _run(self, work: "_Work", sim_factory: SimFactory, source: DemandSource) -> None:
        """Run what is left with the driver at hand."""
        assert self._driver is not None  # entered, and started again after each loss
        driver = self._driver
        try:
            if self._held is None or self._held[0] is not sim_factory or self._held[1] is not source:
                driver.channel.send(Hold(sim_factory, source))
                self._held = (sim_factory, source)
            work.begin()
            driver.channel.send(Run([work.problems[position] for position in work.sent]))
            self._follow(driver, work)
        except EOFError as error:
            raise _DriverLostError("its driver ended") from error
        except OSError as error:  # it closed its end: what it had to say before may still be there
            self._hear_out(driver, work)
            raise _DriverLostError("its driver ended") from error

    def _follow(self, driver: DriverProcess, work: "_Work") -> None:
        is_asked, heard_s = False, time.monotonic()
        while True:
            if self._stop.is_asked() and not is_asked:
                is_asked = True
                driver.channel.send(Stop())
            if self._stop.left_s() == 0.0:
                raise StoppedError
            if not driver.channel.has_message(min(_LOOKS_EVERY_S, self._stop.left_s())):
                if time.monotonic() - heard_s > _SILENT_FOR_S:
                    raise _DriverLostError(f"nothing was heard of it for {_SILENT_FOR_S:.0f} s")
                continue
            heard_s = time.monotonic()
            if self._take(driver.channel.receive(), work):
                if work.left:
                    raise StoppedError
                return

    def _hear_out(self, driver: DriverProcess, work: "_Work") -> None:
        with suppress(EOFError, OSError):
            while driver.channel.has_message(_HEARD_OUT_S):
                self._take(driver.channel.receive(), work)

    def _take(self, message: Any, work: "_Work") -> bool:
        """Take a message in; return whether the run is finished."""
        if isinstance(message, Done):
            self._cpu_s += message.cpu_s
            work.take(message)
        elif isinstance(message, Say):
            self._say(message.text)
        elif isinstance(message, Started):
            self._is_started = True
        elif isinstance(message, Failed):
            if work.has_losses and not self._is_started:
                raise _DriverLostError(str(message.error))
            raise message.error
        elif isinstance(message, Lost):
            raise _DriverLostError(message.reason)
        return isinstance(message, Finished)

    def _restart(self, reason: str, work: "_Work") -> None:
        """Start Ray, or join the cluster, again; a cluster's head may need a minute to come back."""
        if self._stop.is_asked():
            raise StoppedError
        again = "starting it again" if self._address is None else "joining it again"
        self._say(f"{self._name()} was lost ({reason}); {again}. {work.n_done} of {work.n_all} hosts are done")
        until_s = time.monotonic() + _BACK_WITHIN_S
        while self._address is not None:
            try:
                check_reachable(self._address)
                break
            except InputError as error:
                if time.monotonic() > until_s:
                    raise self._lost(reason, work) from error
                time.sleep(min(_TRIES_EVERY_S, self._stop.left_s()))
                if self._stop.is_asked():
                    raise StoppedError from error
        self._driver = DriverProcess(self._workers, self._address, self._hangs_after_s)

    def _lost(self, reason: str, work: "_Work") -> LostError:
        done = f"{work.n_done} of {work.n_all} hosts of this stage are done"
        return LostError(f"{self._name()} was lost for good ({reason}); {done}")

    def _name(self) -> str:
        return "Ray" if self._address is None else f"the Ray cluster at {self._address}"

    def _end_driver(self) -> None:
        if self._driver is not None:
            self._driver.close()
        self._driver, self._held, self._is_started = None, None, False


class _Work:
    """The problems of a stage, and which of them have no outcome yet."""

    def __init__(self, problems: Sequence[HostProblem], sink: Sink, progress: Progress) -> None:
        self.problems = problems
        self.left = dict.fromkeys(range(len(problems)))
        self.sent: list[int] = []
        self.has_losses = False
        self._sink = sink
        self._progress = progress

    @property
    def n_all(self) -> int:
        return len(self.problems)

    @property
    def n_done(self) -> int:
        return len(self.problems) - len(self.left)

    def begin(self) -> None:
        """Send what is left; positions that come back count in it."""
        self.sent = list(self.left)

    def take(self, done: Done) -> None:
        """Pass outcomes on, each once."""
        for at, outcome in zip(done.positions, unpack_outcomes(done.outcomes), strict=True):
            position = self.sent[at]
            del self.left[position]
            self._sink(position, outcome)
        self._progress(len(done.positions))


class _DriverLostError(Exception):
    """The process that runs Ray, or Ray, is gone."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
