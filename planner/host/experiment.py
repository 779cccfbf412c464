"""A host whose page contents, guest classes and touches are written out: how measurements are replayed on the stack.

The same kernels, policy and presets as in a sweep; only the demand is given page by page instead of drawn.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from planner.host.build import HostVms, build_stack
from planner.host.costs import build_costs
from planner.host.pages import FleetPages
from planner.host.problem import HostProblem
from planner.host.results import build_out
from planner.host.simulator import translation_table
from planner.host.touches import VmTouches, age_buckets
from planner.kernels.account import Costs, Out
from planner.kernels.host_loop import simulate_tick, simulate_ticks
from planner.kernels.state import DemandPlan, Stack
from planner.streams import vm_keys
from planner.workload.fleet import VmTable, always_present
from planner.workload.touch import DemandPages


@dataclass(frozen=True)
class Experiment:
    """What is known of every VM of one host.

    Attributes
    ----------
    problem : HostProblem
        Host, policy and page scale; its `vm_idx` must be all rows of `vms`.
    vms : VmTable
    pages : FleetPages
        Contents and guest classes of all pages; the k-th page of a VM is the k-th that it touches first.
    granted : int32 array, shape (n_vms, n_ticks)
        Sampled pages touched since power-on; -1 while off.
    touches : tuple of VmTouches
        Pages that each VM touches again, tick by tick; a page twice in a tick is touched twice.
    tick_s : float
        Length of a tick. [s]
    """

    problem: HostProblem
    vms: VmTable
    pages: FleetPages
    granted: np.ndarray
    touches: tuple[VmTouches, ...]
    tick_s: float


class ExperimentRun:
    """One experiment under way: `stack` and `out` may be read between ticks.

    Attributes
    ----------
    stack : Stack
    costs : Costs
    out : Out
        The timeline is in sampled pages, columns as in `kernels.timeline`.
    """

    def __init__(self, experiment: Experiment) -> None:
        _check_pages(experiment)
        problem, n_ticks = experiment.problem, experiment.granted.shape[1]
        names = experiment.vms.names
        self.stack: Stack = _build(experiment)
        self.costs: Costs = build_costs(problem, experiment.tick_s, n_ticks, experiment.vms.vcpus)
        self.out: Out = build_out(len(names), n_ticks, experiment.vms.vcpus.astype(np.float64))
        self._table = translation_table(problem.host.cpu, problem.workload.tail, problem.host.page_tables)
        self._n_ticks = n_ticks

    def run(self) -> None:
        """Simulate all ticks in one compiled call."""
        simulate_ticks(self.stack, self.costs, self._table, self.out, (0, self._n_ticks))

    def ticks(self) -> Iterator[int]:
        """Simulate tick by tick; yields the number of each tick after it has run."""
        for tick in range(self._n_ticks):
            simulate_tick(self.stack, self.costs, self._table, self.out, tick)
            yield tick

    def run_part(self, first: int, end: int) -> None:
        """Simulate the ticks `first` .. `end` (left out) in one compiled call."""
        simulate_ticks(self.stack, self.costs, self._table, self.out, (first, end))

    def run_all(self) -> None:
        """Simulate all ticks in one compiled call: a Python step for each costs more than many a run."""
        simulate_ticks(self.stack, self.costs, self._table, self.out, (0, self._n_ticks))


def _check_pages(experiment: Experiment) -> None:
    """Refuse pages that a VM does not have: kernels do not look at bounds. Raises ValueError."""
    n_pages = np.diff(experiment.pages.start)
    most = experiment.granted.max(axis=1, initial=0)
    if (most > n_pages).any():
        row = int(np.argmax(most > n_pages))
        raise ValueError(f"VM {row} is granted {most[row]:,} pages and has {n_pages[row]:,}")
    for row, touches in enumerate(experiment.touches):
        if touches.page.size and not 0 <= touches.page.min() <= touches.page.max() < n_pages[row]:
            raise ValueError(f"VM {row} touches pages beyond its {n_pages[row]:,}")


def _build(experiment: Experiment) -> Stack:
    n_ticks = experiment.granted.shape[1]
    offsets = np.cumsum([0, *(vm.page.size for vm in experiment.touches)])
    start = np.stack([vm.start + offset for vm, offset in zip(experiment.touches, offsets[:-1], strict=True)])
    active = np.diff(start, axis=1).astype(np.float64)
    demand = DemandPages(np.diff(experiment.pages.start), experiment.granted.astype(np.int32), active)
    vms = HostVms(
        table=experiment.vms,
        keys=vm_keys(experiment.problem.seed, 0, experiment.vms.names),
        demand=demand,
        presence=always_present(len(experiment.vms)),
        tick_s=experiment.tick_s,
    )
    plan = DemandPlan(
        granted=demand.granted,
        active=active,
        touched_page=np.concatenate([vm.page for vm in experiment.touches]).astype(np.int32),
        touched_start=start.astype(np.int64),
        age_bucket=age_buckets(n_ticks),
        calm_overhead=np.zeros(active.shape),
        calm_bin=np.zeros(active.shape, dtype=np.uint8),
    )
    return build_stack(experiment.problem, vms, experiment.pages.with_small_keys(), plan)
