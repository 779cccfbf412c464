"""From a host problem to the flat arrays of its stack: pages, contents, VMs, thresholds."""

from typing import NamedTuple

import numpy as np

from planner.host.balloons import (
    build_active,
    build_balloon_knobs,
    build_balloons,
    build_guests,
    policy_acts_below,
)
from planner.host.pages import FleetPages, PageSource
from planner.host.problem import HostProblem
from planner.host.rebuild import build_rebuild
from planner.host.sharing import build_contents, build_sharing_arrays, build_sharing_knobs, scan_budget
from planner.host.swap import build_swap, cache_cap_units
from planner.host.touches import CalmTicks, TouchSource
from planner.kernels import state
from planner.units import LARGE_PAGE_BYTES, PAGE_BYTES, PAGES_PER_LARGE_PAGE
from planner.workload.fleet import Presence, VmTable
from planner.workload.overhead import min_free_bytes, sharing_table_bytes, vm_overhead_bytes, watermark_bytes
from planner.workload.touch import TouchSchedule, count_pages


class VmPages(NamedTuple):
    """The host's VMs, and how many sampled pages each has."""

    vms: VmTable
    n_pages: np.ndarray


class FleetState(NamedTuple):
    """One replicate of the whole fleet, from which hosts take their VMs.

    Attributes
    ----------
    keys : uint32 array, shape (n_vms,)
        Draw key of each VM.
    calm : CalmTicks
        What VM-ticks without stalls come to.
    presence : Presence
        Which VMs come and go.
    tick_s : float
        Length of a tick. [s]
    """

    vms: VmTable
    keys: np.ndarray
    pages: PageSource
    schedule: TouchSchedule
    touches: TouchSource
    calm: CalmTicks
    presence: Presence
    tick_s: float


def build_stack(problem: HostProblem, fleet: FleetState) -> state.Stack:
    """Build the stack of a host before its first tick: nothing touched, everything free."""
    vms, keys, schedule, tick_s = fleet.vms, fleet.keys, fleet.schedule, fleet.tick_s
    vm_idx = np.array(problem.vm_idx, dtype=np.int64)
    host_vms = vms.take(vm_idx)
    n_pages = schedule.n_pages[vm_idx]
    mine = VmPages(host_vms, n_pages)
    pages = fleet.pages.take(vm_idx)
    start = pages.start
    home_content, zero_content, contents = build_contents(problem, pages)
    granted_pages = schedule.granted_pages[vm_idx]
    if problem.workload.zeroed_at_boot:
        granted_pages = np.where(granted_pages >= 0, n_pages[:, np.newaxis], granted_pages)
    presence = fleet.presence.take(vm_idx)
    stays = build_stays(problem, mine, presence)
    knobs = _build_knobs(problem, host_vms.take(np.flatnonzero(presence.is_whole)), tick_s)
    taken_pages = granted_pages + np.where(granted_pages >= 0, stays.overhead[:, np.newaxis], 0)
    knobs = knobs._replace(is_quiet=is_quiet(problem, host_vms, knobs, taken_pages))
    reservation = np.minimum(-(-host_vms.reservation_bytes // (problem.page_scale * PAGE_BYTES)), n_pages)
    blocks = -(-n_pages // knobs.pages_per_block)
    return state.Stack(
        pages=_build_pages(pages, home_content),
        contents=contents,
        vms=_build_vms(problem, mine, start, keys[vm_idx], tick_s),
        host=state.HostArrays(
            totals=_initial_totals(),
            is_small=np.full(blocks.sum(), 0 if knobs.is_large else 1, dtype=np.uint8),
            block_start=np.concatenate(([0], np.cumsum(blocks))).astype(np.int64),
            breaks=np.zeros(n_pages.size, dtype=np.int64),
            victim_counts=np.zeros(state.N_GUEST_CLASSES * state.N_AGE_BUCKETS, dtype=np.int64),
        ),
        swap=build_swap(problem, pages.compressed_units, granted_pages.shape, tick_s, _queued_pages(n_pages, presence)),
        knobs=knobs,
        plan=fleet.touches.plan(vm_idx, knobs.is_quiet, fleet.calm),
        guests=build_guests(problem, n_pages, zero_content),
        balloons=build_balloons(problem, host_vms, n_pages, reservation, tick_s),
        active=build_active(n_pages.size),
        balloon_knobs=build_balloon_knobs(problem, tick_s, knobs.is_quiet),
        sharing=build_sharing_arrays(
            problem.hypervisor.page_sharing, home_content.size, contents.refs.size, vm_idx.size
        ),
        rebuild=build_rebuild(problem, knobs, n_pages.size, tick_s),
        stays=stays,
    )


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


def _build_vms(
    problem: HostProblem, mine: VmPages, start: np.ndarray, keys: np.ndarray, tick_s: float
) -> state.VmArrays:
    n_pages = mine.n_pages
    page_bytes = problem.page_scale * PAGE_BYTES
    n_vms = n_pages.size
    reservation = np.minimum(-(-mine.vms.reservation_bytes // page_bytes), n_pages)
    return state.VmArrays(
        start=start.astype(np.int64),
        key=keys,
        shares=mine.vms.shares.astype(np.float64),
        reservation=reservation.astype(np.int64),
        limit=np.maximum(1, -(-mine.vms.limit_bytes // page_bytes)).astype(np.int64),
        compress_cap=cache_cap_units(problem, n_pages),
        scan_per_tick=scan_budget(problem, n_pages, tick_s),
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


def build_stays(problem: HostProblem, mine: VmPages, presence: Presence) -> state.StayArrays:
    """Build how VMs come to the host: the overhead memory of those that come and go is taken while they are on."""
    page_bytes = problem.page_scale * PAGE_BYTES
    rounding_bytes = mine.n_pages * page_bytes - mine.vms.configured_bytes
    overhead = np.rint((vm_overhead_bytes(mine.vms, problem.hypervisor) - rounding_bytes) / page_bytes)
    return state.StayArrays(
        running_tick=presence.running_tick.copy(),
        overhead=np.where(presence.is_whole, 0, np.maximum(overhead, 0)).astype(np.int64),
        held=np.zeros(mine.n_pages.size, dtype=np.int64),
    )


def _build_knobs(problem: HostProblem, vms: VmTable, tick_s: float) -> state.Knobs:
    """Build the scalars of the policy; `vms` are the VMs whose overhead memory the host gives up from the start."""
    hypervisor, page_bytes = problem.hypervisor, problem.page_scale * PAGE_BYTES
    overhead_bytes = int(vm_overhead_bytes(vms, hypervisor).sum())
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
        is_quiet=False,
        sharing=build_sharing_knobs(problem, tick_s),
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


def _rounding_bytes(vms: VmTable, page_bytes: int) -> int:
    """Return what rounding to sampled pages added to the VMs' memory: the host gets it, too, so that ratios hold."""
    pages = count_pages(vms.configured_bytes, page_bytes // PAGE_BYTES)
    return int((pages * page_bytes - vms.configured_bytes).sum())


def is_quiet(problem: HostProblem, vms: VmTable, knobs: state.Knobs, taken_pages: np.ndarray) -> bool:
    """Say whether no mechanism can ever act: all that VMs take fits above all thresholds, and nothing is scanned.

    Then no page's fate depends on when it is touched, and touches need not be played. `taken_pages`, int array of
    shape (n_vms, n_ticks), holds granted pages and the overhead of passing VMs; negative while off.
    """
    if (vms.limit_bytes < vms.configured_bytes).any():
        return False
    acts_below = policy_acts_below(problem) / (problem.page_scale * PAGE_BYTES)
    if knobs.is_sharing and (knobs.sharing.is_ksm or not knobs.is_large):
        return False
    wanted_free = max(knobs.clear_below, knobs.break_below if knobs.is_sharing else 0, acts_below)
    most_taken = int(np.maximum(taken_pages, 0).sum(axis=0).max()) if taken_pages.size else 0
    return most_taken + wanted_free <= knobs.frames
