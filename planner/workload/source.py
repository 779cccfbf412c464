"""The interface every source of demand has: a fixed VM table, and one Demand per replicate."""

from typing import Protocol

import numpy as np

from planner.workload.fleet import Demand, VmTable
from planner.workload.fleet_records import FleetInfo


class DemandSource(Protocol):
    """A fleet whose demand can be drawn: generated, imported or listed in the config.

    The VM table is the inventory and does not depend on the replicate. The demand of a VM is a pure function of
    (seed, replicate, VM): it has the same bytes whatever other VMs are asked for with it, so that no process needs the
    demand of a whole fleet at once. Instances pickle, so that workers can draw for themselves.
    """

    vms: VmTable

    def demand(self, replicate: int, vm_idx: np.ndarray | None = None) -> Demand:
        """Draw the demand of one replicate, n_ticks as configured.

        Parameters
        ----------
        replicate : int
        vm_idx : int array, optional
            Rows of `vms` to draw, in this order; all of them where it is left out.

        Returns
        -------
        Demand
            In arrays that the caller may change.
        """
        ...

    def history(self, length_s: float, vm_idx: np.ndarray | None = None) -> Demand:
        """Give demand that placement may look at before the sweep: as `demand`, of another length where there is more.

        Drawn sources draw it afresh; recorded ones give their first recorded days, which replicates may replay.
        """
        ...

    def history_meaning(self) -> str:
        """Say in one sentence what the history is, and whether the sweep meets it again."""
        ...

    def independent_replicates(self) -> int | None:
        """Count the replicates that share no demand; None if every replicate is drawn afresh.

        Replicates r and r + n, with n the count, live through the same demand and differ only in the pages touched.
        """
        ...

    def replicate_meaning(self) -> str:
        """Say in one sentence what differs between replicates, for the report."""
        ...

    def origin(self) -> FleetInfo | None:
        """Return where imported VMs come from and what was taken for granted of them; None: they were not imported."""
        ...
