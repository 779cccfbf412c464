"""Address translation of a VM: the 2-D walk through two radix tables, native and shadow walks, and TLB in front.

Every guest table pointer and the final guest-physical address are really translated by the host's table, and the guest
entry is then read from machine memory at the address found. With g guest and h host levels of one leaf size each that
is (g + 1)(h + 1) - 1 references. Page-walk caches and a nested TLB are not modelled: every reference goes to memory;
`walk_nested` is where they would stand. Faults are reported, not handled.
"""

from typing import NamedTuple

import numpy as np

from planner.kernels.compiled import kernel
from planner.kernels.radix import (
    ADDRESS_MASK,
    ENTRIES_PER_NODE,
    LEAF_2M,
    LEAF_4K,
    PAGE_SHIFT,
    PRESENT,
    USED,
    Radix,
    is_leaf,
    map_page,
    node_address,
    shift_of_level,
    slot_of,
    walk_radix,
)
from planner.kernels.tlb import MISS, fill_tlb, lookup_tlb

FAULT = 3
"""Outcome of a reference, after HIT_L1 = 0, HIT_L2 = 1, MISS = 2 of the TLB: no mapping."""

OUTCOME, REFERENCES, PHYSICAL = 0, 1, 2
"""Columns of what `run_nested` and `run_native` fill."""


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
    memory = np.zeros((frames.max() + 1) * ENTRIES_PER_NODE, np.int64)
    memory.reshape(-1, ENTRIES_PER_NODE)[frames] = guest.entries.reshape(-1, ENTRIES_PER_NODE)[:n_nodes]
    return NestedSpace(memory, guest.base, guest.levels, host)


@kernel
def walk_nested(space, address):
    """Translate a guest-virtual address by the 2-D walk with caches off, counting each entry read.

    Returns
    -------
    tuple of int
        Host-physical address, level of the guest leaf, level of the data page's host leaf (both 0: not mapped in one
        of the tables), references. [bytes, -, -, -]
    """
    table = space.guest_root
    references = 0
    for level in range(space.guest_levels, 0, -1):
        pointer, host_level, host_references = walk_radix(space.host, table)
        references += host_references
        if host_level == 0:
            return 0, 0, 0, references
        entry = space.memory[slot_of(pointer >> PAGE_SHIFT, address, level)]
        references += 1
        if (entry & PRESENT) == 0:
            return 0, 0, 0, references
        table = entry & ADDRESS_MASK
        if is_leaf(entry, level):
            data = table + (address & ((1 << shift_of_level(level)) - 1))
            physical, host_level, host_references = walk_radix(space.host, data)
            references += host_references
            if host_level == 0:
                return 0, 0, 0, references
            return physical, level, host_level, references
    return 0, 0, 0, references


@kernel
def fill_shadow(space, shadow, address):
    """Enter one translation in a shadow table (guest-virtual to host-physical). Changes `shadow` in place.

    What a hypervisor without nested paging does on a shadow fault; the leaf is the smaller of the two.

    Returns
    -------
    int
        Result of `map_page`, or -1 when the page is not mapped in guest or host.
    """
    physical, guest_level, host_level, _ = walk_nested(space, address)
    if guest_level == 0:
        return -1
    level = min(guest_level, host_level)
    inside = (1 << shift_of_level(level)) - 1
    return map_page(shadow, address & ~inside, physical & ~inside, level)


@kernel
def run_nested(space, tlb, addresses, out):
    """Run a reference stream of a VM through TLB and 2-D walk. Changes `tlb` in place, fills `out`.

    Parameters
    ----------
    addresses : int64 array, shape (n_references,)
        Guest-virtual addresses. [bytes]
    out : int64 array, shape (n_references, 3)
        Outcome, page-table references (0 on a hit), host-physical address. [-, -, bytes]
    """
    for i in range(addresses.size):
        outcome, physical = lookup_tlb(tlb, addresses[i])
        references = 0
        if outcome == MISS:
            physical, guest_level, host_level, references = walk_nested(space, addresses[i])
            if guest_level == 0:
                outcome = FAULT
            else:
                fill_tlb(tlb, addresses[i], physical, min(guest_level, host_level) >= LEAF_2M)
        out[i, OUTCOME] = outcome
        out[i, REFERENCES] = references
        out[i, PHYSICAL] = physical


@kernel
def run_native(table, tlb, addresses, out):
    """Run a reference stream through TLB and one table: a machine without VMs, or a shadow table. See `run_nested`."""
    for i in range(addresses.size):
        outcome, physical = lookup_tlb(tlb, addresses[i])
        references = 0
        if outcome == MISS:
            physical, leaf_level, references = walk_radix(table, addresses[i])
            if leaf_level == 0:
                outcome = FAULT
            else:
                fill_tlb(tlb, addresses[i], physical, leaf_level > LEAF_4K)
        out[i, OUTCOME] = outcome
        out[i, REFERENCES] = references
        out[i, PHYSICAL] = physical
