"""The interface every source of demand has: a fixed VM table, and one Demand per replicate."""

from typing import Protocol

from planner.workload.fleet import Demand, VmTable


class DemandSource(Protocol):
    """A fleet whose demand can be drawn: generated, imported or listed in the config.

    The VM table is the inventory and does not depend on the replicate; `demand` is a pure function of
    (seed, replicate). Instances pickle, so that workers can draw for themselves.
    """

    vms: VmTable

    def demand(self, replicate: int) -> Demand:
        """Draw the demand of one replicate: rows as in `vms`, n_ticks as configured."""
        ...

    def history(self, length_s: float) -> Demand:
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
