"""A VM inside a VM: the walk through three tables, each level of which is translated by the two below it.

Covers the count of a walk without caches; what hypervisors do instead (the outer one merges two of the tables into a
shadow, and hardware walks two) is an ordinary 2-D walk.
"""

import numpy as np

from planner.kernels.compiled import kernel
from planner.kernels.radix import (
    ADDRESS_MASK,
    PAGE_SHIFT,
    PRESENT,
    USED,
    Radix,
    is_leaf,
    node_address,
    target_of,
)
from planner.kernels.walk import NestedSpace, put_nodes, read_entry, walk_nested
from planner.kernels.walk_caches import NO_CACHES, build_walker


def load_inner_guest(inner: Radix, space: NestedSpace) -> NestedSpace:
    """Put the table of an inner guest into the machine memory of the outer guest's space.

    Parameters
    ----------
    inner : Radix
        Inner guest's virtual to physical addresses; its nodes lie at its own physical addresses, which `space`
        translates.
    space : NestedSpace
        Outer guest (the inner one's hypervisor) on its host.

    Raises
    ------
    ValueError
        The space does not map a node of the inner guest's table.
    """
    walker = build_walker(NO_CACHES)
    n_nodes = int(inner.state[USED])
    frames = np.zeros(n_nodes, np.int64)
    for node in range(n_nodes):
        walker.tally[:] = 0
        physical, level, _ = walk_nested(space, walker, node_address(inner, node))
        if level == 0:
            raise ValueError(f"the inner guest's table at {node_address(inner, node):#x} is not mapped")
        frames[node] = physical >> PAGE_SHIFT
    return space._replace(memory=put_nodes(space.memory, inner, frames))


@kernel
def walk_inner(root, levels, space, walker, address):
    """Translate an inner guest's virtual address through three tables. Adds to `walker.tally`.

    Parameters
    ----------
    root, levels : int
        Address of the inner guest's root in its own physical memory, 4 or 5.
    space : NestedSpace
        Of `load_inner_guest`.
    walker : Walker
        Without page-walk caches and nested TLB, which belong to one table each.

    Returns
    -------
    tuple of int
        Host-physical address, level of the inner guest's leaf (0: not mapped). [bytes, -]
    """
    table = root
    for level in range(levels, 0, -1):
        pointer, outer_level, _ = walk_nested(space, walker, table)
        if outer_level == 0:
            break
        entry = read_entry(space.memory, 0, walker, pointer, address, level)
        if (entry & PRESENT) == 0:
            break
        if is_leaf(entry, level):
            physical, outer_level, _ = walk_nested(space, walker, target_of(entry, level, address))
            return physical, level if outer_level > 0 else 0
        table = entry & ADDRESS_MASK
    return 0, 0
