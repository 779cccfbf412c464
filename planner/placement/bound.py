"""How few hosts any placement could need: a proven lower bound, by HiGHS.

Kept: overcommit ratio, memory that is never reclaimed, vCPU cap, failover reserve, VMs that stay together (they count
as one), and hosts that are not available. Of VMs kept apart only the largest set counts. Left out, each named in the
result: other rules of anti-affinity, hosts that VMs must run on, and admission by prediction.
"""

import time
from bisect import bisect_left
from dataclasses import replace
from fractions import Fraction

import numpy as np

from planner.config.placement_rules import HaReserveSpec
from planner.placement.base import BY_RATIO, NO_RESERVE, OVERCOMMIT, RAM, HostBound, PlacementRequest
from planner.placement.columns import Effort, Shapes, generate_columns, round_up
from planner.placement.first_fit import pack_first
from planner.placement.packing import Packing, build_packing, place_units

LONGEST_S = 60.0
"""Time after which a bound is given up. The steps and nodes of `Effort` end it long before on any fleet seen. [s]"""


def bound_hosts(request: PlacementRequest, effort: Effort | None = None) -> HostBound:
    """Bound from below the hosts that any placement of all VMs uses.

    Parameters
    ----------
    request : PlacementRequest
        Without VMs that stay where they are.
    effort : Effort, optional
        How much is tried.

    Notes
    -----
    Hosts that first-fit-decreasing uses cannot be fewer than the bound: where the sums of sizes already ask for as
    many, nothing is solved. With N+k hosts every host in use keeps a share free that is at least k ÷ (hosts in use),
    whatever hosts these are: the k largest of them are no smaller than the average. The bound is raised host by host,
    each time with the share that so many hosts would ask for.
    """
    if request.standing is not None and (request.standing >= 0).any():
        raise ValueError("a bound is for VMs that may all be placed anew")
    limits, reserve, relaxed = request.limits, request.limits.ha_reserve, _relaxed(request)
    request = replace(request, limits=replace(limits, admission=BY_RATIO))
    used = _used_by_first_fit_decreasing(request)
    packing = build_packing(replace(request, limits=replace(request.limits, ha_reserve=NO_RESERVE)))
    n_hosts = int(packing.is_open.sum())
    hosts = max(_least_by_sums(packing, reserve, n_hosts), _most_apart(request))
    deadline_s = time.monotonic() + LONGEST_S
    while hosts < min(n_hosts, n_hosts if used is None else used):
        enough = hosts + 1 if reserve.hosts else used or n_hosts
        shapes = shapes_of(packing, _share(reserve, hosts))
        try:
            columns = generate_columns(shapes, effort or Effort(), enough, deadline_s)
        except TimeoutError:
            return HostBound(None, relaxed)
        least = max(hosts, round_up(columns.least_hosts))
        if least == hosts or not reserve.hosts:
            return HostBound(min(least, n_hosts), relaxed)
        hosts += 1
    return HostBound(min(hosts, n_hosts), relaxed)


def _used_by_first_fit_decreasing(request: PlacementRequest) -> int | None:
    """Count the hosts that first-fit-decreasing uses; None where it cannot place all VMs."""
    placement = place_units(request, lambda packing: pack_first(packing, packing.largest_first()))
    return len(placement.vms_by_host()) if placement.is_placed.all() else None


def _relaxed(request: PlacementRequest) -> tuple[str, ...]:
    rules, names = request.limits.rules, []
    if rules.apart:
        names.append("anti-affinity, but for the largest set")
    if rules.run_on:
        names.append("hosts that VMs must run on")
    if request.limits.admission.policy != "ratio":
        names.append("admission by prediction")
    return tuple(names)


def _most_apart(request: PlacementRequest) -> int:
    present = set(request.vms.names)
    return max((len(rule.vms & present) for rule in request.limits.rules.apart), default=0)


def _share(reserve: HaReserveSpec, hosts: int) -> Fraction:
    """Return the least share of its memory that each of so many hosts in use must keep free."""
    return max(Fraction(repr(reserve.fraction)), Fraction(reserve.hosts, max(1, hosts, reserve.hosts + 1)))


def _least_by_sums(packing: Packing, reserve: HaReserveSpec, n_hosts: int) -> int:
    """Return the fewest hosts, the largest ones first, whose room holds the sums of all needs; or all hosts."""
    needed = packing.ledger.need.sum(axis=0)

    def holds(count: int) -> bool:
        rooms = np.sort(_rooms(packing, _share(reserve, count)), axis=0)[::-1][:count]
        return bool((rooms.sum(axis=0) >= needed).all())

    # Hosts are added and the share that each keeps free falls: whatever holds the sums goes on to hold them.
    return int(bisect_left(range(n_hosts), True, key=holds))


def _rooms(packing: Packing, share: Fraction) -> np.ndarray:
    """Return the room of available hosts with a share of the memory kept free: int64, shape (n_hosts, n_limits)."""
    rooms = packing.sizes.room[packing.is_open].copy()
    is_memory = [limit in (OVERCOMMIT, RAM) for limit in packing.sizes.limits]
    rooms[:, is_memory] = -(-rooms[:, is_memory] * (share.denominator - share.numerator) // share.denominator)
    return np.asarray(rooms)


def shapes_of(packing: Packing, share: Fraction) -> Shapes:
    """Count equal units and equal hosts, with a share of every host's memory kept free."""
    need, count = np.unique(packing.ledger.need, axis=0, return_counts=True)
    room, hosts = np.unique(_rooms(packing, share), axis=0, return_counts=True)
    return Shapes(need, count.astype(np.int64), room, hosts.astype(np.int64))
