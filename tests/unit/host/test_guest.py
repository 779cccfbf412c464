"""How a guest gives memory up, by hand: order, reserve, writes, and a balloon that keeps its size."""

import numpy as np
import pytest

from planner.host.invariants import find_violation
from planner.kernels import state
from planner.kernels.balloon import balloon_room, deflate, inflate, move_balloon
from planner.kernels.faults import step_demand
from planner.kernels.frames import free_frames, move_page
from planner.kernels.guest import free_pages, make_room, spare_pages
from tests.unit.host.stacks import build_small_stack, grant, set_guest_classes

ANON, CACHE, FREE, KERNEL, DIRTY = (
    state.GUEST_ANON, state.GUEST_CACHE, state.GUEST_FREE, state.GUEST_KERNEL, state.GUEST_DIRTY,
)  # fmt: skip
ALL = 10**6


def inflate_one_by_one(stack, count, tick):
    order = []
    for _ in range(count):
        before = stack.pages.host_class.copy()
        assert inflate(stack, 0, 1, ALL, tick) == 1
        order.append(int(np.flatnonzero(before != stack.pages.host_class)[0]))
    return order


def test_guest_gives_free_then_empty_then_cold_cache_then_the_oldest():
    stack = grant(build_small_stack(100, n_pages=[12]), 0, 10)
    stack.balloons.cap[0] = 12
    set_guest_classes(stack, 0, [ANON, CACHE, FREE, KERNEL, ANON, CACHE, ANON, KERNEL, DIRTY, DIRTY])
    stack.pages.last_touch[:10] = [90, 10, 99, 0, 5, 99, 60, 0, 50, 100]
    # Free page 2; never touched 11 and 10; cold clean cache 1, cold dirty cache 8; then by age, cache that was touched
    # in this tick or the last like anonymous memory: 4 (95 ticks), 6 (40), 0 (10), 5 (1), 9 (0). Kernel pages never.
    assert inflate_one_by_one(stack, 10, 100) == [2, 11, 10, 1, 8, 4, 6, 0, 5, 9]
    assert inflate(stack, 0, 5, ALL, 100) == 0
    # Written: both dirty and three anonymous pages.
    assert stack.vms.tick[0, state.TICK_GUEST_WRITE] == 5
    assert stack.vms.tick[0, state.TICK_INFLATE_WRITE] == 5
    assert free_frames(stack) == 100 - 2
    assert find_violation(stack) is None


def test_balloon_stops_where_the_guest_would_write_too_much():
    stack = grant(build_small_stack(100, n_pages=[10]), 0, 10)
    set_guest_classes(stack, 0, [ANON] * 8 + [CACHE] * 2)
    # Two pages of cache for nothing, then three writes.
    assert inflate(stack, 0, 8, 3, 100) == 5
    assert stack.vms.tick[0, state.TICK_GUEST_WRITE] == 3


def test_guest_keeps_its_reserve_free():
    stack = grant(build_small_stack(100, n_pages=[20]), 0, 10)
    set_guest_classes(stack, 0, [ANON] * 6 + [KERNEL] * 4)
    stack.guests.reserve[0] = 4
    assert (free_pages(stack, 0), spare_pages(stack, 0)) == (10, 6)
    # 20 = 4 kernel + 4 reserve + 12 in the balloon: 6 from free memory, then all 6 anonymous pages.
    assert inflate(stack, 0, 15, ALL, 100) == 12
    assert (free_pages(stack, 0), spare_pages(stack, 0)) == (4, 0)
    assert stack.vms.tick[0, state.TICK_GUEST_WRITE] == 6


def test_guest_that_never_had_its_reserve_is_not_asked_for_it():
    stack = grant(build_small_stack(100, n_pages=[10]), 0, 10)
    stack.guests.reserve[0] = 4
    assert spare_pages(stack, 0) == 0
    inflate(stack, 0, 5, ALL, 1)
    deflate(stack, 0, 5)
    # All comes back without the guest paging for a reserve that it never had.
    for i in range(10):
        if stack.pages.host_class[i] == state.EVICTED:
            make_room(stack, 0, i, False, 2)
            move_page(stack, 0, i, state.PRIVATE)
    assert stack.vms.counts[0, state.PRIVATE] == 10


def test_balloon_keeps_its_size_when_the_guest_needs_a_page_back():
    stack = grant(build_small_stack(100, n_pages=[8]), 0, 8)
    stack.pages.last_touch[:] = [5, 1, 5, 5, 5, 2, 5, 5]
    assert inflate(stack, 0, 1, ALL, 6) == 1  # page 1, the oldest
    used = 100 - free_frames(stack)
    make_room(stack, 0, 1, False, 6)
    # Page 5, the next oldest, goes for it.
    assert stack.pages.host_class[[1, 5]].tolist() == [state.EVICTED, state.BALLOONED]
    move_page(stack, 0, 1, state.PRIVATE)
    assert 100 - free_frames(stack) == used
    assert stack.vms.counts[0, state.BALLOONED] == 1


def test_guest_without_anything_left_gets_a_page_from_the_balloon():
    stack = grant(build_small_stack(100, n_pages=[4]), 0, 4)
    set_guest_classes(stack, 0, [KERNEL, KERNEL, KERNEL, ANON])
    assert inflate(stack, 0, 2, ALL, 1) == 1
    make_room(stack, 0, 3, False, 1)
    assert stack.vms.counts[0, [state.BALLOONED, state.EVICTED]].tolist() == [0, 1]


def test_guest_that_pages_out_what_the_host_swapped_makes_it_read_back():
    stack = grant(build_small_stack(100, n_pages=[4]), 0, 4)
    set_guest_classes(stack, 0, [ANON, CACHE, ANON, ANON])
    for i in (0, 1):
        move_page(stack, 0, i, state.SWAPPED)
    stack.pages.last_touch[:] = [1, 1, 9, 9]
    assert inflate(stack, 0, 2, ALL, 100) == 2
    # Clean cache is dropped without a look; the anonymous page is read to be written again.
    assert stack.vms.tick[0, state.TICK_SWAP_IN] == 1


def test_deflated_memory_is_the_guests_to_fault_in():
    stack = grant(build_small_stack(100, n_pages=[10]), 0, 5)
    inflate(stack, 0, 8, ALL, 1)
    assert deflate(stack, 0, 10) == 8
    # Three of pages 0-4 held content, now paged out by the guest; 5-9 were never touched.
    assert stack.vms.counts[0, state.EVICTED] == 3
    assert stack.vms.counts[0, state.UNTOUCHED] == 5
    assert find_violation(stack) is None


def test_balloon_room_respects_cap_reservation_and_driver():
    stack = grant(build_small_stack(100, n_pages=[100]), 0, 90)
    assert balloon_room(stack, 0, 7) == 65
    stack.vms.reservation[0] = 60
    move_page(stack, 0, 3, state.SWAPPED)
    assert balloon_room(stack, 0, 7) == 39
    stack.balloons.ready_tick[0] = 8
    assert balloon_room(stack, 0, 7) == 0


@pytest.mark.parametrize(("wanted", "expected"), [(50, 30), (10, 10)])
def test_balloon_moves_at_its_rate(wanted, expected):
    stack = grant(build_small_stack(100, n_pages=[100]), 0, 90)
    stack.balloons.inflate_per_tick[0] = 30
    stack.balloons.wanted[0] = wanted
    moved, is_slow = move_balloon(stack, 0, True, 1)
    assert (moved, is_slow) == (expected, expected < wanted)


def booting_stack(is_zeroing, delay_ticks):
    stack = build_small_stack(1000, n_pages=[20])
    knobs = stack.balloon_knobs._replace(is_zeroing=is_zeroing, delay_ticks=delay_ticks)
    plan = stack.plan._replace(granted=np.array([[-1, 5, 7]], np.int32), touched_start=np.zeros((1, 4), np.int64))
    stack.guests.zero_content[0] = 0
    return stack._replace(balloon_knobs=knobs, plan=plan)


def test_guest_that_zeroes_its_memory_at_boot_holds_all_of_it():
    stack = booting_stack(True, 3)
    for tick in range(3):
        step_demand(stack, tick)
        assert find_violation(stack) is None
    # 20 frames; 7 pages are in use, 13 are zero and on the guest's free list: those it gives first, for no write.
    assert stack.vms.counts[0, state.PRIVATE] == 20
    assert stack.guests.held[0, state.GUEST_FREE] == 13
    assert (stack.pages.content == 0).sum() == 13
    assert stack.vms.granted[0] == 20
    assert stack.balloons.ready_tick[0] == 4
    assert inflate(stack, 0, 13, 0, 4) == 13
    assert free_frames(stack) == 1000 - 7


def test_guest_that_does_not_zero_holds_what_it_used():
    stack = booting_stack(False, 0)
    for tick in range(3):
        step_demand(stack, tick)
    assert stack.vms.counts[0, state.PRIVATE] == 7
    assert stack.balloons.ready_tick[0] == 1


def test_a_lap_takes_at_least_a_sixteenth_of_the_guest():
    # 64 pages, the age of page n is 2 ** (n % 8): single wishes go through the four oldest pages or more per lap.
    stack = grant(build_small_stack(100, n_pages=[64]), 0, 64)
    stack.pages.last_touch[:] = 1000 - 2 ** (np.arange(64) % 8)
    taken = inflate_one_by_one(stack, 8, 1000)
    assert sorted(taken) == [n for n in range(64) if n % 8 == 7]
