"""What an RVTools export means: VMs, hosts, clusters, rules, pools, several snapshots, doubts."""

import datetime
from pathlib import Path

import pytest
from rvtools_books import CPU_MODEL, POOL, cluster, host, tabs, vm, write_book

from planner.inventory.found import Power, RuleKind
from planner.inventory.rvtools import read_rvtools
from planner.units import GIB, MIB

REAL = Path("../shared/data/rvtools")


def read(tmp_path, **parts):
    return read_rvtools([write_book(tmp_path / "export.xlsx", tabs(**parts))])


def by_name(found):
    return {vm.name: vm for vm in found.vms}


def texts(notes):
    return [note.text for note in notes]


def test_vm_is_read_from_its_tabs(tmp_path):
    web = by_name(read(tmp_path))["web"]
    assert (web.place, web.uuid, web.power, web.host, web.cluster) == (
        "vInfo, row 2",
        "5000-1",
        Power.ON,
        "esx-1",
        "c1",
    )
    assert (web.configured_bytes, web.vcpus, web.active_bytes) == (4 * GIB, 2, 400 * MIB)
    # RVTools' 3040 MiB count the 40 MiB of overhead.
    assert (web.consumed_bytes, web.overhead_bytes, web.shared_bytes) == (3000 * MIB, 40 * MIB, 100 * MIB)
    assert (web.ballooned_bytes, web.swapped_bytes, web.shares) == (0, 0, 40960)
    assert (web.reservation_bytes, web.limit_bytes) == (0, None)
    assert web.has_balloon_driver is True


def test_vm_that_is_off_has_no_consumption_known(tmp_path):
    old = by_name(read(tmp_path))["old"]
    assert (old.power, old.configured_bytes, old.consumed_bytes, old.active_bytes) == (Power.OFF, 4 * GIB, None, None)


def test_host_and_its_own_account(tmp_path):
    (found,) = read(tmp_path).hosts
    assert (found.memory_bytes, found.cores, found.numa_nodes, found.cpu_model) == (64 * GIB, 32, 2, CPU_MODEL)
    assert (found.vm_memory_bytes, found.n_vms, found.vm_memory_is_of_running) == (8 * GIB, 2, True)
    # A quarter of 64 GiB.
    assert (found.used_bytes, found.active_bytes, found.swapped_bytes) == (16 * GIB, 800 * MIB, 0)
    assert (found.is_usable, found.hypervisor) == (True, "VMware ESXi 8.0.3 build-24022510")


def test_clean_export_leaves_no_doubt(tmp_path):
    found = read(tmp_path)
    assert (found.doubts, found.skipped) == ([], [])
    assert found.read == {"vInfo": 3, "vMemory": 3, "vHost": 1, "vCluster": 1, "vTools": 3}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, 1),
        ({"HA enabled": "False"}, 0),
        ({"AdmissionControlEnabled": "False"}, 0),
        ({"Failover Level": 0}, None),
        ({"HA enabled": "", "AdmissionControlEnabled": ""}, None),
    ],
)
def test_failover_hosts(tmp_path, changed, expected):
    assert read(tmp_path, clusters=[cluster(**changed)]).clusters[0].failover_hosts == expected


@pytest.mark.parametrize(("total", "expected"), [(65536 * MIB, 64 * GIB), (65536, 64 * GIB), (65536 * 1024, None)])
def test_cluster_memory_is_bytes_or_mib_as_its_hosts_say(tmp_path, total, expected):
    found = read(tmp_path, clusters=[cluster(TotalMemory=total)])
    assert found.clusters[0].memory_bytes == expected
    assert bool(found.doubts) == (expected is None)


def test_templates_placeholders_and_lost_vms_are_left_out(tmp_path):
    vms = [
        vm("gold", 1, Template="True"),
        vm("srm", 2, SRM_Placeholder="True"),
        vm("gone", 3, Connection_state="orphaned"),
        vm("cut", 4, Connection_state="Disconnected"),
        vm("web", 5),
    ]
    found = read(tmp_path, vms=vms)
    assert [vm.name for vm in found.vms] == ["web"]
    assert texts(found.skipped) == [
        "template",
        "placeholder of Site Recovery Manager",
        "VM whose connection state is orphaned",
        "VM whose connection state is disconnected",
    ]
    assert found.skipped[0].place == 'vInfo, row 2, "gold"'


def test_agent_vms_are_kept_and_said(tmp_path):
    found = read(tmp_path, vms=[vm("vCLS-4200-11", 1, Memory=128, Size_MiB=128, Consumed=100, Active=9), vm("web", 2)])
    assert len(found.vms) == 2
    assert "agent VM of vSphere Cluster Services" in found.doubts[0].text


def test_hosts_in_maintenance_take_no_vm(tmp_path):
    hosts = [host("esx-1"), host("esx-2", **{"in Maintenance Mode": "True"})]
    found = read(tmp_path, hosts=hosts, clusters=[cluster(NumHosts=2, TotalMemory=131072)])
    assert [item.is_usable for item in found.hosts] == [True, False]
    assert texts(found.doubts) == ["the host is in maintenance mode: it is kept, and no VM is placed on it"]


def test_groups_are_pools_below_the_root_or_vapps(tmp_path):
    pools = ["/dc/c1/Resources", "/dc/c1/Resources/prod/web", "", "/dc/c1/Resources"]
    vms = [vm(f"vm{i}", i, Resource_pool=pool) for i, pool in enumerate(pools)]
    vms[3]["vApp"] = "shop"
    assert [item.group for item in read(tmp_path, vms=vms).vms] == [None, "prod/web", None, "shop"]


def test_pools_that_bind_are_doubts(tmp_path):
    root = ["Resources", "/dc/c1/Resources", 3, 12288, 8192, 8192, "normal", 0, 0]
    tight = ["prod", "/dc/c1/Resources/prod", 2, 8192, 4096, 1024, "high", 1, 0]
    loose = ["test", "/dc/c1/Resources/test", 1, 4096, -1, 0, "normal", 1, 2048]
    pools = [dict(zip(POOL, row, strict=True)) for row in (root, tight, loose)]
    found = read(tmp_path, pools=pools)
    assert [(note.place, note.text.partition(";")[0].partition(":")[0]) for note in found.doubts] == [
        ('vRP, row 3, "prod"', "the pool's memory limit is below what its VMs are given"),
        ('vRP, row 3, "prod"', "the pool reserves memory"),
        ('vRP, row 3, "prod"', "the pool has high shares of memory"),
        ('vRP, row 4, "test"', "VMs of the pool have compressed memory"),
    ]


def with_rules(*pairs):
    vms = []
    for number, (kinds, names) in enumerate(pairs):
        vms.append(vm(f"vm{number}", number) | {"Cluster rule(s)": kinds, "Cluster rule name(s)": names})
    return vms


def test_rules_whose_kind_is_told(tmp_path):
    apart, together = "ClusterAntiAffinityRuleSpec", "ClusterAffinityRuleSpec"
    vms = with_rules((f"{apart}, {together}", "dcs, pair"), (apart, "dcs"), (together, "pair"), ("", ""))
    rules = read(tmp_path, vms=vms).rules
    assert [(rule.kind, rule.name, rule.vms) for rule in rules] == [
        (RuleKind.APART, "dcs", ("vm0", "vm1")),
        (RuleKind.TOGETHER, "pair", ("vm0", "vm2")),
    ]


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ([("True", "x"), ("True", "x")], "what kind of rule it is the export does not tell"),
        ([("", "x"), ("", "x")], "what kind of rule it is the export does not tell"),
        ([("ClusterVmHostRuleInfo", "x"), ("", "")], "binds VMs to hosts that the export does not name"),
        ([("AntiAffinity", "x"), ("", "")], "only one VM of the rule"),
        ([("AntiAffinity", "x"), ("Affinity", "x")], "different kinds"),
        ([("AntiAffinity, Affinity", "x"), ("", "")], "do not pair up"),
    ],
)
def test_rules_that_cannot_be_used_are_said(tmp_path, pairs, text):
    found = read(tmp_path, vms=with_rules(*pairs))
    assert found.rules == []
    assert any(text in note.text for note in found.doubts)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"Swapped": 64}, "swapped and the host is not short of it"),
        ({"Swapped": 64, "Limit": 2048}, "as the VM's own limit asks"),
        ({"Limit": 2048}, "the memory limit is below the configured size"),
        ({"Reservation": 8192}, "the memory reservation is above the configured size"),
        ({"Consumed": 5000}, "consumes more than its configured size and overhead"),
        ({"Active": 5000}, "more memory is active than the VM has"),
        ({"Memory": 4098, "Size_MiB": 4098}, "no multiple of 4 MiB"),
        ({"Memory": 8192}, "give the VM other sizes"),
        ({"Consumed": "", "Size_MiB": 131072, "Memory": 131072, "Reservation": 131072}, "more memory reserved than"),
        ({"Size_MiB": 131072, "Memory": 131072, "Consumed": 100000}, "consume more memory than it has"),
        ({"Powerstate": "poweredOff"}, "not on, and has consumed or active memory"),
        ({"Powerstate": "crashed"}, 'power state "crashed" is not known'),
        ({"Host": "esx-9"}, "named by VMs and is not in vHost"),
    ],
)
def test_suspicious_values_are_doubts(tmp_path, changed, text):
    if "Powerstate" not in changed:
        changed = changed | {"Powerstate": "poweredOn"}
    found = read(tmp_path, vms=[vm("web", 1, **changed)])
    assert any(text in note.text for note in found.doubts), texts(found.doubts)


def test_swap_on_a_host_short_of_memory_is_no_doubt(tmp_path):
    found = read(tmp_path, vms=[vm("web", 1, Swapped=64)], hosts=[host("esx-1", **{"Memory usage %": 97})])
    assert found.doubts == []
    assert found.vms[0].swapped_bytes == 64 * MIB


def test_amounts_beyond_the_size_are_cut_to_it(tmp_path):
    (found,) = read(tmp_path, vms=[vm("web", 1, Consumed=5000, Active=5000)]).vms
    assert (found.consumed_bytes, found.active_bytes) == (4 * GIB, 4 * GIB)


def write_at(path, day, vms, **parts):
    return write_book(path, tabs(vms=vms, **parts), taken=datetime.datetime(2025, 3, day, 12, 0, 0))


def test_snapshots_are_merged_by_uuid_with_the_largest_amounts(tmp_path):
    older = write_at(tmp_path / "a.xlsx", 1, [vm("web", 1, Active=900, Ballooned=20), vm("left", 2)])
    newer = write_at(tmp_path / "b.xlsx", 8, [vm("web-renamed", 1, Consumed=3540, Memory=8192, Size_MiB=8192)])
    found = read_rvtools([newer, older])
    (web,) = found.vms
    assert (web.name, web.configured_bytes) == ("web-renamed", 8 * GIB)
    # 3540 MiB less 40 of overhead in the newer, 900 active and 20 ballooned in the older.
    assert (web.consumed_bytes, web.active_bytes, web.ballooned_bytes) == (3500 * MIB, 900 * MIB, 20 * MIB)
    assert texts(found.skipped) == ["VM that is gone in a newer export"]
    assert found.skipped[0].place == 'export 1 (a.xlsx): vInfo, row 3, "left"'
    # 2025-03-01 12:00 and a week later.
    assert found.taken_at_s == (1740830400, 1741435200)
    assert any("the largest of 2 exports" in text for text in found.assumptions)
    assert found.hosts[0].active_bytes is None
    assert found.hosts[0].vm_memory_bytes == 8 * GIB


def test_a_percentile_of_many_snapshots_is_the_nearest_amount_not_below(tmp_path):
    for day, active in enumerate((400, 100, 500, 200, 300), start=1):
        write_at(tmp_path / f"{day}.xlsx", day, [vm("web", 1, Active=active)])
    paths = [tmp_path / f"{day}.xlsx" for day in range(1, 6)]
    # The 60th percentile of five is the third, of 61 % on the fourth.
    for percentile, active, rank in ((60.0, 300, 3), (61.0, 400, 4), (1.0, 100, 1), (100.0, 500, 0)):
        found = read_rvtools(paths, percentile=percentile)
        assert (found.vms[0].active_bytes, found.reading_rank) == (active * MIB, rank)
    assert any("the largest of 5 exports" in text for text in found.assumptions)


def test_exports_of_other_vcenters_add_up(tmp_path):
    first = write_at(tmp_path / "a.xlsx", 1, [vm("web", 1)])
    second = write_at(tmp_path / "b.xlsx", 2, [vm("db", 2, VI_SDK_Server="vc2", Host="esx-2")], hosts=[host("esx-2")])
    found = read_rvtools([first, second])
    assert sorted(vm.name for vm in found.vms) == ["db", "web"]
    assert sorted(item.name for item in found.hosts) == ["esx-1", "esx-2"]
    assert found.skipped == []


@pytest.mark.parametrize(("cluster_name", "names"), [("c1", ["web"]), ("c2", ["db", "web"])])
def test_vms_are_gone_where_a_newer_export_lists_their_cluster(tmp_path, cluster_name, names):
    older = write_at(tmp_path / "a.xlsx", 1, [vm("db", 2, VI_SDK_Server="", Cluster=cluster_name)])
    newer = write_at(tmp_path / "b.xlsx", 2, [vm("web", 1, VI_SDK_Server="")])
    found = read_rvtools([older, newer])
    assert sorted(item.name for item in found.vms) == names
    assert len(found.skipped) == 2 - len(names)


def test_vms_without_uuid_are_joined_by_name_and_cluster(tmp_path):
    blank = {"VM_UUID": "", "SMBIOS_UUID": "", "VM_ID": ""}
    older = write_at(tmp_path / "a.xlsx", 1, [vm("web", 1, Active=900, **blank)])
    newer = write_at(tmp_path / "b.xlsx", 2, [vm("web", 1, **blank)])
    (web,) = read_rvtools([older, newer]).vms
    assert web.active_bytes == 900 * MIB


@pytest.mark.skipif(not REAL.is_dir(), reason="the real workbooks are not here")
def test_workbook_of_full_columns():
    found = read_rvtools([REAL / "kubev2v_example1.xlsx"])
    running = [vm for vm in found.vms if vm.power is Power.ON]
    assert (len(found.vms), len(running)) == (9, 3)
    # Size MiB in vMemory: 2 × 2048, 4096, 4 × 16384, 2 × 40960.
    assert sum(vm.configured_bytes for vm in found.vms) == (2 * 2048 + 4096 + 4 * 16384 + 2 * 40960) * MIB
    # "Private", as nothing is shared: 3052 + 40942 + 40942.
    assert sum(vm.consumed_bytes for vm in running) == (3052 + 40942 + 40942) * MIB
    listed = [host for host in found.hosts if host.memory_bytes]
    assert [host.memory_bytes for host in listed] == [261797 * MIB] * 7
    assert sum(host.n_vms for host in listed) == 11 + 14 + 14 + 5 + 12 + 12 + 9


@pytest.mark.skipif(not REAL.is_dir(), reason="the real workbooks are not here")
def test_workbook_of_few_columns():
    found = read_rvtools([REAL / "rvtools-small-complete.xlsx"])
    assert [vm.configured_bytes // MIB for vm in found.vms] == [8192, 16384, 4096]
    assert [(host.memory_bytes, host.cluster) for host in found.hosts] == [(None, "sample-cluster-a")] * 2
    assert any("the memory of the host is unknown" in note.text for note in found.doubts)
