"""Best-fit: each VM goes to the host in use that it fills best; a new host is opened only when none fits."""

import numpy as np

from planner.placement.base import HostCapacities, Placement, PlacementLimits, judge, packing_sizes
from planner.workload.fleet import VmTable


class BestFit:
    """Johnson et al., SIAM J. Comput. 3 (1974), doi:10.1137/0203025. A new host is the first unused one that fits."""

    name = "best-fit"

    def place(self, vms: VmTable, hosts: HostCapacities, limits: PlacementLimits) -> Placement:
        """Place VMs in the order of the table."""
        from planner.kernels.packing import pack_best_fit

        sizes = packing_sizes(vms, hosts, limits)
        host_idx = np.empty(len(vms), dtype=np.int64)
        opened = np.empty(len(hosts), dtype=np.int64)
        room, ram = sizes.host_room.copy(), sizes.host_ram.copy()
        pack_best_fit(np.arange(len(vms)), sizes.vm_room, sizes.vm_ram, room, ram, opened, host_idx)
        return judge(host_idx, sizes)
