"""Run host problems one after the other in this process."""

import time
from collections.abc import Sequence

from planner.fleet.base import Progress, SimFactory, Sink, by_replicate, simulate
from planner.host.problem import HostProblem
from planner.workload.source import DemandSource


class LocalExecutor:
    """The executor without a cluster: for tests, small sweeps and debugging."""

    def __init__(self) -> None:
        self._cpu_s = 0.0

    def run_problems(
        self,
        problems: Sequence[HostProblem],
        sim_factory: SimFactory,
        source: DemandSource,
        sink: Sink,
        progress: Progress,
    ) -> None:
        """Run every problem; see `planner.fleet.base.Executor`."""
        started_s = time.process_time()
        sim = sim_factory(source)
        for positions in by_replicate(problems).values():
            for position in positions:
                sink(position, simulate(sim, problems[position]))
                progress(1)
        self._cpu_s += time.process_time() - started_s

    def cpu_s(self) -> float:
        """Return the CPU time spent on problems so far. [s]."""
        return self._cpu_s
