"""Worst-fit, also called spread: each VM goes to the host with the most room, over as few hosts as that allows."""

import numpy as np

from planner.placement.base import HostCapacities, Placement, PlacementLimits, Sizes, judge, packing_sizes, search_trees
from planner.workload.fleet import VmTable


class WorstFit:
    """Spread over the smallest number of hosts on which spreading succeeds.

    Notes
    -----
    Spread over a whole fleet answers no consolidation question: it always uses every host. So the first k hosts of the
    fleet are tried, k upward from the lower bound (their room holds the sum of all VMs), until every VM finds a host:
    steps of 1, 2, 4, ... and then bisection, which takes it that more hosts never make spreading fail. When even all
    hosts do not suffice, or when every host is to be open, VMs are spread over all. Room is counted in bytes, so a
    large host takes more than a small one.
    """

    name = "worst-fit"

    def place(self, vms: VmTable, hosts: HostCapacities, limits: PlacementLimits) -> Placement:
        """Place VMs in the order of the table."""
        sizes = packing_sizes(vms, hosts, limits)
        host_idx = np.empty(len(vms), dtype=np.int64)
        n_hosts = len(hosts) if limits.is_every_host_open else _fewest_that_spread(sizes, host_idx)
        _spread(sizes, n_hosts, host_idx)
        return judge(host_idx, sizes)


def _fewest_that_spread(sizes: Sizes, host_idx: np.ndarray) -> int:
    """Return the smallest number of hosts on which spreading succeeds, or all. Overwrites `host_idx`."""
    n_all = sizes.host_room.shape[0]
    too_few, enough, step = 0, fewest_hosts(sizes), 1
    while enough < n_all and _spread(sizes, enough, host_idx):
        too_few, enough, step = enough, min(n_all, enough + step), 2 * step
    too_few = max(too_few, fewest_hosts(sizes) - 1)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if _spread(sizes, middle, host_idx):
            too_few = middle
        else:
            enough = middle
    return enough


def fewest_hosts(sizes: Sizes) -> int:
    """Return the number of hosts, opened in order, whose capacities hold the sum of all VMs, or all."""
    by_room = np.searchsorted(np.cumsum(sizes.host_room), sizes.vm_room.sum()) + 1
    by_ram = np.searchsorted(np.cumsum(sizes.host_ram), sizes.vm_ram.sum()) + 1
    return int(min(max(by_room, by_ram), sizes.host_room.shape[0]))


def _spread(sizes: Sizes, n_hosts: int, host_idx: np.ndarray) -> int:
    """Spread over the first `n_hosts`, filling `host_idx`; return how many VMs found no host."""
    from planner.kernels.packing import pack_worst_fit

    room_tree, ram_tree = search_trees(sizes, n_hosts)
    order = np.arange(host_idx.shape[0])
    return int(pack_worst_fit(order, sizes.vm_room, sizes.vm_ram, room_tree, ram_tree, host_idx))
