"""Rebuilding of large pages: what a block needs, what it costs, and how fast it goes. Blocks of four pages."""

import numpy as np
import pytest

from planner.host.invariants import find_violation
from planner.kernels import state
from planner.kernels.collapse import step_collapse
from planner.kernels.frames import free_frames, move_page
from planner.kernels.sharing_esx import try_share
from tests.unit.host.stacks import build_small_stack, grant


def broken_stack(frames=100, n_pages=8, contents=None, **knobs):
    """Build a VM of broken blocks, all private; at most 2 pages of a block shared, 1 out."""
    return grant(
        build_small_stack(frames, n_pages=[n_pages], pages_per_block=4, is_large=True, **knobs), 0, n_pages, contents
    )


def limited(stack, **limits):
    return stack._replace(rebuild=stack.rebuild._replace(limits=stack.rebuild.limits._replace(**limits)))


def test_shared_pages_are_copied_and_swapped_ones_read():
    stack = broken_stack(contents=[0, 0, -1, -1, -1, -1, -1, -1])
    assert not try_share(stack, 0, 0, True)
    assert try_share(stack, 0, 1, True)
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
        (state.SWAPPED, 2, 1),
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
        try_share(stack, 0, page, True)
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


def test_a_gap_stands_for_gaps_in_the_blocks_around_it():
    # 4000 blocks of one sampled page; every hundredth is in the balloon, each for `scatter` = 100 more. A block whose
    # nearest gap is d away is whole with probability exp(-50 / d), d = 1 .. 50.
    stack = grant(build_small_stack(10_000, n_pages=[4000], is_large=True, scatter=100.0), 0, 4000)
    gaps = np.arange(0, 4000, 100)
    for page in gaps:
        move_page(stack, 0, int(page), state.BALLOONED)
    step_collapse(limited(stack, blocks_per_tick=4000.0), 0)
    distance = np.abs(np.arange(4000)[:, np.newaxis] - gaps).min(axis=1)
    whole = np.exp(-50.0 / distance[distance > 0])
    found = stack.host.is_small == 0
    assert found.sum() == pytest.approx(whole.sum(), abs=3 * np.sqrt((whole * (1 - whole)).sum()))
    assert not found[distance <= 3].any()
    assert stack.vms.small[0] == 4000 - found.sum()


def test_a_sampled_block_is_judged_by_what_its_neighbours_hold():
    # Every second of 100 sampled pages shares one content, each for `scatter` = 5 more: of the 9 to 17 pages around one
    # 8/17 to 5/9 are shared, so 2.4 to 2.8 pages of its rest. A shared page's block comes back where four may be
    # shared, and the page is copied; where three may be it does not.
    for most, expected in ((4, 0), (3, 50)):
        contents = [0, -1] * 50
        stack = grant(build_small_stack(1000, n_pages=[100], is_large=True, scatter=5.0), 0, 100, contents)
        for page in (*range(0, 100, 2), 0):
            try_share(stack, 0, page, True)
        assert stack.vms.counts[0, state.SHARED] == 50
        stack = limited(stack, max_shared=most, blocks_per_tick=100.0)
        step_collapse(stack, 0)
        assert stack.vms.counts[0, state.SHARED] == expected, most
