"""Worst-fit, also called spread: each VM goes to the host with the most room, over as few hosts as that allows."""

from typing import ClassVar

import numpy as np

from planner.placement.base import Placement, PlacementRequest
from planner.placement.packing import Packing, place_units
from planner.placement.search import search_trees, spread_over_fewest


class WorstFit:
    """Spread over the fewest hosts on which spreading succeeds. Room is counted in bytes: a large host takes more."""

    name: ClassVar[str] = "worst-fit"
    is_order_invariant: ClassVar[bool] = False

    def place(self, request: PlacementRequest) -> Placement:
        """Place VMs in the order of the table."""
        return place_units(request, _pack)


def _pack(packing: Packing) -> np.ndarray:
    if not packing.has_plain_limits:
        return pack_roomiest(packing, np.ones(len(packing.request.hosts)))
    return spread_over_fewest(packing, lambda is_open, out: _spread(packing, is_open, out))


def pack_roomiest(packing: Packing, weight: np.ndarray) -> np.ndarray:
    """Spread by room ÷ weight (float64 array, shape (n_hosts,)): int64 array, shape (n_units,), -1 where none fits."""
    from planner.kernels.packing_scan import scan_worst_fit

    order = packing.in_table_order()

    def try_spread(is_open: np.ndarray, out: np.ndarray) -> int:
        return int(scan_worst_fit(order, packing.fresh_ledger(), is_open, weight, out))

    return spread_over_fewest(packing, try_spread)


def _spread(packing: Packing, is_open: np.ndarray, out: np.ndarray) -> int:
    from planner.kernels.packing import pack_worst_fit

    trees = search_trees(packing, is_open)
    return int(pack_worst_fit(packing.in_table_order(), packing.ledger.need, trees, out))
