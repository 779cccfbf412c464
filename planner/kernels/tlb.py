"""A set-associative two-level data TLB with true LRU: first level split by page size, second level shared.

Covers lookup, fill and flush. An entry covers the smaller of guest and host leaf. 1 GiB translations are held as 2 MiB
entries, as Zen 2 does; the few 1 GiB entries of Intel cores are not modelled, nor are instruction TLBs, prefetch,
address-space tags and the sharing of a TLB by two threads.
"""

from typing import NamedTuple

import numpy as np

from planner.kernels.compiled import kernel

SMALL_SHIFT = 12
LARGE_SHIFT = 21

HIT_L1, HIT_L2, MISS = 0, 1, 2
L1_SMALL, L1_LARGE, L2 = 0, 1, 2
OFFSET, SETS, WAYS = 0, 1, 2
NOT_FOUND = -1


class TlbGeometry(NamedTuple):
    """Sizes of a TLB. Entries are a multiple of ways; ways = entries means fully associative."""

    l1_4k_entries: int
    l1_4k_ways: int
    l1_2m_entries: int
    l1_2m_ways: int
    l2_entries: int
    l2_ways: int
    l2_holds_2m: bool


class Tlb(NamedTuple):
    """A TLB. Within a set the most recently used entry comes first, so the last one is the victim.

    Attributes
    ----------
    tags : int64 array, shape (n_entries,)
        Page number and page size of each entry (see `tag_of`); 0 is empty.
    frames : int64 array, shape (n_entries,)
        Host page number that the entry translates to, in units of its page size.
    parts : int64 array, shape (3, 3)
        First entry, sets and ways (columns) of L1 for 4 KiB, L1 for 2 MiB and L2 (rows).
    l2_holds_2m : bool
        Whether L2 takes 2 MiB entries.
    """

    tags: np.ndarray
    frames: np.ndarray
    parts: np.ndarray
    l2_holds_2m: bool


def build_tlb(geometry: TlbGeometry) -> Tlb:
    """Make an empty TLB.

    Raises
    ------
    ValueError
        A part has no entries, or its entries are no multiple of its ways.
    """
    sizes = (
        (geometry.l1_4k_entries, geometry.l1_4k_ways),
        (geometry.l1_2m_entries, geometry.l1_2m_ways),
        (geometry.l2_entries, geometry.l2_ways),
    )
    parts = np.zeros((3, 3), np.int64)
    offset = 0
    for row, (entries, ways) in enumerate(sizes):
        if ways < 1 or entries < ways or entries % ways:
            raise ValueError(f"{entries} TLB entries in {ways} ways; expected a multiple of the ways")
        parts[row] = offset, entries // ways, ways
        offset += entries
    return Tlb(np.zeros(offset, np.int64), np.zeros(offset, np.int64), parts, geometry.l2_holds_2m)


@kernel
def tag_of(number, is_large):
    """Return the tag of a page number: never 0, different for the two page sizes."""
    return (number << 1) + (2 if is_large else 1)


@kernel
def touch_entry(tlb, part, number, is_large):
    """Look in one part; a hit becomes the most recently used entry of its set. Changes `tlb` in place.

    Returns
    -------
    int
        Frame, or `NOT_FOUND`.
    """
    ways = tlb.parts[part, WAYS]
    start = tlb.parts[part, OFFSET] + (number % tlb.parts[part, SETS]) * ways
    tag = tag_of(number, is_large)
    tags = tlb.tags[start : start + ways]
    # No early exit: so the loop becomes vector compares, and a fully associative level costs a third less.
    found = NOT_FOUND
    for i in range(ways):
        if tags[i] == tag:
            found = i
    if found == NOT_FOUND:
        return NOT_FOUND
    frame = tlb.frames[start + found]
    push_front(tlb, start, start + found, tag, frame)
    return frame


@kernel
def insert_entry(tlb, part, number, is_large, frame):
    """Put an entry that is not there yet in front of its set; the last one falls out. Changes `tlb` in place."""
    ways = tlb.parts[part, WAYS]
    start = tlb.parts[part, OFFSET] + (number % tlb.parts[part, SETS]) * ways
    push_front(tlb, start, start + ways - 1, tag_of(number, is_large), frame)


@kernel
def push_front(tlb, first, last, tag, frame):
    """Move entries first..last-1 one place back and write an entry at `first`. Changes `tlb` in place."""
    for i in range(last, first, -1):
        tlb.tags[i] = tlb.tags[i - 1]
        tlb.frames[i] = tlb.frames[i - 1]
    tlb.tags[first] = tag
    tlb.frames[first] = frame


@kernel
def lookup_tlb(tlb, address):
    """Look an address up: both parts of L1, then L2, whose hit is copied to L1. Changes `tlb` in place.

    Returns
    -------
    tuple of int
        `HIT_L1`, `HIT_L2` or `MISS`; physical address (0 on a miss). [-, bytes]
    """
    small = address >> SMALL_SHIFT
    large = address >> LARGE_SHIFT
    frame = touch_entry(tlb, L1_SMALL, small, False)
    if frame != NOT_FOUND:
        return HIT_L1, physical_address(frame, address, SMALL_SHIFT)
    frame = touch_entry(tlb, L1_LARGE, large, True)
    if frame != NOT_FOUND:
        return HIT_L1, physical_address(frame, address, LARGE_SHIFT)
    frame = touch_entry(tlb, L2, small, False)
    if frame != NOT_FOUND:
        insert_entry(tlb, L1_SMALL, small, False, frame)
        return HIT_L2, physical_address(frame, address, SMALL_SHIFT)
    if tlb.l2_holds_2m:
        frame = touch_entry(tlb, L2, large, True)
        if frame != NOT_FOUND:
            insert_entry(tlb, L1_LARGE, large, True, frame)
            return HIT_L2, physical_address(frame, address, LARGE_SHIFT)
    return MISS, 0


@kernel
def fill_tlb(tlb, address, physical, is_large):
    """Enter a translation after a miss, in L1 and in L2 where it takes the size. Changes `tlb` in place."""
    if is_large:
        insert_entry(tlb, L1_LARGE, address >> LARGE_SHIFT, True, physical >> LARGE_SHIFT)
        if tlb.l2_holds_2m:
            insert_entry(tlb, L2, address >> LARGE_SHIFT, True, physical >> LARGE_SHIFT)
    else:
        insert_entry(tlb, L1_SMALL, address >> SMALL_SHIFT, False, physical >> SMALL_SHIFT)
        insert_entry(tlb, L2, address >> SMALL_SHIFT, False, physical >> SMALL_SHIFT)


@kernel
def flush_tlb(tlb):
    """Empty the TLB, as after a change of mappings. Changes `tlb` in place."""
    tlb.tags[:] = 0


@kernel
def physical_address(frame, address, shift):
    """Return the physical address, in bytes, of `address` in a frame of 2 ** shift bytes."""
    return (frame << shift) | (address & ((1 << shift) - 1))
