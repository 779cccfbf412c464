"""The touch process: equal to its plain twin, and touching what the demand says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.kernels.draws import build_exponential_table, draw_u32
from planner.kernels.state import N_STRATA, TouchProcess, TouchScratch, VmDemand
from planner.kernels.touches import draw_touches
from planner.workload.fleet import Demand, VmTable
from planner.workload.touch import build_touch_clock, count_pages, demand_pages, stratum_gaps
from tests.oracles import draws as oracle

MIB = 2**20


def run_kernel(key, clock, granted, n_pages, process, piece=1 << 30):
    """Draw all touches, `piece` ticks at a time; every piece in a buffer that is overwritten by the next."""
    scratch = TouchScratch(np.zeros(n_pages, np.uint32), np.zeros(n_pages, np.uint16), np.zeros(8, np.uint32))
    start = np.zeros(clock.size + 1, np.int64)
    page = np.empty(n_pages * clock.size + n_pages, np.int32)
    demand = VmDemand(np.uint32(key), clock, granted)
    by_tick = []
    for first in range(0, clock.size, piece):
        end = min(first + piece, clock.size)
        assert draw_touches(demand, (first, end), process, scratch, 0, page, start) == end
        by_tick += [page[start[t] : start[t + 1]].tolist() for t in range(first, end)]
    return by_tick


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    key=st.integers(0, 2**32 - 1),
    n_pages=st.integers(1, 150),
    seed=st.integers(0, 1000),
    alpha=st.sampled_from([0.5, 1.3, 3.0]),
    drift=st.sampled_from([0.0, 0.01, 0.5]),
    piece=st.sampled_from([1, 2, 7, 30]),
)
def test_touches_equal_oracle(key, n_pages, seed, alpha, drift, piece):
    rng = np.random.default_rng(seed)
    n_ticks = 30
    clock = np.cumsum(rng.exponential(2.0**31 / 60, n_ticks)).astype(np.uint32)
    granted = rng.integers(-1, n_pages + 1, n_ticks).astype(np.int32)
    granted[5:20] = np.sort(granted[5:20])
    gap = ((np.arange(N_STRATA) + 0.5) / N_STRATA) ** alpha
    table = build_exponential_table()
    unit = 2.0**28
    fast = run_kernel(key, clock, granted, n_pages, TouchProcess(gap, table, unit, drift), piece)
    slow = oracle.touches(key, clock.tolist(), granted.tolist(), n_pages, gap.tolist(), table.tolist(), unit, drift)
    assert fast == slow


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**31 - 1), st.integers(0, 2**20), st.integers(0, 15))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_draws_equal_plain_integers(key, page, tick, purpose):
    assert int(draw_u32(np.uint32(key), page, tick, purpose)) == oracle.draw(key, page, tick, purpose)


def test_draws_are_uniform():
    drawn = np.array([draw_u32(np.uint32(7), page, tick, 1) for page in range(200) for tick in range(200)])
    counts = np.bincount(drawn >> 28, minlength=16)
    # 40,000 draws in 16 bins: chi-square with 15 degrees of freedom is below 37.7 with probability 0.999.
    assert ((counts - 2500) ** 2 / 2500).sum() < 37.7


def test_exponential_table_has_the_law_mean_and_median():
    table = build_exponential_table()
    assert table.mean() == pytest.approx(1.0, abs=1e-12)
    assert np.median(table) == pytest.approx(np.log(2.0), rel=1e-3)


def one_vm(configured_mib, active, granted):
    vms = VmTable(
        ("vm",), np.array([configured_mib * MIB]), np.array([2]), (None,), (None,), (None,), np.array([1]),
        np.array([0]), np.array([configured_mib * MIB]), np.array([True]),
    )  # fmt: skip
    demand = Demand(300.0, np.array([active], np.float32), np.array([granted], np.float32), np.array([0.1]))
    return vms, demand


@pytest.mark.parametrize("alpha", [1.3, 2.0, 3.0])
@pytest.mark.parametrize(("active", "granted"), [(0.02, 0.9), (0.05, 0.5), (0.3, 0.8)])
def test_touched_pages_match_the_trace(alpha, active, granted):
    n_ticks, n_pages = 2000, 1024
    vms, demand = one_vm(1024, [active] * n_ticks, [granted] * n_ticks)
    pages = demand_pages(demand, count_pages(vms.configured_bytes, 256))
    assert pages.n_pages.tolist() == [n_pages]
    clock = build_touch_clock(demand, pages, 0, alpha)
    process = TouchProcess(stratum_gaps(alpha), build_exponential_table(), clock.unit, 0.0)
    touched = run_kernel(12345, clock.clock, pages.granted[0], n_pages, process)
    mean = np.mean([len(pages) for pages in touched[1:]])
    # Expected pages by the trace; the continuous law against 1,024 ranks and the table of draws cost under 2 %.
    assert mean == pytest.approx(active * n_pages, rel=0.02)


def test_off_and_restart_are_kept():
    granted = [np.nan, 0.25, 0.5, 0.5, 0.25, np.nan]
    vms, demand = one_vm(16, [np.nan, 0.1, 0.1, 0.1, 0.1, np.nan], granted)
    pages = demand_pages(demand, count_pages(vms.configured_bytes, 256))
    assert pages.granted.tolist() == [[-1, 4, 8, 8, 4, -1]]
    assert pages.active[0] == pytest.approx([0.0, 1.6, 1.6, 1.6, 1.6, 0.0], rel=1e-6)


def test_pages_are_rounded_and_never_none():
    configured = np.array([256 * MIB, 4 * MIB, 1], dtype=np.int64)
    # 8 MiB a page: 32, half a page rounds up to 1, next to nothing is still one page.
    assert count_pages(configured, 2048).tolist() == [32, 1, 1]
