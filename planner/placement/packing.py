"""From a request to arrays that packing kernels take, and from packed hosts back to a placement.

VMs that must stay together are one unit. VMs that stay where they are take their room first. A failover reserve by
hosts is kept by packing again with a larger share of every host left free, until the hosts in use suffice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from planner.kernels.packing_ledger import Ledger, fill_all_stats
from planner.placement.admission import Prediction, predict
from planner.placement.base import OVERCOMMIT, PREDICTED, RAM, VCPUS, Placement, PlacementRequest, Verdict
from planner.placement.reasons import Refusals
from planner.placement.units import Units, find_units
from planner.workload.overhead import vm_overhead_bytes


class Sizes(NamedTuple):
    """What VMs take and hosts offer, int64.

    limits : tuple of str, what each column is: `OVERCOMMIT`, `RAM`, perhaps `VCPUS`, perhaps `PREDICTED`.
    need : shape (n_vms, n_limits). room : shape (n_hosts, n_limits), of the empty host.
    """

    limits: tuple[str, ...]
    need: np.ndarray
    room: np.ndarray


@dataclass(frozen=True)
class Packing:
    """A request as the kernels see it.

    Attributes
    ----------
    request : PlacementRequest
    share : Fraction
        Of each host's memory, kept free for failover.
    sizes : Sizes
        Of VMs and empty hosts.
    units : Units
        What is to be placed.
    ledger : Ledger
        Before anything is placed, standing VMs counted.
    """

    request: PlacementRequest
    share: Fraction
    sizes: Sizes
    units: Units
    ledger: Ledger

    @property
    def has_plain_limits(self) -> bool:
        """Whether no rule depends on which VMs a host holds, so that search trees can be used."""
        ledger = self.ledger
        is_anywhere = bool((ledger.allowed == self.is_open).all())
        return ledger.apart_rules.size == 0 and is_anywhere and ledger.own.shape[1] == 0

    @property
    def is_open(self) -> np.ndarray:
        """Hosts that may be used: bool array, shape (n_hosts,)."""
        return self.request.hosts.is_available

    @property
    def is_used(self) -> np.ndarray:
        """Hosts with VMs that stay: bool array, shape (n_hosts,), the caller's own."""
        is_used = np.zeros(len(self.request.hosts), dtype=bool)
        standing = self.request.standing_idx
        is_used[standing[standing >= 0]] = True
        return np.asarray(is_used & self.is_open)

    def fresh_ledger(self) -> Ledger:
        """Return the ledger with copies of what packing changes."""
        ledger = self.ledger
        return ledger._replace(
            free=ledger.free.copy(),
            taken=ledger.taken.copy(),
            total=ledger.total.copy(),
            total_stats=ledger.total_stats.copy(),
            total_ceiling=ledger.total_ceiling.copy(),
        )

    def in_table_order(self) -> np.ndarray:
        """Return the units in the order of the rows of their first VMs, those tied to hosts first."""
        return self.tied_first(np.arange(self.units.n_units, dtype=np.int64))

    def tied_first(self, order: np.ndarray) -> np.ndarray:
        """Move units that may run on some hosts only to the front, those with the fewest hosts first.

        Otherwise VMs that could go anywhere would fill the hosts that these need.
        """
        n_allowed = self.ledger.allowed.sum(axis=1)[self.ledger.allow_row[order]]
        return np.asarray(order[np.argsort(n_allowed, kind="stable")])

    def largest_first(self) -> np.ndarray:
        """Return the units by what they take of the first limit, largest first, then by name; tied ones first."""
        names = np.array(self.units.names)
        return self.tied_first(np.lexsort((names, -self.ledger.need[:, 0])).astype(np.int64))


Pack = Callable[[Packing], np.ndarray]


def place_units(request: PlacementRequest, pack: Pack) -> Placement:
    """Place the VMs of a request with a packing strategy, under all limits and rules.

    Parameters
    ----------
    pack : callable
        Gives the host of each unit of a `Packing`, -1 where none takes it: int64 array, shape (n_units,).

    Notes
    -----
    N+k hosts: the share of room that every host keeps free starts at that of all hosts offered and grows until it is at
    least (k largest of the hosts in use) ÷ (all hosts in use), of which there are at least k + 1. Each step takes the
    share that the last placement asked for, so it ends; VMs that find no host on the way are refused.
    """
    reserve = request.limits.ha_reserve
    hosts = request.hosts
    share = Fraction(repr(reserve.fraction))
    if reserve.hosts:
        share = max(share, share_for_failover(hosts.room_bytes, hosts.is_available, reserve.hosts))
    while True:
        packing = build_packing(request, share)
        placement = _judge(packing, pack(packing))
        if not reserve.hosts or not placement.is_placed.all():
            return placement
        is_used = np.zeros(len(hosts), dtype=bool)
        is_used[placement.host_idx[placement.is_placed]] = True
        wanted = share_for_failover(hosts.room_bytes, is_used & hosts.is_available, reserve.hosts, hosts.is_available)
        if wanted <= share:
            return placement
        share = wanted


def share_for_failover(
    room_bytes: np.ndarray, is_used: np.ndarray, n_failures: int, is_available: np.ndarray | None = None
) -> Fraction:
    """Return the share of room that hosts in use must keep free so that the largest of them may fail.

    Parameters
    ----------
    room_bytes : int64 array, shape (n_hosts,)
    is_used : bool array, shape (n_hosts,)
    n_failures : int
        Hosts that may fail at once.
    is_available : bool array, shape (n_hosts,), optional
        Hosts to count in, in order, where no more than `n_failures` are in use: so many cannot take over from each
        other.

    Returns
    -------
    Fraction
        1 where not even all hosts are enough.
    """
    counted = is_used.copy()
    if is_available is not None:
        spare = np.flatnonzero(is_available & ~is_used)
        counted[spare[: max(0, n_failures + 1 - int(is_used.sum()))]] = True
    rooms = np.sort(room_bytes[counted])[::-1]
    if rooms.size <= n_failures or int(rooms.sum()) <= 0:
        return Fraction(1)
    return Fraction(int(rooms[:n_failures].sum()), int(rooms.sum()))


def build_packing(request: PlacementRequest, share: Fraction = Fraction(0)) -> Packing:
    """Turn a request into arrays; every host keeps `share` of its memory free."""
    prediction = predict(request, share)
    sizes = measure_sizes(request, share, prediction)
    units = find_units(request)
    n_hosts, n_limits = sizes.room.shape
    need = np.zeros((units.n_units, n_limits), dtype=np.int64)
    is_placed_now = units.unit_of >= 0
    np.add.at(need, units.unit_of[is_placed_now], sizes.need[is_placed_now])
    free = sizes.room.copy()
    standing = request.standing_idx
    stays = standing >= 0
    np.subtract.at(free, standing[stays], sizes.need[stays])
    own, total = _demand_by_unit(prediction, units, standing, n_hosts)
    own_stats, total_stats = np.zeros((units.n_units, 4)), np.zeros((n_hosts, 4))
    own_ceiling, total_ceiling = np.zeros(units.n_units), np.zeros(n_hosts)
    if own.shape[1]:
        fill_all_stats(own, own_stats)
        fill_all_stats(total, total_stats)
        np.add.at(own_ceiling, units.unit_of[is_placed_now], prediction.ceiling_bytes[is_placed_now])
        np.add.at(total_ceiling, standing[stays], prediction.ceiling_bytes[stays])
    ledger = Ledger(
        need, free, units.allow_row, units.allowed, units.apart_start, units.apart_rules, units.taken.copy(),
        own, own_stats, own_ceiling, total, total_stats, total_ceiling, prediction.cap_bytes, prediction.sigmas,
    )  # fmt: skip
    return Packing(request, share, sizes, units, ledger)


def measure_sizes(request: PlacementRequest, share: Fraction, prediction: Prediction | None = None) -> Sizes:
    """Turn the limits into whole numbers that VMs take and hosts offer.

    Notes
    -----
    The overcommit limit is kept in the form sum(configured + ratio x overhead) <= ratio x (RAM - reserved), rounded to
    the safe side, so that a VM has one fixed size and a host one fixed room.
    """
    vms, hosts, limits = request.vms, request.hosts, request.limits
    overhead_bytes = vm_overhead_bytes(vms, limits.hypervisor)
    # The decimal that the user wrote, not its binary neighbour: 1.4 x 10 bytes are 14, not 13.
    ratio = Fraction(repr(float(limits.overcommit_ratio)))
    ram = _scaled(hosts.room_bytes, 1 - share)
    need = [
        vms.configured_bytes + np.ceil(limits.overcommit_ratio * overhead_bytes).astype(np.int64),
        vms.reservation_bytes + overhead_bytes,
    ]
    room, names = [_scaled(hosts.room_bytes, ratio * (1 - share)), ram], [OVERCOMMIT, RAM]
    if limits.max_vcpus_per_core is not None:
        names.append(VCPUS)
        need.append(vms.vcpus)
        room.append(_scaled(hosts.cores, Fraction(repr(float(limits.max_vcpus_per_core)))))
    if prediction is not None and prediction.peak_bytes is not None:
        names.append(PREDICTED)
        need.append(prediction.peak_bytes)
        room.append(ram)
    return Sizes(tuple(names), np.stack(need, axis=1).astype(np.int64), np.stack(room, axis=1).astype(np.int64))


def _scaled(values: np.ndarray, factor: Fraction) -> np.ndarray:
    """Multiply whole numbers exactly and round down; there are few different ones."""
    kinds, kind_idx = np.unique(values, return_inverse=True)
    return np.array([int(factor * int(value)) for value in kinds], dtype=np.int64)[kind_idx]


def _demand_by_unit(
    prediction: Prediction, units: Units, standing: np.ndarray, n_hosts: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sum the demand that admission looks at over the VMs of each unit, and of each host's VMs that stay."""
    series = prediction.series_bytes
    if series is None:
        return np.zeros((units.n_units, 0), dtype=np.float32), np.zeros((n_hosts, 0))
    total = np.zeros((n_hosts, series.shape[1]))
    stays = np.flatnonzero(standing >= 0)
    np.add.at(total, standing[stays], series[stays])
    if units.n_units == len(series) and np.array_equal(units.unit_of, np.arange(units.n_units)):
        return series, total
    own = np.zeros((units.n_units, series.shape[1]), dtype=np.float32)
    moving = np.flatnonzero(units.unit_of >= 0)
    np.add.at(own, units.unit_of[moving], series[moving])
    return own, total


def _judge(packing: Packing, host_of_unit: np.ndarray) -> Placement:
    request, units = packing.request, packing.units
    standing = request.standing_idx
    moving = units.unit_of >= 0
    host_idx = standing.copy()
    host_idx[moving] = host_of_unit[units.unit_of[moving]]
    verdicts = np.full(len(request.vms), Verdict.PLACED, dtype=np.int8)
    refused = host_idx < 0
    if not refused.any():
        return Placement(host_idx, verdicts)
    refusals = Refusals(packing, host_of_unit)
    verdicts[refused] = refusals.verdict_of_unit()[units.unit_of[refused]]
    return Placement(np.maximum(host_idx, 0), verdicts, refusals)
