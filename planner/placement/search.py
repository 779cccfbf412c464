"""Spreading over the fewest hosts: which hosts are opened first, and how many of them suffice."""

from collections.abc import Callable

import numpy as np

from planner.kernels.packing import fill_trees
from planner.placement.packing import Packing

TrySpread = Callable[[np.ndarray, np.ndarray], int]
"""Spreads over open hosts (bool array, shape (n_hosts,)), fills hosts of units, returns how many found none."""


def spread_over_fewest(packing: Packing, try_spread: TrySpread) -> np.ndarray:
    """Spread over the smallest number of hosts on which spreading succeeds.

    Returns
    -------
    int64 array, shape (n_units,)
        Host of each unit, -1 where none takes it.

    Notes
    -----
    Spread over a whole fleet answers no consolidation question: it always uses every host. So the first k hosts are
    tried, k upward from the lower bound (their room holds the sum of all VMs), until every VM finds a host: steps of 1,
    2, 4, ... and then bisection, which takes it that more hosts never make spreading fail. When even all hosts do not
    suffice, or when every host is to be open, VMs are spread over all.
    """
    host_of_unit = np.full(packing.units.n_units, -1, dtype=np.int64)
    order = opening_order(packing)
    n_hosts = order.size
    if not packing.request.limits.is_every_host_open:
        n_hosts = _fewest(packing, order, lambda count: try_spread(_mask(packing, order[:count]), host_of_unit))
    try_spread(_mask(packing, order[:n_hosts]), host_of_unit)
    return host_of_unit


def opening_order(packing: Packing) -> np.ndarray:
    """List the available hosts in the order in which they are opened: int64 array.

    Hosts with VMs that stay come first, then one for each set of hosts that VMs must run on, then the fleet's order.
    """
    is_open, ledger = packing.is_open, packing.ledger
    first = dict.fromkeys(np.flatnonzero(packing.is_used).tolist())
    for row in ledger.allowed:
        hosts = np.flatnonzero(row)
        if hosts.size and hosts.size < is_open.sum() and not any(int(host) in first for host in hosts):
            first[int(hosts[0])] = None
    first.update(dict.fromkeys(np.flatnonzero(is_open).tolist()))
    return np.array(list(first), dtype=np.int64)


def search_trees(packing: Packing, is_open: np.ndarray) -> np.ndarray:
    """Make the search trees of the packing kernels over the hosts that are open."""
    free = packing.ledger.free
    n_leaves = 1 << max(0, len(free) - 1).bit_length()
    trees = np.empty((2 * n_leaves, free.shape[1]), dtype=np.int64)
    fill_trees(free, is_open, trees)
    return trees


def _fewest(packing: Packing, order: np.ndarray, count_left: Callable[[int], int]) -> int:
    n_all, least = order.size, _least(packing, order)
    too_few, enough, step = 0, least, 1
    while enough < n_all and count_left(enough):
        too_few, enough, step = enough, min(n_all, enough + step), 2 * step
    too_few = max(too_few, least - 1)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if count_left(middle):
            too_few = middle
        else:
            enough = middle
    return enough


def _least(packing: Packing, order: np.ndarray) -> int:
    """Return the number of hosts, opened in order, whose room holds the sum of all units, or all."""
    needed = packing.ledger.need.sum(axis=0)
    offered = np.cumsum(np.maximum(0, packing.ledger.free[order]), axis=0)
    counts = [int(np.searchsorted(offered[:, limit], needed[limit])) + 1 for limit in range(needed.size)]
    return min(max(counts, default=1), order.size)


def _mask(packing: Packing, hosts: np.ndarray) -> np.ndarray:
    is_open = np.zeros(len(packing.request.hosts), dtype=bool)
    is_open[hosts] = True
    return is_open
