"""A quiet host: all that its VMs take fits above every threshold, so no mechanism ever acts and no page is played.

What the full stack would count then follows from the demand: granted memory is private and mapped as at the start, no
VM stalls, and page sharing hashes pages without sharing any. Fills the same results to the bit (held by a test).
"""

import math
from typing import NamedTuple

import numpy as np

from planner.kernels import timeline
from planner.kernels.account import (
    SUM_GRANTED,
    SUM_ON_TICKS,
    SUM_SMALL,
    TIME_ACTIVE,
    TIME_OVERHEAD,
)
from planner.kernels.calm import fill_calm
from planner.kernels.compiled import kernel
from planner.kernels.state import STATE_HIGH


class QuietVms(NamedTuple):
    """Demand of a quiet host's VMs. [pages]."""

    granted: np.ndarray  # int32, shape (n_vms, n_ticks), pages that the host backs; -1 = off
    active: np.ndarray  # float64, shape (n_vms, n_ticks)
    overhead: np.ndarray  # int64, shape (n_vms,), overhead memory taken while the VM is on: of those that come and go
    scan_per_tick: np.ndarray  # float64, shape (n_vms,), pages that the scanner hashes


class QuietRules(NamedTuple):
    """What is fixed of a quiet host."""

    frames: int
    is_small: bool  # the host maps all memory small, not large
    is_scanning: bool
    scan_ns: int  # CPU time to hash a sampled page [ns]
    metadata: int  # of page sharing, for each 4 KiB page that a sampled page stands for [bytes]


class QuietScratch(NamedTuple):
    """Room for sums by tick, and for one VM. Arrays of shape (n_ticks,); sums start at 0."""

    granted: np.ndarray  # int64, of all VMs
    active: np.ndarray  # float64, of all VMs
    overhead: np.ndarray  # int64, of all VMs
    scanned: np.ndarray  # int64, of all VMs
    calm_overhead: np.ndarray  # float64
    calm_bin: np.ndarray  # uint8


@kernel
def measure_taken(granted, overhead, at_end, within):
    """Measure what VMs take of a host together.

    Parameters
    ----------
    granted : int32 array, shape (n_vms, n_ticks)
        -1 = off.
    overhead : int64 array, shape (n_vms,)
        Overhead memory that is taken while a VM is on.
    at_end, within : int64 array, shape (n_ticks,)
        Scratch; at least 0 each.

    Returns
    -------
    int, int
        Most taken at the end of a tick; bound on what is taken within one, while some VMs have grown already and
        others have yet to shrink. [pages]
    """
    at_end[:] = 0
    within[:] = 0
    for v in range(granted.shape[0]):
        before = 0
        for tick in range(granted.shape[1]):
            taken = granted[v, tick] + overhead[v] if granted[v, tick] >= 0 else 0
            at_end[tick] += taken
            within[tick] += max(taken, before)
            before = taken
    most_at_end, most_within = 0, 0
    for tick in range(at_end.size):
        most_at_end = max(most_at_end, at_end[tick])
        most_within = max(most_within, within[tick])
    return most_at_end, most_within


@kernel
def run_quiet(vms, rules, costs, calm, scratch, out):
    """Count all ticks of a quiet host. Fills `out`; `scratch` holds the sums by tick afterwards.

    Returns
    -------
    int
        Fewest free frames in any tick. Below 0 the host was not quiet.
    """
    n_vms, n_ticks = vms.granted.shape
    for v in range(n_vms):
        _add_to_ticks(vms, rules, scratch, v)
        fill_calm(vms.active[v], costs.page_bytes, calm, scratch.calm_overhead, scratch.calm_bin)
        _add_to_vm(vms, rules, costs, scratch, out, v)
    least_free = rules.frames
    hashed = 0
    for tick in range(n_ticks):
        granted, row = scratch.granted[tick], out.timeline[tick]
        free = rules.frames - granted - scratch.overhead[tick]
        least_free = min(least_free, free)
        row[:] = 0
        row[timeline.TICK] = tick
        row[timeline.STATE] = STATE_HIGH
        row[timeline.GRANTED] = granted
        row[timeline.ACTIVE] = int(scratch.active[tick] + 0.5)
        row[timeline.CONSUMED] = granted
        row[timeline.FREE] = free
        row[timeline.PRIVATE] = granted
        row[timeline.SMALL_MAPPED] = granted if rules.is_small else 0
        if rules.is_scanning:
            hashed += scratch.scanned[tick]
            row[timeline.PAGES_SCANNED] = hashed
            row[timeline.SCANNER_CPU] = scratch.scanned[tick] * rules.scan_ns
            row[timeline.SHARING_METADATA] = rules.metadata
            row[timeline.GENERAL_PROFIT] = -rules.metadata
    return least_free


@kernel
def _add_to_ticks(vms, rules, scratch, v):
    """Add what VM `v` takes to the sums by tick."""
    granted, active = vms.granted[v], vms.active[v]
    for tick in range(granted.size):
        scratch.granted[tick] += max(granted[tick], 0)
        scratch.active[tick] += active[tick]
    if vms.overhead[v] > 0:
        for tick in range(granted.size):
            scratch.overhead[tick] += vms.overhead[v] if granted[tick] >= 0 else 0
    if rules.is_scanning:
        rate = vms.scan_per_tick[v]
        for tick in range(granted.size):
            budget = int(math.floor(rate * (tick + 1)) - math.floor(rate * tick))
            scratch.scanned[tick] += budget if granted[tick] > 0 else 0


@kernel
def _add_to_vm(vms, rules, costs, scratch, out, v):
    """Add the judged ticks of VM `v` to its sums, in their order: sums of floats depend on it."""
    granted, active, counts = vms.granted[v], vms.active[v], out.slowdown_counts[v]
    sum_granted, on_ticks, sum_active, sum_overhead = 0, 0, 0.0, 0.0
    for tick in range(costs.first_judged_tick, granted.size):
        if granted[tick] >= 0:
            sum_granted += granted[tick]
            on_ticks += 1
            sum_active += active[tick]
            sum_overhead += scratch.calm_overhead[tick]
            counts[scratch.calm_bin[tick]] += 1
    out.vm_sums[v, SUM_GRANTED] = sum_granted
    out.vm_sums[v, SUM_ON_TICKS] = on_ticks
    out.vm_sums[v, SUM_SMALL] = sum_granted if rules.is_small else 0
    out.vm_times[v, TIME_ACTIVE] = sum_active
    out.vm_times[v, TIME_OVERHEAD] = sum_overhead
