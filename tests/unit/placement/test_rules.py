"""Rules, reserves, standing VMs and reasons on cases small enough to place by hand; no overhead memory."""

from fractions import Fraction

import numpy as np
import pytest

from planner.config.placement_rules import HaReserveSpec
from planner.placement import NamedSet, PlacementLimits, PlacementRequest, PlacementRules, RunOn, Verdict, load_strategy
from planner.placement.packing import share_for_failover
from planner.units import GIB
from tests.placement_cases import NO_OVERHEAD, make_hosts, make_vms


def place(name, vms, hosts, standing=None, **limits):
    given = PlacementLimits(**{"overcommit_ratio": 1.0, "hypervisor": NO_OVERHEAD, **limits})
    where = None if standing is None else np.array(standing)
    return load_strategy(name).place(PlacementRequest(vms, hosts, given, where))


def hosts_of(placement):
    return np.where(placement.is_placed, placement.host_idx, -1).tolist()


def apart(*numbers):
    return NamedSet("apart[0]", frozenset(f"vm-{number:04d}" for number in numbers))


def run_on(number, *hosts):
    return RunOn("run_on[0]", frozenset({f"vm-{number:04d}"}), frozenset(hosts))


def test_vms_that_stay_together_are_placed_as_one():
    # 6 -> h0; (3 + 3) needs 6 of 10: 4 left on h0, so h1; alone the first 3 would have gone to h0.
    rules = PlacementRules(together=(apart(1, 2),))
    assert hosts_of(place("first-fit", make_vms([6, 3, 3]), make_hosts([10, 10]), rules=rules)) == [0, 1, 1]


def test_vms_kept_apart_get_hosts_of_their_own():
    rules = PlacementRules(apart=(apart(0, 1, 2),))
    placement = place("first-fit", make_vms([1, 1, 1, 1]), make_hosts([10, 10]), rules=rules)
    assert hosts_of(placement) == [0, 1, -1, 0]
    assert placement.reasons[2] == "VM vm-0002 on host h0: kept apart from vm-0000"
    assert placement.verdicts[2] == Verdict.KEPT_OFF


def test_vm_that_must_run_elsewhere():
    rules = PlacementRules(run_on=(run_on(0, "h1"), run_on(1, "h1")))
    placement = place("first-fit", make_vms([6, 6, 6]), make_hosts([10, 10, 10]), rules=rules)
    assert hosts_of(placement) == [1, -1, 0]
    # Rules leave h1 alone: it lacks 2 GiB. That h2 has room is not the point.
    assert placement.reasons[1] == "VM vm-0001 on host h1: 2 GiB over the overcommit limit of 1"
    down = place("first-fit", make_vms([6, 6]), make_hosts([10, 10]).without(np.array([1])), rules=rules)
    assert down.reasons[0] == "VM vm-0000 on host h0: not among the hosts it must run on"


@pytest.mark.parametrize(
    "name", ["first-fit", "best-fit", "worst-fit", "dot-product", "random", "first-fit-decreasing"]
)
def test_vms_tied_to_hosts_come_first(name):
    # The last VM may run on h0 alone. In the order of the table, or by size, h0 would be full when it comes.
    rules = PlacementRules(run_on=(run_on(3, "h0"),))
    placement = place(name, make_vms([5, 5, 5, 4]), make_hosts([10, 10]), rules=rules)
    assert hosts_of(placement)[3] == 0
    # 5 + 4 on h0, 5 + 5 on h1.
    assert placement.is_placed.all()


def test_spread_opens_the_hosts_that_rules_ask_for_first():
    rules = PlacementRules(run_on=(run_on(2, "h3"),))
    placement = place("worst-fit", make_vms([1, 1, 1]), make_hosts([10] * 4), rules=rules)
    assert hosts_of(placement) == [3, 3, 3]


def test_standing_vms_take_their_room_first_and_keep_it():
    # vm-1 and vm-2 stand on h0, 12 GiB on a host of 10: over its limit, yet they stay; vm-0 goes to h1.
    placement = place("first-fit", make_vms([1, 6, 6]), make_hosts([10, 10]), standing=[-1, 0, 0])
    assert hosts_of(placement) == [1, 0, 0]
    # vm-1 stands on a host that is down; vm-0 avoids h0 all the same.
    hosts = make_hosts([10, 10]).without(np.array([0]))
    assert hosts_of(place("best-fit", make_vms([1, 6]), hosts, standing=[-1, 0])) == [1, 0]


def test_others_follow_the_one_that_stands():
    rules = PlacementRules(together=(apart(0, 1),))
    placement = place("first-fit", make_vms([2, 2]), make_hosts([10, 10]), standing=[-1, 1], rules=rules)
    assert hosts_of(placement) == [1, 1]


def test_best_fit_counts_hosts_with_standing_vms_as_in_use():
    placement = place("best-fit", make_vms([1, 1, 1]), make_hosts([10, 10, 10]), standing=[-1, -1, 2])
    assert hosts_of(placement) == [2, 2, 2]


def test_reason_names_the_nearest_host_and_the_shortfall():
    # h0: 10 - 8 = 2 left, 3 lacks 1 of 10 (10 %); h1: 20 - 18.5 = 1.5 left, lacks 1.5 of 20 (7.5 %): h1 is nearer.
    vms, hosts = make_vms([8, 18.5, 3]), make_hosts([10, 20])
    placement = place("first-fit", vms, hosts, standing=[0, 1, -1])
    assert placement.reasons[2] == "VM vm-0002 on host h1: 1.5 GiB over the overcommit limit of 1"
    placement = place("first-fit", vms, hosts, standing=[0, 1, -1], overcommit_ratio=1.05)
    # At 1.05: h0 10.5 - 8 = 2.5 left, lacks 0.5 of 10.5 (4.8 %); h1 21 - 18.5 = 2.5 left, lacks 0.5 of 21: h1.
    assert placement.reasons[2] == "VM vm-0002 on host h1: 512 MiB over the overcommit limit of 1.05"


def test_reason_of_reservations_and_vcpus():
    vms = make_vms([4, 4], vcpus=3, reservation_gib=4.0)
    placement = place("first-fit", vms, make_hosts([6]), overcommit_ratio=2.0)
    assert placement.reasons[1] == "VM vm-0001 on host h0: 2 GiB over the reservation limit"
    # 0.5 x 8 cores = 4 vCPUs; 3 + 3 = 6.
    placement = place("first-fit", make_vms([1, 1], vcpus=3), make_hosts([6]), max_vcpus_per_core=0.5)
    assert placement.reasons[1] == "VM vm-0001 on host h0: 2 vCPUs over the cap of 0.5 per core"


def test_reason_of_a_set_that_stays_together():
    rules = PlacementRules(together=(apart(0, 1),))
    placement = place("first-fit", make_vms([6, 6]), make_hosts([10]), rules=rules)
    assert (
        placement.reasons[0] == "VM vm-0000 with 1 that it stays with on host h0: 2 GiB over the overcommit limit of 1"
    )
    assert placement.verdicts.tolist() == [Verdict.TOO_LARGE] * 2


def test_reserve_by_fraction_makes_every_host_smaller():
    # 10 GiB less 20 % is 8: 4 + 4 fill a host.
    placement = place("first-fit", make_vms([4] * 4), make_hosts([10] * 3), ha_reserve=HaReserveSpec(fraction=0.2))
    assert hosts_of(placement) == [0, 0, 1, 1]
    placement = place("first-fit", make_vms([9]), make_hosts([10]), ha_reserve=HaReserveSpec(fraction=0.2))
    assert (
        placement.reasons[0]
        == "VM vm-0000 on host h0: 1 GiB over the overcommit limit of 1, 20 % kept free for failover"
    )


def test_one_host_may_fail():
    # Eight VMs of 5 GiB on hosts of 10: four hosts without a reserve. All 8 hosts: 1/8 free, 8.75 a host holds one VM:
    # 8 hosts in use, and 1/8 is what 8 hosts ask for. So nothing smaller than 5 of 10 helps here.
    placement = place("first-fit", make_vms([5] * 8), make_hosts([10] * 8), ha_reserve=HaReserveSpec(hosts=1))
    assert len(placement.vms_by_host()) == 8
    # VMs of 1 GiB, 32 of them: 1/8 free leaves 8 a host: 4 hosts. 4 hosts ask for 1/4: 7 a host: 5 hosts, which ask
    # for 1/5 only. 5 hosts x 10 - 32 = 18 free, a host has 10.
    placement = place("first-fit", make_vms([1] * 32), make_hosts([10] * 8), ha_reserve=HaReserveSpec(hosts=1))
    assert [len(vms) for vms in placement.vms_by_host().values()] == [7, 7, 7, 7, 4]


def test_share_for_failover():
    rooms = np.array([10, 10, 20, 40]) * GIB
    assert share_for_failover(rooms, np.array([True, True, False, False]), 1) == Fraction(1, 2)
    assert share_for_failover(rooms, np.array([True, True, True, True]), 1) == Fraction(40, 80)
    assert share_for_failover(rooms, np.array([True, True, True, False]), 2) == Fraction(30, 40)
    # One host in use cannot take over from itself: the next one counts in.
    used, there = np.array([True, False, False, False]), np.array([True, True, True, True])
    assert share_for_failover(rooms, used, 1, there) == Fraction(1, 2)
    assert share_for_failover(rooms, used, 1) == 1


def test_reserve_that_leaves_no_room_refuses():
    placement = place("first-fit", make_vms([6, 6]), make_hosts([10, 10]), ha_reserve=HaReserveSpec(hosts=1))
    assert hosts_of(placement) == [-1, -1]
    assert "50 % kept free for failover" in placement.reasons[0]


def test_as_is_keeps_what_breaks_rules_and_says_so():
    rules = PlacementRules(
        together=(NamedSet("affinity[0]", apart(0, 2).vms),), apart=(apart(0, 1),), run_on=(run_on(1, "h1"),)
    )
    vms = make_vms([4, 4, 4], vcpus=5, hosts=("h0", "h0", "h1"))
    placement = place(
        "as-is", vms, make_hosts([10, 10]), rules=rules, max_vcpus_per_core=1.0, ha_reserve=HaReserveSpec(hosts=1)
    )
    assert hosts_of(placement) == [0, 0, 1]
    assert placement.warnings == (
        "affinity[0]: VMs that run on one host are on h0, h1",
        "apart[0]: vm-0000, vm-0001 share host h0",
        "run_on[0]: VM vm-0001 is on host h0",
        # 8 of 10 GiB in use; two equal hosts keep half free: 5.
        "host h0: 3 GiB over the overcommit limit of 1, 50 % kept free for failover",
        "host h0: 2 vCPUs over the cap of 1 per core",
    )


def test_as_is_within_the_rules_says_nothing():
    vms = make_vms([4, 4], hosts=("h0", "h1"))
    assert place("as-is", vms, make_hosts([10, 10]), rules=PlacementRules(apart=(apart(0, 1),))).warnings == ()


@pytest.mark.parametrize("name", ["first-fit", "worst-fit"])
def test_a_part_of_a_fleet_keeps_its_rules(name):
    rules = PlacementRules(apart=(apart(0, 3),))
    request = PlacementRequest(make_vms([1] * 4), make_hosts([10] * 2), PlacementLimits(1.0, NO_OVERHEAD, rules=rules))
    part = request.take(np.array([3, 0]))
    assert hosts_of(load_strategy(name).place(part)) == [0, 1]
