"""Group-spreading: VMs of one tenant group on as many hosts as possible, because their demand rises together."""

from typing import ClassVar

import numpy as np

from planner.placement.base import Placement, PlacementRequest
from planner.placement.packing import Packing, place_units
from planner.placement.search import spread_over_fewest


class GroupSpreading:
    """Spread over the fewest hosts on which that succeeds; each VM where its group has the fewest VMs.

    Of such hosts the one with the most room. A VM without a group goes where there is the most room.
    """

    name: ClassVar[str] = "group-spreading"
    is_order_invariant: ClassVar[bool] = True

    def place(self, request: PlacementRequest) -> Placement:
        """Place the largest VMs first; equal ones by name."""
        return place_units(request, _pack)


def _pack(packing: Packing) -> np.ndarray:
    from planner.kernels.packing_scan import scan_spread

    start, groups, held = _count_groups(packing)
    order = packing.largest_first()

    def try_spread(is_open: np.ndarray, out: np.ndarray) -> int:
        return int(scan_spread(order, packing.fresh_ledger(), is_open, start, groups, held.copy(), out))

    return spread_over_fewest(packing, try_spread)


def _count_groups(packing: Packing) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List the groups of each unit's VMs, and count the VMs of each group that already stand on each host."""
    request, unit_of = packing.request, packing.units.unit_of
    number = {name: idx for idx, name in enumerate(sorted({name for name in request.vms.groups if name is not None}))}
    held = np.zeros((len(number), len(request.hosts)), dtype=np.int64)
    groups_of: list[list[int]] = [[] for _ in range(packing.units.n_units)]
    for row, name in enumerate(request.vms.groups):
        if name is None:
            continue
        if unit_of[row] >= 0:
            groups_of[unit_of[row]].append(number[name])
        else:
            held[number[name], request.standing_idx[row]] += 1
    start = np.concatenate([[0], np.cumsum([len(found) for found in groups_of])]).astype(np.int64)
    return start, np.array([group for found in groups_of for group in found], dtype=np.int64), held
