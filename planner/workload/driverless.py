"""A fleet in which some VMs lack the balloon driver: the same VMs, the same demand."""

import math
from dataclasses import replace

import numpy as np

from planner.streams import stable_hash32
from planner.workload.fleet import Demand
from planner.workload.fleet_records import FleetInfo
from planner.workload.source import DemandSource


class DriverlessSource:
    """A fleet of which a share of the VMs has no balloon driver (a `DemandSource`).

    Parameters
    ----------
    base : DemandSource
        The fleet as it is.
    fraction : float
        Share of the VMs without driver, at least; those that lack it today count.
    seed : int
        Root of the draw. A larger share of a seed takes the driver from the same VMs, and from more.
    """

    def __init__(self, base: DemandSource, fraction: float, seed: int) -> None:
        self._base = base
        vms = base.vms
        order = sorted(range(len(vms)), key=lambda row: stable_hash32(f"{seed}/driver/{vms.names[row]}"))
        drivers = vms.has_balloon_driver.copy()
        missing = int((~drivers).sum())
        for row in order:
            if missing >= math.ceil(fraction * len(vms)):
                break
            missing += int(drivers[row])
            drivers[row] = False
        self.vms = replace(vms, has_balloon_driver=drivers)

    def demand(self, replicate: int, vm_idx: np.ndarray | None = None) -> Demand:
        """Draw the demand of one replicate: that of the fleet as it is."""
        return self._base.demand(replicate, vm_idx)

    def history(self, length_s: float, vm_idx: np.ndarray | None = None) -> Demand:
        """Give the demand that placement may look at: that of the fleet as it is."""
        return self._base.history(length_s, vm_idx)

    def history_meaning(self) -> str:
        """Say what the history is."""
        return self._base.history_meaning()

    def independent_replicates(self) -> int | None:
        """Count the replicates that share no demand."""
        return self._base.independent_replicates()

    def replicate_meaning(self) -> str:
        """Say what differs between replicates."""
        return self._base.replicate_meaning()

    def origin(self) -> FleetInfo | None:
        """Return the origin of the VMs."""
        return self._base.origin()
