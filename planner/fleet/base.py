"""What executors have in common: they run host problems and hand each outcome to a sink. No Ray here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from planner.host.problem import HostProblem, HostResult
from planner.workload.source import DemandSource


@dataclass(frozen=True)
class HostFailure:
    """Why the simulation of one host gave no result, in one line."""

    message: str


Outcome = HostResult | HostFailure

Sink = Callable[[int, Outcome], None]
"""Called once per problem, in any order, with its position and what came of it."""

Progress = Callable[[int], None]
"""Called with the number of problems that have just been finished."""


class SimulatesHosts(Protocol):
    """What a simulation factory makes: `planner.host.simulator.HostSim`, or a stand-in for it."""

    def run(self, problem: HostProblem, keep_timeline: bool = False) -> HostResult:
        """Simulate one host from start to end; a pure function of the source, the problem and its seed."""
        ...


SimFactory = Callable[[DemandSource], SimulatesHosts]


class Executor(Protocol):
    """Runs host problems. Which executor, and how many workers it has, never changes an outcome."""

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
        """
        ...

    def worker_cpu_s(self) -> float:
        """Return the CPU time spent on problems so far in other processes than this one. [s]."""
        ...


def simulate(sim: SimulatesHosts, problem: HostProblem) -> Outcome:
    """Run one problem; whatever it raises becomes a HostFailure, so that the sweep goes on."""
    try:
        return sim.run(problem)
    except Exception as error:  # a host that fails by itself must not take the others with it
        return HostFailure(f"{type(error).__name__}: {' '.join(str(error).split())}")


def by_replicate(problems: Sequence[HostProblem]) -> dict[int, list[int]]:
    """Group positions by replicate, both ascending."""
    groups: dict[int, list[int]] = {}
    for position, problem in enumerate(problems):
        groups.setdefault(problem.replicate, []).append(position)
    return dict(sorted(groups.items()))
