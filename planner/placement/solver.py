"""Solver: the columns behind the bound on hosts, as a placement, or first-fit-decreasing where that is no worse."""

from fractions import Fraction
from typing import ClassVar

import numpy as np

from planner.kernels.packing_ledger import Ledger, fits, take
from planner.kernels.packing_scan import scan_first_fit
from planner.placement.base import PREDICTED, Placement, PlacementRequest
from planner.placement.bound import shapes_of
from planner.placement.columns import Column, Effort, choose_columns, generate_columns
from planner.placement.first_fit import pack_first
from planner.placement.packing import Packing, place_units


class Solver:
    """Column generation (Gilmore, Gomory 1961), whole columns by an integer program, the rest by first-fit-decreasing.

    Never more hosts, and never more VMs without one, than first-fit-decreasing under the same reserve, because the
    better of both is taken. VMs that stay where they are, rules and predicted peaks are not part of the columns: what
    they forbid is placed by first-fit-decreasing.
    """

    name: ClassVar[str] = "solver"
    is_order_invariant: ClassVar[bool] = True

    def place(self, request: PlacementRequest) -> Placement:
        """Place VMs by columns; of equal ones those first by name are taken first."""
        return place_units(request, _pack)


def _pack(packing: Packing) -> np.ndarray:
    plain = pack_first(packing, packing.largest_first())
    is_plain = not (packing.request.standing_idx >= 0).any() and PREDICTED not in packing.sizes.limits
    if not is_plain or not packing.units.n_units or _n_used(plain) <= _least(packing):
        return plain
    shapes, effort = shapes_of(packing, Fraction(0)), Effort()
    columns = generate_columns(shapes, effort, _n_used(plain)).columns
    solved = _assign(packing, choose_columns(shapes, columns, effort.nodes))
    is_better = (int((solved < 0).sum()), _n_used(solved)) < (int((plain < 0).sum()), _n_used(plain))
    return solved if is_better else plain


def _n_used(host_of_unit: np.ndarray) -> int:
    return np.unique(host_of_unit[host_of_unit >= 0]).size


def _least(packing: Packing) -> int:
    """Return the fewest hosts that the sums of sizes allow: first-fit-decreasing that reaches it cannot be beaten."""
    needed = packing.ledger.need.sum(axis=0)
    offered = np.cumsum(np.sort(packing.sizes.room[packing.is_open], axis=0)[::-1], axis=0)
    return 1 + max(int(np.searchsorted(offered[:, limit], needed[limit])) for limit in range(needed.size))


def _assign(packing: Packing, chosen: list[Column]) -> np.ndarray:
    """Fill hosts as columns say as far as rules let them, then place what is left first-fit-decreasing."""
    ledger = packing.fresh_ledger()
    host_of_unit = np.full(packing.units.n_units, -1, dtype=np.int64)
    order = packing.largest_first()
    kinds, type_of = np.unique(ledger.need, axis=0, return_inverse=True)
    waiting = [[unit for unit in order.tolist() if type_of.reshape(-1)[unit] == number] for number in range(len(kinds))]
    open_hosts = np.flatnonzero(packing.is_open)
    rooms, kind_of = np.unique(packing.sizes.room[open_hosts], axis=0, return_inverse=True)
    closed = [open_hosts[kind_of.reshape(-1) == kind].tolist() for kind in range(len(rooms))]
    for column in chosen:
        host = closed[column.kind].pop(0)
        for number, count in enumerate(column.held.tolist()):
            _take_type(ledger, host, waiting[number], count, host_of_unit)
    _place_rest(packing, ledger, order[host_of_unit[order] < 0], host_of_unit)
    return host_of_unit


def _take_type(ledger: Ledger, host: int, waiting: list[int], count: int, host_of_unit: np.ndarray) -> None:
    """Put so many units of one type on a host, those that rules let on it."""
    for unit in list(waiting):
        if not count:
            return
        if fits(ledger, unit, host):
            take(ledger, unit, host)
            host_of_unit[unit] = host
            waiting.remove(unit)
            count -= 1


def _place_rest(packing: Packing, ledger: Ledger, rest: np.ndarray, host_of_unit: np.ndarray) -> None:
    """Place what columns left over first-fit: on hosts that they use, then on any."""
    is_used = np.zeros(len(packing.request.hosts), dtype=bool)
    is_used[host_of_unit[host_of_unit >= 0]] = True
    scan_first_fit(rest, ledger, is_used, host_of_unit)
    scan_first_fit(rest[host_of_unit[rest] < 0], ledger, packing.is_open, host_of_unit)
