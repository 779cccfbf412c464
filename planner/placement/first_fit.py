"""First-fit: each VM, in the fleet's order, goes to the first host where it fits."""

from typing import ClassVar

import numpy as np

from planner.placement.base import Placement, PlacementRequest
from planner.placement.packing import Packing, place_units
from planner.placement.search import search_trees


class FirstFit:
    """Johnson et al., SIAM J. Comput. 3 (1974), doi:10.1137/0203025: never more than 1.7 times the fewest hosts."""

    name: ClassVar[str] = "first-fit"
    is_order_invariant: ClassVar[bool] = False

    def place(self, request: PlacementRequest) -> Placement:
        """Place VMs in the order of the table."""
        return place_units(request, lambda packing: pack_first(packing, packing.in_table_order()))


def pack_first(packing: Packing, order: np.ndarray) -> np.ndarray:
    """Pack units first-fit in a given order: int64 array, shape (n_units,), -1 where none fits."""
    from planner.kernels.packing import pack_first_fit
    from planner.kernels.packing_scan import scan_first_fit

    host_of_unit = np.full(packing.units.n_units, -1, dtype=np.int64)
    if packing.has_plain_limits:
        pack_first_fit(order, packing.ledger.need, search_trees(packing, packing.is_open), host_of_unit)
    else:
        scan_first_fit(order, packing.fresh_ledger(), packing.is_open, host_of_unit)
    return host_of_unit
