"""Which pages a VM touches in each tick: the touch process, drawn once per VM and replayed on every host.

Page r of n is touched as a Poisson process on the VM's touch clock with mean gap ((r + 0.5) / n) ** alpha, so the next
touch is drawn once and compared with the clock: an untouched page costs one comparison a tick. Touches depend on the VM
alone, not on host, policy or scenario: sweeps draw them once and pay only for the pages touched. They can be drawn for
the whole horizon or piece by piece. Several touches within a tick count once.
"""

import math

import numpy as np

from planner.kernels.compiled import kernel
from planner.kernels.draws import (
    PURPOSE_DRIFT_A,
    PURPOSE_DRIFT_B,
    PURPOSE_DRIFT_COUNT,
    PURPOSE_DUE,
    draw_u32,
)
from planner.kernels.state import N_STRATA

NEVER_DUE = np.uint32(0xFFFFFFFF)
_NEVER_AS_FLOAT = 4294967295.0
_BLOCK = 32


@kernel
def due_after(clock, draw, mean_gap, exponential):
    """Return the clock of the next touch, uint32: `clock` plus an exponential gap. All in clock units."""
    due = clock + exponential[draw >> np.uint32(22)] * mean_gap + 1.0
    return NEVER_DUE if due >= _NEVER_AS_FLOAT else np.uint32(due)


@kernel
def draw_touches(demand, ticks, process, scratch, count, out_page, out_start):
    """Draw the pages that one VM touches in a run of ticks, ascending within a tick.

    Parameters
    ----------
    demand : VmDemand
        Draw key, touch clock and granted pages of the VM.
    ticks : tuple of (int, int)
        First tick, and the one after the last. Ticks must be drawn in order; how many at once makes no difference.
    process : TouchProcess
        Gaps by popularity, clock unit and drift.
    scratch : TouchScratch
        State of the VM's touches, carried from one run of ticks to the next; one entry per page of the VM.
    count : int
        Entries of `out_page` that are taken.
    out_page : int32 array, shape (capacity,)
        Filled from `count` on with page numbers within the VM. First touches are not in it: they are where `granted`
        grows.
    out_start : int64 array, shape (n_ticks + 1,)
        Filled with the range of each drawn tick in `out_page`.

    Returns
    -------
    int
        The tick that comes next: the end of `ticks`, or a tick for which `out_page` may be too short. Drawing can go
        on there.
    """
    first_tick, end_tick = ticks
    clock, granted = demand.clock, demand.granted
    due, stratum = scratch.due, scratch.stratum
    strata_per_page = N_STRATA / stratum.size
    if first_tick == 0:
        due[:] = NEVER_DUE
    for tick in range(first_tick, end_tick):
        before = max(0, granted[tick - 1]) if tick > 0 else 0
        out_start[tick] = count
        if count + before > out_page.size:
            return tick
        if granted[tick] < before:
            due[:before] = NEVER_DUE
            before = 0
        now = clock[tick]
        count = append_due(due, before, now, out_page, count)
        _draw_again(demand.key, tick, now, process, scratch, out_page[out_start[tick] : count])
        for i in range(before, granted[tick]):
            stratum[i] = int((i + 0.5) * strata_per_page)
            mean_gap = process.gap[stratum[i]] * process.clock_unit
            due[i] = due_after(now, draw_u32(demand.key, i, tick, PURPOSE_DUE), mean_gap, process.exponential)
        _drift(demand.key, tick, now, max(0, granted[tick]), process, scratch)
    out_start[end_tick] = count
    return end_tick


@kernel
def append_due(due, granted, now, out_page, count):
    """Append the pages that are due, ascending. Returns the new length of `out_page`."""
    # Most pages are not due, and hot ones lie together: looking at a block of fixed length is vectorised (0.15 ns a
    # page) and skips most blocks. In the others every page is written and only due ones are kept: a branch for each
    # would be guessed wrong.
    n_whole = granted // _BLOCK * _BLOCK
    for first in range(0, n_whole, _BLOCK):
        is_any = np.uint32(0)
        for k in range(_BLOCK):
            is_any = np.uint32(is_any | np.uint32(due[first + k] <= now))
        if is_any:
            for k in range(_BLOCK):
                out_page[count] = np.int32(first + k)
                count += np.int64(due[first + k] <= now)
    for i in range(n_whole, granted):
        if due[i] <= now:
            out_page[count] = i
            count += 1
    return count


@kernel
def _draw_again(key, tick, now, process, scratch, touched):
    """Draw when each of the touched pages is touched next."""
    due, stratum, draws = scratch.due, scratch.stratum, scratch.draws
    # First the draws, then what follows from them: draws in a loop of their own are made several at a time.
    for begin in range(0, touched.size, draws.size):
        n_drawn = min(draws.size, touched.size - begin)
        for n in range(n_drawn):
            draws[n] = draw_u32(key, touched[begin + n], tick, PURPOSE_DUE)
        for n in range(n_drawn):
            i = touched[begin + n]
            mean_gap = process.gap[stratum[i]] * process.clock_unit
            due[i] = due_after(now, draws[n], mean_gap, process.exponential)


@kernel
def _drift(key, tick, now, granted, process, scratch):
    """Swap the ranks of a few random pairs of granted pages: the working set drifts."""
    if granted < 2:
        return
    due, stratum = scratch.due, scratch.stratum
    # A swap re-ranks two pages; the fractional part of the expected number is drawn.
    expected = 0.5 * process.drift_per_tick * granted
    swaps = math.floor(expected)
    if draw_u32(key, 0, tick, PURPOSE_DRIFT_COUNT) < (expected - swaps) * 4294967296.0:
        swaps += 1
    for n in range(swaps):
        a = int(draw_u32(key, n, tick, PURPOSE_DRIFT_A)) % granted
        b = int(draw_u32(key, n, tick, PURPOSE_DRIFT_B)) % granted
        stratum[a], stratum[b] = stratum[b], stratum[a]
        for i in (a, b):
            mean_gap = process.gap[stratum[i]] * process.clock_unit
            due[i] = due_after(now, draw_u32(key, i, tick, PURPOSE_DUE), mean_gap, process.exponential)
