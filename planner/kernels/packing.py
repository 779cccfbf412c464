"""Packing of VMs into hosts with two capacities: first-fit, best-fit, worst-fit. Integers only, so sums are exact.

`room` is what the overcommit ratio leaves, `ram` what installed memory leaves for memory that is never reclaimed. The
search trees hold the largest free value under each node (leaves from `n_leaves` on, a power of two), so first-fit and
worst-fit cost O(log hosts) a VM: 10,000 hosts and 100,000 VMs take milliseconds, where a scan takes 10^9 steps.
"""

import numpy as np
from numba import njit


@njit(cache=True)
def fill_tree(values, tree):
    """Fill `tree` (int64, shape (2 * n_leaves,)) with maxima over `values`; leaves without a host hold -1."""
    n_leaves = tree.shape[0] // 2
    tree[:] = -1
    tree[n_leaves : n_leaves + values.shape[0]] = values
    for node in range(n_leaves - 1, 0, -1):
        tree[node] = max(tree[2 * node], tree[2 * node + 1])


@njit(cache=True)
def _take(tree, host, amount):
    node = host + tree.shape[0] // 2
    tree[node] -= amount
    node //= 2
    while node >= 1:
        tree[node] = max(tree[2 * node], tree[2 * node + 1])
        node //= 2


@njit(cache=True)
def _leftmost(room_tree, ram_tree, room, ram):
    """Return the first host with enough of both, or -1. Maxima of a node may come from two hosts: then climb on."""
    n_leaves = room_tree.shape[0] // 2
    if room_tree[1] < room or ram_tree[1] < ram:
        return -1
    node = 1
    while node < n_leaves:
        left = 2 * node
        if room_tree[left] >= room and ram_tree[left] >= ram:
            node = left
        elif room_tree[left + 1] >= room and ram_tree[left + 1] >= ram:
            node = left + 1
        else:
            while node > 1 and (node % 2 == 1 or room_tree[node + 1] < room or ram_tree[node + 1] < ram):
                node //= 2
            if node <= 1:
                return -1
            node += 1
    return node - n_leaves


@njit(cache=True)
def _roomiest(room_tree, ram_tree, room, ram):
    """Return the first of the hosts with the most room that has enough of both, or -1."""
    n_leaves = room_tree.shape[0] // 2
    if room_tree[1] < room or ram_tree[1] < ram:
        return -1
    node = 1
    while node < n_leaves:
        node *= 2
        if room_tree[node] < room_tree[node // 2]:
            node += 1
    if ram_tree[node] >= ram:
        return node - n_leaves
    best, best_room = -1, np.int64(-1)
    for leaf in range(n_leaves, 2 * n_leaves):
        if room_tree[leaf] > best_room and room_tree[leaf] >= room and ram_tree[leaf] >= ram:
            best, best_room = leaf - n_leaves, room_tree[leaf]
    return best


@njit(cache=True)
def pack_first_fit(order, vm_room, vm_ram, room_tree, ram_tree, out):
    """Put each VM on the first host that has enough of both. Changes the trees and fills `out` in place.

    Parameters
    ----------
    order : int64 array, shape (n_vms,)
        VMs in the order in which they are placed.
    vm_room, vm_ram : int64 array, shape (n_vms,)
        What each VM takes. [bytes]
    room_tree, ram_tree : int64 array, shape (2 * n_leaves,)
        What the hosts have, from `fill_tree`. [bytes]
    out : int64 array, shape (n_vms,)
        Host of each VM, -1 where none fits.
    """
    for vm in order:
        host = _leftmost(room_tree, ram_tree, vm_room[vm], vm_ram[vm])
        out[vm] = host
        if host >= 0:
            _take(room_tree, host, vm_room[vm])
            _take(ram_tree, host, vm_ram[vm])


@njit(cache=True)
def pack_worst_fit(order, vm_room, vm_ram, room_tree, ram_tree, out):
    """Put each VM on the host with the most room, the first of equals. Parameters as in `pack_first_fit`.

    Returns
    -------
    int
        Number of VMs that found no host.
    """
    n_left = 0
    for vm in order:
        host = _roomiest(room_tree, ram_tree, vm_room[vm], vm_ram[vm])
        out[vm] = host
        if host >= 0:
            _take(room_tree, host, vm_room[vm])
            _take(ram_tree, host, vm_ram[vm])
        else:
            n_left += 1
    return n_left


@njit(cache=True)
def pack_best_fit(order, vm_room, vm_ram, host_room, host_ram, opened, out):
    """Put each VM on the host in use with the least room that fits; else on the first unused host that fits.

    Changes `host_room` and `host_ram` in place and fills `out`.

    Parameters
    ----------
    order, vm_room, vm_ram, out
        As in `pack_first_fit`.
    host_room, host_ram : int64 array, shape (n_hosts,)
        What the hosts have. [bytes]
    opened : int64 array, shape (n_hosts,)
        Work space: the hosts in use, in the order in which they were opened.
    """
    n_opened = 0
    is_open = np.zeros(host_room.shape[0], dtype=np.bool_)
    for vm in order:
        best, best_room = -1, np.int64(0)
        for k in range(n_opened):
            host = opened[k]
            room = host_room[host]
            if room >= vm_room[vm] and host_ram[host] >= vm_ram[vm] and (best < 0 or room < best_room):
                best, best_room = host, room
        if best < 0:
            for host in range(host_room.shape[0]):
                if not is_open[host] and host_room[host] >= vm_room[vm] and host_ram[host] >= vm_ram[vm]:
                    best = host
                    is_open[host] = True
                    opened[n_opened] = host
                    n_opened += 1
                    break
        out[vm] = best
        if best >= 0:
            host_room[best] -= vm_room[vm]
            host_ram[best] -= vm_ram[vm]
