"""Ballooning as a guest answers it: free memory first, then clean cache, then its own cold anonymous pages.

The driver allocates pages inside the guest, so it also takes memory that the guest never touched: that frees nothing
on the host and still fills the balloon. Covers inflation, deflation and their limits; not the driver's own memory.
"""

import numpy as np

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.draws import PURPOSE_TIE, draw_u32
from planner.kernels.frames import break_block, move_page
from planner.kernels.state import (
    BALLOONED,
    COMPRESSED,
    EVICTED,
    GUEST_ANON,
    GUEST_CACHE,
    GUEST_FREE,
    N_AGE_BUCKETS,
    N_CLASSES,
    N_GUEST_CLASSES,
    PRIVATE,
    SHARED,
    SWAPPED,
    TICK_INFLATED,
    TICK_SWAP_IN,
    UNTOUCHED,
)

_HELD = (PRIVATE, SHARED, COMPRESSED, SWAPPED)
_GIVING_ORDER = (GUEST_FREE, GUEST_CACHE, GUEST_ANON)


def _build_preference() -> np.ndarray:
    """Build the place of a page of age 0 in the order in which the guest gives, by guest class and host class.

    Free, cache, anonymous; within each the oldest first (the age bucket is taken off). Pages that the guest cannot
    give come after all others.
    """
    place = np.full((N_GUEST_CLASSES, N_CLASSES), len(_GIVING_ORDER) * N_AGE_BUCKETS + N_AGE_BUCKETS - 1)
    for order, guest_class in enumerate(_GIVING_ORDER):
        place[guest_class, list(_HELD)] = order * N_AGE_BUCKETS + N_AGE_BUCKETS - 1
    return place


_PREFERENCE = _build_preference()
_N_GIVEABLE = len(_GIVING_ORDER) * N_AGE_BUCKETS


@small_kernel
def balloon_goal(stack, v):
    """Return the balloon size that brings VM `v` down to its target, within cap and reservation."""
    vms = stack.vms
    if vms.target[v] >= vms.granted[v]:
        return 0
    configured = vms.start[v + 1] - vms.start[v]
    # The reservation bounds everything that is taken together, whoever took it.
    taken = vms.counts[v, SWAPPED] + vms.counts[v, COMPRESSED]
    most = min(vms.balloon_cap[v], configured - vms.reservation[v] - taken)
    return max(0, min(configured - vms.target[v], most))


@kernel
def inflate(stack, v, want, tick):
    """Inflate the balloon of VM `v` by up to `want` pages, in the order in which a guest gives. Changes in place.

    Order: touched free pages, memory that holds nothing (never touched, or left by an earlier balloon), clean cache
    and anonymous pages by age. A guest that pages out memory which the host had swapped makes the host read it back
    first (double paging).
    """
    if want <= 0:
        return 0
    counts = stack.host.victim_counts
    _count_by_preference(stack, v, tick)
    n_free = counts[:N_AGE_BUCKETS].sum()
    taken = 0
    if n_free > 0:
        taken = _take_preferred(stack, v, min(want, n_free), tick)
    if taken < want:
        taken += _take_empty(stack, v, want - taken)
    n_rest = counts[N_AGE_BUCKETS:_N_GIVEABLE].sum()
    if taken < want and n_rest > 0:
        counts[:N_AGE_BUCKETS] = 0
        taken += _take_preferred(stack, v, min(want - taken, n_rest), tick)
    return taken


@kernel
def _count_by_preference(stack, v, tick):
    # A table look-up instead of conditions: classes are random from page to page, and a branch would be guessed wrong.
    guest_class, host_class, last_touch = stack.pages.guest_class, stack.pages.host_class, stack.pages.last_touch
    buckets, counts = stack.plan.age_bucket, stack.host.victim_counts
    first = stack.vms.start[v]
    counts[:] = 0
    for i in range(first, first + stack.vms.granted[v]):
        counts[_PREFERENCE[guest_class[i], host_class[i]] - buckets[tick - last_touch[i]]] += 1


@kernel
def _take_preferred(stack, v, want, tick):
    """Take `want` pages in order of preference, of those counted in `victim_counts`; ties from a random page on.

    Pages are numbered by popularity: always starting at the first would take the hottest of equally old pages.
    """
    guest_class, host_class, last_touch = stack.pages.guest_class, stack.pages.host_class, stack.pages.last_touch
    buckets, counts = stack.plan.age_bucket, stack.host.victim_counts
    last, before = 0, 0
    while before + counts[last] < want:
        before += counts[last]
        last += 1
    left_of_last = want - before
    first, granted = stack.vms.start[v], stack.vms.granted[v]
    begin = int(draw_u32(stack.vms.key[v], 0, tick, PURPOSE_TIE)) % granted
    taken = 0
    for n in range(granted):
        offset = begin + n if begin + n < granted else begin + n - granted
        i = first + offset
        preference = _PREFERENCE[guest_class[i], host_class[i]] - buckets[tick - last_touch[i]]
        if preference > last or counts[preference] == 0:
            continue
        if preference == last:
            if left_of_last == 0:
                continue
            left_of_last -= 1
        _take_page(stack, v, i)
        taken += 1
        if taken == want:
            break
    return taken


@small_kernel
def _take_page(stack, v, i):
    pages, vms = stack.pages, stack.vms
    if pages.host_class[i] == SWAPPED and pages.guest_class[i] == GUEST_ANON:
        vms.tick[v, TICK_SWAP_IN] += 1
    break_block(stack, v, i)
    move_page(stack, v, i, BALLOONED)
    vms.tick[v, TICK_INFLATED] += 1


@kernel
def _take_empty(stack, v, want):
    pages, vms = stack.pages, stack.vms
    taken = 0
    if vms.counts[v, UNTOUCHED] + vms.counts[v, EVICTED] == 0:
        return taken
    for i in range(vms.start[v + 1] - 1, vms.start[v] - 1, -1):
        if taken >= want:
            break
        if pages.host_class[i] == UNTOUCHED or pages.host_class[i] == EVICTED:
            move_page(stack, v, i, BALLOONED)
            vms.tick[v, TICK_INFLATED] += 1
            taken += 1
    return taken


@kernel
def deflate(stack, v, want):
    """Give up to `want` pages of the balloon back to the guest; they return fault by fault. Changes in place."""
    vms = stack.vms
    granted_end = vms.start[v] + vms.granted[v]
    given = 0
    for i in range(vms.start[v], vms.start[v + 1]):
        if given >= want:
            break
        if stack.pages.host_class[i] == BALLOONED:
            move_page(stack, v, i, EVICTED if i < granted_end else UNTOUCHED)
            given += 1
    return given
