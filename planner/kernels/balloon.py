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
    N_AGE_BUCKETS,
    PRIVATE,
    SHARED,
    SWAPPED,
    TICK_INFLATED,
    TICK_SWAP_IN,
    UNTOUCHED,
)


@njit(cache=True)
def age_bucket(age_ticks):
    """Return the bucket of an age: 0, 1, 2-3, 4-7, ... ticks, doubling, the last one open."""
    bucket = 0
    while age_ticks > 0 and bucket < N_AGE_BUCKETS - 1:
        age_ticks >>= 1
        bucket += 1
    return bucket


@njit(cache=True)
def balloon_goal(stack, v):
    """Return the balloon size that brings VM `v` down to its target, within cap and reservation. [pages]"""
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
    taken = _take_guest_class(stack, v, want, tick, GUEST_FREE)
    if taken < want:
        taken += _take_empty(stack, v, want - taken)
    if taken < want:
        taken += _take_guest_class(stack, v, want - taken, tick, GUEST_CACHE)
    if taken < want:
        taken += _take_guest_class(stack, v, want - taken, tick, GUEST_ANON)
    return taken


@njit(cache=True)
def _is_held(host_class):
    return host_class == PRIVATE or host_class == SHARED or host_class == COMPRESSED or host_class == SWAPPED


@njit(cache=True)
def _take_guest_class(stack, v, want, tick, guest_class):
    pages, ages = stack.pages, stack.host.age_counts
    first = stack.vms.start[v]
    end = first + stack.vms.granted[v]
    ages[:] = 0
    for i in range(first, end):
        if pages.guest_class[i] == guest_class and _is_held(pages.host_class[i]):
            ages[age_bucket(tick - pages.last_touch[i])] += 1
    taken = 0
    for bucket in range(N_AGE_BUCKETS - 1, -1, -1):
        if taken >= want:
            break
        if ages[bucket] == 0:
            continue
        for i in range(first, end):
            if taken >= want:
                break
            if (
                pages.guest_class[i] == guest_class
                and _is_held(pages.host_class[i])
                and age_bucket(tick - pages.last_touch[i]) == bucket
            ):
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
