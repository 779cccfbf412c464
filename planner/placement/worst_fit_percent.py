"""Worst-fit by percent: each VM goes to the host with the largest share of its room left, for hosts of unequal size."""

from typing import ClassVar

import numpy as np

from planner.placement.base import Placement, PlacementRequest
from planner.placement.packing import Packing, place_units
from planner.placement.worst_fit import pack_roomiest


class WorstFitPercent:
    """Spread as worst-fit does, but by percent.

    By bytes a small host is nearly full while large ones have most of their room left (ProxLB issue 250).
    """

    name: ClassVar[str] = "worst-fit-percent"
    is_order_invariant: ClassVar[bool] = False

    def place(self, request: PlacementRequest) -> Placement:
        """Place VMs in the order of the table."""
        return place_units(request, _pack)


def _pack(packing: Packing) -> np.ndarray:
    return pack_roomiest(packing, np.maximum(1, packing.sizes.room[:, 0]).astype(np.float64))
