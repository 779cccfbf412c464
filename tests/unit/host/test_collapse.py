"""Rebuilding of large pages: what a block needs, what it costs, and how fast it goes. Blocks of four pages."""

import math

import numpy as np
import pytest

from planner.host.invariants import find_violation
from planner.kernels import state
from planner.kernels.collapse import step_collapse
from planner.kernels.frames import free_frames, move_page
from planner.kernels.sharing_esx import try_share
from tests.unit.host.stacks import build_small_stack, grant


def broken_stack(frames=100, n_pages=8, contents=None, **knobs):
    """Build a VM of broken blocks, all private; limits are 2 of 4 pages shared (256 of 512), 1 of 4 out (128)."""
    return grant(
        build_small_stack(frames, n_pages=[n_pages], pages_per_block=4, is_large=True, **knobs), 0, n_pages, contents
    )


def limited(stack, **limits):
    return stack._replace(rebuild=stack.rebuild._replace(limits=stack.rebuild.limits._replace(**limits)))


def test_shared_pages_are_copied_and_swapped_ones_read():
    stack = broken_stack(contents=[0, 0, -1, -1, -1, -1, -1, -1])
    assert not try_share(stack, 0, 0)
    assert try_share(stack, 0, 1)
    move_page(stack, 0, 2, state.SWAPPED)
    assert free_frames(stack) == 100 - 1 - 5  # one shared frame, five private pages
    step_collapse(stack, 0)
    assert stack.host.is_small[:2].tolist() == [0, 0]
    assert stack.vms.small[0] == 0
    assert stack.vms.counts[0, state.PRIVATE] == 8
    assert free_frames(stack) == 92
    assert stack.vms.tick[0, state.TICK_REBUILT] == 8
    assert stack.vms.tick[0, state.TICK_REBUILD_UNSHARED] == 2
    assert stack.vms.tick[0, state.TICK_REBUILD_READ] == 1
    assert find_violation(stack) is None


@pytest.mark.parametrize(
    ("host_class", "n", "expected"),
    [
        (state.SWAPPED, 1, 0),
        (state.SWAPPED, 2, 1),  # 2 of 4 are 256 of 512, the limit is 128
        (state.BALLOONED, 1, 1),  # a gap
        (state.EVICTED, 1, 1),
    ],
)
def test_a_block_with_too_much_away_stays_broken(host_class, n, expected):
    stack = broken_stack()
    for page in range(n):
        move_page(stack, 0, page, host_class)
    step_collapse(stack, 0)
    assert stack.host.is_small[:2].tolist() == [expected, 0]


def test_a_block_with_too_many_shared_pages_stays_broken():
    stack = broken_stack(contents=[0, 0, 0, -1, -1, -1, -1, -1])
    for page in range(3):
        try_share(stack, 0, page)
    step_collapse(stack, 0)
    assert stack.host.is_small[:2].tolist() == [1, 0]
    assert stack.vms.counts[0, state.SHARED] == 3


@pytest.mark.parametrize(("frames", "expected"), [(8 + 10 + 4, 0), (8 + 10 + 3, 1)])
def test_a_block_of_frames_must_be_free_above_the_level(frames, expected):
    stack = broken_stack(frames)
    step_collapse(stack, 0)
    assert stack.host.is_small[0] == expected


def test_swapped_pages_above_the_limit_are_not_read():
    stack = broken_stack()
    move_page(stack, 0, 0, state.SWAPPED)
    stack.vms.limit[0] = 7
    step_collapse(stack, 0)
    assert stack.host.is_small[:2].tolist() == [1, 0]


def test_the_scan_goes_on_where_it_stopped():
    # Half a block a tick: none in tick 0, the first in tick 1, none in tick 2, the second in tick 3.
    stack = limited(broken_stack(), blocks_per_tick=0.5)
    left = []
    for tick in range(4):
        step_collapse(stack, tick)
        left.append(int(stack.vms.small[0]))
    assert left == [8, 4, 4, 0]


def test_exposure_falls_with_the_blocks_that_come_back_and_not_below_the_gaps():
    """100 blocks of one sampled page each; exposure 2 left exp(-2) = 13.5 % whole.

    Ten blocks a tick lift that to 23.5 %. Ten ballooned pages of 100, each for `scatter` = 50 more, are 5 gaps a block:
    no more than exp(-5) of the blocks may be whole, fewer than are, so nothing changes.
    """
    for n_gaps, expected in ((0, -math.log(math.exp(-2.0) + 0.1)), (10, 2.0)):
        stack = grant(build_small_stack(1000, n_pages=[100], is_large=True, scatter=50.0), 0, 100)
        stack.host.exposure[0] = 2.0
        for page in range(n_gaps):
            move_page(stack, 0, page, state.BALLOONED)
        step_collapse(stack, 0)
        assert stack.host.exposure[0] == pytest.approx(expected)
        n_whole = np.count_nonzero(stack.host.is_small == 0)
        assert n_whole == 100 - stack.vms.small[0] <= 10
