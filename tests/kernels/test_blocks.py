"""Blocks of 2 MiB that break because pages in them are taken: a sampled page breaks as many as what it stands for."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from planner.kernels.blocks import break_block, break_range, break_shared
from tests.oracles.host_frames import Frames
from tests.unit.host.stacks import build_small_stack


def make_stack(n_pages, granted, scatter, pages_per_block=1):
    stack = build_small_stack(
        10**6, n_pages=(n_pages,), scatter=scatter, pages_per_block=pages_per_block, is_large=True
    )
    stack.host.is_small[:] = 0
    stack.vms.granted[0] = granted
    return stack


@pytest.mark.parametrize(("pages_per_block", "scatter"), [(1, 511.9), (8, 504.0), (512, 0.0)])
def test_breaking_equals_twin(pages_per_block, scatter):
    stack = make_stack(6000, 5003, scatter, pages_per_block)
    pages = [SimpleNamespace(number=n) for n in range(6000)]
    vm = SimpleNamespace(key=int(stack.vms.key[0]), pages=pages, granted=5003, breaks=0, small_blocks=set())
    twin = Frames()
    twin.knobs = stack.knobs
    for i in (17, 18, 4999, 17, 333, 2500):
        break_block(stack, 0, i)
        twin.break_block(vm, pages[i])
        assert set(np.flatnonzero(stack.host.is_small)) == vm.small_blocks
        assert stack.vms.small[0] == twin.small_pages(vm)
    for first, i, end in ((40, 41, 45), (45, 1399, 1400), (300, 300, 301), (4000, 4500, 5003)):
        break_range(stack, 0, i, first, end)
        twin.break_range(vm, pages[i], first, end)
        assert set(np.flatnonzero(stack.host.is_small)) == vm.small_blocks


def test_blocks_break_as_taking_pages_at_random_would_break_them():
    # 20,000 sampled pages of 16 MiB (4096 pages, 8 blocks each). One in a large block stands for 4096 in large
    # blocks: of a share f that is large, exp(-4096 / (160,000 f)) stays so. Twenty such pages, one after the other:
    stack = make_stack(20_000, 20_000, 512 * (1 - 1 / 4096))
    large = 1.0
    for _ in range(20):
        break_block(stack, 0, int(np.flatnonzero(stack.host.is_small == 0)[-1]))
        large *= math.exp(-4096 / (160_000 * large))
    # Deviations of the draws: at most those of 20,000 blocks that break independently, 0.35 %.
    assert 1 - stack.vms.small[0] / 20_000 == pytest.approx(large, abs=0.0106)


def test_a_sampled_page_in_a_broken_block_stands_for_pages_in_broken_blocks():
    stack = make_stack(20_000, 20_000, 512 * (1 - 1 / 4096))
    break_block(stack, 0, 0)
    before = stack.vms.small[0]
    for i in np.flatnonzero(stack.host.is_small):
        break_block(stack, 0, int(i))
    assert 1 < before == stack.vms.small[0]


def test_one_page_in_a_range_breaks_what_its_density_breaks():
    # One page in 200, for 511.9 more each: exp(-511.9 / 200) = 7.7 % of the other blocks stay whole. Binomial deviation
    # of 1,990 blocks: 11.9. Blocks outside of the ranges are not touched.
    stack = make_stack(6000, 6000, 511.9)
    for first in range(2000, 4000, 200):
        break_range(stack, 0, first + 50, first, first + 200)
    broken = np.flatnonzero(stack.host.is_small)
    assert broken.size == pytest.approx(10 + 1990 * (1 - math.exp(-511.9 / 200)), abs=3 * 11.9)
    assert 2000 <= broken[0] < broken[-1] < 4000


def test_a_shared_page_stands_for_what_lies_half_way_to_the_next_of_known_content():
    stack = make_stack(100, 100, 511.9)
    stack.pages.content[:] = -1
    stack.pages.content[[20, 30, 50]] = 7
    break_shared(stack, 0, 30)
    # From 25.5 to 40, exp(-511.9 / 14) of which stay whole: none.
    assert np.flatnonzero(stack.host.is_small).tolist() == list(range(25, 40))


def test_in_exact_mode_a_page_breaks_its_own_block_only():
    stack = make_stack(5120, 5000, 0.0, pages_per_block=512)
    break_block(stack, 0, 1000)
    break_block(stack, 0, 4999)
    assert np.flatnonzero(stack.host.is_small).tolist() == [1, 9]
    # The last block has 5000 - 9 x 512 = 392 granted pages.
    assert stack.vms.small[0] == 512 + 392
