"""First-fit: each VM, in the fleet's order, goes to the first host where it fits."""

import numpy as np

from planner.placement.base import HostCapacities, Placement, PlacementLimits, judge, packing_sizes, search_trees
from planner.workload.fleet import VmTable


class FirstFit:
    """Johnson et al., SIAM J. Comput. 3 (1974), doi:10.1137/0203025: never more than 1.7 times the fewest hosts."""

    name = "first-fit"

    def place(self, vms: VmTable, hosts: HostCapacities, limits: PlacementLimits) -> Placement:
        """Place VMs in the order of the table."""
        return place_in_order(np.arange(len(vms)), vms, hosts, limits)


def place_in_order(order: np.ndarray, vms: VmTable, hosts: HostCapacities, limits: PlacementLimits) -> Placement:
    """Place VMs first-fit in a given order (int64 array, shape (n_vms,))."""
    from planner.kernels.packing import pack_first_fit

    sizes = packing_sizes(vms, hosts, limits)
    host_idx = np.empty(len(vms), dtype=np.int64)
    room_tree, ram_tree = search_trees(sizes, len(hosts))
    pack_first_fit(order, sizes.vm_room, sizes.vm_ram, room_tree, ram_tree, host_idx)
    return judge(host_idx, sizes)
