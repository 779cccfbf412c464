"""The account step: counters by tick and sums by VM, slowdown by its parts. Reads the stack, fills `out`."""

from typing import NamedTuple

import numpy as np

from planner.kernels import timeline
from planner.kernels.bundle import by_reference
from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.frames import free_frames, pool_frames
from planner.kernels.overhead import interpolate_overhead
from planner.kernels.sharing_account import write_sharing
from planner.kernels.stalls import N_STALLS, fill_stalls, is_stalled, pressure
from planner.kernels.state import (
    BALLOONED,
    COMPRESSED,
    EVICTED,
    N_CLASSES,
    PRIVATE,
    SHARED,
    SWAPPED,
    TICK_COW,
    TICK_DENIED,
    TICK_GUEST_PAGING,
    TICK_GUEST_WRITE,
    TICK_KILLED,
    TICK_REBUILD_READ,
    TICK_REBUILD_UNSHARED,
    TICK_REBUILT,
    TICK_REFUSED,
    TICK_SWAP_IN,
    TICK_SWAP_OUT,
    TOTAL_BROKEN_TICKS,
    TOTAL_COMPRESSED,
    TOTAL_OVERHEAD,
    TOTAL_PRIVATE,
    TOTAL_SHARED_FRAMES,
    TOTAL_STATE,
    TOTAL_SWAPPED,
)

# Columns of `Out.vm_sums`. [pages, or as named]
SUM_GRANTED, SUM_BALLOONED, SUM_SWAPPED, SUM_SHARED, SUM_COMPRESSED = 0, 1, 2, 3, 4
SUM_SWAP_IN, SUM_GUEST_PAGING, SUM_SMALL, SUM_ON_TICKS, SUM_KILLED, SUM_REFUSED = 5, 6, 7, 8, 9, 10
N_VM_SUMS = 11
# Columns of `Out.vm_peaks`. [pages]
PEAK_BALLOONED, PEAK_SWAPPED, PEAK_SWAP_IN = 0, 1, 2
N_VM_PEAKS = 3
# Columns of `Out.vm_times` after the stalls [s]: sums over the ticks in which the VM is on (active memory in pages).
TIME_OVERHEAD, TIME_ACTIVE = N_STALLS, N_STALLS + 1
N_VM_TIMES = N_STALLS + 2
PER_MILLION = 1e6


@by_reference
class Costs(NamedTuple):
    """Times and rates of the account. `tick_s`, `*_s` in seconds for one 4 KiB page."""

    page_scale: int
    tick_s: float
    fault_s: float
    latency_s: float  # of the swap device, one request alone
    reads_per_s: float  # most that the swap device serves
    write_cost: float  # reads that one write is worth
    decompress_s: float
    reclaim_s: float  # software of a fault that reclaims its frame itself
    guest_disk_s: float
    cow_s: float
    page_bytes: float
    first_judged_tick: int
    vcpus: np.ndarray  # float64, shape (n_vms,)


@by_reference
class Out(NamedTuple):
    """What a run fills. `timeline` in sampled pages; sums only over judged ticks."""

    timeline: np.ndarray  # int64, shape (n_ticks, n_columns)
    vm_sums: np.ndarray  # int64, shape (n_vms, N_VM_SUMS)
    vm_peaks: np.ndarray  # int64, shape (n_vms, N_VM_PEAKS)
    vm_times: np.ndarray  # float64, shape (n_vms, N_VM_TIMES)
    slowdown_counts: np.ndarray  # int64, shape (n_vms, n_bins)
    slowdown_edges: np.ndarray  # float64, shape (n_bins - 1,), of slowdown - 1
    busy_vcpus: np.ndarray  # float64, shape (n_vms,)
    stalls: np.ndarray  # float64, shape (n_vms, N_STALLS), of the tick [s]


@kernel
def step_account(stack, costs, translation, out, tick):
    """Write the tick's row of the timeline and add to the sums of every VM. Fills `out`."""
    vms = stack.vms
    is_judged = tick >= costs.first_judged_tick
    any_stalled = fill_stalls(stack, costs, out)
    _write_timeline(stack, out.timeline[tick], tick)
    if stack.knobs.is_sharing:
        write_sharing(stack, out.timeline[tick])
    if any_stalled:
        some, full = pressure(stack, costs, out)
        out.timeline[tick, timeline.PRESSURE_SOME] = int(some * PER_MILLION + 0.5)
        out.timeline[tick, timeline.PRESSURE_FULL] = int(full * PER_MILLION + 0.5)
    for v in range(vms.key.size):
        if vms.granted[v] < 0:
            if is_judged:
                out.vm_sums[v, SUM_REFUSED] += vms.tick[v, TICK_REFUSED]
            continue
        if is_judged:
            _add_pages(vms, out, v)
            _add_times(stack, costs, translation, out, v, tick)


@kernel
def _write_timeline(stack, row, tick):
    vms, totals = stack.vms, stack.host.totals
    active = 0.0
    n_counted = 0
    n_pages = vms.start[vms.key.size]
    row[:] = 0
    row[timeline.TICK] = tick
    row[timeline.STATE] = totals[TOTAL_STATE]
    for v in range(vms.key.size):
        counts, events = vms.counts[v], vms.tick[v]
        for host_class in range(N_CLASSES):
            n_counted += counts[host_class]
        row[timeline.GRANTED] += max(vms.granted[v], 0)
        active += stack.plan.active[v, tick] if vms.granted[v] >= 0 else 0.0
        row[timeline.PRIVATE] += counts[PRIVATE]
        row[timeline.SHARED] += counts[SHARED]
        row[timeline.BALLOONED] += counts[BALLOONED]
        row[timeline.EVICTED] += counts[EVICTED]
        row[timeline.COMPRESSED] += counts[COMPRESSED]
        row[timeline.SWAPPED] += counts[SWAPPED]
        row[timeline.SWAP_IN] += events[TICK_SWAP_IN]
        row[timeline.SWAP_OUT] += events[TICK_SWAP_OUT]
        row[timeline.GUEST_PAGING] += events[TICK_GUEST_PAGING]
        row[timeline.DENIED] += events[TICK_DENIED]
        row[timeline.SMALL_MAPPED] += vms.small[v]
        row[timeline.COW_BREAK] += events[TICK_COW]
        row[timeline.GUEST_WRITE] += events[TICK_GUEST_WRITE]
        row[timeline.REBUILT] += events[TICK_REBUILT]
        row[timeline.REBUILD_UNSHARED] += events[TICK_REBUILD_UNSHARED]
        row[timeline.REBUILD_READ] += events[TICK_REBUILD_READ]
        row[timeline.KILLED] += events[TICK_KILLED]
        row[timeline.REFUSED] += events[TICK_REFUSED]
    row[timeline.ACTIVE] = int(active + 0.5)
    row[timeline.FREE] = free_frames(stack)
    row[timeline.CONSUMED] = stack.knobs.frames - totals[TOTAL_OVERHEAD] - row[timeline.FREE]
    row[timeline.COMPRESSED_HELD] = pool_frames(totals)
    row[timeline.SHARED_SAVED] = row[timeline.SHARED] - totals[TOTAL_SHARED_FRAMES]
    is_counted = row[timeline.PRIVATE] == totals[TOTAL_PRIVATE]
    is_counted &= row[timeline.COMPRESSED] == totals[TOTAL_COMPRESSED]
    is_counted &= row[timeline.SWAPPED] == totals[TOTAL_SWAPPED]
    if not is_counted or row[timeline.FREE] < 0 or n_pages != n_counted:
        totals[TOTAL_BROKEN_TICKS] += 1


@small_kernel
def _add_pages(vms, out, v):
    counts, events, sums, peaks = vms.counts[v], vms.tick[v], out.vm_sums[v], out.vm_peaks[v]
    sums[SUM_GRANTED] += vms.granted[v]
    sums[SUM_BALLOONED] += counts[BALLOONED]
    sums[SUM_SWAPPED] += counts[SWAPPED]
    sums[SUM_SHARED] += counts[SHARED]
    sums[SUM_COMPRESSED] += counts[COMPRESSED]
    sums[SUM_SWAP_IN] += events[TICK_SWAP_IN]
    sums[SUM_GUEST_PAGING] += events[TICK_GUEST_PAGING]
    sums[SUM_SMALL] += vms.small[v]
    sums[SUM_ON_TICKS] += 1
    sums[SUM_KILLED] += events[TICK_KILLED]
    peaks[PEAK_BALLOONED] = max(peaks[PEAK_BALLOONED], counts[BALLOONED])
    peaks[PEAK_SWAPPED] = max(peaks[PEAK_SWAPPED], counts[SWAPPED])
    peaks[PEAK_SWAP_IN] = max(peaks[PEAK_SWAP_IN], events[TICK_SWAP_IN])


@small_kernel
def _add_times(stack, costs, translation, out, v, tick):
    vms, plan, times = stack.vms, stack.plan, out.vm_times[v]
    active = plan.active[v, tick]
    times[TIME_ACTIVE] += active
    has_stalls = is_stalled(vms, v)
    if not has_stalls and vms.small[v] == 0:
        times[TIME_OVERHEAD] += plan.calm_overhead[v, tick]
        out.slowdown_counts[v, plan.calm_bin[v, tick]] += 1
        return
    small_fraction = vms.small[v] / max(vms.granted[v], 1)
    overhead = interpolate_overhead(translation, active * costs.page_bytes, small_fraction)
    stalled_s = 0.0
    if has_stalls:
        for part in range(N_STALLS):
            times[part] += out.stalls[v, part]
            stalled_s += out.stalls[v, part]
    times[TIME_OVERHEAD] += overhead
    excess = stalled_s / (out.busy_vcpus[v] * costs.tick_s) + overhead
    out.slowdown_counts[v, _bin_of(out.slowdown_edges, excess)] += 1


@kernel
def _bin_of(edges, value):
    """Return how many of the ascending `edges` are at or below `value`."""
    low, high = 0, edges.size
    while low < high:
        middle = (low + high) // 2
        if edges[middle] <= value:
            low = middle + 1
        else:
            high = middle
    return low
