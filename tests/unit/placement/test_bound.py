"""The bound on hosts, and the strategy that comes of it: by hand, and against trying every packing of small fleets."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.config.placement_rules import AdmissionSpec, HaReserveSpec
from planner.placement import NamedSet, PlacementLimits, PlacementRequest, PlacementRules, RunOn, load_strategy
from planner.placement import bound as bound_module
from planner.placement.bound import bound_hosts
from tests.placement_cases import NO_OVERHEAD, make_hosts, make_vms


def request_of(sizes_gib, hosts, vcpus=1, **limits):
    given_limits = PlacementLimits(**{"overcommit_ratio": 1.0, "hypervisor": NO_OVERHEAD, **limits})
    return PlacementRequest(make_vms(sizes_gib, vcpus=vcpus), hosts, given_limits)


def used(name, request):
    placement = load_strategy(name).place(request)
    assert placement.is_placed.all()
    return len(placement.vms_by_host())


def test_sum_of_sizes():
    # 25 GiB on hosts of 10: three.
    assert bound_hosts(request_of([5] * 5, make_hosts([10] * 8))).hosts == 3


def test_pieces_count_not_only_their_sum():
    # Twelve of 6 GiB: 72 GiB fill eight hosts of 10, but no host holds two.
    assert bound_hosts(request_of([6] * 12, make_hosts([10] * 20))).hosts == 12


def test_two_capacities_together():
    # Memory alone: 4 x 6 + 4 x 4 = 40 of 10: four hosts. vCPUs 4 x 2 + 4 x 8 = 40 of 10: four. Pairs (6, 2) + (4, 8)
    # fill hosts exactly; with (6, 8) and (4, 2) instead: two of 8 vCPUs never share a host and (4, 2) fits each.
    hosts = make_hosts([10] * 8, cores=10)
    assert bound_hosts(request_of([6, 4] * 4, hosts, vcpus=[2, 8] * 4, max_vcpus_per_core=1.0)).hosts == 4
    # Three of (5, 5) a host? 2 x 5 = 10: two a host.
    assert bound_hosts(request_of([5] * 5, hosts, vcpus=5, max_vcpus_per_core=1.0)).hosts == 3
    # 9 vCPUs each: one a host though memory would hold five.
    assert bound_hosts(request_of([2] * 5, hosts, vcpus=9, max_vcpus_per_core=1.0)).hosts == 5


def test_unequal_hosts_are_used_largest_first():
    # 45 GiB: the host of 40 and one of 10 hold it.
    assert bound_hosts(request_of([5] * 9, make_hosts([10, 10, 10, 40]))).hosts == 2


def test_reserve_for_one_host():
    # 32 GiB of small VMs on hosts of 10: m hosts with one in reserve hold 10 (m - 1): m = 5 (4.2 hosts of load).
    request = request_of([1] * 32, make_hosts([10] * 8), ha_reserve=HaReserveSpec(hosts=1))
    assert bound_hosts(request).hosts == 5
    assert used("first-fit", request) == 5
    # 10 % free: 9 a host: 3.6: four.
    assert bound_hosts(request_of([1] * 32, make_hosts([10] * 8), ha_reserve=HaReserveSpec(fraction=0.1))).hosts == 4


def test_rules_count_as_far_as_they_do():
    names = frozenset(f"vm-{i:04d}" for i in range(4))
    apart = PlacementRules(apart=(NamedSet("a", names),))
    found = bound_hosts(request_of([1] * 4, make_hosts([10] * 6), rules=apart))
    assert found.hosts == 4
    assert found.relaxed == ("anti-affinity, but for the largest set",)
    # Three that stay together make one of 6 GiB; twice that, with 5 in between: 6 + 6 + 5 on hosts of 10: three.
    together = PlacementRules(
        together=(
            NamedSet("t", frozenset({"vm-0000", "vm-0001", "vm-0002"})),
            NamedSet("t", frozenset({"vm-0003", "vm-0004"})),
        )
    )
    assert bound_hosts(request_of([2, 2, 2, 3, 3, 5], make_hosts([10] * 6), rules=together)).hosts == 3
    run_on = PlacementRules(run_on=(RunOn("r", names, frozenset({"h5"})),))
    admission = AdmissionSpec(policy="limit-fraction")
    found = bound_hosts(request_of([1] * 4, make_hosts([10] * 6), rules=run_on, admission=admission))
    assert found == (1, ("hosts that VMs must run on", "admission by prediction"))


def test_no_more_than_there_are():
    # 60 GiB do not fit three hosts of 10: the bound is not above what there is.
    assert bound_hosts(request_of([5] * 12, make_hosts([10] * 3))).hosts == 3
    hosts = make_hosts([10] * 4).without(np.array([0]))
    assert bound_hosts(request_of([6] * 3, hosts)).hosts == 3


def test_too_slow_is_not_proven(monkeypatch):
    monkeypatch.setattr(bound_module, "LONGEST_S", -1.0)
    # Needs the solver: first-fit-decreasing needs more than the sum says.
    assert bound_hosts(request_of([6] * 12, make_hosts([10] * 20))).hosts is None


def test_standing_vms_have_no_bound():
    request = request_of([1, 1], make_hosts([10]))
    standing = PlacementRequest(request.vms, request.hosts, request.limits, np.array([0, -1]))
    with pytest.raises(ValueError, match="placed anew"):
        bound_hosts(standing)


def test_solver_beats_first_fit_decreasing_where_that_wastes():
    # Hosts of 10: 4, 4, 4 | 3, 3, 3, 3, 3, 3: decreasing puts 4 + 4, 4 + 3 + 3, 3 + 3 + 3, 3: four hosts; 30 GiB in
    # all are three times 4 + 3 + 3.
    request = request_of([4, 4, 4, 3, 3, 3, 3, 3, 3], make_hosts([10] * 6))
    assert used("first-fit-decreasing", request) == 4
    assert bound_hosts(request).hosts == 3
    assert used("solver", request) == 3


def fewest_by_trying(sizes, rooms):
    """Try every assignment (sizes and rooms in whole units)."""
    best = len(rooms) + 1
    for hosts in product(range(len(rooms)), repeat=len(sizes)):
        load = [0] * len(rooms)
        for size, host in zip(sizes, hosts, strict=True):
            load[host] += size
        if all(amount <= room for amount, room in zip(load, rooms, strict=True)):
            best = min(best, len(set(hosts)))
    return best


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    rooms=st.lists(st.sampled_from([7, 10, 13]), min_size=3, max_size=4),
)
@settings(max_examples=40, deadline=None)
def test_bound_never_exceeds_the_optimum(sizes, rooms):
    request = request_of(sizes, make_hosts(rooms))
    optimum = fewest_by_trying(sizes, rooms)
    if optimum > len(rooms):
        return
    found = bound_hosts(request).hosts
    assert found <= optimum
    # The sum of sizes, at the least.
    assert sum(sorted(rooms)[::-1][:found]) >= sum(sizes) > sum(sorted(rooms)[::-1][: found - 1]) or found > 1
    placement = load_strategy("solver").place(request)
    decreasing = load_strategy("first-fit-decreasing").place(request)
    assert placement.is_placed.sum() >= decreasing.is_placed.sum()
    if decreasing.is_placed.all():
        assert optimum <= len(placement.vms_by_host()) <= len(decreasing.vms_by_host())


def test_bound_writes_nothing(capfd):
    bound_hosts(request_of([6] * 12, make_hosts([10] * 20)))
    assert capfd.readouterr() == ("", "")
