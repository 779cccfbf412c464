"""The TLB: hand-made cases, the oracle on random streams, and the closed forms for uniform and Zipf references."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.kernels.tlb import HIT_L1, HIT_L2, MISS, TlbGeometry, build_tlb, fill_tlb, flush_tlb, lookup_tlb
from tests.oracles.translation import OracleTlb

PAGE = 4096
LARGE = 2 * 1024**2
TINY = TlbGeometry(
    l1_4k_entries=2, l1_4k_ways=2, l1_2m_entries=1, l1_2m_ways=1, l2_entries=4, l2_ways=2, l2_holds_2m=True
)


def outcome_of(tlb, address, is_large=False):
    """Look up, fill after a miss (identity mapping), return the outcome."""
    outcome, physical = lookup_tlb(tlb, address)
    if outcome == MISS:
        fill_tlb(tlb, address, address, is_large)
    else:
        assert physical == address
    return outcome


def test_least_recently_used_entry_of_the_set_falls_out():
    tlb = build_tlb(TINY)
    # L1 holds 2 pages. L2 has 2 sets of 2 ways: pages 0, 2, 4 share set 0.
    assert [outcome_of(tlb, page * PAGE) for page in (0, 2, 0)] == [MISS, MISS, HIT_L1]
    # 4 pushes 2 out of L1, where 0 is more recent; L2 has not seen the hit on 0, so there 0 falls out.
    assert outcome_of(tlb, 4 * PAGE) == MISS
    assert outcome_of(tlb, 2 * PAGE) == HIT_L2
    # The hit put 2 in front of L1 and pushed 0 out, which is in no level now.
    assert outcome_of(tlb, 0) == MISS


def test_sets_keep_pages_apart():
    tlb = build_tlb(TlbGeometry(2, 1, 1, 1, 4, 1, True))
    # One way, two L1 sets: pages 0 and 2 fight for set 0, page 1 is safe in set 1. L2 has 4 sets: 0 and 2 both stay.
    assert [outcome_of(tlb, page * PAGE) for page in (0, 1, 2, 1, 0)] == [MISS, MISS, MISS, HIT_L1, HIT_L2]


def test_a_large_entry_covers_2_mib_and_small_one_4_kib():
    tlb = build_tlb(TINY)
    assert outcome_of(tlb, LARGE, is_large=True) == MISS
    assert outcome_of(tlb, LARGE + 300 * PAGE + 17) == HIT_L1
    assert outcome_of(tlb, 2 * LARGE, is_large=False) == MISS
    assert outcome_of(tlb, 2 * LARGE + 17) == HIT_L1
    assert outcome_of(tlb, 2 * LARGE + PAGE) == MISS


@pytest.mark.parametrize(("holds", "expected"), [(True, HIT_L2), (False, MISS)])
def test_second_level_takes_large_entries_only_where_the_core_does(holds, expected):
    tlb = build_tlb(TINY._replace(l2_holds_2m=holds))
    outcome_of(tlb, 0, is_large=True)
    outcome_of(tlb, LARGE, is_large=True)
    assert outcome_of(tlb, 0, is_large=True) == expected


def test_small_and_large_pages_of_one_number_are_different_entries():
    tlb = build_tlb(TINY._replace(l1_2m_entries=2, l1_2m_ways=2))
    assert outcome_of(tlb, 5 * PAGE) == MISS
    assert outcome_of(tlb, 5 * LARGE, is_large=True) == MISS
    assert outcome_of(tlb, 5 * PAGE) == HIT_L1
    assert outcome_of(tlb, 5 * LARGE) == HIT_L1


def test_flush_empties_both_levels():
    tlb = build_tlb(TINY)
    outcome_of(tlb, 0)
    flush_tlb(tlb)
    assert outcome_of(tlb, 0) == MISS


@pytest.mark.parametrize("entries", [0, 3])
def test_wrong_geometry_is_refused(entries):
    with pytest.raises(ValueError, match="multiple of the ways"):
        build_tlb(TINY._replace(l2_entries=entries))


GEOMETRIES = st.builds(
    lambda small, large, second, holds: TlbGeometry(*small, *large, *second, holds),
    *[st.tuples(st.integers(1, 4), st.integers(1, 3)).map(lambda sw: (sw[0] * sw[1], sw[1]))] * 3,
    st.booleans(),
)


@settings(max_examples=80, deadline=None)
@given(GEOMETRIES, st.lists(st.integers(0, 12 * 512 - 1), max_size=120), st.integers(0, 2**12 - 1))
def test_random_streams_hit_and_miss_as_in_the_oracle(geometry, pages, large_blocks):
    """Pages fall in 12 blocks; bit b of `large_blocks` tells whether block b is held by one large entry."""
    tlb, oracle = build_tlb(geometry), OracleTlb(geometry)
    for page in pages:
        address = page % 40 * PAGE + page // 512 * LARGE
        expected = oracle.lookup(address)
        assert lookup_tlb(tlb, address) == expected
        if expected[0] == MISS:
            is_large = bool(large_blocks >> (page // 512) & 1)
            fill_tlb(tlb, address, address + 16 * LARGE, is_large)
            oracle.fill(address, address + 16 * LARGE, is_large)


def miss_fraction(tlb, pages):
    outcomes = np.array([outcome_of(tlb, int(page) * PAGE) for page in pages])
    return float((outcomes[outcomes.size // 4 :] == MISS).mean())


def test_uniform_references_miss_at_one_minus_reach_over_pages():
    """FIFO, LRU, any policy: 1 - R / N; here L2 = 64 of 256 pages (L1's pages are nearly all in L2, too)."""
    pages = np.random.default_rng(1).integers(0, 256, 40_000)
    measured = miss_fraction(build_tlb(TlbGeometry(1, 1, 1, 1, 64, 64, True)), pages)
    # Standard error sqrt(0.75 * 0.25 / 30000) = 0.0025; correlated, so allow 0.01.
    assert measured == pytest.approx(1 - 64 / 256, abs=0.01)


def che_miss_fraction(popularity, capacity):
    """Solve Che's equation sum(1 - exp(-p t)) = capacity by bisection; return the miss ratio of LRU."""
    low, high = 0.0, 1e9
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 - np.exp(-popularity * middle)).sum() < capacity else (low, middle)
    return float((popularity * np.exp(-popularity * low)).sum())


def test_zipf_references_miss_as_in_ches_approximation():
    """A fully associative level of 64 entries behind an L1 of one entry is an LRU cache of 64."""
    popularity = np.arange(1, 1001) ** -0.8
    popularity /= popularity.sum()
    pages = np.random.default_rng(2).choice(1000, 60_000, p=popularity)
    measured = miss_fraction(build_tlb(TlbGeometry(1, 1, 1, 1, 64, 64, True)), pages)
    assert measured == pytest.approx(che_miss_fraction(popularity, 64), abs=0.01)
