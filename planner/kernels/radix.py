"""Radix page tables as real hardware reads them: 512-entry nodes, 4 or 5 levels, leaves of 4 KiB, 2 MiB and 1 GiB.

Covers mapping, unmapping, walking with an exact count of references, splitting a large leaf and collapsing it again.
A node lies at a real address (`base` + 4096 * its number), so that a host can translate the pointers of a guest table.
Permission, accessed and dirty bits are not modelled; an entry holds a present bit, a large bit and an address.
"""

from typing import NamedTuple

import numpy as np

from planner.kernels.compiled import kernel

PAGE_SHIFT = 12
BITS_PER_LEVEL = 9
ENTRIES_PER_NODE = 512
LEAF_4K, LEAF_2M, LEAF_1G = 1, 2, 3
"""Level of a leaf: 1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB."""

PRESENT = 1
LARGE = 1 << 7
ADDRESS_MASK = 0x000F_FFFF_FFFF_F000

DONE, FULL, OCCUPIED, MISSING = 0, 1, 2, 3
"""Results: done; no node left (grow and repeat); something is mapped there already; nothing fitting is mapped there."""

USED, FREE_HEAD, FREE_COUNT = 0, 1, 2
"""Slots of `Radix.state`: nodes ever used, first free node (0: none, as node 0 is the root), nodes on the free list."""


class Radix(NamedTuple):
    """One page table.

    Attributes
    ----------
    entries : int64 array, shape (n_nodes * 512,)
        Nodes one after the other; node 0 is the root. A free node's first entry names the next free node.
    live : int64 array, shape (n_nodes,)
        Present entries of each node; a node without any is freed.
    state : int64 array, shape (3,)
        See `USED`, `FREE_HEAD`, `FREE_COUNT`.
    base : int
        Address of node 0, in the address space that the table lives in. [bytes]
    levels : int
        4 or 5.
    """

    entries: np.ndarray
    live: np.ndarray
    state: np.ndarray
    base: int
    levels: int


def build_radix(levels: int, base: int, capacity_nodes: int) -> Radix:
    """Make an empty table with room for `capacity_nodes` nodes (4096 bytes each) at address `base`.

    Raises
    ------
    ValueError
        Levels not 4 or 5, base not a multiple of 4096, or no room for the root.
    """
    if levels not in (4, 5):
        raise ValueError(f"levels is {levels}; expected 4 or 5")
    if base % (1 << PAGE_SHIFT) or base < 0:
        raise ValueError(f"base is {base:#x}; expected a multiple of 4096")
    if capacity_nodes < 1:
        raise ValueError(f"capacity_nodes is {capacity_nodes}; expected at least 1, the root")
    entries = np.zeros(capacity_nodes * ENTRIES_PER_NODE, np.int64)
    return Radix(entries, np.zeros(capacity_nodes, np.int64), np.array([1, 0, 0], np.int64), base, levels)


def clear_radix(table: Radix) -> None:
    """Unmap everything, in place and without touching the nodes: they are cleared when they are taken again."""
    table.entries[:ENTRIES_PER_NODE] = 0
    table.live[0] = 0
    table.state[:] = 1, 0, 0


def grow_radix(table: Radix) -> Radix:
    """Return a copy of the table with twice the room; node numbers and addresses stay."""
    entries = np.zeros(2 * table.entries.size, np.int64)
    entries[: table.entries.size] = table.entries
    live = np.zeros(2 * table.live.size, np.int64)
    live[: table.live.size] = table.live
    return Radix(entries, live, table.state.copy(), table.base, table.levels)


def map_or_grow(table: Radix, address: int, target: int, leaf_level: int) -> Radix:
    """Map one page, growing the table as needed. Changes `table` in place, or returns a larger one in its stead.

    Parameters
    ----------
    address, target : int
        Where from and where to; multiples of the leaf's size. [bytes]
    leaf_level : int
        1, 2 or 3 for 4 KiB, 2 MiB or 1 GiB.

    Raises
    ------
    ValueError
        Out of range, not aligned to the leaf, or something is mapped there already.
    """
    if leaf_level not in (LEAF_4K, LEAF_2M, LEAF_1G):
        raise ValueError(f"leaf_level is {leaf_level}; expected 1, 2 or 3")
    size = 1 << shift_of_level(leaf_level)
    if address % size or target % size:
        raise ValueError(f"address {address:#x} and target {target:#x} must be multiples of {size:#x}")
    if not (0 <= address < 1 << shift_of_level(table.levels + 1) and 0 <= target <= ADDRESS_MASK):
        raise ValueError(f"address {address:#x} or target {target:#x} is out of range for {table.levels} levels")
    status = map_page(table, address, target, leaf_level)
    while status == FULL:
        table = grow_radix(table)
        status = map_page(table, address, target, leaf_level)
    if status == OCCUPIED:
        raise ValueError(f"{address:#x} is mapped already, or holds smaller pages")
    return table


@kernel
def shift_of_level(level):
    """Return log2 of the bytes that an entry of `level` covers: 12, 21, 30, 39, 48."""
    return PAGE_SHIFT + BITS_PER_LEVEL * (level - 1)


@kernel
def slot_of(node, address, level):
    """Return the position in `entries` of the entry that translates `address` in a node of `level`."""
    return node * ENTRIES_PER_NODE + ((address >> shift_of_level(level)) & (ENTRIES_PER_NODE - 1))


@kernel
def is_leaf(entry, level):
    """Tell whether a present entry ends the walk."""
    return level == LEAF_4K or (entry & LARGE) != 0


@kernel
def target_of(entry, level, address):
    """Return what `address` translates to by a leaf of `level`."""
    return (entry & ADDRESS_MASK) + (address & ((1 << shift_of_level(level)) - 1))


@kernel
def walk_radix(table, address):
    """Translate an address, counting one reference per entry read.

    Returns
    -------
    tuple of int
        Target address, level of the leaf (0: not mapped), references. [bytes, -, -]
    """
    node = 0
    references = 0
    for level in range(table.levels, 0, -1):
        entry = table.entries[slot_of(node, address, level)]
        references += 1
        if (entry & PRESENT) == 0:
            break
        if is_leaf(entry, level):
            return target_of(entry, level, address), level, references
        node = ((entry & ADDRESS_MASK) - table.base) >> PAGE_SHIFT
    return 0, 0, references


@kernel
def map_page(table, address, target, leaf_level):
    """Map one page of a leaf size, adding nodes as needed. Changes `table` in place.

    Returns
    -------
    int
        `DONE`; `FULL` or `OCCUPIED`, and then nothing has changed.
    """
    node = 0
    for level in range(table.levels, leaf_level, -1):
        slot = slot_of(node, address, level)
        entry = table.entries[slot]
        if (entry & PRESENT) == 0:
            if nodes_left(table) < level - leaf_level:
                return FULL
            child = take_node(table)
            table.entries[slot] = node_address(table, child) | PRESENT
            table.live[node] += 1
            node = child
        elif is_leaf(entry, level):
            return OCCUPIED
        else:
            node = ((entry & ADDRESS_MASK) - table.base) >> PAGE_SHIFT
    slot = slot_of(node, address, leaf_level)
    if (table.entries[slot] & PRESENT) != 0:
        return OCCUPIED
    table.entries[slot] = leaf_entry(target, leaf_level)
    table.live[node] += 1
    return DONE


@kernel
def map_pages(table, addresses, targets, leaf_level):
    """Map pages `addresses` to `targets` (int64 arrays) in turn, until one fails. Changes `table` in place.

    Returns
    -------
    tuple of int
        Pages mapped, result of the last one.
    """
    for i in range(addresses.size):
        status = map_page(table, addresses[i], targets[i], leaf_level)
        if status != DONE:
            return i, status
    return addresses.size, DONE


@kernel
def unmap_page(table, address):
    """Remove the leaf that translates `address`, and every node this empties. Changes `table` in place.

    Returns
    -------
    int
        Level of the leaf that was removed; 0 when nothing was mapped.
    """
    leaf_level = walk_radix(table, address)[1]
    if leaf_level == 0:
        return 0
    for level in range(leaf_level, table.levels + 1):
        node = node_at(table, address, level)
        table.entries[slot_of(node, address, level)] = 0
        table.live[node] -= 1
        if table.live[node] > 0 or node == 0:
            break
        give_back_node(table, node)
    return leaf_level


@kernel
def split_page(table, address):
    """Replace the large leaf that translates `address` by 512 leaves of the next size. Changes `table` in place.

    The targets stay the same: what a host does before it may share or reclaim a part of a 2 MiB page.

    Returns
    -------
    int
        `DONE`; `MISSING` (no large leaf there) or `FULL`, and then nothing has changed.
    """
    level = walk_radix(table, address)[1]
    if level <= LEAF_4K:
        return MISSING
    if nodes_left(table) < 1:
        return FULL
    slot = slot_of(node_at(table, address, level), address, level)
    target = table.entries[slot] & ADDRESS_MASK
    child = take_node(table)
    for i in range(ENTRIES_PER_NODE):
        piece = target + (i << shift_of_level(level - 1))
        table.entries[child * ENTRIES_PER_NODE + i] = leaf_entry(piece, level - 1)
    table.live[child] = ENTRIES_PER_NODE
    table.entries[slot] = node_address(table, child) | PRESENT
    return DONE


@kernel
def split_pages(table, addresses):
    """Split the large leaves of `addresses` (int64 array) in turn, until one fails. Changes `table` in place.

    Returns
    -------
    tuple of int
        Leaves split, result of the last one.
    """
    for i in range(addresses.size):
        status = split_page(table, addresses[i])
        if status != DONE:
            return i, status
    return addresses.size, DONE


@kernel
def collapse_page(table, address, target):
    """Replace 512 leaves of 4 KiB around `address` by one of 2 MiB at `target`. Changes `table` in place.

    The caller has copied the contents to `target`, a multiple of 2 MiB.

    Returns
    -------
    int
        `DONE`; `MISSING` unless all 512 are mapped with 4 KiB, and then nothing has changed.
    """
    if walk_radix(table, address)[1] != LEAF_4K:
        return MISSING
    child = node_at(table, address, LEAF_4K)
    if table.live[child] != ENTRIES_PER_NODE:
        return MISSING
    slot = slot_of(node_at(table, address, LEAF_2M), address, LEAF_2M)
    give_back_node(table, child)
    table.entries[slot] = leaf_entry(target, LEAF_2M)
    return DONE


@kernel
def leaf_entry(target, level):
    """Return the entry of a leaf."""
    if level == LEAF_4K:
        return target | PRESENT
    return target | PRESENT | LARGE


@kernel
def node_address(table, node):
    """Return the address of a node, in bytes, in the space that the table lives in."""
    return table.base + (node << PAGE_SHIFT)


@kernel
def node_at(table, address, level):
    """Return the node of `level` on the way to `address`; the way must exist."""
    node = 0
    for above in range(table.levels, level, -1):
        node = ((table.entries[slot_of(node, address, above)] & ADDRESS_MASK) - table.base) >> PAGE_SHIFT
    return node


@kernel
def nodes_left(table):
    """Return how many nodes can still be taken."""
    return table.live.size - table.state[USED] + table.state[FREE_COUNT]


@kernel
def take_node(table):
    """Take a node, the last freed one first, and clear it. Changes `table` in place."""
    node = table.state[FREE_HEAD]
    if node == 0:
        node = table.state[USED]
        table.state[USED] += 1
    else:
        table.state[FREE_HEAD] = table.entries[node * ENTRIES_PER_NODE]
        table.state[FREE_COUNT] -= 1
    table.entries[node * ENTRIES_PER_NODE : (node + 1) * ENTRIES_PER_NODE] = 0
    table.live[node] = 0
    return node


@kernel
def give_back_node(table, node):
    """Put a node on the free list. Changes `table` in place."""
    table.entries[node * ENTRIES_PER_NODE] = table.state[FREE_HEAD]
    table.state[FREE_HEAD] = node
    table.state[FREE_COUNT] += 1
