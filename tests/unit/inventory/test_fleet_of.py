"""From what a reader found to a fleet: names, groups, configs that load, sums that are set against the hosts' own."""

from dataclasses import replace

import pytest

from planner.config.load import load_config
from planner.errors import InputError
from planner.inventory.cpu_models import cpu_preset
from planner.inventory.fleet_of import FleetOptions, make_fleet
from planner.inventory.found import Found, FoundCluster, FoundHost, FoundRule, FoundVm, Power, RuleKind
from planner.inventory.import_report import report_lines
from planner.report.import_page import render_import_page
from planner.sweep.sampling import check_sampling
from planner.units import GIB
from planner.workload.build import build_source
from planner.workload.fleet_files import write_fleet


def vm(number, host="esx-a", **more):
    known = {"power": Power.ON, "configured_bytes": 4 * GIB, "cluster": "one", "vcpus": 2, "consumed_bytes": 2 * GIB}
    return FoundVm(f"web-{number:02d}", f"vInfo, row {number + 1}", host=host, **(known | more))


def host(name, **more):
    known = {"memory_bytes": 64 * GIB, "cores": 16, "cluster": "one", "cpu_model": "Intel(R) Xeon(R) Gold 6430"}
    return FoundHost(name, f"vHost, {name}", **(known | more))


def found(**more):
    known = {
        "hosts": [host("esx-a", n_vms=4, vm_memory_bytes=16 * GIB), host("esx-b", n_vms=0)],
        "vms": [vm(number) for number in range(4)],
        "clusters": [FoundCluster("one", "vCluster, row 2", failover_hosts=1)],
        "taken_at_s": (1_700_000_000,),
        "read": {"vInfo": 4},
    }
    return Found("test: x.xlsx", "esxi-8", **(known | more))


def load(made, tmp_path, name="fleet.yaml"):
    write_fleet(tmp_path / "fleet", made.fleet, texts=made.configs)
    config = load_config(tmp_path / "fleet" / name)
    return config, build_source(config, tmp_path / "fleet")


def test_the_config_loads_and_has_hosts_vms_and_the_reserve(tmp_path):
    config, source = load(make_fleet(found()), tmp_path)
    assert [(group.name, group.memory, group.cores, group.cpu) for group in config.fleet.hosts] == [
        ("esx-a", 64 * GIB, 16, "sapphire-rapids"),
        ("esx-b", 64 * GIB, 16, "sapphire-rapids"),
    ]
    assert config.placement_rules.ha_reserve.hosts == 1
    assert config.sweep.placement[0] == "as-is"
    assert source.vms.hosts == ("esx-a",) * 4
    assert source.vms.groups == ("one/web-#",) * 4
    assert list(source.models.granted_fraction) == [0.5] * 4


def test_sums_are_set_against_the_hosts_own_figures():
    report = make_fleet(found()).report
    assert [(item.host, item.what, item.from_vms, item.own, item.agrees) for item in report.balances] == [
        ("esx-a", "VMs", 4, 4, True),
        ("esx-a", "configured memory", 16 * GIB, 16 * GIB, True),
        ("esx-b", "VMs", 0, 0, True),
    ]
    missing = make_fleet(found(vms=[vm(number) for number in range(3)])).report
    assert [item.agrees for item in missing.balances] == [False, False, True]
    assert "  esx-a: VMs 3 by its VMs, 4 by its own account" in report_lines(missing)


def test_vms_that_are_off_are_kept_apart_and_counted_where_the_host_counts_them(tmp_path):
    vms = [*(vm(number) for number in range(3)), vm(3, power=Power.OFF)]
    own = host("esx-a", n_vms=4, vm_memory_is_of_running=False)
    made = make_fleet(found(vms=vms, hosts=[own]))
    assert made.report.balances[0].agrees
    config, source = load(made, tmp_path)
    assert len(source.vms) == 3
    everything = config.model_copy(
        update={
            "fleet": config.fleet.model_copy(update={"vms": config.fleet.vms.model_copy(update={"powered_off": True})})
        }
    )
    assert len(build_source(everything, tmp_path / "fleet").vms) == 4


def test_every_cluster_has_a_config_of_its_own(tmp_path):
    hosts = [host("a"), host("b", cluster="two/x")]
    vms = [vm(0, "a"), vm(1, "b", cluster="two/x"), vm(2, "b", cluster="two/x")]
    made = make_fleet(found(hosts=hosts, vms=vms, clusters=[]))
    assert list(made.configs) == ["fleet.yaml", "fleet-one.yaml"]
    config, source = load(made, tmp_path)
    assert [group.name for group in config.fleet.hosts] == ["b"]
    assert source.vms.names == ("web-01", "web-02")


def test_names_that_several_vms_have_are_told_apart():
    vms = [replace(vm(0, uuid="u1"), name="db"), replace(vm(1, uuid="u2"), name="db"), replace(vm(2), name="db (u1)")]
    made = make_fleet(found(vms=vms))
    assert [record.name for record in made.fleet.vms] == ["db (u1) 2", "db (u2)", "db (u1)"]
    assert [(item.count, item.remedy) for item in made.report.doubts] == [
        (2, 'it is called "db (u1) 2" here (and the like)')
    ]


def test_rules_name_running_vms_and_hosts_of_the_cluster(tmp_path):
    rules = [
        FoundRule(RuleKind.APART, "apart", "rules, 1", ("web-00", "web-01", "gone")),
        FoundRule(RuleKind.MUST_RUN_ON, "licence", "rules, 2", ("web-02",), ("esx-b",)),
        FoundRule(RuleKind.TOGETHER, "pair", "rules, 3", ("web-03", "gone")),
    ]
    made = make_fleet(found(rules=rules))
    config, _ = load(made, tmp_path)
    assert [set_.vms for set_ in config.placement_rules.anti_affinity] == [("web-00", "web-01")]
    assert [(set_.vms, set_.hosts) for set_ in config.placement_rules.must_run_on] == [(("web-02",), ("esx-b",))]
    assert config.placement_rules.affinity == ()
    assert any("pair" in item.text for item in made.report.skipped)


def test_hosts_that_do_not_tell_their_memory_are_left_out_or_get_what_is_stated():
    hosts = [host("esx-a", memory_bytes=None)]
    without = make_fleet(found(hosts=hosts))
    assert without.configs == {}
    assert any("memory is unknown" in item.text for item in without.report.doubts)
    stated = make_fleet(found(hosts=hosts), FleetOptions(host_memory_bytes=256 * GIB))
    assert "memory: 256 GiB" in stated.configs["fleet.yaml"]


def test_hosts_in_maintenance_take_no_vms():
    made = make_fleet(found(hosts=[host("esx-a"), host("esx-b", is_usable=False)]))
    assert "esx-b" not in made.configs["fleet.yaml"]
    assert any("maintenance" in item.text for item in made.report.skipped)


def test_unknown_memory_of_a_vm_is_never_zero():
    made = make_fleet(found(vms=[vm(0), vm(1, configured_bytes=None), vm(2, consumed_bytes=None)]))
    assert [record.consumed_bytes for record in made.fleet.vms] == [2 * GIB, None]
    assert ("consumed memory", 1) in made.report.unknown
    with pytest.raises(InputError, match="no VM whose memory is known"):
        make_fleet(found(vms=[vm(0, configured_bytes=None)]))


def test_many_vms_named_alike_are_a_scheme_of_naming():
    vms = [replace(vm(0), name=f"vm-{number}") for number in range(65)]
    assert {record.group for record in make_fleet(found(vms=vms)).fleet.vms} == {None}
    assert {record.group for record in make_fleet(found(vms=vms[:64])).fleet.vms} == {"one/vm-#"}


@pytest.mark.parametrize(
    ("model", "preset"),
    [
        ("Intel(R) Xeon(R) CPU E5-2690 0 @ 2.90GHz", "sandy-bridge"),
        ("Intel(R) Xeon(R) CPU E5-2697 v2 @ 2.70GHz", "sandy-bridge"),
        ("Intel(R) Xeon(R) CPU E5-2698 v3 @ 2.30GHz", "haswell"),
        ("Intel(R) Xeon(R) CPU E5-2699 v4 @ 2.20GHz", "haswell"),
        ("Intel(R) Xeon(R) Platinum 8180 CPU @ 2.50GHz", "skylake-sp"),
        ("Intel(R) Xeon(R) Gold 6248R CPU @ 3.00GHz", "skylake-sp"),
        ("Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz", "ice-lake-sp"),
        ("Intel(R) Xeon(R) Platinum 8380H CPU @ 2.90GHz", "skylake-sp"),
        ("Intel(R) Xeon(R) Platinum 8592+", "sapphire-rapids"),
        ("AMD EPYC 7551 32-Core Processor", "zen"),
        ("AMD EPYC 7742 64-Core Processor", "zen2"),
        ("AMD EPYC 7763 64-Core Processor", "zen3"),
        ("AMD EPYC 7F72 24-Core Processor", "zen2"),
        ("AMD EPYC 9654 96-Core Processor", "zen4"),
        ("AMD EPYC 9755 128-Core Processor", "zen5"),
        ("Something else", None),
        (None, None),
    ],
)
def test_cpu_models(model, preset):
    assert cpu_preset(model) == preset


def test_the_page_shows_what_differs_and_escapes_names():
    hosts = [host("<b>esx</b>", n_vms=2)]
    page = render_import_page(make_fleet(found(hosts=hosts, vms=[vm(0, "<b>esx</b>")])).report)
    assert "&lt;b&gt;esx&lt;/b&gt;" in page
    assert "<b>esx</b>" not in page
    assert "1 of 1 sums differ" in page


def test_a_large_fleet_is_asked_less(tmp_path):
    hosts = [host(f"esx-{number}") for number in range(200)]
    config, _ = load(make_fleet(found(hosts=hosts, vms=[vm(0, host="esx-0")])), tmp_path)
    assert config.sweep.placement == ("as-is", "worst-fit")
    assert config.sweep.overcommit_ratio == (1.0, 1.2, 1.4, 1.6, 2.0)
    assert config.sweep.replicates == 4  # 9,000 host runs / (200 hosts x 5 ratios x 2 placements)


def test_hosts_are_set_against_their_clusters_and_a_cluster_without_balancing_is_told(tmp_path):
    cluster = FoundCluster("one", "vCluster, row 2", memory_bytes=128 * GIB, is_balanced=False)
    report = make_fleet(found(clusters=[cluster])).report
    told = {(item.host, item.what): item.agrees for item in report.balances}
    assert told["one", "memory of its hosts"]
    assert "nothing moves VMs" in report.doubts[-1].text


def test_what_the_manager_places_up_to_today_is_told():
    hosts = [host("a", overcommit_ratio=1.5), host("b", overcommit_ratio=1.5)]
    facts = {what: value for what, value, _ in make_fleet(found(hosts=hosts)).report.facts}
    assert facts["placed up to"] == "1.5"


def test_large_vms_are_sampled_finely_enough_for_the_objective(tmp_path):
    hosts = [host("esx-a", memory_bytes=2048 * GIB)]
    config, source = load(make_fleet(found(hosts=hosts, vms=[vm(0, configured_bytes=512 * GIB)])), tmp_path)
    # A page read in 300 s is to be under 0.4 MiB/s: of at most 120 MiB; 512 GiB hold 4,369 of them, x 1.41 and up.
    assert config.fidelity.pages_per_vm == 8192
    assert not check_sampling(source.vms, config)


def test_more_nodes_than_cores_are_one_node_and_told(tmp_path):
    made = make_fleet(found(hosts=[host("esx-a", cores=1, numa_nodes=2)]))
    config, _ = load(made, tmp_path)
    assert config.fleet.hosts[0].numa_nodes == 1
    assert any("more NUMA nodes than cores" in item.text for item in made.report.doubts)


def test_hosts_whose_reserve_leaves_nothing_are_in_no_config():
    made = make_fleet(found(hosts=[host("esx-a", reserved_bytes=64 * GIB)]))
    assert made.configs == {}
    assert any("leaves nothing of the host's memory" in item.text for item in made.report.doubts)


def test_hosts_that_cannot_take_memory_back_are_not_overcommitted(tmp_path):
    hosts = [host("node-1", swap_bytes=0), host("node-2", swap_bytes=4 * GIB)]
    told = replace(found(hosts=hosts), hypervisor="kvm")
    made = make_fleet(told)
    config, _ = load(made, tmp_path)
    assert config.sweep.overcommit_ratio == (1.0,)
    assert any("nothing else takes memory back" in item.text for item in made.report.doubts)
