"""How a guest OS gives memory up: free pages down to its reserve, then cold page cache, then its own LRU.

One mechanism answers both the balloon that grows and the guest that runs short under a balloon: the guest gives
another of its pages for the one it needs, and the balloon keeps its size. A search goes on where the last one
stopped, and a lap over the VM is planned anew only after it has given a sixteenth of the VM's pages or found no more:
the cost is one of pages given and touched, not of pages there are.

Not modelled: anonymous pages that are still on the guest's disk unchanged (they are written again), read-ahead, the
guest's own disk running full, the guest paging without a balloon.
"""

import numpy as np

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.draws import PURPOSE_HAND, draw_below
from planner.kernels.frames import EFFECTIVE_CLASS, IS_HELD, move_page
from planner.kernels.state import (
    BALLOONED,
    EVICTED,
    GUEST_ANON,
    GUEST_CACHE,
    GUEST_DIRTY,
    GUEST_FREE,
    GUEST_KERNEL,
    GUEST_ZEROED,
    HAND_EMPTY,
    HAND_FREE,
    HAND_RECLAIM,
    N_AGE_BUCKETS,
    N_CLASSES,
    N_GUEST_CODES,
    N_HANDS,
    SWAPPED,
    TICK_GUEST_WRITE,
    TICK_SWAP_IN,
    UNTOUCHED,
)

COLDEST_HOT_BUCKET = 1
"""Page cache touched in this tick or the last is active: given by age like anonymous memory. Older cache goes before
all anonymous memory, as Linux reclaims while the inactive file list is long (mm/vmscan.c, cache_trim_mode)."""

LAP_SHARE = 16
"""A lap takes at least this part of the VM's pages: finer is a truer LRU, coarser costs fewer laps."""

N_COLD_BUCKETS = N_AGE_BUCKETS - 1 - COLDEST_HOT_BUCKET
FIRST_DIRTY = N_COLD_BUCKETS
FIRST_BY_AGE = 2 * N_COLD_BUCKETS
NEVER = 63
"""Places in the order of giving: cold clean cache, cold dirty cache, the rest by age; NEVER: kept, or free already."""


def _build_giving_order() -> np.ndarray:
    """Build the place of a page in the order of giving: by guest code, host class and age bucket; oldest first."""
    place = np.full((N_GUEST_CODES, N_CLASSES, N_AGE_BUCKETS), NEVER, dtype=np.uint8)
    held = np.flatnonzero(IS_HELD)
    for bucket in range(N_AGE_BUCKETS):
        age_rank = N_AGE_BUCKETS - 1 - bucket
        for guest_class in (GUEST_ANON, GUEST_CACHE, GUEST_DIRTY):
            place[guest_class, held, bucket] = FIRST_BY_AGE + age_rank
        if bucket > COLDEST_HOT_BUCKET:
            place[GUEST_CACHE, held, bucket] = age_rank
            place[GUEST_DIRTY, held, bucket] = FIRST_DIRTY + age_rank
    return place


GIVING_ORDER = _build_giving_order()


@small_kernel
def free_pages(stack, v):
    """Return the guest's free memory: never touched, left empty, or on its free list."""
    counts = stack.vms.counts
    return counts[v, UNTOUCHED] + counts[v, EVICTED] + stack.guests.held[v, GUEST_FREE]


@small_kernel
def spare_pages(stack, v):
    """Return the free memory above what the guest keeps: its reserve, or what it would have with no balloon if less."""
    used = stack.guests.used[v]
    needed = used[GUEST_ANON] + used[GUEST_CACHE] + used[GUEST_DIRTY] + used[GUEST_KERNEL]
    n_pages = stack.vms.start[v + 1] - stack.vms.start[v]
    return free_pages(stack, v) - min(stack.guests.reserve[v], n_pages - needed)


@kernel
def boot_guest(stack, v, tick):
    """Forget what the guest of VM `v` knew, as a boot does. Changes `stack` in place."""
    guests, vms = stack.guests, stack.vms
    n_pages = vms.start[v + 1] - vms.start[v]
    guests.used[v, :] = 0
    guests.in_use[v] = 0
    guests.bar[v] = -1
    guests.lap_left[v] = 0
    for hand in range(N_HANDS):
        guests.hand[v, hand] = 0
    guests.hand[v, HAND_EMPTY] = n_pages - 1
    # Pages are numbered by popularity: laps that started at the first would give the hottest of equally old ones.
    guests.hand[v, HAND_RECLAIM] = draw_below(vms.key[v], 0, tick, PURPOSE_HAND, n_pages)
    if stack.balloon_knobs.is_zeroing:
        guest_class = stack.pages.guest_class
        for i in range(vms.start[v], vms.start[v + 1]):
            guest_class[i] |= GUEST_ZEROED


@kernel
def use_pages(stack, v, before, after):
    """Count pages `before` .. `after` as used by the guest of VM `v`; zeroed ones leave its free list. In place."""
    guests, guest_class, first = stack.guests, stack.pages.guest_class, stack.vms.start[v]
    for i in range(first + before, first + after):
        if guest_class[i] >= GUEST_ZEROED:
            guest_class[i] -= GUEST_ZEROED
            if IS_HELD[stack.pages.host_class[i]]:
                guests.held[v, GUEST_FREE] -= 1
                guests.held[v, guest_class[i]] += 1
        guests.used[v, guest_class[i]] += 1
    guests.in_use[v] = after


@kernel
def next_free(stack, v):
    """Return a page of the guest's free memory, or -1: of its free list first, then empty ones from the top down."""
    guests, vms, host_class = stack.guests, stack.vms, stack.pages.host_class
    first, n_pages = vms.start[v], vms.start[v + 1] - vms.start[v]
    if guests.held[v, GUEST_FREE] > 0:
        guest_class = stack.pages.guest_class
        offset = guests.hand[v, HAND_FREE]
        while EFFECTIVE_CLASS[guest_class[first + offset]] != GUEST_FREE or not IS_HELD[host_class[first + offset]]:
            offset = offset + 1 if offset + 1 < n_pages else 0
        guests.hand[v, HAND_FREE] = offset
        return first + offset
    if vms.counts[v, UNTOUCHED] + vms.counts[v, EVICTED] > 0:
        offset = guests.hand[v, HAND_EMPTY]
        while host_class[first + offset] != UNTOUCHED and host_class[first + offset] != EVICTED:
            offset = offset - 1 if offset > 0 else n_pages - 1
        guests.hand[v, HAND_EMPTY] = offset
        return first + offset
    return -1


@kernel
def next_reclaimed(stack, v, want, tick):
    """Return the page that the guest gives up next, or -1 where it has none left to give."""
    guests, pages, buckets = stack.guests, stack.pages, stack.plan.age_bucket
    guest_class, host_class, last_touch = pages.guest_class, pages.host_class, pages.last_touch
    first, in_use = stack.vms.start[v], guests.in_use[v]
    bar, left, offset = guests.bar[v], guests.lap_left[v], guests.hand[v, HAND_RECLAIM]
    while True:
        while left > 0:
            i = first + (offset if offset < in_use else 0)
            offset = i - first + 1
            left -= 1
            if GIVING_ORDER[guest_class[i], host_class[i], buckets[tick - last_touch[i]]] <= bar:
                guests.lap_left[v], guests.hand[v, HAND_RECLAIM] = left, offset
                return i
        bar = _plan_lap(stack, v, want, tick)
        if bar < 0:
            guests.lap_left[v], guests.hand[v, HAND_RECLAIM] = 0, offset
            return -1
        left = in_use


@kernel
def _plan_lap(stack, v, want, tick):
    """Set how far down the giving order the next lap takes pages. Returns that place; -1: nothing left to give."""
    pages, buckets, counts = stack.pages, stack.plan.age_bucket, stack.guests.counts
    guest_class, host_class, last_touch = pages.guest_class, pages.host_class, pages.last_touch
    first, in_use = stack.vms.start[v], stack.guests.in_use[v]
    counts[:] = 0
    # A table look-up instead of conditions: classes are random from page to page, and a branch would be guessed wrong.
    for i in range(first, first + in_use):
        counts[GIVING_ORDER[guest_class[i], host_class[i], buckets[tick - last_touch[i]]]] += 1
    least = max(1, in_use // LAP_SHARE)
    enough = max(want, least)
    found, bar = 0, -1
    for place in range(NEVER):
        # Within a lap pages go in the order of the hand, so that kinds are mixed only where they are few.
        if found >= enough or (found >= least and (place == FIRST_DIRTY or place == FIRST_BY_AGE)):
            break
        if counts[place] > 0:
            bar = place
            found += counts[place]
    stack.guests.bar[v] = bar
    return bar


@small_kernel
def needs_write(stack, i):
    """Return whether page `i` is in guest memory and must reach the guest's disk before it can be given up."""
    guest_class = stack.pages.guest_class[i]
    return (guest_class == GUEST_ANON or guest_class == GUEST_DIRTY) and IS_HELD[stack.pages.host_class[i]]


@kernel
def give_page(stack, v, i, new_class):
    """Give up page `i`: it becomes BALLOONED or EVICTED. Changes `stack` in place.

    A guest that writes out memory which the host had swapped makes the host read it back first (double paging). The
    2 MiB block is left as it is: where the guest uses the page again for other content, the host sees nothing.
    """
    if needs_write(stack, i):
        events = stack.vms.tick[v]
        events[TICK_GUEST_WRITE] += 1
        if stack.pages.host_class[i] == SWAPPED:
            events[TICK_SWAP_IN] += 1
    move_page(stack, v, i, new_class)


@kernel
def make_room(stack, v, i, is_first, tick):
    """Let the guest find memory for page `i`, which is empty or in its balloon: the balloon keeps its size. In place.

    From its free memory while that is above its reserve, else it gives up another page. Where it has none left, the
    balloon gives one back (deflate on out-of-memory).
    """
    is_spare = spare_pages(stack, v) > 0
    if stack.pages.host_class[i] != BALLOONED:
        # A page on the guest's free list takes none: it was free memory before and after.
        if not is_spare and EFFECTIVE_CLASS[stack.pages.guest_class[i]] != GUEST_FREE:
            given = next_reclaimed(stack, v, 1, tick)
            if given >= 0:
                give_page(stack, v, given, EVICTED)
        return
    given = next_free(stack, v) if is_spare else next_reclaimed(stack, v, 1, tick)
    if given < 0:
        given = next_free(stack, v)
    if given >= 0:
        give_page(stack, v, given, BALLOONED)
    move_page(stack, v, i, UNTOUCHED if is_first else EVICTED)
