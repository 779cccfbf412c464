"""A set-associative two-level data TLB with true LRU, for pages of 4 KiB, 2 MiB and 1 GiB.

Covers lookup, fill and flush. The first level is split by page size or holds any size; the second is shared by the
sizes that a core puts there. An entry covers the smaller of guest and host leaf. Not modelled: instruction TLBs,
prefetch, address-space tags and the sharing of a TLB by two threads.
"""

from typing import NamedTuple

import numpy as np

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.lru import NOT_FOUND, LruBank, build_bank, find_entry, flush_bank, put_entry

HIT_L1, HIT_L2, MISS = 0, 1, 2
SIZE_4K, SIZE_2M, SIZE_1G = 0, 1, 2
N_SIZES = 3
N_TLB_LEVELS = 2
NOWHERE = -1


class TlbGeometry(NamedTuple):
    """Sizes of a TLB as (entries, ways); ways = entries means fully associative, (0, 0) that there is none.

    Attributes
    ----------
    l1_4k, l1_2m, l1_1g : tuple of int
        First level by page size. Without entries for 1 GiB such a page is entered as the 2 MiB page around the address.
    l1_is_unified : bool
        One first level of the shape `l1_4k` holds all sizes; the other two are not used then.
    l2 : tuple of int
        Second level.
    l2_holds_2m : bool
        Whether 2 MiB pages use it, too.
    l2_1g : tuple of int
        Second level for 1 GiB pages.
    """

    l1_4k: tuple[int, int]
    l1_2m: tuple[int, int]
    l1_1g: tuple[int, int]
    l1_is_unified: bool
    l2: tuple[int, int]
    l2_holds_2m: bool
    l2_1g: tuple[int, int]


class Tlb(NamedTuple):
    """A TLB.

    Attributes
    ----------
    bank : LruBank
        Entries; the value is the host page number in units of the page's size.
    part_of : int64 array, shape (2, 3)
        Part of the bank that holds a size (columns) at a level (rows), or `NOWHERE`.
    fills : int64 array, shape (3,)
        Entries made of each size since the last flush: a size that was never entered need not be looked for.
    """

    bank: LruBank
    part_of: np.ndarray
    fills: np.ndarray


def build_tlb(geometry: TlbGeometry) -> Tlb:
    """Make an empty TLB.

    Raises
    ------
    ValueError
        A part has no entries, or its entries are no multiple of its ways.
    """
    if 0 in (*geometry.l1_4k, *geometry.l2) or not (geometry.l1_is_unified or geometry.l1_2m[0]):
        raise ValueError("a TLB part for 4 KiB or 2 MiB has 0 entries; expected a multiple of the ways")
    bank = build_bank((geometry.l1_4k, geometry.l1_2m, geometry.l1_1g, geometry.l2, geometry.l2_1g))
    has_1g = geometry.l1_1g[0] > 0
    first = [0, 0, 0 if has_1g else NOWHERE] if geometry.l1_is_unified else [0, 1, 2 if has_1g else NOWHERE]
    second = [3, 3 if geometry.l2_holds_2m else NOWHERE, 4 if geometry.l2_1g[0] > 0 else NOWHERE]
    return Tlb(bank, np.array([first, second], np.int64), np.zeros(N_SIZES, np.int64))


@small_kernel
def shift_of_size(size):
    """Return log2 of the bytes of a page: 12, 21, 30."""
    return 12 + 9 * size


@small_kernel
def tag_of(number, size):
    """Return the tag of a page number: never 0, different for each page size."""
    return number * N_SIZES + size + 1


@kernel
def lookup_tlb(tlb, address):
    """Look an address up in L1, then in L2, whose hit is copied to L1. Changes `tlb` in place.

    Returns
    -------
    tuple of int
        `HIT_L1`, `HIT_L2` or `MISS`; physical address (0 on a miss). [-, bytes]
    """
    for level in range(N_TLB_LEVELS):
        for size in range(N_SIZES):
            part = tlb.part_of[level, size]
            if part == NOWHERE or tlb.fills[size] == 0:
                continue
            shift = shift_of_size(size)
            number = address >> shift
            frame = find_entry(tlb.bank, part, number, tag_of(number, size))
            if frame != NOT_FOUND:
                if level == HIT_L2:
                    put_entry(tlb.bank, tlb.part_of[0, size], number, tag_of(number, size), frame)
                return level, (frame << shift) | (address & ((1 << shift) - 1))
    return MISS, 0


@kernel
def fill_tlb(tlb, address, physical, leaf_level):
    """Enter a translation after a miss, in L1 and in L2 where it takes the size. Changes `tlb` in place.

    Parameters
    ----------
    leaf_level : int
        1, 2 or 3: the smaller of guest and host leaf. A size that L1 has no entries for is entered as the next smaller.
    """
    size = leaf_level - 1
    while tlb.part_of[0, size] == NOWHERE:
        size -= 1
    number, frame = address >> shift_of_size(size), physical >> shift_of_size(size)
    tlb.fills[size] += 1
    for level in range(N_TLB_LEVELS):
        part = tlb.part_of[level, size]
        if part != NOWHERE:
            put_entry(tlb.bank, part, number, tag_of(number, size), frame)


@kernel
def flush_tlb(tlb):
    """Empty the TLB, as after a change of mappings. Changes `tlb` in place."""
    flush_bank(tlb.bank)
    tlb.fills[:] = 0
