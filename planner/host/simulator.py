"""The plain class that executors drive: holds a fleet's demand, runs host problems one after the other."""

from planner.host.problem import HostProblem, HostResult
from planner.workload.source import DemandSource


class HostSim:
    """Simulate hosts of one fleet, one at a time, in this process.

    Parameters
    ----------
    source : DemandSource
        Where the demand of a replicate comes from; drawn once per replicate and kept for the next problem.
    """

    def __init__(self, source: DemandSource) -> None:
        self._source = source

    def run(self, problem: HostProblem, keep_timeline: bool = False) -> HostResult:
        """Simulate one host from start to end.

        Raises
        ------
        InvariantError
            The stack broke one of its own rules.
        """
        raise NotImplementedError(problem, keep_timeline)
