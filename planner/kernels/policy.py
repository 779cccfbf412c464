"""Who may have how much: memory states with hysteresis, and entitlements by shares, reservation, limit and idle tax.

Min-funding revocation with the idle-memory tax (Waldspurger, OSDI 2002, sections 5.1-5.2): all VMs between their
bounds pay the same adjusted price S / (P (f + k (1 - f))). It is solved for the price, not stepped towards.
"""

import math

from planner.kernels.compiled import kernel
from planner.kernels.frames import pool_frames
from planner.kernels.state import (
    SHARED,
    STATE_CLEAR,
    STATE_HARD,
    STATE_HIGH,
    STATE_LOW,
    STATE_SOFT,
    TOTAL_COMPRESSED,
    TOTAL_METADATA,
    TOTAL_OVERHEAD,
    TOTAL_SHARED_FRAMES,
    TOTAL_STATE,
)

N_BISECTIONS = 40
"""Most halvings of the price interval: to 1e-12 of the highest price, far below a page."""

_CLOSE_ENOUGH = 0.5
"""Guest pages of the host's supply that may stay undistributed. Entitlements are rounded down to pages anyway."""


@kernel
def _state_at(free, knobs, factor):
    if free < knobs.low_below * factor:
        return STATE_LOW
    if free < knobs.hard_below * factor:
        return STATE_HARD
    if free < knobs.soft_below * factor:
        return STATE_SOFT
    if free < knobs.clear_below * factor:
        return STATE_CLEAR
    return STATE_HIGH


@kernel
def update_state(stack, free):
    """Set the memory state from `free` frames: worse at the threshold, better only past it by the margin.

    By Linux's watermarks: background reclaim (hard) starts below low and lasts until high.
    """
    totals = stack.host.totals
    if stack.knobs.is_linux:
        state = _state_at(free, stack.knobs, 1.0)
        if state < STATE_HARD <= totals[TOTAL_STATE] and free < stack.knobs.hard_goal:
            state = STATE_HARD
        totals[TOTAL_STATE] = state
        return state
    worse = _state_at(free, stack.knobs, 1.0)
    better = _state_at(free, stack.knobs, 1.0 + stack.knobs.margin)
    if worse > totals[TOTAL_STATE]:
        totals[TOTAL_STATE] = worse
    elif better < totals[TOTAL_STATE]:
        totals[TOTAL_STATE] = better
    return totals[TOTAL_STATE]


@kernel
def guest_page_supply(stack):
    """Return how many guest pages the host can back while it keeps minFree: sharing and compression add to it.

    The scanner's own memory and the overhead memory of VMs that come and go take from it.
    """
    totals = stack.host.totals
    saved = totals[TOTAL_COMPRESSED] - pool_frames(totals) - totals[TOTAL_SHARED_FRAMES] - totals[TOTAL_METADATA]
    for v in range(stack.vms.key.size):
        saved += stack.vms.counts[v, SHARED]
    return stack.knobs.frames - totals[TOTAL_OVERHEAD] - stack.knobs.min_free + saved


@kernel
def _entitled(pages_per_share, shares, active, idle_cost, least, most):
    # Below `active` nothing is idle and the price is S / P; above it an idle page counts idle_cost times.
    pages = pages_per_share * shares
    if pages > active:
        pages = (pages + (idle_cost - 1.0) * active) / idle_cost
    return min(max(pages, least), most)


@kernel
def set_targets(stack, supply):
    """Share `supply` guest pages among the VMs by min-funding revocation. Fills `vms.target`.

    A VM wants the pages it was granted, up to its limit; it gets at least its reservation of them. Where everything
    fits, everybody gets what they want.
    """
    vms, active_pages, idle_cost = stack.vms, stack.active.pages, stack.knobs.idle_cost
    n_vms = vms.key.size
    wanted = 0
    highest = 0.0
    for v in range(n_vms):
        vms.target[v] = min(max(vms.granted[v], 0), vms.limit[v])
        wanted += vms.target[v]
        if vms.shares[v] > 0.0:
            highest = max(highest, idle_cost * vms.target[v] / vms.shares[v])
    if wanted <= supply:
        return
    low, high = 0.0, highest
    for _ in range(N_BISECTIONS):
        middle = 0.5 * (low + high)
        total = 0.0
        for v in range(n_vms):
            total += _target_at(vms, active_pages, v, middle, idle_cost)
        if total > supply:
            high = middle
        else:
            low = middle
            if supply - total < _CLOSE_ENOUGH:
                break
    for v in range(n_vms):
        vms.target[v] = int(math.floor(_target_at(vms, active_pages, v, low, idle_cost)))


@kernel
def _target_at(vms, active_pages, v, pages_per_share, idle_cost):
    most = float(min(max(vms.granted[v], 0), vms.limit[v]))
    least = min(float(vms.reservation[v]), most)
    return _entitled(pages_per_share, vms.shares[v], active_pages[v], idle_cost, least, most)
