"""As-is: each VM stays on the host where it runs today, as the inventory says."""

import numpy as np

from planner.placement.base import HostCapacities, Placement, PlacementLimits, Verdict, packing_sizes
from planner.workload.fleet import VmTable


class AsIs:
    """Today's placement, judged by the limits: a VM beyond its host's limit is reported, not moved elsewhere."""

    name = "as-is"

    def place(self, vms: VmTable, hosts: HostCapacities, limits: PlacementLimits) -> Placement:
        """Keep VMs where they are, in the order of the table, as long as their host's limits hold."""
        sizes = packing_sizes(vms, hosts, limits)
        position = {name: idx for idx, name in enumerate(hosts.names)}
        room, ram = sizes.host_room.copy(), sizes.host_ram.copy()
        host_idx = np.zeros(len(vms), dtype=np.int64)
        verdicts = np.full(len(vms), Verdict.PLACED, dtype=np.int8)
        for vm, name in enumerate(vms.hosts):
            host = position.get(name) if name is not None else None
            if host is None:
                verdicts[vm] = Verdict.HOST_UNKNOWN
            elif room[host] < sizes.vm_room[vm] or ram[host] < sizes.vm_ram[vm]:
                verdicts[vm] = Verdict.HOST_FULL
            else:
                host_idx[vm] = host
                room[host] -= sizes.vm_room[vm]
                ram[host] -= sizes.vm_ram[vm]
        return Placement(host_idx, verdicts)
