"""First-fit-decreasing: the largest VMs first, each to the first host where it fits."""

import numpy as np

from planner.placement.base import HostCapacities, Placement, PlacementLimits
from planner.placement.first_fit import place_in_order
from planner.workload.fleet import VmTable


class FirstFitDecreasing:
    """Johnson et al., SIAM J. Comput. 3 (1974), doi:10.1137/0203025: about 11/9 of the fewest hosts at worst."""

    name = "first-fit-decreasing"

    def place(self, vms: VmTable, hosts: HostCapacities, limits: PlacementLimits) -> Placement:
        """Place VMs by configured memory, largest first; equal ones in the order of the table."""
        order = np.argsort(-vms.configured_bytes, kind="stable")
        return place_in_order(order, vms, hosts, limits)
