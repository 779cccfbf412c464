"""First-fit-decreasing: the largest VMs first, each to the first host where it fits."""

from typing import ClassVar

from planner.placement.base import Placement, PlacementRequest
from planner.placement.first_fit import pack_first
from planner.placement.packing import place_units


class FirstFitDecreasing:
    """Johnson et al., SIAM J. Comput. 3 (1974), doi:10.1137/0203025: about 11/9 of the fewest hosts at worst."""

    name: ClassVar[str] = "first-fit-decreasing"
    is_order_invariant: ClassVar[bool] = True

    def place(self, request: PlacementRequest) -> Placement:
        """Place VMs by what they take of the overcommit limit, largest first; equal ones by name."""
        return place_units(request, lambda packing: pack_first(packing, packing.largest_first()))
