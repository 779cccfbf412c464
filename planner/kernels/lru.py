"""Small set-associative memories with true LRU: TLBs, page-walk caches and data caches are all made of these.

Covers building, finding, entering and flushing. Sets are chosen by remainder; no hashing, prefetch or partial LRU.
"""

from typing import NamedTuple

import numpy as np

from planner.kernels.compiled import kernel, small_kernel

OFFSET, SETS, WAYS = 0, 1, 2
NOT_FOUND = -1


class LruBank(NamedTuple):
    """Several set-associative parts.

    Attributes
    ----------
    tags : int64 array, shape (n_entries,)
        What each entry stands for; 0 is empty.
    values : int64 array, shape (n_entries,)
        What it holds; never negative.
    used_at : int64 array, shape (n_entries,)
        Clock of the last use; 0 is empty. The entry of a set with the smallest is the victim.
    parts : int64 array, shape (n_parts, 3)
        First entry, sets and ways (columns) of each part; a part without ways holds nothing.
    clock : int64 array, shape (1,)
        Uses so far.
    """

    tags: np.ndarray
    values: np.ndarray
    used_at: np.ndarray
    parts: np.ndarray
    clock: np.ndarray


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
    tags, values, used_at = np.zeros((3, offset), np.int64)
    return LruBank(tags, values, used_at, parts, np.zeros(1, np.int64))


@small_kernel
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
    bank.clock[0] += 1
    bank.used_at[start + found] = bank.clock[0]
    return bank.values[start + found]


@small_kernel
def put_entry(bank, part, number, tag, value):
    """Put an entry that is not there yet in place of the least recently used of its set. Changes `bank` in place."""
    ways = bank.parts[part, WAYS]
    if ways == 0:
        return
    victim = bank.parts[part, OFFSET] + (number % bank.parts[part, SETS]) * ways
    for i in range(victim + 1, victim + ways):
        if bank.used_at[i] < bank.used_at[victim]:
            victim = i
    bank.clock[0] += 1
    bank.tags[victim] = tag
    bank.values[victim] = value
    bank.used_at[victim] = bank.clock[0]


@kernel
def flush_bank(bank):
    """Empty all parts. Changes `bank` in place."""
    bank.tags[:] = 0
    bank.used_at[:] = 0
