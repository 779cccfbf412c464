"""Small set-associative memories with true LRU: TLBs, page-walk caches and data caches are all made of these.

Covers building, finding, entering and flushing. Sets are chosen by remainder; no hashing, prefetch or partial LRU.
"""

from typing import NamedTuple

import numpy as np

from planner.kernels.compiled import kernel

OFFSET, SETS, WAYS = 0, 1, 2
NOT_FOUND = -1


class LruBank(NamedTuple):
    """Several set-associative parts. Within a set the most recently used entry comes first, so the last is the victim.

    Attributes
    ----------
    tags : int64 array, shape (n_entries,)
        What each entry stands for; 0 is empty.
    values : int64 array, shape (n_entries,)
        What it holds; never negative.
    parts : int64 array, shape (n_parts, 3)
        First entry, sets and ways (columns) of each part; a part without ways holds nothing.
    """

    tags: np.ndarray
    values: np.ndarray
    parts: np.ndarray


def build_bank(shapes: tuple[tuple[int, int], ...]) -> LruBank:
    """Make an empty bank of parts given as (entries, ways); (0, 0) is a part that holds nothing.

    Raises
    ------
    ValueError
        The entries of a part are no multiple of its ways.
    """
    parts = np.zeros((len(shapes), 3), np.int64)
    offset = 0
    for row, (entries, ways) in enumerate(shapes):
        if (entries, ways) != (0, 0) and (ways < 1 or entries < ways or entries % ways):
            raise ValueError(f"{entries} entries in {ways} ways; expected a multiple of the ways")
        parts[row] = offset, max(1, entries // max(1, ways)), ways
        offset += entries
    return LruBank(np.zeros(offset, np.int64), np.zeros(offset, np.int64), parts)


@kernel
def find_entry(bank, part, number, tag):
    """Look in the set of `number`; a hit becomes the most recently used entry of its set. Changes `bank` in place.

    Returns
    -------
    int
        Value of the entry with that tag, or `NOT_FOUND`.
    """
    ways = bank.parts[part, WAYS]
    start = bank.parts[part, OFFSET] + (number % bank.parts[part, SETS]) * ways
    tags = bank.tags[start : start + ways]
    # No early exit: so the loop becomes vector compares, and a fully associative level costs a third less.
    found = NOT_FOUND
    for i in range(ways):
        if tags[i] == tag:
            found = i
    if found == NOT_FOUND:
        return NOT_FOUND
    value = bank.values[start + found]
    push_front(bank, start, start + found, tag, value)
    return value


@kernel
def put_entry(bank, part, number, tag, value):
    """Put an entry that is not there yet in front of its set; the last one falls out. Changes `bank` in place."""
    ways = bank.parts[part, WAYS]
    if ways == 0:
        return
    start = bank.parts[part, OFFSET] + (number % bank.parts[part, SETS]) * ways
    push_front(bank, start, start + ways - 1, tag, value)


@kernel
def push_front(bank, first, last, tag, value):
    """Move entries first..last-1 one place back and write an entry at `first`. Changes `bank` in place."""
    for i in range(last, first, -1):
        bank.tags[i] = bank.tags[i - 1]
        bank.values[i] = bank.values[i - 1]
    bank.tags[first] = tag
    bank.values[first] = value
