"""Page-walk cost by pointer chase: dependent loads over the same places, mapped with 4 KiB and with 2 MiB pages.

Each load waits for the one before. The order is random, so neither caches nor prefetchers help; the two runs differ in
nothing but the page size, so their difference is what translation costs more with small pages. In a VM it includes
the walk of the host's page tables.
"""

import mmap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numba import njit

from planner.calibrate.memory import backed_large_bytes, map_memory
from planner.calibrate.result import Figure, Unknown, summarize_samples
from planner.streams import make_generator

_APART_BYTES = 256
"""Places are this far apart: more places than a last-level cache has lines, each on a line of its own."""
_STEPS = 1_000_000
_WARM_UP_STEPS = 100_000
_WORD_BYTES = 8


def _follow_loop(words: np.ndarray, at: int, steps: int) -> int:
    for _ in range(steps):
        at = words[at]
    return at


_follow: Callable[[np.ndarray, int, int], int] = njit(_follow_loop)


def measure_chase(n_bytes: int, repeats: int) -> tuple[list[Figure], list[Unknown]]:
    """Measure dependent loads at both page sizes, and how much longer they take with small pages. [ns].

    Takes `n_bytes` twice. The page sizes take turns, so that what else the machine does meets both alike.
    """
    order = _order(n_bytes)
    with _places(n_bytes, order, mmap.MADV_NOHUGEPAGE) as (words, _):
        small, large = [], []
        with _places(n_bytes, order, mmap.MADV_HUGEPAGE) as (large_words, is_large):
            at = [_follow(words, 0, _WARM_UP_STEPS), _follow(large_words, 0, _WARM_UP_STEPS)]
            for _ in range(repeats):
                small.append(_load_ns(words, at, 0))
                large.append(_load_ns(large_words, at, 1))
            del large_words
        del words
    where = f"dependent load at random of {n_bytes >> 20} MiB"
    figures = [summarize_samples("load_4k", "ns", small, f"{where} in 4 KiB pages")]
    if not is_large:
        reason = "the kernel gives no 2 MiB pages (transparent huge pages are off, or memory is fragmented)"
        return figures, [Unknown("load_2m", reason), Unknown("page_walk_4k", reason)]
    figures.append(summarize_samples("load_2m", "ns", large, f"{where} in 2 MiB pages"))
    more_ns = [a - b for a, b in zip(small, large, strict=True)]
    walk = summarize_samples("page_walk_4k", "ns", more_ns, "what a load takes longer in 4 KiB than in 2 MiB pages")
    if walk.low <= 0:
        return figures, [Unknown("page_walk_4k", "it is less than the spread of the loads: is the machine busy?")]
    return [*figures, walk], []


def _load_ns(words: np.ndarray, at: list[int], which: int) -> float:
    """Time loads from where the last ones ended. CPU time: waiting for a core is not counted."""
    started_ns = time.thread_time_ns()
    at[which] = _follow(words, at[which], _STEPS)
    return (time.thread_time_ns() - started_ns) / _STEPS


@contextmanager
def _places(n_bytes: int, order: np.ndarray, advice: int) -> Iterator[tuple[np.ndarray, bool]]:
    """Map memory and lay the cycle into it; says whether most of it is backed by 2 MiB pages."""
    before = backed_large_bytes()
    memory = map_memory(n_bytes, advice)
    words = np.frombuffer(memory, dtype=np.int64)
    words[order[0]] = order[1]
    yield words, backed_large_bytes() - before > n_bytes // 2


def _order(n_bytes: int) -> np.ndarray:
    """Draw a random cycle through all places: for each the next one. [words]."""
    n_places = n_bytes // _APART_BYTES
    visits = make_generator(0, "live").permutation(n_places) * (_APART_BYTES // _WORD_BYTES)
    return np.stack([visits, np.roll(visits, -1)])
