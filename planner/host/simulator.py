"""The plain class that executors drive: holds a fleet's demand, runs host problems one after the other."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from planner.config.catalog import load_cpu
from planner.config.page_tables import FOUR_LEVELS, PageTableSpec
from planner.config.spec import WorkloadSpec
from planner.errors import InvariantError
from planner.host.build import FleetState, build_stack
from planner.host.costs import build_costs
from planner.host.invariants import find_violation
from planner.host.objective import JudgedVms, objective_columns
from planner.host.pages import Compressible, DrawnPages, FleetPages, PageSource
from planner.host.problem import HostProblem, HostResult
from planner.host.reference_stream import HOST_STREAM
from planner.host.results import build_out, host_row, judged_run, slowdown_edges, timeline_bytes, vm_rows
from planner.host.touches import CalmTicks, TouchLaw, TouchStore, TouchStream
from planner.host.translation_store import load_or_measure
from planner.kernels.account import Costs, Out, fill_calm
from planner.kernels.host_loop import simulate_ticks
from planner.kernels.overhead import OverheadTable
from planner.kernels.state import Stack
from planner.streams import vm_keys
from planner.units import PAGE_BYTES
from planner.workload.fleet import Demand, always_present
from planner.workload.popularity import load_law
from planner.workload.source import DemandSource
from planner.workload.touch import TouchSchedule, build_touch_schedule

UNKNOWN_BUSY_SHARE = 0.1
"""Busy share of a VM's vCPUs where nothing is known: managed-hosting and private-cloud fleets run at 5 to 20 %."""

MOST_KEPT_PAGES = 1 << 24
"""Pages of a fleet, and touches of a host over the horizon, that are drawn once and kept for the next host: above it
they are drawn for each host. Changes nothing but memory and time."""

_KEPT_REPLICATES = 2
SECONDS_PER_DAY = 86_400.0

Ticked = Callable[[int], None]
"""Called with the number of ticks that have just been simulated."""


class _Load(NamedTuple):
    """What of the workload's assumptions the touches of a replicate depend on."""

    tail: str
    growth: float


class _Replicate(NamedTuple):
    demand: Demand
    keys: np.ndarray


class HostSim:
    """Simulate hosts of one fleet, one at a time, in this process.

    Parameters
    ----------
    source : DemandSource
        Where the demand of a replicate comes from; drawn once per replicate and kept for the next problem, so
        problems are best given grouped by replicate.
    """

    def __init__(self, source: DemandSource) -> None:
        self._source = source
        # Caches of this instance; a class-level lru_cache would keep every fleet ever simulated alive.
        self._replicate = lru_cache(_KEPT_REPLICATES)(self._draw_replicate)
        self._schedule = lru_cache(3 * _KEPT_REPLICATES)(self._build_schedule)
        self._calm = lru_cache(3 * _KEPT_REPLICATES)(self._build_calm)
        self._touches = lru_cache(_KEPT_REPLICATES)(self._build_touches)
        self._pages = lru_cache(_KEPT_REPLICATES)(self._build_pages)

    def run(self, problem: HostProblem, keep_timeline: bool = False, ticked: Ticked | None = None) -> HostResult:
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
        stack, costs, out, touches = self._prepare(problem)
        table = translation_table(problem.host.cpu, problem.workload.tail, problem.host.page_tables)
        for ticks, plan in touches.pieces(stack.plan, stack.knobs.is_quiet):
            simulate_ticks(stack._replace(plan=plan), costs, table, out, ticks)
            if ticked is not None:
                ticked(ticks[1] - ticks[0])
        violation = find_violation(stack)
        if violation:
            raise InvariantError(f"host {problem.host.name}, replicate {problem.replicate}: {violation}")
        n_ticks = out.timeline.shape[0]
        run = judged_run(out, costs)
        row = host_row(out, costs, run.timeline)
        vms = self._judged_vms(problem, stack.plan.granted[:, costs.first_judged_tick :] >= 0)
        return HostResult(
            host_row=row | objective_columns(problem, vms, run, row),
            vm_rows=vm_rows(out, costs, n_ticks - costs.first_judged_tick),
            timeline=timeline_bytes(out, costs) if keep_timeline else None,
        )

    def _judged_vms(self, problem: HostProblem, is_on: np.ndarray) -> JudgedVms:
        vm_idx = np.array(problem.vm_idx, dtype=np.int64)
        table = self._source.vms.take(vm_idx)
        presence = self._replicate(problem.seed, problem.replicate).demand.presence
        is_whole = always_present(len(table)).is_whole if presence is None else presence.is_whole[vm_idx]
        return JudgedVms(table, is_on | is_whole[:, np.newaxis])

    def prepare(self, problem: HostProblem) -> tuple[Stack, Costs, Out]:
        """Build the arrays of a host problem, ready for its first tick.

        The plan has the touches, unless there are too many to keep.
        """
        stack, costs, out, _ = self._prepare(problem)
        return stack, costs, out

    def _prepare(self, problem: HostProblem) -> tuple[Stack, Costs, Out, TouchStore | TouchStream]:
        seed, replicate, scale, load = problem.seed, problem.replicate, problem.page_scale, _load_of(problem.workload)
        drawn = self._replicate(seed, replicate)
        vm_idx = np.array(problem.vm_idx, dtype=np.int64)
        touches = self._touch_source(problem, vm_idx)
        fleet = FleetState(
            vms=self._source.vms,
            keys=drawn.keys,
            pages=self._page_source(problem),
            schedule=self._schedule(seed, replicate, scale, load),
            touches=touches,
            calm=self._calm(seed, replicate, scale, load, (problem.host.cpu, problem.host.page_tables)),
            presence=drawn.demand.presence or always_present(len(self._source.vms)),
            tick_s=drawn.demand.tick_s,
        )
        stack = build_stack(problem, fleet)
        busy = drawn.demand.cpu_busy_vcpus[vm_idx]
        busy = np.where(np.isnan(busy), UNKNOWN_BUSY_SHARE * self._source.vms.vcpus[vm_idx], busy)
        n_ticks = drawn.demand.n_ticks
        costs = build_costs(problem, float(drawn.demand.tick_s), n_ticks, self._source.vms.vcpus[vm_idx])
        return stack, costs, build_out(vm_idx.size, n_ticks, busy), touches

    def _touch_source(self, problem: HostProblem, vm_idx: np.ndarray) -> TouchStore | TouchStream:
        named = (problem.seed, problem.replicate, problem.page_scale, _load_of(problem.workload))
        if self._schedule(*named).active_pages[vm_idx].sum() > MOST_KEPT_PAGES:
            return TouchStream(self._touch_law(*named), vm_idx)
        return self._touches(*named)

    def _page_source(self, problem: HostProblem) -> PageSource:
        seed, replicate, scale, workload = problem.seed, problem.replicate, problem.page_scale, problem.workload
        compression = problem.hypervisor.compression
        sizes = Compressible(compression.quarter_fraction, compression.compressible_fraction)
        if self._schedule(seed, replicate, scale, _load_of(workload)).n_pages.sum() > MOST_KEPT_PAGES:
            return self._drawn_pages(seed, replicate, scale, workload, sizes)
        return self._pages(seed, replicate, scale, workload, sizes)

    def _draw_replicate(self, seed: int, replicate: int) -> _Replicate:
        return _Replicate(self._source.demand(replicate), vm_keys(seed, replicate, self._source.vms.names))

    def _build_schedule(self, seed: int, replicate: int, scale: int, load: _Load) -> TouchSchedule:
        demand = self._replicate(seed, replicate).demand.grown(load.growth)
        return build_touch_schedule(self._source.vms, demand, load_law(load.tail), scale)

    def _build_calm(
        self, seed: int, replicate: int, scale: int, load: _Load, translator: tuple[str, PageTableSpec]
    ) -> CalmTicks:
        active = self._schedule(seed, replicate, scale, load).active_pages
        calm = CalmTicks(np.empty(active.shape), np.empty(active.shape, dtype=np.uint8))
        cpu, page_tables = translator
        table = translation_table(cpu, load.tail, page_tables)
        fill_calm(active, float(scale * PAGE_BYTES), table, slowdown_edges(), calm.overhead, calm.bin)
        return calm

    def _build_touches(self, seed: int, replicate: int, scale: int, load: _Load) -> TouchStore:
        return TouchStore(self._touch_law(seed, replicate, scale, load))

    def _touch_law(self, seed: int, replicate: int, scale: int, load: _Load) -> TouchLaw:
        drawn = self._replicate(seed, replicate)
        drift_per_tick = load_law(load.tail).drift_per_day * drawn.demand.tick_s / SECONDS_PER_DAY
        return TouchLaw(self._schedule(seed, replicate, scale, load), drawn.keys, drift_per_tick)

    def _build_pages(
        self, seed: int, replicate: int, scale: int, workload: WorkloadSpec, compressible: Compressible
    ) -> FleetPages:
        drawn = self._drawn_pages(seed, replicate, scale, workload, compressible)
        return drawn.take(np.arange(len(self._source.vms)))

    def _drawn_pages(
        self, seed: int, replicate: int, scale: int, workload: WorkloadSpec, compressible: Compressible
    ) -> DrawnPages:
        keys = self._replicate(seed, replicate).keys
        n_pages = self._schedule(seed, replicate, scale, _load_of(workload)).n_pages
        return DrawnPages(self._source.vms, keys, n_pages, workload, compressible)


def _load_of(workload: WorkloadSpec) -> _Load:
    return _Load(workload.tail, workload.growth)


@lru_cache(16)
def translation_table(cpu: str, tail: str, page_tables: PageTableSpec = FOUR_LEVELS) -> OverheadTable:
    """Return what translation costs on `cpu` under the popularity law of `tail`, measured once per installation."""
    levels = HOST_STREAM._replace(guest_levels=page_tables.guest_levels, host_levels=page_tables.host_levels)
    return load_or_measure(load_cpu(cpu), load_law(tail).alpha, levels)
