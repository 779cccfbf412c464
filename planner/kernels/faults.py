"""Demand and faults: power and restart, first touches, the touches of a tick, and what each page needs to be there.

A page of popularity rank r is touched as a Poisson process on its VM's touch clock, so the next touch is drawn once
and compared with the clock: an untouched page costs one comparison a tick, and touches do not depend on host, policy
or scenario. Several touches within a tick count once.
"""

import math

import numpy as np
from numba import njit

from planner.kernels.balloon import inflate
from planner.kernels.draws import (
    PURPOSE_DRIFT_A,
    PURPOSE_DRIFT_B,
    PURPOSE_DRIFT_COUNT,
    PURPOSE_DUE,
    PURPOSE_WRITE,
    draw_u32,
)
from planner.kernels.frames import free_frames, move_page, release_vm
from planner.kernels.reclaim import reclaim_now
from planner.kernels.sharing import write_page
from planner.kernels.state import (
    BALLOONED,
    COMPRESSED,
    EVICTED,
    GUEST_FREE,
    N_TICK,
    NEVER_DUE,
    NO_CONTENT,
    PRIVATE,
    SHARED,
    SWAPPED,
    TICK_COW,
    TICK_DECOMPRESS,
    TICK_DENIED,
    TICK_GUEST_PAGING,
    TICK_SWAP_IN,
    TICK_TOUCHED,
    UNTOUCHED,
)

_NEVER_AS_FLOAT = 4294967295.0


@njit(cache=True)
def due_after(clock, draw, mean_gap, exponential):
    """Return the clock of the next touch: `clock` plus an exponential gap. All in clock units, uint32."""
    due = clock + exponential[draw >> np.uint32(20)] * mean_gap + 1.0
    return NEVER_DUE if due >= _NEVER_AS_FLOAT else np.uint32(due)


@njit(cache=True)
def _draw_due(stack, v, i, tick):
    """Draw when page `i` is touched next, after a touch or re-ranking in `tick`."""
    vms, plan = stack.vms, stack.plan
    stratum = int((stack.pages.rank[i] + 0.5) * vms.strata_per_page[v])
    draw = draw_u32(vms.key[v], i - vms.start[v], tick, PURPOSE_DUE)
    return due_after(plan.clock[v, tick], draw, plan.gap[stratum] * vms.clock_unit[v], plan.exponential)


@njit(cache=True)
def step_demand(stack, tick):
    """Play one tick of every VM's demand against the stack. Changes `stack` in place."""
    vms = stack.vms
    for v in range(vms.key.size):
        for column in range(N_TICK):
            vms.tick[v, column] = 0
    for v in range(vms.key.size):
        granted = stack.plan.granted[v, tick]
        if granted < vms.granted[v]:
            release_vm(stack, v)
        if granted < 0:
            vms.granted[v] = -1
            continue
        before = max(vms.granted[v], 0)
        owed = _touch(stack, v, before, tick)
        owed += _grow(stack, v, before, granted, tick)
        if owed > 0:
            # The guest had given these pages away; to have them back it gives others.
            inflate(stack, v, owed, tick)
        _drift(stack, v, tick)


@njit(cache=True)
def _grow(stack, v, before, granted, tick):
    """First touches: back the pages `before` .. `granted`. Returns how many were in the balloon."""
    pages, vms = stack.pages, stack.vms
    owed = 0
    vms.granted[v] = granted
    for i in range(vms.start[v] + before, vms.start[v] + granted):
        block = stack.host.block_start[v] + (i - vms.start[v]) // stack.knobs.pages_per_block
        vms.small[v] += stack.host.is_small[block]
        pages.rank[i] = i - vms.start[v]
        pages.last_touch[i] = tick
        pages.due[i] = _draw_due(stack, v, i, tick)
        was_ballooned = pages.host_class[i] == BALLOONED
        if _back_page(stack, v, i, tick, True) and was_ballooned:
            owed += 1
    if tick > 0:
        # What is granted at the start was touched long before; it says nothing of how active the VM is.
        vms.tick[v, TICK_TOUCHED] += granted - before
    return owed


@njit(cache=True)
def _touch(stack, v, granted, tick):
    """Touch the pages that are due. Returns how many of them were in the balloon."""
    # Arrays are taken out of the bundle once: passing the bundle down for every touched page costs several times more.
    pages, vms, plan = stack.pages, stack.vms, stack.plan
    due, rank, host_class, content = pages.due, pages.rank, pages.host_class, pages.content
    gap, exponential = plan.gap, plan.exponential
    last_touch = pages.last_touch
    key, unit, strata = vms.key[v], vms.clock_unit[v], vms.strata_per_page[v]
    clock, first = plan.clock[v, tick], vms.start[v]
    touched = 0
    owed = 0
    for i in range(first, first + granted):
        if due[i] > clock:
            continue
        touched += 1
        last_touch[i] = tick
        draw = draw_u32(key, i - first, tick, PURPOSE_DUE)
        due[i] = due_after(clock, draw, gap[int((rank[i] + 0.5) * strata)] * unit, exponential)
        page_class = host_class[i]
        if page_class != PRIVATE and page_class != SHARED:
            if not _back_page(stack, v, i, tick, False):
                continue
            if page_class == BALLOONED:
                owed += 1
        if content[i] != NO_CONTENT:
            _maybe_write(stack, v, i, tick)
    vms.tick[v, TICK_TOUCHED] += touched
    return owed


@njit(cache=True)
def _back_page(stack, v, i, tick, is_first):
    """Give page `i` a frame and count what that cost. Returns False where no frame could be had."""
    pages, vms = stack.pages, stack.vms
    if free_frames(stack) < 1 and reclaim_now(stack, tick) < 1:
        vms.tick[v, TICK_DENIED] += 1
        return False
    page_class = pages.host_class[i]
    is_guest_held = page_class == BALLOONED or page_class == EVICTED
    if page_class == SWAPPED:
        vms.tick[v, TICK_SWAP_IN] += 1
    elif page_class == COMPRESSED:
        vms.tick[v, TICK_DECOMPRESS] += 1
    elif is_guest_held and not is_first and pages.guest_class[i] != GUEST_FREE:
        vms.tick[v, TICK_GUEST_PAGING] += 1
    move_page(stack, v, i, PRIVATE)
    pages.is_stable[i] = 0
    if is_first or page_class == UNTOUCHED:
        pages.content[i] = pages.home_content[i]
    elif is_guest_held and pages.guest_class[i] == GUEST_FREE:
        pages.content[i] = NO_CONTENT
    return True


@njit(cache=True)
def _maybe_write(stack, v, i, tick):
    vms, knobs = stack.vms, stack.knobs
    if int(draw_u32(vms.key[v], i - vms.start[v], tick, PURPOSE_WRITE)) >= knobs.shared_write_below:
        return
    if stack.pages.host_class[i] == SHARED and free_frames(stack) < 1 and reclaim_now(stack, tick) < 1:
        vms.tick[v, TICK_DENIED] += 1
        return
    if write_page(stack, v, i):
        vms.tick[v, TICK_COW] += 1


@njit(cache=True)
def _drift(stack, v, tick):
    """Swap the ranks of a few random pairs of granted pages: the working set drifts."""
    vms, pages = stack.vms, stack.pages
    granted = vms.granted[v]
    if granted < 2:
        return
    # A swap re-ranks two pages; the fractional part of the expected number is drawn.
    expected = 0.5 * stack.knobs.drift_per_tick * granted
    swaps = int(math.floor(expected))
    fraction = expected - swaps
    if draw_u32(vms.key[v], 0, tick, PURPOSE_DRIFT_COUNT) < fraction * 4294967296.0:
        swaps += 1
    for n in range(swaps):
        a = vms.start[v] + int(draw_u32(vms.key[v], n, tick, PURPOSE_DRIFT_A)) % granted
        b = vms.start[v] + int(draw_u32(vms.key[v], n, tick, PURPOSE_DRIFT_B)) % granted
        rank = pages.rank[a]
        pages.rank[a] = pages.rank[b]
        pages.rank[b] = rank
        pages.due[a] = _draw_due(stack, v, a, tick)
        pages.due[b] = _draw_due(stack, v, b, tick)
