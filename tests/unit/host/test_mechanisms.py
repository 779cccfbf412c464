"""Each mechanism by itself, against hand arithmetic and closed forms."""

import math

import numpy as np
import pytest

from planner.host.invariants import find_violation
from planner.kernels import state
from planner.kernels.frames import free_frames
from planner.kernels.sharing import step_scan, write_page
from planner.kernels.sharing_esx import try_share
from planner.kernels.swap import page_out
from tests.unit.host.stacks import build_small_stack, grant


def test_two_equal_pages_share_one_frame_and_a_write_copies():
    stack = grant(grant(build_small_stack(100), 0, 2, [0, -1]), 1, 1, [0])
    assert free_frames(stack) == 97
    assert not try_share(stack, 0, 0, True)  # first of its kind: becomes the hint
    assert try_share(stack, 1, 10, True)
    assert free_frames(stack) == 98
    assert stack.contents.refs[0] == 2
    assert write_page(stack, 1, 10)
    assert stack.pages.host_class[10] == state.PRIVATE
    assert stack.contents.refs[0] == 1
    assert free_frames(stack) == 97
    assert find_violation(stack) is None


def test_zero_pages_of_sampled_mode_share_without_a_partner():
    stack = grant(build_small_stack(100), 0, 1, [0])
    stack.contents.frame_cost[0] = 0
    assert try_share(stack, 0, 0, True)
    assert free_frames(stack) == 100
    assert find_violation(stack) is None


def test_random_scan_finds_the_closed_form_share():
    # A class of m equal pages among M, scanned with replacement: with q = 1 - exp(-rate * t / M) the expected pages
    # reclaimed are m q - 1 + (1 - q)^m. Here m = M = 2000, rate 100, t = 10: q = 0.3935, expected 786.
    n_pages, rate, ticks = 2000, 100.0, 10
    stack = grant(build_small_stack(10_000, n_pages=[n_pages]), 0, n_pages, [0] * n_pages)
    stack.vms.scan_per_tick[:] = rate
    for tick in range(ticks):
        step_scan(stack, tick)
    q = 1.0 - math.exp(-rate * ticks / n_pages)
    saved = stack.vms.counts[0, state.SHARED] - 1
    assert saved == pytest.approx(n_pages * q - 1.0, rel=0.04)


def test_large_blocks_are_shared_only_when_memory_is_short():
    for frames, expected in ((1000, 0), (410, 20)):
        stack = build_small_stack(frames, n_pages=[20], min_free=100, is_large=True)
        stack.host.is_small[:] = 0
        grant(stack, 0, 20, [0] * 20)
        stack.vms.small[0] = 0
        stack.vms.scan_per_tick[:] = 500
        step_scan(stack, 0)
        # 4 x minFree = 400 frames: 980 free is enough, 390 is not.
        assert stack.vms.counts[0, state.SHARED] == expected
        assert stack.vms.small[0] == expected


@pytest.mark.parametrize("is_lru", [False, True])
def test_reserved_memory_is_never_paged_out(is_lru):
    stack = grant(build_small_stack(100, n_pages=[50], is_lru=is_lru, is_sharing=False), 0, 50)
    stack.vms.reservation[0] = 30
    assert page_out(stack, 45, 1) == 20
    assert stack.vms.counts[0, state.PRIVATE] == 30


def test_random_victims_are_spread_over_the_vm():
    stack = grant(build_small_stack(5000, n_pages=[4000], is_sharing=False), 0, 4000)
    page_out(stack, 1000, 7)
    taken = np.flatnonzero(stack.pages.host_class == state.SWAPPED)
    assert taken.size == 1000
    quarters = np.bincount(taken // 1000, minlength=4)
    # 250 expected in each quarter; sd of sampling without replacement is 12.
    assert abs(quarters - 250).max() < 60


def test_share_before_swap_writes_nothing_for_equal_pages():
    stack = grant(build_small_stack(100, n_pages=[10]), 0, 10, [0] * 10)
    assert not try_share(stack, 0, 9, True)  # scanned before: its content is known
    assert page_out(stack, 5, 1) == 5
    # Five frames gained by mapping six pages to one frame; nothing written.
    assert stack.vms.counts[0, state.SHARED] == 6
    assert stack.vms.counts[0, state.SWAPPED] == 0
