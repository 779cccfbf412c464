"""Exact replacement: by hand, against a plain list, and against published counts of another program."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.kernels.replacement import count_fifo_misses, count_lru_misses


def replay_list(pages, capacity, is_moved):
    """Keep the pages in a list, oldest first; with `is_moved` a page that is used again becomes the youngest."""
    held, missed = [], []
    for page in pages:
        is_missing = page not in held
        missed.append(is_missing)
        if is_missing and len(held) == capacity:
            held.pop(0)
        if is_missing or is_moved:
            held = [other for other in held if other != page] + [int(page)]
    return missed


def test_by_hand():
    # Two fit. LRU: 0 1 miss, 0 hits and is younger than 1, 2 replaces 1, 0 hits, 1 replaces 2. FIFO: 2 replaces 0.
    pages = np.array([0, 1, 0, 2, 0, 1], dtype=np.int32)
    assert count_lru_misses(pages, 3, 2) == 4
    # FIFO: 0 1 miss, 0 hits, 2 replaces 0, 0 replaces 1, 1 replaces 2.
    assert count_fifo_misses(pages, 3, 2) == 5
    assert count_lru_misses(pages, 3, 2, first_counted=3) == 2
    assert count_fifo_misses(pages, 3, 2, first_counted=3) == 3


@given(
    pages=st.lists(st.integers(0, 7), max_size=60),
    capacity=st.integers(1, 9),
    first_counted=st.integers(0, 60),
)
def test_as_a_plain_list(pages, capacity, first_counted):
    stream = np.array(pages, dtype=np.int32)
    lru = sum(replay_list(pages, capacity, is_moved=True)[first_counted:])
    fifo = sum(replay_list(pages, capacity, is_moved=False)[first_counted:])
    assert count_lru_misses(stream, 8, capacity, first_counted) == lru
    assert count_fifo_misses(stream, 8, capacity, first_counted) == fifo


def test_ten_million_requests_miss_as_often_as_in_libcachesim():
    # libCacheSim 0.3.5 on the same requests, cache of 100,000 objects: LRU 0.2230789, FIFO 0.2526042.
    rng = np.random.default_rng(1)
    weights = 1.0 / np.arange(1, 1_000_001)
    edges = np.cumsum(weights) / weights.sum()
    pages = np.searchsorted(edges, rng.random(10_000_000)).astype(np.int32)
    assert count_lru_misses(pages, 1_000_000, 100_000) == 2_230_789
    assert count_fifo_misses(pages, 1_000_000, 100_000) == 2_526_042


@pytest.mark.parametrize(
    ("pages", "capacity", "words"),
    [([0, 3], 1, "expected 0 to 2"), ([0, -1], 1, "expected 0 to 2"), ([0], 0, "expected 1 page")],
)
def test_what_makes_no_sense_is_refused(pages, capacity, words):
    with pytest.raises(ValueError, match=words):
        count_lru_misses(np.array(pages, dtype=np.int32), 3, capacity)


def test_wide_numbers_are_refused():
    with pytest.raises(ValueError, match="expected int32"):
        count_fifo_misses(np.array([0]), 3, 1)
