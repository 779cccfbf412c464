"""From a host problem to the flat arrays of its stack: pages, contents, VMs, thresholds."""

from typing import NamedTuple

import numpy as np

from planner.host.balloons import build_active, build_balloon_knobs, build_balloons, build_guests
from planner.host.pages import FleetPages
from planner.host.problem import HostProblem
from planner.host.rebuild import build_rebuild
from planner.host.sharing import build_contents, build_sharing_arrays, build_sharing_knobs, scan_budget
from planner.host.swap import build_swap, cache_cap_units
from planner.kernels import state
from planner.units import LARGE_PAGE_BYTES, PAGE_BYTES, PAGES_PER_LARGE_PAGE
from planner.workload.fleet import Presence, VmTable
from planner.workload.overhead import min_free_bytes, sharing_table_bytes, vm_overhead_bytes, watermark_bytes
from planner.workload.touch import DemandPages


class HostVms(NamedTuple):
    """The VMs of one host in one replicate, in the order of the problem's `vm_idx`.

    Attributes
    ----------
    table : VmTable
    keys : uint32 array, shape (n_vms,)
        Draw key of each VM.
    demand : DemandPages
        What they have granted and touch.
    presence : Presence
        Which of them come and go.
    tick_s : float
        Length of a tick. [s]
    """

    table: VmTable
    keys: np.ndarray
    demand: DemandPages
    presence: Presence
    tick_s: float


def build_stack(problem: HostProblem, vms: HostVms, pages: FleetPages, plan: state.DemandPlan) -> state.Stack:
    """Build the stack of a host before its first tick: nothing touched, everything free.

    Parameters
    ----------
    problem : HostProblem
    vms : HostVms
    pages : FleetPages
        Pages of these VMs, with small content keys.
    plan : DemandPlan
        Their demand as the kernels take it.
    """
    n_pages, tick_s = vms.demand.n_pages, vms.tick_s
    home_content, zero_content, contents = build_contents(problem, pages)
    knobs = build_knobs(problem, vms)
    reservation = reserved_pages(problem, vms)
    blocks = -(-n_pages // knobs.pages_per_block)
    queued_pages = _queued_pages(n_pages, vms.presence)
    return state.Stack(
        pages=_build_pages(pages, home_content),
        contents=contents,
        vms=_build_vms(problem, vms, pages.start, reservation),
        host=state.HostArrays(
            totals=_initial_totals(),
            is_small=np.full(blocks.sum(), 0 if knobs.is_large else 1, dtype=np.uint8),
            block_start=np.concatenate(([0], np.cumsum(blocks))).astype(np.int64),
            breaks=np.zeros(n_pages.size, dtype=np.int64),
        ),
        swap=build_swap(problem, pages.compressed_units, vms.demand.granted.shape, tick_s, queued_pages),
        knobs=knobs,
        plan=plan,
        guests=build_guests(problem, n_pages, zero_content),
        balloons=build_balloons(problem, vms.table, n_pages, reservation, tick_s),
        active=build_active(n_pages.size),
        balloon_knobs=build_balloon_knobs(problem, tick_s),
        sharing=build_sharing_arrays(
            problem.hypervisor.page_sharing, home_content.size, contents.refs.size, n_pages.size
        ),
        rebuild=build_rebuild(problem, knobs, n_pages.size, tick_s),
        stays=build_stays(problem, vms),
    )


def reserved_pages(problem: HostProblem, vms: HostVms) -> np.ndarray:
    """Return the sampled pages of each VM that are never reclaimed: int64 array, shape (n_vms,)."""
    page_bytes = problem.page_scale * PAGE_BYTES
    pages: np.ndarray = np.minimum(-(-vms.table.reservation_bytes // page_bytes), vms.demand.n_pages)
    return pages.astype(np.int64)


def _queued_pages(n_pages: np.ndarray, presence: Presence) -> int:
    return int(n_pages[presence.is_whole].sum()) or int(n_pages.sum())


def _initial_totals() -> np.ndarray:
    totals = np.zeros(state.N_TOTALS, dtype=np.int64)
    totals[state.TOTAL_STATE] = state.STATE_HIGH
    totals[state.TOTAL_EXHAUSTED_TICK] = -1
    return totals


def _build_pages(pages: FleetPages, home_content: np.ndarray) -> state.PageArrays:
    n = home_content.size
    return state.PageArrays(
        host_class=np.full(n, state.UNTOUCHED, dtype=np.uint8),
        last_touch=np.zeros(n, dtype=np.int32),
        content=np.full(n, state.NO_CONTENT, dtype=np.int32),
        home_content=home_content,
        guest_class=pages.guest_class,
    )


def _build_vms(problem: HostProblem, vms: HostVms, start: np.ndarray, reservation: np.ndarray) -> state.VmArrays:
    n_pages, page_bytes = vms.demand.n_pages, problem.page_scale * PAGE_BYTES
    n_vms = n_pages.size
    return state.VmArrays(
        start=start.astype(np.int64),
        key=vms.keys,
        shares=vms.table.shares.astype(np.float64),
        reservation=reservation,
        limit=np.maximum(1, -(-vms.table.limit_bytes // page_bytes)).astype(np.int64),
        compress_cap=cache_cap_units(problem, n_pages),
        scan_per_tick=scan_budget(problem, n_pages, vms.tick_s),
        granted=np.full(n_vms, -1, dtype=np.int64),
        counts=_initial_counts(n_pages),
        small=np.zeros(n_vms, dtype=np.int64),
        tick=np.zeros((n_vms, state.N_TICK), dtype=np.int64),
        target=np.zeros(n_vms, dtype=np.int64),
    )


def _initial_counts(n_pages: np.ndarray) -> np.ndarray:
    counts = np.zeros((n_pages.size, state.N_CLASSES), dtype=np.int64)
    counts[:, state.UNTOUCHED] = n_pages
    return counts


def build_stays(problem: HostProblem, vms: HostVms) -> state.StayArrays:
    """Build how VMs come to the host: the overhead memory of those that come and go is taken while they are on."""
    page_bytes, n_pages = problem.page_scale * PAGE_BYTES, vms.demand.n_pages
    rounding_bytes = n_pages * page_bytes - vms.table.configured_bytes
    overhead = np.rint((vm_overhead_bytes(vms.table, problem.hypervisor) - rounding_bytes) / page_bytes)
    return state.StayArrays(
        running_tick=vms.presence.running_tick.copy(),
        overhead=np.where(vms.presence.is_whole, 0, np.maximum(overhead, 0)).astype(np.int64),
        held=np.zeros(n_pages.size, dtype=np.int64),
    )


def build_knobs(problem: HostProblem, vms: HostVms) -> state.Knobs:
    """Build the scalars of the policy. The host gives up the overhead memory of VMs that never leave from the start."""
    hypervisor, page_bytes = problem.hypervisor, problem.page_scale * PAGE_BYTES
    whole = vms.presence.is_whole
    overhead_bytes = int(vm_overhead_bytes(vms.table, hypervisor)[whole].sum())
    table_bytes = sharing_table_bytes(problem.host.memory_bytes, hypervisor)
    backing_bytes = problem.host.memory_bytes - problem.host.reserved_bytes - overhead_bytes - table_bytes
    min_free = min_free_bytes(problem.host.memory_bytes, hypervisor) / page_bytes
    thresholds = _thresholds(problem)
    return state.Knobs(
        frames=max(0, (backing_bytes + _rounding_bytes(vms, page_bytes)) // page_bytes),
        min_free=int(min_free),
        clear_below=thresholds.clear_below,
        soft_below=thresholds.soft_below,
        hard_below=thresholds.hard_below,
        low_below=thresholds.low_below,
        break_below=int(min_free * hypervisor.page_sharing.break_large_pages_below),
        margin=hypervisor.state_margin,
        is_linux=hypervisor.states == "linux",
        fault_below=thresholds.fault_below,
        hard_goal=thresholds.hard_goal,
        idle_cost=1.0 / (1.0 - hypervisor.idle_memory_tax),
        pages_per_block=max(1, LARGE_PAGE_BYTES // page_bytes),
        scatter=PAGES_PER_LARGE_PAGE * (1.0 - 1.0 / problem.page_scale),
        shared_write_below=int(problem.workload.shared_write_fraction * 2.0**32),
        is_sharing=hypervisor.page_sharing.enabled,
        is_compressing=hypervisor.compression.enabled and not problem.host.swap.is_ram,
        is_swapping=hypervisor.swap.enabled,
        is_lru=hypervisor.swap.victims == "lru",
        is_large=hypervisor.large_pages,
        sharing=build_sharing_knobs(problem, vms.tick_s),
    )


class _Thresholds(NamedTuple):
    """Free frames at which the host changes what it does."""

    clear_below: int
    soft_below: int
    hard_below: int
    low_below: int
    fault_below: int
    hard_goal: int


def _thresholds(problem: HostProblem) -> _Thresholds:
    hypervisor, page_bytes = problem.hypervisor, problem.page_scale * PAGE_BYTES
    if hypervisor.states == "linux":
        marks = watermark_bytes(problem.host.memory_bytes, hypervisor.watermarks)
        least, low, high = (mark // page_bytes for mark in marks)
        # "Soft", where balloons grow, is half-way between low and high.
        return _Thresholds(high, (low + high) // 2, low, least, fault_below=max(1, low), hard_goal=high)
    min_free = min_free_bytes(problem.host.memory_bytes, hypervisor) / page_bytes
    clear, soft, hard, low = (int(min_free * threshold) for threshold in hypervisor.state_thresholds)
    return _Thresholds(clear, soft, hard, low, fault_below=1, hard_goal=int(hard * (1.0 + hypervisor.state_margin)) + 1)


def _rounding_bytes(vms: HostVms, page_bytes: int) -> int:
    """Return what rounding to sampled pages added to the VMs' memory: the host gets it, too, so that ratios hold."""
    rounding_bytes = vms.demand.n_pages * page_bytes - vms.table.configured_bytes
    return int(rounding_bytes[vms.presence.is_whole].sum())
