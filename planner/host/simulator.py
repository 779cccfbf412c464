"""The plain class that executors drive: holds a fleet's demand, runs host problems one after the other."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from planner.config.catalog import load_cpu
from planner.config.spec import WorkloadSpec
from planner.errors import InvariantError
from planner.host.build import FleetState, build_stack
from planner.host.costs import build_costs
from planner.host.invariants import find_violation
from planner.host.pages import FleetPages, build_fleet_pages
from planner.host.problem import HostProblem, HostResult
from planner.host.results import build_out, host_row, slowdown_edges, timeline_bytes, vm_rows
from planner.host.touches import CalmTicks, TouchStore
from planner.host.translation import StreamAssumptions, build_translation_table
from planner.kernels.account import Costs, Out, fill_calm
from planner.kernels.host_loop import simulate_host
from planner.kernels.overhead import OverheadTable
from planner.kernels.state import Stack
from planner.streams import vm_keys
from planner.units import PAGE_BYTES
from planner.workload.fleet import Demand
from planner.workload.popularity import load_law
from planner.workload.source import DemandSource
from planner.workload.touch import TouchSchedule, build_touch_schedule

UNKNOWN_BUSY_SHARE = 0.1
"""Busy share of a VM's vCPUs where nothing is known: managed-hosting and private-cloud fleets run at 5 to 20 %."""

_KEPT_REPLICATES = 2
SECONDS_PER_DAY = 86_400.0


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
        self._touches = lru_cache(_KEPT_REPLICATES)(self._build_touches)
        self._pages = lru_cache(_KEPT_REPLICATES)(self._build_pages)

    def run(self, problem: HostProblem, keep_timeline: bool = False) -> HostResult:
        """Simulate one host from start to end.

        Raises
        ------
        InvariantError
            The stack broke one of its own rules.
        """
        stack, costs, out = self.prepare(problem)
        simulate_host(stack, costs, translation_table(problem.host.cpu, problem.workload.tail), out)
        violation = find_violation(stack)
        if violation:
            raise InvariantError(f"host {problem.host.name}, replicate {problem.replicate}: {violation}")
        n_ticks = out.timeline.shape[0]
        return HostResult(
            host_row=host_row(out, costs, problem.slo),
            vm_rows=vm_rows(out, costs, n_ticks - costs.first_judged_tick),
            timeline=timeline_bytes(out, costs) if keep_timeline else None,
        )

    def prepare(self, problem: HostProblem) -> tuple[Stack, Costs, Out]:
        """Build the arrays of a host problem, ready for its first tick."""
        seed, replicate, scale = problem.seed, problem.replicate, problem.page_scale
        drawn = self._replicate(seed, replicate)
        compressible_fraction = problem.hypervisor.compression.compressible_fraction
        fleet = FleetState(
            vms=self._source.vms,
            keys=drawn.keys,
            pages=self._pages(seed, replicate, scale, problem.workload, compressible_fraction),
            schedule=self._schedule(seed, replicate, scale, problem.workload.tail),
            touches=self._touches(seed, replicate, scale, problem.workload.tail, problem.host.cpu),
            tick_s=drawn.demand.tick_s,
        )
        stack = build_stack(problem, fleet)
        vm_idx = np.array(problem.vm_idx, dtype=np.int64)
        busy = drawn.demand.cpu_busy_vcpus[vm_idx]
        busy = np.where(np.isnan(busy), UNKNOWN_BUSY_SHARE * self._source.vms.vcpus[vm_idx], busy)
        n_ticks = drawn.demand.n_ticks
        costs = build_costs(problem, float(drawn.demand.tick_s), n_ticks)
        return stack, costs, build_out(vm_idx.size, n_ticks, busy)

    def _draw_replicate(self, seed: int, replicate: int) -> _Replicate:
        return _Replicate(self._source.demand(replicate), vm_keys(seed, replicate, self._source.vms.names))

    def _build_schedule(self, seed: int, replicate: int, scale: int, tail: str) -> TouchSchedule:
        demand = self._replicate(seed, replicate).demand
        return build_touch_schedule(self._source.vms, demand, load_law(tail), scale)

    def _build_touches(self, seed: int, replicate: int, scale: int, tail: str, cpu: str) -> TouchStore:
        drawn = self._replicate(seed, replicate)
        drift_per_tick = load_law(tail).drift_per_day * drawn.demand.tick_s / SECONDS_PER_DAY
        schedule = self._schedule(seed, replicate, scale, tail)
        active = schedule.active_pages
        calm = CalmTicks(np.empty(active.shape), np.empty(active.shape, dtype=np.uint8))
        table = translation_table(cpu, tail)
        fill_calm(active, float(scale * PAGE_BYTES), table, slowdown_edges(), calm.overhead, calm.bin)
        return TouchStore(schedule, drawn.keys, drift_per_tick, calm)

    def _build_pages(
        self, seed: int, replicate: int, scale: int, workload: WorkloadSpec, compressible_fraction: float
    ) -> FleetPages:
        schedule = self._schedule(seed, replicate, scale, workload.tail)
        keys = self._replicate(seed, replicate).keys
        return build_fleet_pages(self._source.vms, keys, schedule.n_pages, workload, compressible_fraction)


def translation_table(cpu: str, tail: str) -> OverheadTable:
    """Return what translation costs on `cpu` under the popularity law of `tail`, measured once per process."""
    return _translation_table(cpu, min(load_law(tail).alpha, StreamAssumptions().steepest_alpha))


@lru_cache(16)
def _translation_table(cpu: str, alpha: float) -> OverheadTable:
    return build_translation_table(load_cpu(cpu), alpha, seed=0).arrays
