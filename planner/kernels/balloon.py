"""Ballooning as a guest answers it: free memory first, then clean cache, then its own cold anonymous pages.

The driver allocates pages inside the guest, so it also takes memory that the guest never touched: that frees nothing
on the host and still fills the balloon. Covers inflation, deflation and their limits; not the driver's own memory.
"""

from numba import njit

from planner.kernels.frames import break_block, move_page
from planner.kernels.state import (
    BALLOONED,
    COMPRESSED,
    EVICTED,
    GUEST_ANON,
    GUEST_CACHE,
    GUEST_FREE,
    GUEST_KERNEL,
    N_AGE_BUCKETS,
    PRIVATE,
    SHARED,
    SWAPPED,
    TICK_INFLATED,
    TICK_SWAP_IN,
    UNTOUCHED,
)


@njit(cache=True)
def balloon_goal(stack, v):
    """Return the balloon size that brings VM `v` down to its target, within cap and reservation."""
    vms = stack.vms
    if vms.target[v] >= vms.granted[v]:
        return 0
    configured = vms.start[v + 1] - vms.start[v]
    return max(0, min(configured - vms.target[v], vms.balloon_cap[v]))


@njit(cache=True)
def inflate(stack, v, want, tick):
    """Inflate the balloon of VM `v` by up to `want` pages, in the order in which a guest gives. Changes in place.

    Order: touched free pages, memory that holds nothing (never touched, or left by an earlier balloon), clean cache
    and anonymous pages by age. A guest that pages out memory which the host had swapped makes the host read it back
    first (double paging).
    """
    counts = stack.host.victim_counts
    _count_by_preference(stack, v, tick)
    n_free = counts[:N_AGE_BUCKETS].sum()
    taken = 0
    if n_free > 0:
        taken = _take_preferred(stack, v, min(want, n_free), tick)
    if taken < want:
        taken += _take_empty(stack, v, want - taken)
    n_rest = counts[N_AGE_BUCKETS:].sum()
    if taken < want and n_rest > 0:
        counts[:N_AGE_BUCKETS] = 0
        taken += _take_preferred(stack, v, min(want - taken, n_rest), tick)
    return taken


@njit(cache=True)
def _is_held(host_class):
    return host_class == PRIVATE or host_class == SHARED or host_class == COMPRESSED or host_class == SWAPPED


@njit(cache=True)
def _preference(guest_class, bucket):
    """Return the place of a page in the order in which the guest gives: free, cache, anonymous; oldest first."""
    if guest_class == GUEST_FREE:
        order = 0
    elif guest_class == GUEST_CACHE:
        order = 1
    else:
        order = 2
    return order * N_AGE_BUCKETS + N_AGE_BUCKETS - 1 - bucket


@njit(cache=True)
def _count_by_preference(stack, v, tick):
    pages, buckets, counts = stack.pages, stack.plan.age_bucket, stack.host.victim_counts
    first = stack.vms.start[v]
    counts[:] = 0
    for i in range(first, first + stack.vms.granted[v]):
        if pages.guest_class[i] != GUEST_KERNEL and _is_held(pages.host_class[i]):
            counts[_preference(pages.guest_class[i], buckets[tick - pages.last_touch[i]])] += 1


@njit(cache=True)
def _take_preferred(stack, v, want, tick):
    """Take `want` pages in order of preference, of those counted in `victim_counts`; ties by page number."""
    pages, buckets, counts = stack.pages, stack.plan.age_bucket, stack.host.victim_counts
    last, before = 0, 0
    while before + counts[last] < want:
        before += counts[last]
        last += 1
    left_of_last = want - before
    first = stack.vms.start[v]
    taken = 0
    for i in range(first, first + stack.vms.granted[v]):
        if taken == want:
            break
        if pages.guest_class[i] == GUEST_KERNEL or not _is_held(pages.host_class[i]):
            continue
        preference = _preference(pages.guest_class[i], buckets[tick - pages.last_touch[i]])
        if counts[preference] == 0 or preference > last or (preference == last and left_of_last == 0):
            continue
        if preference == last:
            left_of_last -= 1
        _take_page(stack, v, i)
        taken += 1
    return taken


@njit(cache=True)
def _take_page(stack, v, i):
    pages, vms = stack.pages, stack.vms
    if pages.host_class[i] == SWAPPED and pages.guest_class[i] == GUEST_ANON:
        vms.tick[v, TICK_SWAP_IN] += 1
    break_block(stack, v, i)
    move_page(stack, v, i, BALLOONED)
    vms.tick[v, TICK_INFLATED] += 1


@njit(cache=True)
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


@njit(cache=True)
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
