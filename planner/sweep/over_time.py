"""VMs placed in the order of time: those that leave make room, those that come are placed beside those that stay.

All VMs that come in one tick are placed in one go by the scenario's strategy, given who is on the hosts then. Nobody
knows the future: where a VM goes does not depend on who comes later, and nobody is moved to make room.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import NamedTuple

import numpy as np

from planner.placement import (
    Forecast,
    HostCapacities,
    Placement,
    PlacementLimits,
    PlacementRequest,
    load_strategy,
)
from planner.placement.base import BY_RATIO, NO_RESERVE, REASONS, Verdict
from planner.sweep.plan import UnplacedVm
from planner.workload.fleet import VmTable
from planner.workload.stays import Start, Stay

RATIO_STEP = 0.05
LARGEST_RATIO = 20.0
"""Limits are raised on this grid, up to here: beyond, only memory that is never reclaimed counts."""

UNKNOWN_HOST_STRATEGY = "worst-fit"
"""As-is placement says nothing of a VM that has lost its host, or never had one: it goes where most room is."""


class Comer(NamedTuple):
    """A VM that needs a host from a tick on; comers of one tick are placed in this order.

    `is_new` tells arrivals from VMs that lost their host: those go first, and may raise the limit.
    """

    first_tick: int
    is_new: bool
    vm: int
    end_tick: int
    start: Start

    def stay(self, first_tick: int) -> Stay:
        """Return its stay on the host that it found, from `first_tick` on."""
        return Stay(self.vm, first_tick, self.end_tick, self.start)


class Refused(NamedTuple):
    """A comer that found no host, and why."""

    comer: Comer
    unplaced: UnplacedVm


@dataclass(frozen=True)
class Grounds:
    """What placing over time takes beside the VMs.

    Attributes
    ----------
    strategy : str
        Name of the placement strategy.
    fleet : VmTable
        VMs that stays and comers count in.
    hosts : HostCapacities
        All hosts of the fleet; those not available take nothing.
    closed_to_displaced : int64 array
        Hosts that take arrivals, but no VMs that lost their host.
    limits : PlacementLimits
        For arrivals.
    displaced_ratio : float or None
        Limit on the overcommit ratio of hosts that take in VMs that lost theirs. None: that of `limits`, raised in
        steps of `RATIO_STEP` to the smallest at which no more of them would find room by raising it further.
    starts_per_host : int
        VMs that lost their host and boot on one host in one tick; others follow in the next ticks.
    forecast : Forecast or None
        Demand that strategies and admission may look at, rows as in `fleet`.
    n_inventory : int
        VMs of the inventory; rows from here on are clones, of which as-is placement knows nothing.
    seed : int
        Root of the strategy's draws.
    """

    strategy: str
    fleet: VmTable
    hosts: HostCapacities
    limits: PlacementLimits
    closed_to_displaced: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    displaced_ratio: float | None = None
    starts_per_host: int = 1 << 30
    forecast: Forecast | None = None
    n_inventory: int = 1 << 62
    seed: int = 0


class Housed(NamedTuple):
    """Where comers went.

    Attributes
    ----------
    stays : dict
        Host (position) -> stays of the comers that it took in.
    settled : dict
        Comer -> first tick on its new host.
    refused : list of Refused
    ratio : float
        Largest limit on the overcommit ratio under which hosts were found.
    """

    stays: dict[int, list[Stay]]
    settled: dict[Comer, int]
    refused: list[Refused]
    ratio: float


def house(grounds: Grounds, held: Iterable[tuple[int, Stay]], comers: Sequence[Comer]) -> Housed:
    """Place comers in the order of time.

    Parameters
    ----------
    held : iterable of (int, Stay)
        What hosts (by position) hold whatever comes.
    comers : sequence of Comer
        In any order. A VM may come once.
    """
    known = list(held)
    housed = Housed({}, {}, [], grounds.limits.overcommit_ratio)

    def batch_of(comer: Comer) -> tuple[int, bool, str]:
        return comer.first_tick, comer.is_new, _strategy_for(grounds, comer)

    for (tick, is_new, _), group in groupby(sorted(comers), key=batch_of):
        batch = list(group)
        known = [(host, stay) for host, stay in known if stay.end_tick > tick]
        coming = {comer.vm for comer in batch}
        # Also VMs that have been given a host and boot there later: their room is taken.
        there = {stay.vm: host for host, stay in known if stay.vm not in coming}
        found = _place(grounds, there, batch, is_new)
        housed = housed._replace(ratio=max(housed.ratio, found.ratio))
        known += _settle(grounds, batch, found.placement, housed)
    return housed


class _Found(NamedTuple):
    """A placement of standing VMs and then comers, and the limit under which it was found."""

    placement: Placement
    ratio: float


def _place(grounds: Grounds, there: dict[int, int], batch: list[Comer], is_new: bool) -> _Found:
    rows = np.array([*there, *(comer.vm for comer in batch)], dtype=np.int64)
    standing = np.array([*there.values(), *(-1 for _ in batch)], dtype=np.int64)
    vms = grounds.fleet.take(rows)
    hosts = grounds.hosts if is_new else grounds.hosts.without(grounds.closed_to_displaced)
    limits = grounds.limits
    if not is_new:
        # What was kept free for failover is now used; nothing is predicted of VMs that must be let on.
        limits = replace(limits, is_every_host_open=True, ha_reserve=NO_RESERVE, admission=BY_RATIO)
    forecast = grounds.forecast and grounds.forecast.take(rows)
    strategy = load_strategy(_strategy_for(grounds, batch[0]))

    def place(ratio: float) -> _Found:
        at_ratio = replace(limits, overcommit_ratio=ratio)
        request = PlacementRequest(vms, hosts, at_ratio, standing if there else None, forecast, grounds.seed)
        return _Found(strategy.place(request), ratio)

    if is_new:
        return place(limits.overcommit_ratio)
    if grounds.displaced_ratio is not None:
        return place(grounds.displaced_ratio)
    return _raise_limit(place, limits.overcommit_ratio)


def _strategy_for(grounds: Grounds, comer: Comer) -> str:
    """Name the strategy that places a comer. Rows are sorted, so that those of the inventory come first in a tick."""
    is_known = comer.is_new and comer.vm < grounds.n_inventory
    return UNKNOWN_HOST_STRATEGY if grounds.strategy == "as-is" and not is_known else grounds.strategy


def _raise_limit(place: Callable[[float], _Found], ratio: float) -> _Found:
    """Find the smallest limit, from `ratio` on in steps, at which as many find a host as at the largest."""
    found = place(ratio)
    if found.placement.is_placed.all():
        return found
    too_low, enough = 0, max(1, math.ceil((LARGEST_RATIO - ratio) / RATIO_STEP))
    found = place(round(ratio + enough * RATIO_STEP, 9))
    most = int(found.placement.is_placed.sum())
    while enough - too_low > 1:
        middle = (too_low + enough) // 2
        tried = place(round(ratio + middle * RATIO_STEP, 9))
        if int(tried.placement.is_placed.sum()) >= most:
            enough, found = middle, tried
        else:
            too_low = middle
    return found


def _settle(grounds: Grounds, batch: list[Comer], placement: Placement, housed: Housed) -> list[tuple[int, Stay]]:
    """Enter what became of a batch into `housed`; return the new stays by host."""
    first_row = len(placement.host_idx) - len(batch)
    starts: dict[int, int] = {}
    new = []
    for row, comer in enumerate(batch, start=first_row):
        if placement.verdicts[row] != Verdict.PLACED:
            name, kind = grounds.fleet.names[comer.vm], REASONS[Verdict(placement.verdicts[row])]
            sentence = placement.reasons.get(row, f"VM {name}: {kind}")
            housed.refused.append(Refused(comer, UnplacedVm(name, kind, sentence)))
            continue
        host, first_tick = int(placement.host_idx[row]), comer.first_tick
        if comer.start == "cold" and not comer.is_new:
            starts[host] = starts.get(host, 0) + 1
            first_tick += (starts[host] - 1) // grounds.starts_per_host
        housed.settled[comer] = first_tick
        if first_tick < comer.end_tick:
            new.append((host, comer.stay(first_tick)))
            housed.stays.setdefault(host, []).append(comer.stay(first_tick))
    return new
