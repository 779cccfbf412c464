"""What executors have in common: they run host problems and hand each outcome to a sink. No Ray here."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from planner.errors import StoppedError
from planner.fleet.ordering import by_vms
from planner.host.problem import HostFailure, HostProblem, HostResult, Outcome
from planner.workload.source import DemandSource

Sink = Callable[[int, Outcome], None]
"""Called once per problem, in any order, with its position and what came of it."""

Progress = Callable[[int], None]
"""Called with the number of problems that have just been finished."""


PATIENCE_S = 2.0
"""How long the work at hand may go on after a request to stop; ending Ray takes one to two seconds more. [s]"""


class StopRequest:
    """Whether the work is to end early. Set by a signal handler, read by executors between hosts and batches.

    From the request on an executor starts nothing new. What runs may finish within `PATIENCE_S`, and is stored; what
    takes longer is given up, and `run_problems` raises `StoppedError`.
    """

    def __init__(self) -> None:
        self._until_s = math.inf

    def ask(self, patience_s: float = PATIENCE_S) -> None:
        """Ask to stop; asked again, the first request counts."""
        self._until_s = min(self._until_s, time.monotonic() + patience_s)

    def is_asked(self) -> bool:
        """Whether nothing new is to be started."""
        return self._until_s < math.inf

    def left_s(self) -> float:
        """Return how long the work at hand may still take: without a request for ever, in the end 0. [s]."""
        return max(0.0, self._until_s - time.monotonic())


class SimulatesHosts(Protocol):
    """What a simulation factory makes: `planner.host.simulator.HostSim`, or a stand-in for it."""

    def run(self, problem: HostProblem, keep_timeline: bool = False) -> HostResult:
        """Simulate one host from start to end; a pure function of the source, the problem and its seed."""
        ...


SimFactory = Callable[[DemandSource], SimulatesHosts]


class Executor(Protocol):
    """Runs host problems. Which executor, and how many workers it has, never changes an outcome.

    Executors are made with a `StopRequest`, or without one where nobody may stop them.
    """

    def run_problems(
        self,
        problems: Sequence[HostProblem],
        sim_factory: SimFactory,
        source: DemandSource,
        sink: Sink,
        progress: Progress,
    ) -> None:
        """Run every problem once and pass each outcome to the sink.

        Parameters
        ----------
        problems : sequence of HostProblem
            In any order; executors group them by replicate, so that demand is drawn seldom.
        sim_factory : callable
            Picklable; makes a simulation from the source.
        source : DemandSource
            The fleet that `vm_idx` of the problems counts in.
        sink : callable
            Takes (position in `problems`, outcome), once for each, in any order.
        progress : callable
            Takes the number of problems just finished.

        Raises
        ------
        Exception
            Whatever `sim_factory` raised: then no host can be simulated.
        StoppedError
            The executor was asked to stop before all was done; the sink has what was.
        """
        ...

    def worker_cpu_s(self) -> float:
        """Return the CPU time spent on problems so far in other processes than this one. [s]."""
        ...


def simulate(sim: SimulatesHosts, problem: HostProblem) -> Outcome:
    """Run one problem; whatever it raises becomes a HostFailure, so that the sweep goes on.

    Raises
    ------
    StoppedError
        By a signal handler, in the middle of the host: the user's wish is no failure of that host.
    """
    try:
        return sim.run(problem)
    except StoppedError:
        raise
    except Exception as error:  # a host that fails by itself must not take the others with it
        message = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return HostFailure(message, is_final=not isinstance(error, MemoryError))


def by_replicate(problems: Sequence[HostProblem]) -> dict[int, list[int]]:
    """Group positions by replicate, ascending; within one in an order that lets hosts reuse what others have drawn."""
    groups: dict[int, list[int]] = {}
    for position, problem in enumerate(problems):
        groups.setdefault(problem.replicate, []).append(position)
    return {replicate: by_vms(problems, positions) for replicate, positions in sorted(groups.items())}
