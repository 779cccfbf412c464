"""A fleet grown beyond its VMs: the base first, then clones of its VMs in an order drawn from the seed.

Round after round clones every base VM once; NAME~k is the clone of round k. The clones of one tenant group and round
form a group of their own. Clones of drawn VMs (generated, listed) are drawn independently. Clones of recorded VMs
repeat the recording, shifted round the window by whole days: their demand is not synchronous with the original's, but
a burst that hit the recorded fleet only once is met once per round.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np

from planner.streams import make_generator
from planner.workload.drawn import HISTORY_REPLICATE, DrawnSource
from planner.workload.fleet import Demand, VmTable, merge_demand
from planner.workload.fleet_records import FleetInfo
from planner.workload.latent import DAY_S
from planner.workload.source import DemandSource

_Draw = Callable[[DemandSource, np.ndarray], Demand]
"""Draws some rows of a source."""


def inventory_size(source: DemandSource) -> int:
    """Count the VMs that are no clones."""
    return source.n_inventory if isinstance(source, GrownSource) else len(source.vms)


class GrownSource:
    """A fleet of `count` VMs made from a smaller or larger one (a `DemandSource`).

    Parameters
    ----------
    base : DemandSource
        The fleet to grow; its VMs come first, in their order. A smaller `count` keeps the first ones.
    count : int
        VMs of the grown fleet; at least 1.
    seed : int
        Root of the draws: order of the clones and their shifts. A larger fleet of a seed starts with the smaller one.
    clone_of : int64 array, shape (count - n_base,), or None
        Base row that each clone repeats; None: round after round, every VM once.
    """

    def __init__(self, base: DemandSource, count: int, seed: int, clone_of: np.ndarray | None = None) -> None:
        self._base = base
        self._seed = seed
        self._n_base = min(count, len(base.vms))
        if clone_of is None:
            self._clone_of, self._round = _order_clones(len(base.vms), max(count - len(base.vms), 0), seed)
        else:
            self._clone_of, self._round = clone_of, _occurrences(clone_of)
        self._suffixes = tuple(f"{_separator(base.vms.names)}{number}" for number in self._round)
        clones = _clone_table(base.vms, self._clone_of, self._suffixes)
        self.vms = base.vms.take(np.arange(self._n_base)).joined(clones)

    def demand(self, replicate: int, vm_idx: np.ndarray | None = None) -> Demand:
        """Draw the demand of one replicate: the base VMs' as without growth, then the clones'."""
        return self._draw(lambda source, rows: source.demand(replicate, rows), replicate, vm_idx)

    def history(self, length_s: float, vm_idx: np.ndarray | None = None) -> Demand:
        """Give the base VMs' history, then that of the clones, drawn or shifted as their demand is."""
        return self._draw(lambda source, rows: source.history(length_s, rows), HISTORY_REPLICATE, vm_idx)

    def history_meaning(self) -> str:
        """Say what the base VMs' history is."""
        return self._base.history_meaning()

    @property
    def clones(self) -> tuple[np.ndarray, np.ndarray]:
        """Row of the base VM that each clone repeats, and its round: int64 arrays, shape (n_clones,)."""
        return self._clone_of, self._round

    def independent_replicates(self) -> int | None:
        """Count the replicates that share no demand of the base VMs."""
        return self._base.independent_replicates()

    def replicate_meaning(self) -> str:
        """Say what differs between replicates."""
        how = (
            "clones are drawn independently of their originals"
            if isinstance(self._base, DrawnSource)
            else "clones repeat their originals, shifted by whole days that differ between replicates"
        )
        return f"{self._base.replicate_meaning()} Beyond the given VMs, {how}."

    def origin(self) -> FleetInfo | None:
        """Return the origin of the VMs that were given."""
        return self._base.origin()

    @property
    def n_inventory(self) -> int:
        """VMs of the fleet that was grown; the rows after them are clones."""
        return self._n_base

    @cached_property
    def _drawn_clones(self) -> DrawnSource | None:
        """The clones of drawn VMs as a source of their own; None for recorded VMs."""
        if not isinstance(self._base, DrawnSource):
            return None
        table = self.vms.take(np.arange(self._n_base, len(self.vms)))
        return self._base.with_models(table, self._base.models.cloned(self._clone_of, self._suffixes))

    def _draw(self, draw: _Draw, replicate: int, vm_idx: np.ndarray | None) -> Demand:
        rows = np.arange(len(self.vms)) if vm_idx is None else vm_idx
        is_clone = rows >= self._n_base
        own, clones = rows[~is_clone], rows[is_clone] - self._n_base
        if self._drawn_clones is not None:
            return merge_demand(is_clone, draw(self._base, own), draw(self._drawn_clones, clones))
        originals = self._clone_of[clones]
        recorded = np.union1d(own, originals)
        base = draw(self._base, recorded)
        repeated = base.take(np.searchsorted(recorded, originals))
        self._shift(repeated, clones, replicate)
        return merge_demand(is_clone, base.take(np.searchsorted(recorded, own)), repeated)

    def _shift(self, demand: Demand, clones: np.ndarray, replicate: int) -> None:
        """Shift each clone's row by its group's and round's number of days (hours, ticks). Changes `demand`."""
        names, groups = self._base.vms.names, self._base.vms.groups
        step = _shift_step_ticks(demand)
        for row, clone in enumerate(clones):
            original = self._clone_of[clone]
            entity = f"shift/{groups[original] or names[original]}{self._suffixes[clone]}"
            draws = make_generator(self._seed, "growth", replicate, entity)
            shift = int(draws.integers(1, max(demand.n_ticks // step, 2))) * step % demand.n_ticks
            demand.active_fraction[row] = np.roll(demand.active_fraction[row], shift)
            demand.granted_fraction[row] = roll_granted(demand.granted_fraction[row], shift)


def roll_granted(granted_fraction: np.ndarray, shift: int) -> np.ndarray:
    """Shift granted memory round the window without making up a restart where its end meets its start.

    Past that point granted stays at what it was, until it grows beyond, the VM restarts or is off.
    """
    rolled = np.roll(granted_fraction, shift)
    if not 0 < shift < len(rolled):
        return rolled
    with np.errstate(invalid="ignore"):
        ends = np.isnan(rolled[shift:]) | np.append(False, np.diff(rolled[shift:]) < 0)
    until = shift + int(ends.argmax()) if ends.any() else len(rolled)
    rolled[shift:until] = np.fmax(rolled[shift:until], rolled[shift - 1])
    return rolled


def _shift_step_ticks(demand: Demand) -> int:
    """Ticks of a day; of an hour, or one, where the window is shorter than two of the longer."""
    for step_s in (DAY_S, 3600.0):
        step = round(step_s / demand.tick_s)
        if step >= 1 and demand.n_ticks >= 2 * step:
            return step
    return 1


def _order_clones(n_base: int, n_clones: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw which base row each clone repeats, and give its round, from 1."""
    rounds = -(-n_clones // n_base)
    order = [
        make_generator(seed, "growth", 0, f"clones/{number}").permutation(n_base) for number in range(1, rounds + 1)
    ]
    rows = np.concatenate(order)[:n_clones] if order else np.empty(0, dtype=np.int64)
    return rows.astype(np.int64), np.repeat(np.arange(1, rounds + 1), n_base)[:n_clones]


def _occurrences(rows: np.ndarray) -> np.ndarray:
    """Say for each entry how often its row has come up to there, from 1."""
    seen: dict[int, int] = {}
    numbers = []
    for row in rows.tolist():
        seen[row] = seen.get(row, 0) + 1
        numbers.append(seen[row])
    return np.array(numbers, dtype=np.int64)


def _separator(names: tuple[str, ...]) -> str:
    """Find what to write between name and round so that no clone gets the name of a VM: "~", or more of them."""
    separator = "~"
    while any(separator in name for name in names):
        separator += "~"
    return separator


def _clone_table(vms: VmTable, clone_of: np.ndarray, suffixes: tuple[str, ...]) -> VmTable:
    """Rows of the clones: no host today, groups of their own; images and the rest as the originals'."""
    clones = vms.take(clone_of)
    return replace(
        clones,
        names=tuple(name + suffix for name, suffix in zip(clones.names, suffixes, strict=True)),
        groups=tuple(group and group + suffix for group, suffix in zip(clones.groups, suffixes, strict=True)),
        hosts=(None,) * len(clone_of),
    )
