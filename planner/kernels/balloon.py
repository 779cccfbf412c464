"""Balloons: how large each may be, and how they move towards the size that the host's policy asks for.

The driver allocates pages inside the guest, so it also takes memory that the guest never touched: that frees nothing
on the host and still fills the balloon. Which pages the guest gives is in `guest.py`. Not modelled: the driver's own
memory.
"""

from planner.kernels.blocks import break_range
from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.frames import move_page
from planner.kernels.guest import give_page, needs_write, next_free, next_reclaimed, spare_pages
from planner.kernels.state import (
    BALLOONED,
    COMPRESSED,
    EVICTED,
    HAND_DEFLATE,
    HAND_FREE,
    HAND_RECLAIM,
    SWAPPED,
    TICK_INFLATE_WRITE,
    TICK_INFLATED,
    UNTOUCHED,
)


@small_kernel
def balloon_room(stack, v, tick):
    """Return the largest balloon that VM `v` may have: 0 until its driver is loaded, never into its reservation."""
    vms, balloons = stack.vms, stack.balloons
    if tick < balloons.ready_tick[v] or vms.granted[v] < 0:
        return 0
    # The reservation bounds everything that is taken together, whoever took it.
    taken = vms.counts[v, SWAPPED] + vms.counts[v, COMPRESSED]
    unreserved = vms.start[v + 1] - vms.start[v] - vms.reservation[v] - taken
    return max(0, min(balloons.cap[v], unreserved))


@kernel
def inflate(stack, v, want, most_written, tick):
    """Inflate the balloon of VM `v` by up to `want` pages. Changes `stack` in place; returns pages taken.

    Free memory down to the guest's reserve first; then the guest gives up pages, of which at most `most_written` need
    a write to its disk.
    """
    if want <= 0:
        return 0
    events = stack.vms.tick[v]
    spare = spare_pages(stack, v)
    taken = 0
    while taken < want:
        is_spare = taken < spare
        hand = stack.guests.hand[v, HAND_FREE if is_spare else HAND_RECLAIM]
        passed = stack.vms.start[v] + hand
        given = next_free(stack, v) if is_spare else next_reclaimed(stack, v, want - taken, tick)
        if given < 0:
            break
        if needs_write(stack, given):
            if most_written <= 0:
                break
            most_written -= 1
            events[TICK_INFLATE_WRITE] += 1
        if stack.pages.host_class[given] != UNTOUCHED and stack.pages.host_class[given] != EVICTED:
            break_range(stack, v, given, passed, given + 1)
        give_page(stack, v, given, BALLOONED)
        events[TICK_INFLATED] += 1
        taken += 1
    return taken


@kernel
def deflate(stack, v, want):
    """Give up to `want` pages of the balloon back to the guest; they return fault by fault. Changes in place."""
    vms, host_class = stack.vms, stack.pages.host_class
    first, n_pages, in_use = vms.start[v], vms.start[v + 1] - vms.start[v], stack.guests.in_use[v]
    given = min(want, vms.counts[v, BALLOONED])
    offset = stack.guests.hand[v, HAND_DEFLATE]
    for _ in range(given):
        while host_class[first + offset] != BALLOONED:
            offset = offset + 1 if offset + 1 < n_pages else 0
        move_page(stack, v, first + offset, EVICTED if offset < in_use else UNTOUCHED)
    stack.guests.hand[v, HAND_DEFLATE] = offset
    return given


@kernel
def move_balloon(stack, v, may_inflate, tick):
    """Move the balloon of VM `v` towards its wanted size at its rates. Changes `stack` in place.

    Returns
    -------
    tuple of (int, bool)
        Pages moved; whether the rate alone kept the balloon from growing more.
    """
    vms, balloons = stack.vms, stack.balloons
    size = vms.counts[v, BALLOONED]
    goal = min(balloons.wanted[v], balloon_room(stack, v, tick))
    if goal < size:
        return deflate(stack, v, min(size - goal, balloons.deflate_per_tick[v])), False
    if goal == size or not may_inflate:
        return 0, False
    # The fleet did not start with the simulation: in the first tick balloons find their size at once.
    left, written_left = goal, goal
    if tick > 0:
        left = max(0, balloons.inflate_per_tick[v] - vms.tick[v, TICK_INFLATED])
        written_left = max(0, balloons.paging_per_tick[v] - vms.tick[v, TICK_INFLATE_WRITE])
    written_before = vms.tick[v, TICK_INFLATE_WRITE]
    inflated = inflate(stack, v, min(goal - size, left), written_left, tick)
    is_slow = inflated == left or vms.tick[v, TICK_INFLATE_WRITE] - written_before == written_left
    return inflated, is_slow and size + inflated < goal


@small_kernel
def has_balloon(stack):
    """Return whether any VM of the host has a balloon."""
    vms = stack.vms
    for v in range(vms.key.size):
        if vms.counts[v, BALLOONED] > 0:
            return True
    return False
