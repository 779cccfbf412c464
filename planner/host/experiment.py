"""A host whose page contents, guest classes and touches are written out: how measurements are replayed on the stack.

The same kernels, policy and presets as in a sweep; only the demand is given page by page instead of drawn.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from planner.host.build import FleetState, build_stack
from planner.host.costs import build_costs
from planner.host.pages import FleetPages
from planner.host.problem import HostProblem
from planner.host.results import build_out
from planner.host.simulator import translation_table
from planner.host.touches import CalmTicks, VmTouches, age_buckets
from planner.kernels.account import Costs, Out
from planner.kernels.host_loop import simulate_tick, simulate_ticks
from planner.kernels.state import DemandPlan, Stack
from planner.streams import vm_keys
from planner.workload.fleet import VmTable, always_present
from planner.workload.touch import TouchSchedule

_NO_DRIFT = np.zeros(0)


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
        problem, n_ticks = experiment.problem, experiment.granted.shape[1]
        names = experiment.vms.names
        self.stack: Stack = build_stack(problem, _fleet_state(experiment, vm_keys(problem.seed, 0, names)))
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


def _fleet_state(experiment: Experiment, keys: np.ndarray) -> FleetState:
    n_pages = np.diff(experiment.pages.start)
    schedule = TouchSchedule(
        n_pages=n_pages,
        clock=np.zeros(experiment.granted.shape, dtype=np.uint32),
        granted_pages=experiment.granted.astype(np.int32),
        active_pages=np.zeros(experiment.granted.shape),
        clock_unit=np.ones(n_pages.size),
        gap=_NO_DRIFT,
    )
    shape = experiment.granted.shape
    return FleetState(
        vms=experiment.vms,
        keys=keys,
        pages=experiment.pages.with_small_keys(),
        schedule=schedule,
        touches=_WrittenTouches(experiment),
        calm=CalmTicks(np.zeros(shape), np.zeros(shape, dtype=np.uint8)),
        presence=always_present(len(experiment.vms)),
        tick_s=experiment.tick_s,
    )


class _WrittenTouches:
    """Touches as the experiment has them, in the shape the stack wants."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment

    def plan(self, vm_idx: np.ndarray, is_quiet: bool, calm: CalmTicks) -> DemandPlan:
        granted, touches = self._experiment.granted, self._experiment.touches
        shape = granted.shape
        offsets = np.cumsum([0, *(vm.page.size for vm in touches)])
        start = np.stack([vm.start + offset for vm, offset in zip(touches, offsets[:-1], strict=True)])
        return DemandPlan(
            granted=granted.astype(np.int32),
            active=np.diff(start, axis=1).astype(np.float64),
            touched_page=np.concatenate([vm.page for vm in touches]).astype(np.int32),
            touched_start=start.astype(np.int64),
            age_bucket=age_buckets(shape[1]),
            calm_overhead=calm.overhead,
            calm_bin=calm.bin,
        )
