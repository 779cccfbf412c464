"""Dot-product: fill one host after the other, each time with the VM whose needs point most like what is left there."""

from typing import ClassVar

import numpy as np

from planner.placement.base import OVERCOMMIT, RAM, VCPUS, Placement, PlacementRequest
from planner.placement.packing import Packing, place_units
from planner.placement.search import opening_order


class DotProduct:
    """Panigrahy, Talwar, Uyeda, Wieder, "Heuristics for vector bin packing" (Microsoft Research, 2011).

    The product runs over memory, memory that is never reclaimed and, where there is a cap, vCPUs, each as a share of
    the empty host and weighted by what all VMs need of it on average (the paper's "average demand").
    """

    name: ClassVar[str] = "dot-product"
    is_order_invariant: ClassVar[bool] = True

    def place(self, request: PlacementRequest) -> Placement:
        """Fill hosts in the order in which they are opened; of equal products the larger VM, then the name, wins."""
        return place_units(request, _pack)


def _pack(packing: Packing) -> np.ndarray:
    from planner.kernels.packing_dot import pack_dot_product

    host_of_unit = np.full(packing.units.n_units, -1, dtype=np.int64)
    if not packing.units.n_units:
        return host_of_unit
    total = np.maximum(1, packing.sizes.room).astype(np.float64)
    weight = (packing.ledger.need.mean(axis=0) / total.max(axis=0)).astype(np.float64)
    is_measured = [limit in (OVERCOMMIT, RAM, VCPUS) for limit in packing.sizes.limits]
    weight[~np.array(is_measured)] = 0.0
    hosts = opening_order(packing)
    ledger, order = packing.fresh_ledger(), packing.largest_first()
    is_tied = (ledger.allowed.sum(axis=1) < packing.is_open.sum())[ledger.allow_row[order]]
    for part in (order[is_tied], order[~is_tied]):
        pack_dot_product(part, ledger, hosts, total, weight, host_of_unit)
    return host_of_unit
