"""Best-fit: each VM goes to the host in use that it fills best; a new host is opened only when none fits."""

from typing import ClassVar

import numpy as np

from planner.placement.base import Placement, PlacementRequest
from planner.placement.packing import Packing, place_units


class BestFit:
    """Johnson et al., SIAM J. Comput. 3 (1974), doi:10.1137/0203025. A new host is the first unused one that fits."""

    name: ClassVar[str] = "best-fit"
    is_order_invariant: ClassVar[bool] = False

    def place(self, request: PlacementRequest) -> Placement:
        """Place VMs in the order of the table."""
        return place_units(request, _pack)


def _pack(packing: Packing) -> np.ndarray:
    from planner.kernels.packing_scan import scan_best_fit

    host_of_unit = np.full(packing.units.n_units, -1, dtype=np.int64)
    opened = np.empty(len(packing.request.hosts), dtype=np.int64)
    scan_best_fit(packing.in_table_order(), packing.fresh_ledger(), packing.is_used, opened, host_of_unit)
    return host_of_unit
