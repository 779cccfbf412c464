"""A fleet grown beyond its VMs: the base first, then clones of its VMs in an order drawn from the seed.

Round after round clones every base VM once; NAME~k is the clone of round k. The clones of one tenant group and round
form a group of their own. Clones of drawn VMs (generated, listed) are drawn independently. Clones of recorded VMs
repeat the recording, shifted round the window by whole days: their demand is not synchronous with the original's, but
a burst that hit the recorded fleet only once is met once per round.
"""

from dataclasses import replace

import numpy as np

from planner.streams import make_generator
from planner.workload.drawn import DAY_S, HISTORY_REPLICATE, DrawnSource
from planner.workload.fleet import Demand, VmTable
from planner.workload.source import DemandSource


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

    def demand(self, replicate: int) -> Demand:
        """Draw the demand of one replicate: the base VMs' as without growth, then the clones'."""
        base = self._base.demand(replicate)
        return self._joined(base, self._clone_demand(base, replicate))

    def _joined(self, base: Demand, clones: Demand) -> Demand:
        kept = slice(0, self._n_base)
        active, granted, busy = base.active_fraction, base.granted_fraction, base.cpu_busy_vcpus
        return Demand(
            tick_s=base.tick_s,
            active_fraction=np.concatenate([active[kept], clones.active_fraction]),
            granted_fraction=np.concatenate([granted[kept], clones.granted_fraction]),
            cpu_busy_vcpus=np.concatenate([busy[kept], clones.cpu_busy_vcpus]),
        )

    def history(self, length_s: float) -> Demand:
        """Give the base VMs' history, then that of the clones, drawn or shifted as their demand is."""
        base = self._base.history(length_s)
        if isinstance(self._base, DrawnSource):
            clones = self._base.history_of(self._base.models.cloned(self._clone_of, self._suffixes), length_s)
        else:
            clones = self._shifted(base, HISTORY_REPLICATE)
        return self._joined(base, clones)

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

    @property
    def n_inventory(self) -> int:
        """VMs of the fleet that was grown; the rows after them are clones."""
        return self._n_base

    def _clone_demand(self, base: Demand, replicate: int) -> Demand:
        if isinstance(self._base, DrawnSource):
            return self._base.demand_of(self._base.models.cloned(self._clone_of, self._suffixes), replicate)
        return self._shifted(base, replicate)

    def _shifted(self, base: Demand, replicate: int) -> Demand:
        """Repeat the originals' rows, each group and round shifted by its own number of days (hours, ticks)."""
        shape = (len(self._clone_of), base.n_ticks)
        active, granted = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
        step = _shift_step_ticks(base)
        for row, original in enumerate(self._clone_of):
            names, groups = self._base.vms.names, self._base.vms.groups
            entity = f"shift/{groups[original] or names[original]}{self._suffixes[row]}"
            draws = make_generator(self._seed, "growth", replicate, entity)
            shift = int(draws.integers(1, max(base.n_ticks // step, 2))) * step % base.n_ticks
            active[row] = np.roll(base.active_fraction[original], shift)
            granted[row] = roll_granted(base.granted_fraction[original], shift)
        return Demand(base.tick_s, active, granted, base.cpu_busy_vcpus[self._clone_of])


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
