"""Cases of a what-if: who stays, who moves, what is judged; every VM is somewhere or refused in every variant."""

import pytest

from planner.config.change import ChangeSpec
from planner.config.change_file import changed_config
from planner.config.check import KnownNames
from planner.errors import ConfigError
from planner.sweep.plan import PlacedScenario
from planner.sweep.whatif import Case, WhatifPlanner
from planner.units import GIB
from planner.workload.build import build_source
from tests.synthetic_run import make_config

SWEEP = {"overcommit_ratio": [1.4], "placement": ["first-fit"], "replicates": 2}
FLEET = {
    "hosts": [{"name": "esx", "count": 8, "memory": "128 GiB", "cores": 16}],
    "vms": {"generate": "managed-hosting", "count": 60},
}


@pytest.fixture(scope="module")
def planner(tmp_path_factory) -> WhatifPlanner:
    config = make_config(fleet=FLEET, sweep=SWEEP, horizon="2 days")
    return WhatifPlanner(config, build_source(config, tmp_path_factory.mktemp("none")))


def case(planner: WhatifPlanner, tmp_path, **keys) -> Case:
    change = ChangeSpec.model_validate({"name": "case", **keys})
    config = make_config(fleet=FLEET, sweep=SWEEP, horizon="2 days")
    return planner.case(change, changed_config(config, change, tmp_path, KnownNames()))


def host_of(item: PlacedScenario) -> dict[int, str]:
    found = {}
    for host in item.hosts:
        for vm in host.vm_idx:
            assert vm not in found
            found[vm] = host.hardware.name
    return found


def test_vms_stay_where_they_are_when_the_hardware_changes(planner, tmp_path):
    found = case(planner, tmp_path, host_memory="+64 GiB")
    changed = found.variants[0].placed
    assert host_of(changed) == host_of(planner.base)
    assert {host.hardware.memory_bytes for host in changed.hosts} == {192 * GIB}
    assert changed.page_scale == planner.base.page_scale
    assert found.base is planner.base


def test_a_changed_tail_is_simulated(planner, tmp_path):
    found = case(planner, tmp_path, set={"workload.tail": "high"})
    assert found.variants[0].placed.config.workload.tail == "high"
    assert planner.base.config.workload.tail != "high"


def test_vms_are_placed_anew_where_the_change_asks_for_it(planner, tmp_path):
    assert len(case(planner, tmp_path, host_memory="+64 GiB", place_again=True).variants[0].placed.hosts) < len(
        planner.base.hosts
    )
    spread = case(planner, tmp_path, placement="worst-fit").variants[0].placed
    assert host_of(spread) != host_of(planner.base)


def test_any_host_means_every_host_once_and_its_vms_go_to_the_others(planner, tmp_path):
    found = case(planner, tmp_path, lose_hosts={"any": 1})
    names = [host.hardware.name for host in planner.base.hosts]
    assert [variant.label for variant in found.variants] == names
    before = host_of(planner.base)
    for variant in found.variants:
        after = host_of(variant.placed)
        refused = {vm.name for vm in variant.placed.unplaced}
        assert len(after) + len(refused) == len(before)
        assert variant.label not in after.values()
        assert set(after.values()) <= set(names)
        assert all(after[vm] == host for vm, host in before.items() if host != variant.label)


def test_spare_hosts_take_vms_only_where_they_may(planner, tmp_path):
    lost = planner.base.hosts[0].hardware.name
    spare = {f"esx-{n:02d}" for n in range(1, 9)} - {host.hardware.name for host in planner.base.hosts}
    assert spare
    without = case(planner, tmp_path, lose_hosts={"hosts": [lost]}).variants[0].placed
    assert not spare & set(host_of(without).values())
    with_spare = case(planner, tmp_path, lose_hosts={"hosts": [lost], "use_spare_hosts": True}).variants[0].placed
    assert spare & set(host_of(with_spare).values())


def test_an_event_is_judged_from_its_moment_on_both_sides(planner, tmp_path):
    found = case(planner, tmp_path, lose_hosts={"hosts": ["esx-01"], "at": "1 days"})
    assert found.at_tick == 288
    assert found.base.config.warm_up == found.variants[0].placed.config.warm_up == 86_400.0
    assert found.base.scenario.id != planner.base.scenario.id
    assert host_of(found.base) == host_of(planner.base)
    lost = next(host for host in found.variants[0].placed.hosts if host.hardware.name == "esx-01")
    assert lost.gone_tick == 288
    assert not lost.vm_idx


def test_maintenance_moves_vms_live_and_names_full_hosts(planner, tmp_path):
    found = case(planner, tmp_path, maintenance={"hosts": ["esx-01"]})
    assert found.warn_above == 0.9
    starts = {stay.start for host in found.variants[0].placed.hosts for stay in host.stays}
    assert "moved" in starts
    assert "cold" not in starts


def test_growth_adds_vms_and_moves_none(planner, tmp_path):
    found = case(planner, tmp_path, growth={"per_month": 0.1, "months": 4})
    before = host_of(planner.base)
    # 60 VMs at 10 % a month: 66, 72.6, 79.86, 87.8.
    counts = []
    for variant in found.variants:
        after = host_of(variant.placed)
        assert before.items() <= after.items()
        counts.append(len(after) + len(variant.placed.unplaced))
        before = after
    assert counts == [66, 72, 79, 87]
    assert len(set(found.source.vms.names)) == len(found.source.vms)


def test_growth_opens_hosts_only_when_those_in_use_are_full(tmp_path):
    config = make_config(fleet=FLEET, sweep=SWEEP | {"placement": ["worst-fit"]}, horizon="2 days")
    planner = WhatifPlanner(config, build_source(config, tmp_path))
    change = ChangeSpec.model_validate({"name": "case", "growth": {"per_month": 0.1, "months": 8}})
    in_use = [len(variant.placed.hosts) for variant in planner.case(change, config).variants]
    assert in_use[0] <= len(planner.base.hosts) + 1
    assert in_use == sorted(in_use)
    assert in_use[-1] > in_use[0]


def test_a_class_without_vms_is_refused(planner, tmp_path):
    with pytest.raises(ConfigError, match="matches no VM"):
        case(planner, tmp_path, growth={"per_month": 0.1, "classes": [{"match": "nothing-*", "per_month": 0.2}]})


def test_drivers_are_taken_from_nested_sets_of_vms(planner, tmp_path):
    few = case(planner, tmp_path, balloon_driver_missing=0.1).source.vms.has_balloon_driver
    many = case(planner, tmp_path, balloon_driver_missing=0.5).source.vms.has_balloon_driver
    assert (~few).sum() == 6
    assert (~many).sum() == 30
    assert not (many & ~few).any()


def test_scenarios_are_numbered_once(planner, tmp_path):
    found = [case(planner, tmp_path, lose_hosts={"any": 1}), case(planner, tmp_path, swap="hdd")]
    ids = [variant.placed.scenario.id for item in found for variant in item.variants]
    assert len(ids) == len(set(ids))
    assert planner.base.scenario.id not in ids


def test_too_many_sets_of_hosts_are_refused_by_their_number(planner, tmp_path, monkeypatch):
    monkeypatch.setattr("planner.sweep.whatif.MOST_VARIANTS", 2)
    with pytest.raises(ConfigError, match="ways to lose 1 of"):
        case(planner, tmp_path, lose_hosts={"any": 1})
