"""The TLB: hand-made cases, the oracle on random streams, and the closed forms for uniform and Zipf references."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.kernels.tlb import HIT_L1, HIT_L2, MISS, TlbGeometry, build_tlb, fill_tlb, flush_tlb, lookup_tlb
from tests.oracles.translation import OracleTlb

PAGE = 4096
LARGE = 2 * 1024**2
GIB = 1024**3
TINY = TlbGeometry(
    l1_4k=(2, 2),
    l1_2m=(1, 1),
    l1_1g=(1, 1),
    l1_is_unified=False,
    l2=(4, 2),
    l2_holds_2m=True,
    l2_1g=(0, 0),
)


def outcome_of(tlb, address, leaf_level=1):
    """Look up, fill after a miss (identity mapping), return the outcome."""
    outcome, physical = lookup_tlb(tlb, address)
    if outcome == MISS:
        fill_tlb(tlb, address, address, leaf_level)
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
    tlb = build_tlb(TINY._replace(l1_4k=(2, 1), l2=(4, 1)))
    # One way, two L1 sets: pages 0 and 2 fight for set 0, page 1 is safe in set 1. L2 has 4 sets: 0 and 2 both stay.
    assert [outcome_of(tlb, page * PAGE) for page in (0, 1, 2, 1, 0)] == [MISS, MISS, MISS, HIT_L1, HIT_L2]


def test_a_large_entry_covers_2_mib_and_small_one_4_kib():
    tlb = build_tlb(TINY)
    assert outcome_of(tlb, LARGE, leaf_level=2) == MISS
    assert outcome_of(tlb, LARGE + 300 * PAGE + 17) == HIT_L1
    assert outcome_of(tlb, 2 * LARGE, leaf_level=1) == MISS
    assert outcome_of(tlb, 2 * LARGE + 17) == HIT_L1
    assert outcome_of(tlb, 2 * LARGE + PAGE) == MISS


@pytest.mark.parametrize(("holds", "expected"), [(True, HIT_L2), (False, MISS)])
def test_second_level_takes_large_entries_only_where_the_core_does(holds, expected):
    tlb = build_tlb(TINY._replace(l2_holds_2m=holds))
    outcome_of(tlb, 0, leaf_level=2)
    outcome_of(tlb, LARGE, leaf_level=2)
    assert outcome_of(tlb, 0, leaf_level=2) == expected


def test_small_and_large_pages_of_one_number_are_different_entries():
    tlb = build_tlb(TINY._replace(l1_2m=(2, 2)))
    assert outcome_of(tlb, 5 * PAGE) == MISS
    assert outcome_of(tlb, 5 * LARGE, leaf_level=2) == MISS
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
        build_tlb(TINY._replace(l2=(entries, 2)))


def test_first_level_of_any_size_holds_so_many_entries_in_all():
    """Two entries for all sizes: a 4 KiB, a 2 MiB and a 1 GiB page do not fit; L2 holds neither 2 MiB nor 1 GiB."""
    tlb = build_tlb(TINY._replace(l1_is_unified=True, l2_holds_2m=False))
    assert [outcome_of(tlb, GIB * level, level) for level in (1, 2, 3)] == [MISS, MISS, MISS]
    assert outcome_of(tlb, GIB * 3 + 17, 3) == HIT_L1
    assert outcome_of(tlb, GIB * 2 + 17, 2) == HIT_L1
    assert outcome_of(tlb, GIB, 1) == HIT_L2


@pytest.mark.parametrize(("second", "expected"), [((2, 2), HIT_L2), ((0, 0), MISS)])
def test_1_gib_entries_are_where_the_core_has_them(second, expected):
    tlb = build_tlb(TINY._replace(l2_1g=second))
    assert outcome_of(tlb, GIB, 3) == MISS
    assert outcome_of(tlb, 2 * GIB - 1, 3) == HIT_L1
    assert outcome_of(tlb, 2 * GIB, 3) == MISS
    assert outcome_of(tlb, GIB, 3) == expected


def test_1_gib_pages_are_smashed_to_2_mib_where_there_are_no_entries():
    tlb = build_tlb(TINY._replace(l1_1g=(0, 0)))
    assert outcome_of(tlb, GIB, 3) == MISS
    assert outcome_of(tlb, GIB + LARGE - 1, 3) == HIT_L1
    assert outcome_of(tlb, GIB + LARGE, 3) == MISS


SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 3)).map(lambda sets: (sets[0] * sets[1], sets[1]))
SHAPES_OR_NONE = st.just((0, 0)) | SHAPES
GEOMETRIES = st.builds(
    TlbGeometry, SHAPES, SHAPES, SHAPES_OR_NONE, st.booleans(), SHAPES, st.booleans(), SHAPES_OR_NONE
)


@settings(max_examples=120, deadline=None)
@given(GEOMETRIES, st.lists(st.integers(0, 12 * 512 - 1), max_size=120), st.lists(st.integers(1, 3), min_size=12))
def test_random_streams_hit_and_miss_as_in_the_oracle(geometry, pages, leaf_levels):
    """Pages fall in 12 blocks, three to a GiB; `leaf_levels` says by what page each block's GiB is mapped."""
    tlb, oracle = build_tlb(geometry), OracleTlb(geometry)
    for page in pages:
        block = page // 512
        address = page % 40 * PAGE + block % 3 * LARGE + block // 3 * GIB
        expected = oracle.lookup(address)
        assert lookup_tlb(tlb, address) == expected
        if expected[0] == MISS:
            leaf_level = leaf_levels[block // 3]
            fill_tlb(tlb, address, address + 16 * GIB, leaf_level)
            oracle.fill(address, address + 16 * GIB, leaf_level)


def miss_fraction(tlb, pages):
    outcomes = np.array([outcome_of(tlb, int(page) * PAGE) for page in pages])
    return float((outcomes[outcomes.size // 4 :] == MISS).mean())


def test_uniform_references_miss_at_one_minus_reach_over_pages():
    """FIFO, LRU, any policy: 1 - R / N; here L2 = 64 of 256 pages (L1's pages are nearly all in L2, too)."""
    pages = np.random.default_rng(1).integers(0, 256, 40_000)
    measured = miss_fraction(build_tlb(TINY._replace(l1_4k=(1, 1), l2=(64, 64))), pages)
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
    measured = miss_fraction(build_tlb(TINY._replace(l1_4k=(1, 1), l2=(64, 64))), pages)
    assert measured == pytest.approx(che_miss_fraction(popularity, 64), abs=0.01)
