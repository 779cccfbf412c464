"""Random: each VM goes to a host drawn among those open where it fits; what a placement without thought is worth."""

from typing import ClassVar

import numpy as np

from planner.placement.base import Placement, PlacementRequest
from planner.placement.packing import Packing, place_units
from planner.placement.search import spread_over_fewest
from planner.streams import vm_keys

PURPOSE_PLACE = 64


class RandomFit:
    """Spread at random over the fewest hosts on which that succeeds.

    A draw is of seed, VM name and position of the host: neither the order of the rows nor other VMs change it. VMs are
    placed in the order of their draws' keys, so only which hosts are full depends on the others.
    """

    name: ClassVar[str] = "random"
    is_order_invariant: ClassVar[bool] = True

    def place(self, request: PlacementRequest) -> Placement:
        """Place VMs in an order and on hosts drawn from the request's seed."""
        return place_units(request, _pack)


def _pack(packing: Packing) -> np.ndarray:
    from planner.kernels.packing_scan import scan_random

    keys = vm_keys(packing.request.seed, 0, packing.units.names)
    order = packing.tied_first(np.lexsort((np.array(packing.units.names), keys)).astype(np.int64))

    def try_spread(is_open: np.ndarray, out: np.ndarray) -> int:
        return int(scan_random(order, packing.fresh_ledger(), is_open, keys, PURPOSE_PLACE, out))

    return spread_over_fewest(packing, try_spread)
