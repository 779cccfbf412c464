"""Compression and host swap by themselves: who is compressed, who leaves, who is taken, against hand arithmetic."""

import numpy as np
import pytest

from planner.host.invariants import find_violation
from planner.host.swap import _slot_units
from planner.kernels import state
from planner.kernels.frames import free_frames, move_page
from planner.kernels.swap import page_out
from tests.unit.host.stacks import build_small_stack, grant


def swapped(stack):
    return np.flatnonzero(stack.pages.host_class == state.SWAPPED).tolist()


def compressed(stack):
    return np.flatnonzero(stack.pages.host_class == state.COMPRESSED).tolist()


def test_lru_takes_the_coldest_pages_to_the_tick():
    stack = grant(build_small_stack(100, n_pages=[8], is_lru=True, is_sharing=False), 0, 8)
    stack.pages.last_touch[:] = [100, 61, 90, 60, 100, 2, 100, 64]
    assert page_out(stack, 3, 100) == 3
    assert swapped(stack) == [1, 3, 5]
    # The queue is kept: page 7 is next, unless it is touched; then page 2 is the coldest.
    stack.pages.last_touch[7] = 101
    assert page_out(stack, 1, 101) == 1
    assert swapped(stack) == [1, 2, 3, 5]


def test_lru_is_one_order_for_all_vms():
    stack = build_small_stack(100, n_pages=[4, 4], is_lru=True, is_sharing=False)
    grant(grant(stack, 0, 4), 1, 4)
    stack.pages.last_touch[:] = [8, 7, 6, 5, 4, 3, 2, 1]
    page_out(stack, 5, 9)
    assert swapped(stack) == [3, 4, 5, 6, 7]


def test_a_short_queue_is_filled_again_until_the_goal_is_met():
    stack = grant(build_small_stack(100, n_pages=[20], is_lru=True, is_sharing=False), 0, 20)
    stack.pages.last_touch[:] = np.arange(20)
    short = stack._replace(swap=stack.swap._replace(queue=np.zeros(3, np.int32)))
    assert page_out(short, 11, 30) == 11
    assert swapped(short) == list(range(11))


def test_nothing_is_taken_where_swap_space_is_full():
    for is_lru in (False, True):
        stack = build_small_stack(100, n_pages=[20], is_lru=is_lru, is_sharing=False, limits={"space": 4})
        grant(stack, 0, 20)
        assert page_out(stack, 10, 1) == 4
        assert stack.host.totals[state.TOTAL_SWAPPED] == 4
        assert find_violation(stack) is None


def test_slots_of_esxi_are_a_quarter_half_or_none():
    assert _slot_units(np.array([1, 4, 5, 8, 9, 16]), False).tolist() == [4, 4, 8, 8, 16, 16]


def test_zsmalloc_packs_up_to_twelve_sixteenths():
    assert _slot_units(np.array([1, 4, 5, 12, 13, 16]), True).tolist() == [1, 4, 5, 12, 16, 16]


def cache_stack(cap_units, slots, **knobs):
    values = {"is_lru": True, "is_compressing": True, "is_sharing": False} | knobs
    stack = build_small_stack(100, n_pages=[len(slots)], **values)
    grant(stack, 0, len(slots))
    stack.swap.slot_units[:] = slots
    stack.vms.compress_cap[0] = cap_units
    stack.pages.last_touch[:] = np.arange(len(slots))
    return stack


def test_savings_of_a_full_cache_are_the_closed_form():
    # A cache of C frames of 2:1 slots holds 2C pages and saves C; of 4:1 slots it saves 3C: C x (ratio - 1).
    for slot, ratio in ((8, 2), (4, 4)):
        stack = cache_stack(10 * 16, [slot] * 60)
        page_out(stack, 50, 100)
        n_compressed = stack.host.totals[state.TOTAL_COMPRESSED]
        held = stack.host.totals[state.TOTAL_POOL_UNITS] // 16
        assert n_compressed - held == 10 * (ratio - 1)
        assert find_violation(stack) is None


def test_a_page_that_does_not_fit_half_is_swapped():
    stack = cache_stack(1000, [16, 8, 16, 8])
    page_out(stack, 3, 100)
    assert (compressed(stack), swapped(stack)) == ([1, 3], [0, 2])


def test_the_oldest_leave_a_full_cache_for_swap():
    # Room for two half pages. Pages go in by age 0, 1, 2, ...: each further one pushes the oldest out.
    stack = cache_stack(16, [8] * 6)
    page_out(stack, 3, 100)
    # 0 and 1 fill a frame, gaining one; 2 pushes 0 out and gains one; 3 pushes 1 out and gains one.
    assert (compressed(stack), swapped(stack)) == ([2, 3], [0, 1])
    assert stack.vms.tick[0, state.TICK_SWAP_OUT] == 2
    assert find_violation(stack) is None


def test_a_page_that_comes_back_is_the_newest():
    stack = cache_stack(24, [8] * 5)
    page_out(stack, 1, 100)
    assert compressed(stack) == [0, 1]
    move_page(stack, 0, 0, state.PRIVATE)
    page_out(stack, 1, 100)  # 2, and then room for one more: 0, again the coldest
    move_page(stack, 0, 2, state.PRIVATE)
    stack.pages.last_touch[2] = 50
    while not swapped(stack):
        page_out(stack, 1, 100)
    assert swapped(stack) == [1]  # in the cache for the longest time


def test_a_large_slot_may_push_out_several_small_ones():
    stack = cache_stack(8, [4, 4, 8])
    page_out(stack, 2, 100)
    assert (compressed(stack), swapped(stack)) == ([2], [0, 1])


def test_without_swap_a_full_cache_refuses():
    stack = cache_stack(8, [8] * 4, is_swapping=False)
    page_out(stack, 4, 100)
    assert (compressed(stack), swapped(stack)) == ([0], [])


ZSWAP = {"is_pool_shared": True, "is_slot_held": True}


def test_zswap_writes_back_to_its_accept_threshold():
    # A pool of 32 units takes eight pages of 4. The ninth finds it full: the oldest are written back until at most 16
    # units are left (pages 0-3), and the page itself goes to the device.
    stack = cache_stack(10**6, [4] * 12, limits=ZSWAP | {"pool_cap": 32, "pool_accept": 16})
    while stack.host.totals[state.TOTAL_SWAPPED] == 0:
        page_out(stack, 1, 100)
    assert swapped(stack) == [0, 1, 2, 3, 8]
    assert compressed(stack)[:4] == [4, 5, 6, 7]
    assert find_violation(stack) is None


def test_a_zswap_page_keeps_its_place_on_the_device():
    stack = cache_stack(10**6, [4] * 12, limits=ZSWAP | {"pool_cap": 10**6, "pool_accept": 10**6, "space": 5})
    page_out(stack, 12, 100)
    assert compressed(stack) == [0, 1, 2, 3, 4]
    assert swapped(stack) == []


def test_zram_holds_swapped_pages_in_frames():
    slots = [4, 16, 8, 4, 16, 4]
    stack = build_small_stack(100, n_pages=[6], is_lru=True, is_sharing=False, limits=ZSWAP | {"is_ram": True})
    grant(stack, 0, 6)
    stack.swap.slot_units[:] = slots
    stack.pages.last_touch[:] = np.arange(6)
    before = free_frames(stack)
    page_out(stack, 6, 100)
    # 4 + 16 + 8 + 4 + 16 + 4 = 52 units = 3.25 frames, so six frames become four and two are gained.
    assert compressed(stack) == [0, 1, 2, 3, 4, 5]
    assert free_frames(stack) - before == 2
    assert stack.vms.tick[0, state.TICK_SWAP_OUT] == 0
    assert find_violation(stack) is None


@pytest.mark.parametrize("kind", ["cache", "zswap", "zram"])
def test_reserved_memory_is_never_compressed(kind):
    limits = {"cache": {}, "zswap": ZSWAP | {"pool_cap": 10**6}, "zram": ZSWAP | {"is_ram": True}}[kind]
    stack = cache_stack(10**6, [4] * 20, limits=limits, is_compressing=kind != "zram")
    stack.vms.reservation[0] = 14
    page_out(stack, 20, 100)
    assert stack.vms.counts[0, state.COMPRESSED] == 6
