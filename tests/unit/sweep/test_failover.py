"""Hosts that fail or are emptied: where their VMs go, what is refused, and that no VM is lost or doubled."""

from dataclasses import replace

import pytest

from planner.config.placement_rules import PlacementRulesSpec
from planner.errors import InputError
from planner.sweep.failover import Rules, fail_hosts, move_hosts, without_hosts
from planner.sweep.plan import build_plan
from planner.units import GIB
from planner.workload.stays import Stay
from tests.unit.sweep.test_placing import Fleet, config_of, plan_of

N_TICKS = 4  # 20 min in ticks of 5 min


def placed_of(sizes_gib, ratio=1.0, hosts=3, **sweep):
    fleet = Fleet(sizes_gib)
    return fleet, plan_of(config_of(hosts=hosts, overcommit_ratio=[ratio], **sweep), fleet).placed[0]


def held(item):
    return {host.hardware.name: (host.vm_idx, host.stays) for host in item.hosts}


def test_vms_of_a_lost_host_restart_on_the_others_after_the_delay():
    # 10 GiB hosts, first-fit: (6, 3), (5), so 1 GiB and 5 GiB are free. Host 1 is lost: 6 GiB do not fit in 5 GiB.
    fleet, item = placed_of([6, 3, 5])
    found = fail_hosts(item, fleet, ("h-01",), at_tick=1)
    assert held(found.scenario) == {
        "h-01": ((), (Stay(0, 0, 1, "running"), Stay(1, 0, 1, "running"))),
        "h-02": ((2,), (Stay(0, 2, 4, "cold"), Stay(1, 2, 4, "cold"))),
    }
    # 14 GiB on 10 GiB.
    assert found.overcommit_ratio == pytest.approx(1.4)
    assert found.refused == ()
    assert found.scenario.vms_placed == 3
    lost, survivor = found.scenario.hosts
    assert (lost.configured_bytes, lost.most_vms) == (9 * GIB, 2)
    assert (survivor.configured_bytes, survivor.most_vms, survivor.vcpus) == (14 * GIB, 3, 6)


def test_a_limit_refuses_what_does_not_fit_with_the_reason():
    fleet, item = placed_of([6, 3, 5])
    found = fail_hosts(item, fleet, ("h-01",), at_tick=1, rules=Rules(most_ratio=1.0))
    assert found.stays == (Stay(1, 2, 4, "cold"),)
    assert found.refused == found.scenario.unplaced
    (refused,) = found.refused
    assert (refused.name, refused.kind) == ("vm-0", "no host has enough room left for it at this ratio")
    assert refused.sentence.startswith("after the failure of h-01 in tick 1: VM vm-0 on host h-02: ")
    assert found.scenario.vms_placed == 3  # it had a host until then


def test_only_hosts_in_use_and_spare_ones_take_vms_in():
    fleet, item = placed_of([6, 3, 5])
    found = fail_hosts(item, fleet, ("h-01",), 1, rules=Rules(most_ratio=1.0, spare=("h-03",)))
    assert held(found.scenario)["h-03"] == ((), (Stay(0, 2, 4, "cold"),))
    assert found.refused == ()


def test_a_restart_that_would_come_after_the_end_is_none():
    fleet, item = placed_of([6, 3, 5])
    found = fail_hosts(item, fleet, ("h-01",), at_tick=3, delay_ticks=5)
    assert found.stays == ()
    assert found.scenario.hosts[0].most_vms == 2


def test_a_host_starts_so_many_vms_in_a_tick():
    fleet, item = placed_of([3, 3, 3, 4])
    found = fail_hosts(item, fleet, ("h-01",), 1, rules=Rules(starts_per_host=2))
    assert [stay.first_tick for stay in found.stays] == [2, 2, 3]


def test_a_second_failure_takes_restarted_vms_along():
    # Hosts (9), (8, 2), (7): the 9 GiB go to host 3, where they make 1.6; host 2 would need 1.9.
    fleet, item = placed_of([9, 8, 2, 7])
    once = fail_hosts(item, fleet, ("h-01",), 1)
    assert held(once.scenario)["h-03"] == ((3,), (Stay(0, 2, 4, "cold"),))
    # Host 3 is lost in the tick in which they would boot there: they boot on host 2 instead, the 7 GiB a tick later.
    twice = fail_hosts(once.scenario, fleet, ("h-03",), 2)
    assert held(twice.scenario)["h-03"] == ((), (Stay(3, 0, 2, "running"),))
    assert held(twice.scenario)["h-02"] == ((1, 2), (Stay(0, 2, 4, "cold"), Stay(3, 3, 4, "cold")))


def test_maintenance_moves_vms_one_after_the_other_and_keeps_what_finds_no_host():
    # 6 GiB take 300 s at 6 GiB / 300 s: the first VM is there in tick 1 + 1, the second in 1 + floor(450 / 300) = 2.
    fleet, item = placed_of([6, 3, 5])
    found = move_hosts(item, fleet, ("h-01",), 1, bytes_per_s=6 * GIB / 300)
    assert held(found.scenario) == {
        "h-01": ((), (Stay(0, 0, 2, "running"), Stay(1, 0, 2, "running"))),
        "h-02": ((2,), (Stay(0, 2, 4, "moved"), Stay(1, 2, 4, "moved"))),
    }
    limited = move_hosts(item, fleet, ("h-01",), 1, 6 * GIB / 300, Rules(most_ratio=1.0))
    assert held(limited.scenario)["h-01"] == ((0,), (Stay(1, 0, 2, "running"),))
    assert [vm.name for vm in limited.refused] == ["vm-0"]


def ruled(sizes_gib, rules, ratio=1.0, hosts=3, **fleet_keys):
    fleet, config = Fleet(sizes_gib), config_of(hosts=hosts, overcommit_ratio=[ratio])
    update = {"placement_rules": PlacementRulesSpec.model_validate(rules)}
    if fleet_keys:
        update["fleet"] = config.fleet.model_copy(update=fleet_keys)
    return fleet, config.model_copy(update=update)


def test_vms_that_stay_together_move_together():
    # Alone, 2 GiB would go to host 2, which has room for it but not for both, and the other could not follow.
    fleet, config = ruled([2, 7, 8, 1], {"affinity": [{"vms": ["vm-0", "vm-1"]}]})
    item = plan_of(config, fleet).placed[0]
    assert held(item) == {"h-01": ((0, 1, 3), ()), "h-02": ((2,), ())}
    rules = Rules(most_ratio=1.0, spare=("h-03",))
    found = move_hosts(item, fleet, ("h-01",), 1, bytes_per_s=7 * GIB / 300, rules=rules)
    assert found.refused == ()
    assert held(found.scenario)["h-03"] == ((), (Stay(0, 2, 4, "moved"), Stay(1, 2, 4, "moved")))


def test_a_vm_that_boots_later_has_its_room_already():
    # Host 2 holds 4 of 10 GiB and restarts one VM a tick: 1 GiB in tick 2, 5 GiB in tick 3. Who comes in tick 2 finds
    # no room, though it is only used a tick later.
    fleet, item = placed_of([1, 5, 4, 6, 2], hosts=2)
    first, second = item.hosts
    second = replace(second, vm_idx=(2,), stays=(Stay(4, 2, 4, "cold"),))
    item = replace(item, hosts=(replace(first, vm_idx=(0, 1), stays=()), second))
    found = fail_hosts(item, fleet, ("h-01",), 1, rules=Rules(starts_per_host=1))
    assert held(found.scenario)["h-02"] == ((2,), (Stay(0, 2, 4, "cold"), Stay(1, 3, 4, "cold")))
    assert [vm.name for vm in found.refused] == ["vm-4"]


def test_arrivals_beside_a_missing_host_are_placed_again():
    # vm-2 arrives in tick 2 on host 2, which then holds vm-0 of the missing host: the two are kept apart.
    fleet, config = ruled([5, 6, 4], {"anti_affinity": [{"vms": ["vm-0", "vm-2"]}]}, ratio=1.5)
    item = plan_of(config, fleet).placed[0]
    first = replace(item.hosts[0], vm_idx=(0,), stays=())
    second = replace(item.hosts[1], vm_idx=(1,), stays=(Stay(2, 2, 4, "cold"),))
    found = without_hosts(replace(item, hosts=(first, second)), fleet, ("h-01",))
    assert held(found.scenario) == {"h-02": ((0, 1), ())}
    assert [vm.name for vm in found.refused] == ["vm-2"]
    spared = without_hosts(replace(item, hosts=(first, second)), fleet, ("h-01",), Rules(spare=("h-03",)))
    assert held(spared.scenario) == {"h-02": ((0, 1), ()), "h-03": ((), (Stay(2, 2, 4, "cold"),))}


def test_a_plan_holds_scenarios_with_and_without_events():
    fleet, item = placed_of([6, 3, 5], replicates=2)
    failed = fail_hosts(item, fleet, ("h-01",), 1).scenario
    plan = build_plan(fleet, [item, replace(failed, scenario=replace(item.scenario, id=1))])
    assert plan.source.vms.names == ("vm-0", "vm-1", "vm-2", "vm-0", "vm-0", "vm-1", "vm-1")
    assert [host.rows for host in plan.placed[0].hosts] == [(0, 1), (2,)]
    assert [host.rows for host in plan.placed[1].hosts] == [(3, 5), (2, 4, 6)]
    assert len(plan.problems) == 2 * 4
    # The plan's scenarios can be planned again, with further ones, over its source.
    again = build_plan(plan.source, plan.placed)
    assert again.problems == plan.problems
    with pytest.raises(ValueError, match="only in a plan"):
        _ = failed.hosts[0].rows


@pytest.mark.parametrize(
    ("lost", "tick", "why"),
    [
        (("h-09",), 1, "no such host"),
        (("h-01",), 0, "outside"),
        (("h-01",), 4, "outside"),
        (("h-01", "h-02"), 1, "left"),
    ],
)
def test_wrong_events_are_refused(lost, tick, why):
    fleet, item = placed_of([6, 3, 5])
    with pytest.raises(InputError, match=why):
        fail_hosts(item, fleet, lost, tick)
