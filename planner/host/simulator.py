"""The plain class that executors drive: runs the host problems of one fleet, one after the other."""

from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from planner.config.catalog import load_cpu
from planner.config.cpu import CpuSpec
from planner.config.page_tables import FOUR_LEVELS, PageTableSpec
from planner.errors import InvariantError
from planner.host.build import HostVms, build_stack
from planner.host.calm import build_calm_table
from planner.host.costs import build_costs
from planner.host.invariants import find_violation
from planner.host.objective import JudgedVms, objective_columns
from planner.host.pages import Compressible, DrawnPages
from planner.host.problem import HostProblem, HostResult
from planner.host.quiet import count_quiet, find_quiet
from planner.host.reference_stream import HOST_STREAM
from planner.host.results import build_out, host_row, judged_run, timeline_bytes, vm_rows
from planner.host.touches import Piece, TouchLaw, piece_by_piece, untouched_plan, whole_horizon
from planner.host.translation_store import load_or_measure
from planner.host.vm_store import KEPT_BYTES, VmStore
from planner.kernels.account import Costs, Out
from planner.kernels.host_loop import simulate_ticks
from planner.kernels.overhead import OverheadTable
from planner.kernels.state import Stack
from planner.streams import vm_keys
from planner.units import PAGE_BYTES
from planner.workload.fleet import Demand, always_present
from planner.workload.popularity import load_law
from planner.workload.source import DemandSource
from planner.workload.touch import count_pages, demand_pages

UNKNOWN_BUSY_SHARE = 0.1
"""Busy share of a VM's vCPUs where nothing is known: managed-hosting and private-cloud fleets run at 5 to 20 %."""

MOST_KEPT_TOUCHES = 1 << 24
"""Touches of a host over the horizon that are drawn at once and kept for the next host: above it they are drawn piece
by piece for each host. Changes nothing but memory and time."""

Ticked = Callable[[int], None]
"""Called with the number of ticks that have just been simulated."""


def _tell_nobody(n_ticks: int) -> None:
    """Take no notice of progress."""


class _Load(NamedTuple):
    """A host's VMs, in the order of the problem, and what only parts of the simulation need of them."""

    vm_idx: np.ndarray
    demand: Demand
    vms: HostVms
    translation: OverheadTable

    @property
    def busy_vcpus(self) -> np.ndarray:
        busy = self.demand.cpu_busy_vcpus
        return np.where(np.isnan(busy), UNKNOWN_BUSY_SHARE * self.vms.table.vcpus, busy)


class HostSim:
    """Simulate hosts of one fleet, one at a time, in this process.

    Parameters
    ----------
    source : DemandSource
        Where the demand of the VMs comes from. What is drawn of a VM is kept for the next problem that has it, so
        problems with the same VMs are best given one after the other.
    kept_bytes : int
        Most bytes that are kept between problems. Changes nothing but memory and time.
    """

    def __init__(self, source: DemandSource, kept_bytes: int = KEPT_BYTES) -> None:
        self._source = source
        self._store = VmStore(source, kept_bytes)

    @property
    def kept_bytes(self) -> int:
        """Bytes that are kept now for the next problem."""
        return self._store.held_bytes

    def run(self, problem: HostProblem, keep_timeline: bool = False, ticked: Ticked = _tell_nobody) -> HostResult:
        """Simulate one host from start to end.

        Parameters
        ----------
        problem : HostProblem
        keep_timeline : bool
            Whether the result has the host's counters by tick.
        ticked : callable, optional
            Told of progress; a host with few pages is done in one go.

        Raises
        ------
        InvariantError
            The stack broke one of its own rules.
        """
        load = self._load(problem)
        costs, out = _account(problem, load)
        quiet = find_quiet(problem, load.vms)
        if quiet is None:
            self._simulate(problem, load, costs, out, ticked)
        else:
            count_quiet(quiet, costs, load.translation, out)
            ticked(out.timeline.shape[0])
        run = judged_run(out, costs)
        row = host_row(out, costs, run)
        return HostResult(
            host_row=row | objective_columns(problem, _judged_vms(load, costs), run, row),
            vm_rows=vm_rows(out, costs, out.timeline.shape[0] - costs.first_judged_tick),
            timeline=timeline_bytes(out, costs) if keep_timeline else None,
        )

    def is_quiet(self, problem: HostProblem) -> bool:
        """Say whether no mechanism can ever act on a host, so that its pages need not be played."""
        return find_quiet(problem, self._load(problem).vms) is not None

    def count(self, problem: HostProblem) -> Out:
        """Count a quiet host without building a stack: what the kernels would have filled. ValueError for others."""
        load = self._load(problem)
        quiet = find_quiet(problem, load.vms)
        if quiet is None:
            raise ValueError(f"host {problem.host.name} is not quiet")
        costs, out = _account(problem, load)
        count_quiet(quiet, costs, load.translation, out)
        return out

    def prepare(self, problem: HostProblem) -> tuple[Stack, Costs, Out]:
        """Build the arrays of a host problem, ready for its first tick, with all touches, whether quiet or not."""
        load = self._load(problem)
        stack, law = self._build(problem, load)
        touches = self._store.touches(_touches_key(problem), load.vm_idx, law)
        (piece,) = whole_horizon(stack.plan, touches)
        return stack._replace(plan=piece.plan), *_account(problem, load)

    def _load(self, problem: HostProblem) -> _Load:
        vm_idx = np.array(problem.vm_idx, dtype=np.int64)
        table = self._source.vms.take(vm_idx)
        demand = self._store.demand(problem.replicate, vm_idx).grown(problem.workload.growth)
        vms = HostVms(
            table=table,
            keys=vm_keys(problem.seed, problem.replicate, table.names),
            demand=demand_pages(demand, count_pages(table.configured_bytes, problem.page_scale)),
            presence=demand.presence or always_present(vm_idx.size),
            tick_s=demand.tick_s,
        )
        host, tail = problem.host, problem.workload.tail
        return _Load(vm_idx, demand, vms, translation_table(host.cpu, tail, host.page_tables))

    def _simulate(self, problem: HostProblem, load: _Load, costs: Costs, out: Out, ticked: Ticked) -> None:
        """Play all ticks of a host, page by page."""
        stack, law = self._build(problem, load)
        for ticks, plan in self._pieces(problem, load, stack, law):
            simulate_ticks(stack._replace(plan=plan), costs, load.translation, out, ticks)
            ticked(ticks[1] - ticks[0])
        violation = find_violation(stack)
        if violation:
            raise InvariantError(f"host {problem.host.name}, replicate {problem.replicate}: {violation}")

    def _build(self, problem: HostProblem, load: _Load) -> tuple[Stack, TouchLaw]:
        """Build the stack of a host, without touches, and what these are drawn from."""
        vms, workload, compression = load.vms, problem.workload, problem.hypervisor.compression
        sizes = Compressible(compression.quarter_fraction, compression.compressible_fraction)
        pages = DrawnPages(vms.table.images, vms.keys, vms.demand.n_pages, workload, sizes).draw()
        page_bytes = float(problem.page_scale * PAGE_BYTES)
        calm_key = (*_touches_key(problem), problem.host.cpu, problem.host.page_tables)
        table = build_calm_table(load.translation, 0.0)
        calm = self._store.calm(calm_key, load.vm_idx, vms.demand.active, page_bytes, table)
        stack = build_stack(problem, vms, pages, untouched_plan(vms.demand, calm))
        return stack, TouchLaw(load.demand, vms.demand, vms.keys, load_law(workload.tail))

    def _pieces(self, problem: HostProblem, load: _Load, stack: Stack, law: TouchLaw) -> Iterator[Piece]:
        if law.pages.active.sum() > MOST_KEPT_TOUCHES:
            return piece_by_piece(stack.plan, law)
        return whole_horizon(stack.plan, self._store.touches(_touches_key(problem), load.vm_idx, law))


def _touches_key(problem: HostProblem) -> tuple[Hashable, ...]:
    """Name what the touches of a VM depend on besides the VM itself."""
    workload = problem.workload
    return problem.seed, problem.replicate, problem.page_scale, workload.tail, workload.growth


def _account(problem: HostProblem, load: _Load) -> tuple[Costs, Out]:
    n_ticks = load.demand.n_ticks
    costs = build_costs(problem, float(load.demand.tick_s), n_ticks, load.vms.table.vcpus)
    return costs, build_out(load.vm_idx.size, n_ticks, load.busy_vcpus)


def _judged_vms(load: _Load, costs: Costs) -> JudgedVms:
    return JudgedVms(load.vms.table, load.vms.presence.is_whole, load.vms.demand.granted[:, costs.first_judged_tick :])


@lru_cache(16)
def translation_table(cpu: str | CpuSpec, tail: str, page_tables: PageTableSpec = FOUR_LEVELS) -> OverheadTable:
    """Return what translation costs on `cpu` under the popularity law of `tail`, measured once per installation."""
    levels = HOST_STREAM._replace(guest_levels=page_tables.guest_levels, host_levels=page_tables.host_levels)
    return load_or_measure(load_cpu(cpu), load_law(tail).alpha, levels)
