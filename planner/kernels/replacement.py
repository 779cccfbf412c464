"""Exact page replacement over one stream of references: least recently used, and first in first out.

What the stack's own choice of victims is held to (`planner validate`), and the fast way to a miss ratio where nothing
but replacement is asked for. Both take one number a page and no list: where a page was last used, or came in, says by
itself whether it is still there. All pages have one size; not modelled: writes, anything that takes time.
"""

import numpy as np

from planner.kernels.compiled import kernel


def count_lru_misses(pages: np.ndarray, n_pages: int, capacity: int, first_counted: int = 0) -> int:
    """Replay references under least recently used, from an empty memory.

    Parameters
    ----------
    pages : int32 array, shape (n_references,)
        Page of each reference, 0 to n_pages - 1.
    n_pages : int
        Pages there are. [pages]
    capacity : int
        Pages that fit, at least 1. [pages]
    first_counted : int
        First reference that is counted; those before it warm up.

    Returns
    -------
    int
        References from `first_counted` on that found their page missing.

    Raises
    ------
    ValueError
        A page is out of range, there are too many references, or nothing fits.
    """
    _check(pages, n_pages, capacity)
    return int(replay_lru(pages, capacity, first_counted, np.full(n_pages, -1, dtype=np.int32)))


def count_fifo_misses(pages: np.ndarray, n_pages: int, capacity: int, first_counted: int = 0) -> int:
    """Replay references under first in, first out, from an empty memory. As `count_lru_misses`."""
    _check(pages, n_pages, capacity)
    return int(replay_fifo(pages, capacity, first_counted, np.full(n_pages, -capacity - 1, dtype=np.int32)))


def _check(pages: np.ndarray, n_pages: int, capacity: int) -> None:
    if pages.dtype != np.int32 or pages.size > np.iinfo(np.int32).max // 2:
        raise ValueError(f"{pages.size} references of type {pages.dtype}; expected int32, and at most 2 ** 30")
    if capacity < 1 or capacity >= np.iinfo(np.int32).max // 2:
        raise ValueError(f"capacity is {capacity}; expected 1 page or more")
    if pages.size and not 0 <= pages.min() <= pages.max() < n_pages:
        raise ValueError(f"pages from {pages.min()} to {pages.max()}; expected 0 to {n_pages - 1}")


@kernel
def replay_lru(pages, capacity, first_counted, last_used):
    """Replay references; returns counted misses. `last_used`, int32 by page, starts at -1; in place.

    The stream itself is the list of pages by age: its entry n is in the list while its page has not been used since.
    The oldest page is found by passing over entries that are not, once each.
    """
    oldest, room, misses = 0, capacity, 0
    for n in range(pages.size):
        page = pages[n]
        if last_used[page] < oldest:
            misses += n >= first_counted
            if room > 0:
                room -= 1
            else:
                while last_used[pages[oldest]] != oldest:
                    oldest += 1
                oldest += 1
        last_used[page] = n
    return misses


@kernel
def replay_fifo(pages, capacity, first_counted, came_as):
    """Replay references; returns counted misses. `came_as`, int32 by page, starts at -capacity - 1; in place.

    In memory are the pages that came in last, as many as fit.
    """
    n_came, warm_up = 0, 0
    for n in range(pages.size):
        if n == first_counted:
            warm_up = n_came
        page = pages[n]
        if came_as[page] < n_came - capacity:
            came_as[page] = n_came
            n_came += 1
    return n_came - warm_up if pages.size > first_counted else 0
