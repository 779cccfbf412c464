"""Blocks of 2 MiB that break because pages in them are taken: a sampled page breaks as many as what it stands for."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from planner.kernels.compiled import kernel
from planner.kernels.frames import break_block
from tests.oracles.host_frames import Frames
from tests.unit.host.stacks import build_small_stack


@kernel
def break_block_of(stack, v, i):
    break_block(stack, v, i)


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
    vm = SimpleNamespace(key=int(stack.vms.key[0]), pages=pages, granted=5003, exposure=0.0, small_blocks=set())
    twin = Frames()
    twin.knobs = stack.knobs
    for i in (17, 18, 4999, 17, 333, 2500):
        break_block_of(stack, 0, i)
        twin.break_block(vm, pages[i])
        assert set(np.flatnonzero(stack.host.is_small)) == vm.small_blocks
        assert stack.vms.small[0] == twin.small_pages(vm)


def test_blocks_break_as_taking_pages_at_random_would_break_them():
    # 20,000 sampled pages of 16 MiB (4096 pages, 8 blocks each) are 160,000 blocks. Taking 40 breaks all but
    # exp(-40 x 4096 / 160,000) = 35.9 % of them; over 20,000 thresholds that is within 0.34 % x 3.
    stack = make_stack(20_000, 20_000, 512 * (1 - 1 / 4096))
    for i in range(40):
        break_block_of(stack, 0, i * 500)
    assert 1 - stack.vms.small[0] / 20_000 == pytest.approx(math.exp(-40 * 4096 / 160_000), abs=0.0102)


def test_in_exact_mode_a_page_breaks_its_own_block_only():
    stack = make_stack(5120, 5000, 0.0, pages_per_block=512)
    break_block_of(stack, 0, 1000)
    break_block_of(stack, 0, 4999)
    assert np.flatnonzero(stack.host.is_small).tolist() == [1, 9]
    # The last block has 5000 - 9 x 512 = 392 granted pages.
    assert stack.vms.small[0] == 512 + 392
