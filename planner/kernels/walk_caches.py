"""What stands between a page walk and memory: page-walk caches, nested TLB, and the data caches that hold entries.

Page-walk caches (PWC) keep entries that point to a further table, by level, guest and host apart. The nested TLB keeps
where the host maps the guest's table pages. Page-table entries are read through L1, L2 and last-level cache in lines
of 64 bytes, which the data of the program compete for. Caches fill on a miss at every level, do not keep one another's
contents in step, and never write.
"""

from typing import NamedTuple

import numpy as np

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.lru import NOT_FOUND, LruBank, build_bank, find_entry, flush_bank, put_entry

LINE_SHIFT = 6
"""log2 of the bytes of a cache line: 64, so 8 entries."""

MAX_REFERENCES = 256
"""Entries that one walk can read at most; the deepest here, three 5-level tables, reads 6**3 - 1 = 215."""

IN_L1, IN_L2, IN_LLC, IN_DRAM = 0, 1, 2, 3
"""Where a reference was answered."""

# Parts of `Walker.bank`. The PWCs have a part for the entries of each level 2, 3, 4, 5.
GUEST_PWC, HOST_PWC, NESTED_TLB, DATA_CACHE = 0, 4, 8, 9
N_DATA_CACHES = 3

# Entries of `Walker.tally` and columns of what the runs fill.
REFERENCES, CYCLES, LAST_CYCLES, FROM_L1 = 0, 1, 2, 3
FROM_DRAM = FROM_L1 + IN_DRAM
GUEST_PWC_HITS, HOST_PWC_HITS, NESTED_TLB_HITS = 7, 8, 9
N_TALLY = 10

Shape = tuple[int, int]


class WalkerGeometry(NamedTuple):
    """Caches of the page walker as (entries, ways); (0, 0) is a cache that is not there.

    Attributes
    ----------
    guest_pwc, host_pwc : tuple of four shapes
        For entries of level 2, 3, 4 and 5.
    nested_tlb : shape
    data_caches : tuple of three shapes
        L1, L2, last level; entries are lines of 64 bytes.
    latency_cycles : tuple of five int
        L1, L2, last level, memory; a hit in PWC or nested TLB. [cycles]
    """

    guest_pwc: tuple[Shape, Shape, Shape, Shape]
    host_pwc: tuple[Shape, Shape, Shape, Shape]
    nested_tlb: Shape
    data_caches: tuple[Shape, Shape, Shape]
    latency_cycles: tuple[int, int, int, int, int]


NO_CACHES = WalkerGeometry(((0, 0),) * 4, ((0, 0),) * 4, (0, 0), ((0, 0),) * 3, (0, 0, 0, 0, 0))
"""Every reference goes to memory and costs nothing: for counting."""


class Walker(NamedTuple):
    """A page walker and what its last walk did.

    Attributes
    ----------
    bank : LruBank
        All caches.
    latency_cycles : int64 array, shape (5,)
        As in `WalkerGeometry`. [cycles]
    tally : int64 array, shape (N_TALLY,)
        References, cycles, cycles of the last reference, references answered by L1, L2, last level and memory, hits in
        guest PWC, host PWC and nested TLB.
    log : int64 array, shape (MAX_REFERENCES,)
        For each reference line number * 4 + where it was answered.
    """

    bank: LruBank
    latency_cycles: np.ndarray
    tally: np.ndarray
    log: np.ndarray


def build_walker(geometry: WalkerGeometry) -> Walker:
    """Make a walker with empty caches.

    Raises
    ------
    ValueError
        The entries of a cache are no multiple of its ways.
    """
    shapes = (*geometry.guest_pwc, *geometry.host_pwc, geometry.nested_tlb, *geometry.data_caches)
    latency_cycles = np.array(geometry.latency_cycles, np.int64)
    return Walker(build_bank(shapes), latency_cycles, np.zeros(N_TALLY, np.int64), np.zeros(MAX_REFERENCES, np.int64))


@kernel
def flush_walker(walker):
    """Empty all caches. Changes `walker` in place."""
    flush_bank(walker.bank)


@kernel
def read_line(walker, address):
    """Read the line of a physical address through the data caches and enter it in those that missed. In place.

    Returns
    -------
    int
        `IN_L1`, `IN_L2`, `IN_LLC` or `IN_DRAM`.
    """
    line = address >> LINE_SHIFT
    where = IN_DRAM
    for cache in range(N_DATA_CACHES):
        if find_entry(walker.bank, DATA_CACHE + cache, line, line + 1) != NOT_FOUND:
            where = cache
            break
    for cache in range(where):
        put_entry(walker.bank, DATA_CACHE + cache, line, line + 1, 0)
    return where


@kernel
def count_reference(walker, address):
    """Read a page-table entry at a physical address and count it. Changes `walker` in place."""
    where = read_line(walker, address)
    tally = walker.tally
    walker.log[tally[REFERENCES]] = (address >> LINE_SHIFT) * 4 + where
    tally[REFERENCES] += 1
    tally[FROM_L1 + where] += 1
    tally[LAST_CYCLES] = walker.latency_cycles[where]
    tally[CYCLES] += walker.latency_cycles[where]


@small_kernel
def count_hit(walker, counter):
    """Count a hit in a PWC or the nested TLB. Changes `walker` in place."""
    walker.tally[counter] += 1
    walker.tally[CYCLES] += walker.latency_cycles[N_DATA_CACHES + 1]


@kernel
def find_pointer(walker, pwc, number, level):
    """Look in a PWC for the entry of `level` whose address bits are `number`; return the table it points to."""
    return find_entry(walker.bank, pwc + level - 2, number, number + 1)


@kernel
def keep_pointer(walker, pwc, number, level, table):
    """Enter in a PWC that the entry of `level` with the address bits `number` points to `table`. In place."""
    put_entry(walker.bank, pwc + level - 2, number, number + 1, table)


@kernel
def find_table_page(walker, page):
    """Look in the nested TLB for the host page that holds a guest table's page (numbers of 4 KiB pages)."""
    return find_entry(walker.bank, NESTED_TLB, page, page + 1)


@kernel
def keep_table_page(walker, page, frame):
    """Enter in the nested TLB that the host keeps guest page `page` in page `frame`. Changes `walker` in place."""
    put_entry(walker.bank, NESTED_TLB, page, page + 1, frame)
