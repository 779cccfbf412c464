"""Question "grow": the fleet's VMs, then clones of them, until the next one finds no host."""

import math
from fractions import Fraction

import numpy as np

from planner.placement import Placement, PlacementRequest, PlacementStrategy
from planner.placement.packing import measure_sizes

_SPARE_SHARE = 1.1


def clones_needed(request: PlacementRequest) -> int:
    """Return how many VMs, the fleet's included, are sure to be more than the hosts hold.

    Notes
    -----
    Room of all hosts ÷ mean size of a VM, a tenth more and once the fleet itself on top: clones come in a random
    order, so the first n of them may be smaller than the mean.
    """
    sizes = measure_sizes(request, Fraction(0))
    by_mean_size = float(sizes.room[:, 0].sum()) / float(sizes.need[:, 0].mean())
    return math.ceil(_SPARE_SHARE * by_mean_size) + len(request.vms)


def place_longest_prefix(strategy: PlacementStrategy, request: PlacementRequest, n_fleet: int) -> Placement:
    """Place as many VMs, in the table's order, as find a host; never fewer than the fleet itself.

    Parameters
    ----------
    request : PlacementRequest
        For the fleet's VMs, then clones.
    n_fleet : int
        Number of the fleet's own VMs.

    Returns
    -------
    Placement
        Of the first n VMs, n as large as the strategy can place without leaving one out, found by bisection. Stopping
        at the first VM that finds no host keeps the mix of sizes; going on with smaller ones would fill the hosts with
        small VMs only. Where not even the fleet fits, the fleet's placement with its verdicts.
    """
    fits, too_many = n_fleet, len(request.vms) + 1
    best = strategy.place(_first(request, n_fleet))
    if not best.is_placed.all():
        return best
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        placement = strategy.place(_first(request, middle))
        if placement.is_placed.all():
            fits, best = middle, placement
        else:
            too_many = middle
    return best


def _first(request: PlacementRequest, count: int) -> PlacementRequest:
    return request.take(np.arange(count))
