"""Run host problems one after the other in this process."""

from collections.abc import Sequence

from planner.errors import StoppedError
from planner.fleet.base import Progress, SimFactory, Sink, StopRequest, by_replicate, simulate
from planner.host.problem import HostProblem
from planner.workload.source import DemandSource


class LocalExecutor:
    """The executor without a cluster: for tests, small sweeps and debugging.

    Parameters
    ----------
    stop : StopRequest, optional
        Read between hosts. A host that is being simulated is finished first, however long it takes.
    """

    def __init__(self, stop: StopRequest | None = None) -> None:
        self._stop = stop or StopRequest()

    def run_problems(
        self,
        problems: Sequence[HostProblem],
        sim_factory: SimFactory,
        source: DemandSource,
        sink: Sink,
        progress: Progress,
    ) -> None:
        """Run every problem; see `planner.fleet.base.Executor`."""
        sim = sim_factory(source)
        for positions in by_replicate(problems).values():
            for position in positions:
                if self._stop.is_asked():
                    raise StoppedError
                sink(position, simulate(sim, problems[position]))
                progress(1)

    def worker_cpu_s(self) -> float:
        """Return 0: all work is done in this process. [s]."""
        return 0.0
