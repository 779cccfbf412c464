"""Packing of VMs into hosts with several capacities, on search trees: first-fit and worst-fit. Sums of integers: exact.

A tree holds, for each capacity, the largest free value under each node (leaves from `n_leaves` on, a power of two), so
a VM costs O(log hosts): 10,000 hosts and 100,000 VMs take milliseconds, where a scan takes 10^9 steps. Rules that
depend on which VMs a host holds are not for trees: `packing_scan.py`.
"""

import numpy as np

from planner.kernels.compiled import kernel, small_kernel


@kernel
def fill_trees(free, is_open, trees):
    """Fill `trees` with maxima over the hosts that are open; leaves of no open host hold the least integer.

    Parameters
    ----------
    free : int64 array, shape (n_hosts, n_limits)
        What the hosts have left of each capacity.
    is_open : bool array, shape (n_hosts,)
    trees : int64 array, shape (2 * n_leaves, n_limits)
    """
    n_leaves = trees.shape[0] // 2
    for leaf in range(n_leaves, 2 * n_leaves):
        host = leaf - n_leaves
        for limit in range(trees.shape[1]):
            is_there = host < is_open.size and is_open[host]
            trees[leaf, limit] = free[host, limit] if is_there else np.iinfo(np.int64).min
    for node in range(n_leaves - 1, 0, -1):
        _renew(trees, node)


@small_kernel
def _renew(trees, node):
    for limit in range(trees.shape[1]):
        trees[node, limit] = max(trees[2 * node, limit], trees[2 * node + 1, limit])


@small_kernel
def _holds(trees, node, need, unit):
    for limit in range(trees.shape[1]):
        if trees[node, limit] < need[unit, limit]:
            return False
    return True


@kernel
def _take(trees, host, need, unit):
    node = host + trees.shape[0] // 2
    for limit in range(trees.shape[1]):
        trees[node, limit] -= need[unit, limit]
    node //= 2
    while node >= 1:
        _renew(trees, node)
        node //= 2


@kernel
def _leftmost(trees, need, unit):
    """Return the first host with enough of all, or -1. Maxima of a node may come from several hosts: then climb on."""
    n_leaves = trees.shape[0] // 2
    if not _holds(trees, 1, need, unit):
        return -1
    node = 1
    while node < n_leaves:
        left = 2 * node
        if _holds(trees, left, need, unit):
            node = left
        elif _holds(trees, left + 1, need, unit):
            node = left + 1
        else:
            while node > 1 and (node % 2 == 1 or not _holds(trees, node + 1, need, unit)):
                node //= 2
            if node <= 1:
                return -1
            node += 1
    return node - n_leaves


@kernel
def _roomiest(trees, need, unit):
    """Return the first of the hosts with most of the first capacity that has enough of all, or -1."""
    n_leaves = trees.shape[0] // 2
    if not _holds(trees, 1, need, unit):
        return -1
    node = 1
    while node < n_leaves:
        node *= 2
        if trees[node, 0] < trees[node // 2, 0]:
            node += 1
    if _holds(trees, node, need, unit):
        return node - n_leaves
    best, best_room = -1, np.int64(-1)
    for leaf in range(n_leaves, 2 * n_leaves):
        if trees[leaf, 0] > best_room and _holds(trees, leaf, need, unit):
            best, best_room = leaf - n_leaves, trees[leaf, 0]
    return best


@kernel
def pack_first_fit(order, need, trees, out):
    """Put each unit on the first host that has enough of all. Changes the trees and fills `out` in place.

    Parameters
    ----------
    order : int64 array
        Units (VMs, or VMs that stay together) in the order in which they are placed.
    need : int64 array, shape (n_units, n_limits)
        What each unit takes of each capacity.
    trees : int64 array, shape (2 * n_leaves, n_limits)
        What the hosts have, from `fill_trees`.
    out : int64 array, shape (n_units,)
        Host of each unit, -1 where none fits.

    Returns
    -------
    int
        Number of units that found no host.
    """
    n_left = 0
    for unit in order:
        host = _leftmost(trees, need, unit)
        out[unit] = host
        if host >= 0:
            _take(trees, host, need, unit)
        else:
            n_left += 1
    return n_left


@kernel
def pack_worst_fit(order, need, trees, out):
    """Put each unit on the host with most of the first capacity, the first of equals. As `pack_first_fit` otherwise."""
    n_left = 0
    for unit in order:
        host = _roomiest(trees, need, unit)
        out[unit] = host
        if host >= 0:
            _take(trees, host, need, unit)
        else:
            n_left += 1
    return n_left
