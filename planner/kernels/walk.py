"""Address translation of a VM: the 2-D walk through two radix tables, native and shadow walks, and TLB in front.

Every guest table pointer and the final guest-physical address are really translated by the host's table, and the guest
entry is then read from machine memory at the address found. With g guest and h host levels of one leaf size each and
no caches that is (g + 1)(h + 1) - 1 references. A hit in a page-walk cache starts the walk below the entry it holds: in
the guest that saves the entries above and the host's walks to them, in the host the entries above. A hit in the nested
TLB saves the host's walk to a guest table; the data's own address always takes the host's walk, as its result belongs
in the TLB. Faults are reported, not handled.
"""

from typing import NamedTuple

import numpy as np

from planner.kernels.compiled import kernel
from planner.kernels.lru import NOT_FOUND
from planner.kernels.radix import (
    ADDRESS_MASK,
    ENTRIES_PER_NODE,
    FULL,
    PAGE_SHIFT,
    PRESENT,
    USED,
    Radix,
    build_radix,
    grow_radix,
    is_leaf,
    map_page,
    node_address,
    shift_of_level,
    slot_of,
    target_of,
    walk_radix,
)
from planner.kernels.tlb import MISS, fill_tlb, lookup_tlb
from planner.kernels.walk_caches import (
    GUEST_PWC,
    GUEST_PWC_HITS,
    HOST_PWC,
    HOST_PWC_HITS,
    N_TALLY,
    NESTED_TLB_HITS,
    NO_CACHES,
    build_walker,
    count_hit,
    count_reference,
    find_pointer,
    find_table_page,
    keep_pointer,
    keep_table_page,
    read_line,
)

FAULT = 3
"""Outcome of a reference, after HIT_L1 = 0, HIT_L2 = 1, MISS = 2 of the TLB: no mapping."""

OUTCOME, PHYSICAL, TALLY = 0, 1, 2
"""First columns of what `run_nested` and `run_native` fill; from `TALLY` on those of `Walker.tally`, 0 on a hit."""

N_RUN_COLUMNS = TALLY + N_TALLY
_ENTRY_SHIFT = 3


class NestedSpace(NamedTuple):
    """What the hardware sees of one VM.

    Attributes
    ----------
    memory : int64 array, shape (n_frames * 512,)
        Machine memory from host-physical address 0 that holds the guest's table nodes, 8 bytes an entry.
    guest_root : int
        Guest-physical address of the guest table's root (CR3). [bytes]
    guest_levels : int
        4 or 5.
    host : Radix
        Guest-physical to host-physical; its own nodes lie at host-physical addresses outside `memory`.
    """

    memory: np.ndarray
    guest_root: int
    guest_levels: int
    host: Radix


def build_nested_space(guest: Radix, host: Radix) -> NestedSpace:
    """Put a guest's table into machine memory where the host maps it.

    Parameters
    ----------
    guest : Radix
        Guest-virtual to guest-physical; its nodes lie at guest-physical addresses.
    host : Radix
        Guest-physical to host-physical.

    Raises
    ------
    ValueError
        The host does not map a node of the guest's table.
    """
    n_nodes = int(guest.state[USED])
    frames = np.zeros(n_nodes, np.int64)
    for node in range(n_nodes):
        target, leaf_level, _ = walk_radix(host, node_address(guest, node))
        if leaf_level == 0:
            raise ValueError(f"the host does not map the guest's table at {node_address(guest, node):#x}")
        frames[node] = target >> PAGE_SHIFT
    return NestedSpace(put_nodes(np.zeros(0, np.int64), guest, frames), guest.base, guest.levels, host)


def put_nodes(memory: np.ndarray, table: Radix, frames: np.ndarray) -> np.ndarray:
    """Return a copy of machine memory (int64 array from address 0 on), as large as needed, that holds a table's nodes.

    Parameters
    ----------
    frames : int64 array, shape (n_nodes,)
        Page of the machine for each node of the table.
    """
    filled = np.zeros(max(memory.size, int(frames.max() + 1) * ENTRIES_PER_NODE), np.int64)
    filled[: memory.size] = memory
    nodes = table.entries.reshape(-1, ENTRIES_PER_NODE)
    filled.reshape(-1, ENTRIES_PER_NODE)[frames] = nodes[: frames.size]
    return filled


@kernel
def find_start(walker, pwc, root, levels, address):
    """Return the table to start a walk in and its level: below the lowest entry in the PWC, or the root. In place.

    Returns
    -------
    tuple of int
        Address of the table, its level.
    """
    for level in range(2, levels + 1):
        table = find_pointer(walker, pwc, address >> shift_of_level(level), level)
        if table != NOT_FOUND:
            count_hit(walker, GUEST_PWC_HITS if pwc == GUEST_PWC else HOST_PWC_HITS)
            return table, level - 1
    return root, levels


@kernel
def read_entry(entries, base, walker, node, address, level):
    """Read and count the entry of `address` in the node of `level` at address `node`. Changes `walker` in place.

    Parameters
    ----------
    entries : int64 array
        Memory from address `base` on, 8 bytes an entry.
    """
    slot = slot_of((node - base) >> PAGE_SHIFT, address, level)
    count_reference(walker, base + (slot << _ENTRY_SHIFT))
    return entries[slot]


@kernel
def walk_one(table, walker, pwc, address):
    """Translate an address by one table, through its PWC and the data caches. Changes `walker` in place.

    Parameters
    ----------
    pwc : int
        `GUEST_PWC` or `HOST_PWC`.

    Returns
    -------
    tuple of int
        Target address, level of the leaf (0: not mapped). [bytes, -]
    """
    node, level = find_start(walker, pwc, table.base, table.levels, address)
    while level > 0:
        entry = read_entry(table.entries, table.base, walker, node, address, level)
        if (entry & PRESENT) == 0:
            break
        if is_leaf(entry, level):
            return target_of(entry, level, address), level
        node = entry & ADDRESS_MASK
        keep_pointer(walker, pwc, address >> shift_of_level(level), level, node)
        level -= 1
    return 0, 0


@kernel
def find_guest_table(space, walker, table):
    """Return where the host keeps a guest table's page: by the nested TLB or the host's walk; `NOT_FOUND`: nowhere."""
    frame = find_table_page(walker, table >> PAGE_SHIFT)
    if frame != NOT_FOUND:
        count_hit(walker, NESTED_TLB_HITS)
        return frame << PAGE_SHIFT
    pointer, host_level = walk_one(space.host, walker, HOST_PWC, table)
    if host_level == 0:
        return NOT_FOUND
    keep_table_page(walker, table >> PAGE_SHIFT, pointer >> PAGE_SHIFT)
    return pointer


@kernel
def walk_nested(space, walker, address):
    """Translate a guest-virtual address by the 2-D walk. Adds to `walker.tally` and changes its caches in place.

    Returns
    -------
    tuple of int
        Host-physical address, level of the guest leaf, level of the data page's host leaf (both 0: not mapped in one
        of the tables). [bytes, -, -]
    """
    table, level = find_start(walker, GUEST_PWC, space.guest_root, space.guest_levels, address)
    while level > 0:
        pointer = find_guest_table(space, walker, table)
        if pointer == NOT_FOUND:
            break
        entry = read_entry(space.memory, 0, walker, pointer, address, level)
        if (entry & PRESENT) == 0:
            break
        if is_leaf(entry, level):
            physical, host_level = walk_one(space.host, walker, HOST_PWC, target_of(entry, level, address))
            if host_level == 0:
                break
            return physical, level, host_level
        table = entry & ADDRESS_MASK
        keep_pointer(walker, GUEST_PWC, address >> shift_of_level(level), level, table)
        level -= 1
    return 0, 0, 0


@kernel
def fill_shadow(space, walker, shadow, address):
    """Enter one translation in a shadow table (guest-virtual to host-physical). Changes `shadow` in place.

    What a hypervisor without nested paging does on a shadow fault; the leaf is the smaller of the two.

    Returns
    -------
    int
        Result of `map_page`, or -1 when the page is not mapped in guest or host.
    """
    walker.tally[:] = 0
    physical, guest_level, host_level = walk_nested(space, walker, address)
    if guest_level == 0:
        return -1
    level = min(guest_level, host_level)
    inside = (1 << shift_of_level(level)) - 1
    return map_page(shadow, address & ~inside, physical & ~inside, level)


def build_shadow(space: NestedSpace, addresses: np.ndarray, base: int) -> Radix:
    """Make the shadow table of a guest that has touched `addresses` (int64 array), its own nodes from `base` on.

    Addresses that guest or host do not map are left out.
    """
    walker = build_walker(NO_CACHES)
    shadow = build_radix(space.guest_levels, base, 64)
    for address in np.unique(addresses >> PAGE_SHIFT) << PAGE_SHIFT:
        while fill_shadow(space, walker, shadow, address) == FULL:
            shadow = grow_radix(shadow)
    return shadow


@kernel
def run_nested(space, tlb, walker, addresses, out):
    """Run a reference stream of a VM through TLB, 2-D walk and data caches. Changes both in place, fills `out`.

    Parameters
    ----------
    addresses : int64 array, shape (n_references,)
        Guest-virtual addresses. [bytes]
    out : int64 array, shape (n_references, N_RUN_COLUMNS)
        Outcome, host-physical address, tally of the walk. [-, bytes, -]
    """
    for i in range(addresses.size):
        outcome, physical = lookup_tlb(tlb, addresses[i])
        walker.tally[:] = 0
        if outcome == MISS:
            physical, guest_level, host_level = walk_nested(space, walker, addresses[i])
            if guest_level == 0:
                outcome = FAULT
            else:
                fill_tlb(tlb, addresses[i], physical, min(guest_level, host_level))
        finish_reference(walker, outcome, physical, out[i])


@kernel
def run_native(table, tlb, walker, addresses, out):
    """Run a reference stream through TLB and one table: a machine without VMs, or a shadow table. See `run_nested`."""
    for i in range(addresses.size):
        outcome, physical = lookup_tlb(tlb, addresses[i])
        walker.tally[:] = 0
        if outcome == MISS:
            physical, leaf_level = walk_one(table, walker, GUEST_PWC, addresses[i])
            if leaf_level == 0:
                outcome = FAULT
            else:
                fill_tlb(tlb, addresses[i], physical, leaf_level)
        finish_reference(walker, outcome, physical, out[i])


@kernel
def finish_reference(walker, outcome, physical, row):
    """Read the data's own line, which competes with page-table entries for the data caches, and write one row."""
    if outcome != FAULT:
        read_line(walker, physical)
    row[OUTCOME] = outcome
    row[PHYSICAL] = physical
    for column in range(N_TALLY):
        row[TALLY + column] = walker.tally[column]
