"""VMs that are on a host for a part of the window: they arrive, boot, are moved, leave.

A stay is a VM on one host from a tick to a tick. A fleet with stays has its VMs first, a row each as without them, and
then a row for each stay. Rows of one VM have one name, so that they draw the same numbers: its demand, its touches and
its page contents are those it would have had anywhere. Hosts name the rows that they hold; a VM that was on two hosts
has a row on each, and demand on one of them at any tick.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from planner.streams import make_generator
from planner.workload.fleet import Demand, Presence, VmTable
from planner.workload.fleet_records import FleetInfo
from planner.workload.listed import GENERATOR
from planner.workload.profiles import Restarts, load_generator, spread
from planner.workload.source import DemandSource

Start = Literal["running", "cold", "moved"]


@dataclass(frozen=True, order=True)
class Stay:
    """A VM on one host for a part of the window.

    Attributes
    ----------
    vm : int
        Row of the VM in the table of the base fleet.
    first_tick, end_tick : int
        First tick of the stay, and the one after its last.
    start : str
        "running": it runs since before the window, so `first_tick` is 0. "cold": it boots in the first tick; its
        granted memory grows anew, by the law fitted to restarts, and its balloon driver is loaded later. "moved": it
        was migrated live; all of its granted memory arrives in the first tick, and its balloon driver runs.
    """

    vm: int
    first_tick: int
    end_tick: int
    start: Start

    def __post_init__(self) -> None:
        """Refuse a stay that is empty, or that runs since before the window and yet begins within it."""
        if not 0 <= self.first_tick < self.end_tick:
            raise ValueError(f"{self} is empty or starts before the window")
        if self.start == "running" and self.first_tick > 0:
            raise ValueError(f'{self}: a VM that arrives within the window is "cold" or "moved"')

    @property
    def running_tick(self) -> int:
        """Tick in which the VM is found running; -1 where it boots."""
        return -1 if self.start == "cold" else self.first_tick


class StayedSource:
    """A fleet and stays of its VMs (a `DemandSource`).

    Parameters
    ----------
    base : DemandSource
        The fleet whose rows the stays name.
    stays : tuple of Stay
        A row each, after the fleet's own; no two are equal.
    seed : int
        Root of the draws: how memory grows after a boot.

    Notes
    -----
    Active memory is the base's within the stay. After a boot granted memory follows one of the courses fitted to
    restarts (docs/model/workload.md), whatever the kind of fleet, but never above what the VM has in the base at that
    tick and never below the largest active memory since the boot. From the VM's own next restart on it is the base's
    again; where that starts above what the boot had grown to, the restart does not show. The same VM booted in the same
    tick grows alike in every scenario.
    """

    def __init__(self, base: DemandSource, stays: tuple[Stay, ...], seed: int) -> None:
        self.base = base
        self.stays = stays
        self._seed = seed
        self._vm_idx = np.array([stay.vm for stay in stays], dtype=np.int64)
        self.vms: VmTable = base.vms.joined(base.vms.take(self._vm_idx))

    def demand(self, replicate: int, vm_idx: np.ndarray | None = None) -> Demand:
        """Draw the demand of one replicate: the base's rows, then those of the stays, NaN outside of each stay."""
        rows = np.arange(len(self.vms)) if vm_idx is None else vm_idx
        demand = self._of_base(lambda base_rows: self.base.demand(replicate, base_rows), rows)
        for position in np.flatnonzero(rows >= len(self.base.vms)):
            self._cut(demand, int(position), self.stays[rows[position] - len(self.base.vms)], replicate)
        return replace(demand, presence=self._presence(rows))

    def history(self, length_s: float, vm_idx: np.ndarray | None = None) -> Demand:
        """Give the base's history; that of a stay is its VM's, whole, because the VM ran elsewhere or was known."""
        rows = np.arange(len(self.vms)) if vm_idx is None else vm_idx
        return self._of_base(lambda base_rows: self.base.history(length_s, base_rows), rows)

    def _of_base(self, draw: Callable[[np.ndarray], Demand], rows: np.ndarray) -> Demand:
        """Draw each row's VM in the base, once, however many rows it has here."""
        n_base = len(self.base.vms)
        vms, is_stay = rows.copy(), rows >= n_base
        vms[is_stay] = self._vm_idx[rows[is_stay] - n_base]
        drawn = np.unique(vms)
        return draw(drawn).take(np.searchsorted(drawn, vms))

    def _cut(self, demand: Demand, row: int, stay: Stay, replicate: int) -> None:
        """Leave of a row what is within the stay, and let memory grow anew after a boot. Changes `demand` in place."""
        active, granted = demand.active_fraction[row], demand.granted_fraction[row]
        ticks = slice(stay.first_tick, stay.end_tick)
        if stay.start == "cold":
            restarts = load_generator(GENERATOR).restarts
            course = self._draw_course(stay, replicate, restarts)
            grown = course_of_boot(restarts.times_s, course, demand.tick_s, stay.end_tick - stay.first_tick)
            granted[ticks] = regrow(granted[ticks], active[ticks], grown)
        for values in (active, granted):
            values[: stay.first_tick], values[stay.end_tick :] = np.nan, np.nan

    def history_meaning(self) -> str:
        """Say what the base VMs' history is."""
        return self.base.history_meaning()

    def independent_replicates(self) -> int | None:
        """Count the replicates that share no demand of the base VMs."""
        return self.base.independent_replicates()

    def replicate_meaning(self) -> str:
        """Say what differs between replicates."""
        return f"{self.base.replicate_meaning()} When VMs come and go is the same in all replicates."

    def origin(self) -> FleetInfo | None:
        """Return the origin of the VMs."""
        return self.base.origin()

    def _presence(self, rows: np.ndarray) -> Presence:
        n_base = len(self.base.vms)
        running_tick = [self.stays[row - n_base].running_tick if row >= n_base else 0 for row in rows.tolist()]
        return Presence(rows < n_base, np.array(running_tick, dtype=np.int64))

    def _draw_course(self, stay: Stay, replicate: int, restarts: Restarts) -> np.ndarray:
        """Draw granted memory at the ages of the fitted restarts."""
        entity = f"boot/{self.base.vms.names[stay.vm]}/{stay.first_tick}"
        quantile = make_generator(self._seed, "growth", replicate, entity).random(1)
        return np.array([float(spread(column, quantile)[0]) for column in zip(*restarts.granted, strict=True)])


def base_source(source: DemandSource) -> DemandSource:
    """Return the fleet whose rows stays name: `source` itself, or what it was before it had stays."""
    return source.base if isinstance(source, StayedSource) else source


def course_of_boot(times_s: tuple[float, ...], course: np.ndarray, tick_s: float, n_ticks: int) -> np.ndarray:
    """Return granted ÷ configured memory at the end of each tick since a boot, linear in the logarithm of the age."""
    ages_s = np.arange(1, n_ticks + 1) * tick_s
    return np.asarray(np.interp(np.log(ages_s), np.log(times_s), course))


def regrow(granted: np.ndarray, active: np.ndarray, grown: np.ndarray) -> np.ndarray:
    """Let granted memory start anew in the first tick, until the VM's own next restart.

    Parameters
    ----------
    granted, active, grown : float array, shape (n_ticks,)
        As without the boot; as without the boot; as the boot makes it grow.

    Returns
    -------
    float array, shape (n_ticks,)
        The smaller of `granted` and `grown`, but at least the largest active memory so far. NaN where off.
    """
    with np.errstate(invalid="ignore"):
        falls = np.flatnonzero((np.diff(granted) < 0) | np.isnan(granted[1:]))
    until = int(falls[0]) + 1 if falls.size else granted.size
    anew = granted.copy()
    least = np.maximum.accumulate(np.minimum(active[:until], granted[:until]))
    anew[:until] = np.maximum(np.minimum(granted[:until], grown[:until]), least)
    return anew
