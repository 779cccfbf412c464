"""Dumps of the Proxmox VE API: own ones, broken ones, and those of an open-source client's tests where they are."""

import gzip
import json
import re
from pathlib import Path

import pytest

from planner.errors import InputError
from planner.inventory.found import Power, RuleKind
from planner.inventory.proxmox import read_proxmox
from planner.units import GIB, MIB

FIXTURES = Path(__file__).parents[4] / "shared" / "data" / "fixtures" / "proxmox_go"

NODES = [
    {"type": "node", "node": "pve-1", "status": "online", "maxmem": 64 * GIB, "mem": 20 * GIB, "maxcpu": 32},
    {"type": "node", "node": "pve-2", "status": "offline", "maxmem": 64 * GIB, "mem": 0, "maxcpu": 32},
    {"type": "node", "node": "pve-3", "status": "online", "hastate": "maintenance", "maxmem": GIB, "maxcpu": 4},
]
GUESTS = [
    {"type": "qemu", "vmid": 100, "name": "web", "node": "pve-1", "status": "running", "maxmem": 8 * GIB,
     "mem": 5 * GIB, "memhost": 7 * GIB, "maxcpu": 4, "pool": "shop"},
    {"type": "qemu", "vmid": 101, "name": "db", "node": "pve-1", "status": "running", "maxmem": 4 * GIB,
     "mem": 3 * GIB, "memhost": 5 * GIB, "maxcpu": 2},
    {"type": "qemu", "vmid": 102, "name": "off", "node": "pve-1", "status": "stopped", "maxmem": 2 * GIB, "mem": 0},
    {"type": "qemu", "vmid": 900, "name": "gold", "node": "pve-1", "status": "stopped", "maxmem": GIB, "template": 1},
    {"type": "lxc", "vmid": 200, "name": "ct", "node": "pve-1", "status": "running", "maxmem": 3 * GIB, "mem": GIB},
    {"type": "lxc", "vmid": 201, "name": "ct2", "node": "pve-1", "status": "stopped", "maxmem": 3 * GIB, "mem": 0},
    {"type": "storage", "storage": "local", "node": "pve-1"},
]  # fmt: skip
STATUS = {
    "vmid": 100, "status": "running", "qmpstatus": "running", "maxmem": 8 * GIB, "mem": 5 * GIB, "memhost": 7 * GIB,
    "balloon": 6 * GIB, "balloon_min": 2 * GIB, "shares": 1000, "cpus": 4, "pressurememorysome": 4.2,
    "ballooninfo": {"actual": 6 * GIB, "max_mem": 8 * GIB, "free_mem": GIB, "total_mem": 6 * GIB, "mem_swapped_out": 0},
}  # fmt: skip


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


def by_name(found):
    return {vm.name: vm for vm in found.vms}


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: {"data": data}])
def test_resources_alone(tmp_path, wrap):
    found = read_proxmox([write(tmp_path / "resources.json", wrap(NODES + GUESTS))])
    assert found.hypervisor == "proxmox"
    assert [(host.name, host.memory_bytes, host.cores, host.is_usable) for host in found.hosts] == [
        ("pve-1", 64 * GIB, 32, True), ("pve-2", 64 * GIB, 32, False), ("pve-3", GIB, 4, False),
    ]  # fmt: skip
    assert found.hosts[0].reserved_bytes == 3 * GIB  # the running container only
    vms = by_name(found)
    assert list(vms) == ["web", "db", "off"]
    web = vms["web"]
    assert (web.uuid, web.host, web.group, web.power, web.vcpus) == ("qemu/100", "pve-1", "shop", Power.ON, 4)
    assert (web.configured_bytes, web.used_bytes, web.consumed_bytes) == (8 * GIB, 5 * GIB, 7 * GIB)
    assert (web.ballooned_bytes, web.has_balloon_driver, web.reservation_bytes) == (None, None, None)
    assert vms["db"].consumed_bytes == 4 * GIB  # memhost of 5 GiB has its overhead in it
    assert (vms["off"].power, vms["off"].used_bytes, vms["off"].consumed_bytes) == (Power.OFF, None, None)
    assert sorted(note.text.split(";")[0] for note in found.skipped) == [
        "a container is no VM", "a container is no VM", "a template is no VM that runs",
    ]  # fmt: skip
    assert [cluster.name for cluster in found.clusters] == ["cluster"]


def test_status_and_config_say_more(tmp_path):
    write(tmp_path / "resources.json", NODES + GUESTS)
    write(tmp_path / "nodes/pve-1/qemu/100/status.json", {"data": STATUS})
    write(tmp_path / "100.config.json", {"digest": "a", "memory": "current=8192", "balloon": 2048, "ostype": "l26"})
    write(tmp_path / "nodes/pve-1/qemu/101/config.json", {"digest": "b", "memory": "4096", "balloon": 0, "shares": 500})
    write(tmp_path / "102.json", {"digest": "c", "memory": 2048, "hostpci0": "0000:01:00.0"})
    memory = {"total": 64 * GIB, "used": 20 * GIB, "free": 44 * GIB}
    cpu = {"cores": 16, "cpus": 32, "model": "Intel(R) Xeon(R) Gold 6430"}
    node = {"memory": memory, "swap": {"total": 8 * GIB, "used": MIB}, "cpuinfo": cpu, "pveversion": "pve-manager/9.1"}
    write(tmp_path / "pve-1.status.json", node)
    found = read_proxmox([tmp_path])
    vms = by_name(found)
    web = vms["web"]
    assert (web.ballooned_bytes, web.reservation_bytes, web.shares) == (2 * GIB, 2 * GIB, 1000)
    assert web.has_balloon_driver is True
    # balloon: 0 takes the device away: "mem" is then no figure of the guest's.
    assert (vms["db"].has_balloon_driver, vms["db"].used_bytes, vms["db"].shares) == (False, None, 500)
    assert (vms["off"].reservation_bytes, vms["off"].has_balloon_driver) == (2 * GIB, False)
    host = found.hosts[0]
    assert (host.cores, host.swap_bytes, host.used_bytes, host.cpu_model) == (16, 8 * GIB, 20 * GIB, cpu["model"])
    texts = [note.text for note in found.doubts]
    assert "the VM waits for memory even now" in texts
    assert "memory is ballooned although the host has room" in texts
    assert "the host has swapped although it has room" in texts
    assert any("held by a device" in text for text in texts)


def test_rules_groups_and_what_only_prefers(tmp_path):
    rules = [
        {"rule": "pin", "type": "node-affinity", "resources": "vm:100,vm:101", "nodes": "pve-1:2,pve-9", "strict": 1},
        {"rule": "like", "type": "node-affinity", "resources": "vm:100", "nodes": "pve-2"},
        {"rule": "apart", "type": "resource-affinity", "resources": "vm:100,vm:102", "affinity": "negative"},
        {"rule": "near", "type": "resource-affinity", "resources": "vm:100,ct:200,vm:101", "affinity": "positive"},
        {"rule": "gone", "type": "resource-affinity", "resources": "vm:1,vm:2", "affinity": "positive", "disable": 1},
    ]
    groups = [{"group": "g", "nodes": "pve-2", "restricted": 1}, {"group": "h", "nodes": "pve-2"}]
    answers = {
        "/cluster/resources": NODES + GUESTS,
        "/cluster/ha/rules": {"data": rules},
        "/cluster/ha/groups": groups,
        "/cluster/ha/resources": [{"sid": "vm:102", "group": "g"}],
        "/cluster/status": [{"type": "cluster", "name": "east", "quorate": 1}],
    }
    found = read_proxmox([write(tmp_path / "all.json", answers)])
    assert [(rule.kind, rule.name, rule.vms, rule.hosts) for rule in found.rules] == [
        (RuleKind.MUST_RUN_ON, "pin", ("web", "db"), ("pve-1",)),
        (RuleKind.APART, "apart", ("web", "off"), ()),
        (RuleKind.TOGETHER, "near", ("web", "db"), ()),
        (RuleKind.MUST_RUN_ON, "g", ("off",), ("pve-2",)),
    ]
    assert [note.text for note in found.skipped].count("the rule only prefers hosts; it is left out") == 2
    assert {host.cluster for host in found.hosts} == {"east"}


def test_lists_of_a_node_have_no_node_in_them(tmp_path):
    write(tmp_path / "nodes.json", NODES)
    vm = {"vmid": 100, "name": "a", "status": "running", "maxmem": GIB, "cpus": 1}
    write(tmp_path / "nodes/pve-1/qemu.json", [vm])
    write(tmp_path / "nodes/pve-1/lxc.json", [{**vm, "vmid": 105, "maxswap": 0}])
    found = read_proxmox([tmp_path])
    assert [(vm.name, vm.host) for vm in found.vms] == [("a", "pve-1")]
    assert found.hosts[0].reserved_bytes == GIB


def test_duplicates_and_mixed_clusters(tmp_path):
    write(tmp_path / "a.json", NODES + GUESTS)
    write(tmp_path / "b.json", NODES + GUESTS)
    found = read_proxmox([tmp_path])
    assert len(found.vms) == 3
    assert [note.text for note in found.skipped].count("the VM is there twice; the first is used") == 6
    write(tmp_path / "b.json", [{**GUESTS[0], "name": "other"}])
    with pytest.raises(InputError, match="number 100 is another VM"):
        read_proxmox([tmp_path])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps(GUESTS)[:-20], "cannot be read as JSON"),
        (json.dumps([{**GUESTS[0], "maxmem": "8 GB"}]), "is no amount of memory"),
        (json.dumps([{**GUESTS[0], "maxmem": 2**80}]), "is no amount of memory"),
        (json.dumps([{**NODES[0], "maxmem": {}}, GUESTS[0]]), "is no amount of memory"),
        (json.dumps({"data": None, "errors": {"vmid": "no"}}), "holds no VMs"),
        ("[]", "holds no VMs"),
        ("plain text", "is not JSON"),
    ],
)
def test_broken_dumps(tmp_path, content, message):
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_proxmox([path])
    assert caught.value.hint


def test_values_of_wrong_types_are_unknown_and_said(tmp_path):
    odd = {**GUESTS[0], "mem": "lots", "memhost": [], "maxcpu": -1, "pool": {"a": 1}, "status": 7, "new": None}
    found = read_proxmox([write(tmp_path / "r.json", [*NODES, odd, 5, None, "x", {"type": "martian"}])])
    (vm,) = found.vms
    assert (vm.power, vm.consumed_bytes, vm.vcpus, vm.group) == (Power.UNKNOWN, None, None, None)
    assert len(found.doubts) >= 2
    assert [note.place.rpartition(": ")[2] for note in found.skipped] == ["4 items"]


def answers_of(name, only=r".*"):
    """Find the answers of GET requests in a Go test's file."""
    text = gzip.decompress((FIXTURES / name).read_bytes()).decode()
    pattern = re.compile(
        r'Get\("\^?([^"]*?)\$?"\)\.(?:\s*MatchParams\(.*?\}\)\.)?\s*Reply\(200\)\.\s*JSON\(`(.*?)`\)', re.S
    )
    return [(path, json.loads(body)) for path, body in pattern.findall(text) if re.fullmatch(only, path)]


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no third-party fixtures here")
def test_cluster_fixture(tmp_path):
    for number, (path, data) in enumerate(answers_of("pve9x_cluster.go.gz")):
        write(tmp_path / f"{number}{path.replace(':', '-')}.json", data)
    found = read_proxmox([tmp_path])
    assert [(vm.name, vm.configured_bytes, vm.power.value, vm.host) for vm in found.vms] == [
        ("server1", 1073741824, "on", "node2"),
        ("machine-test", 8388608000, "off", "node1"),
        ("VM 200", 8388608000, "off", "node1"),
    ]
    assert found.vms[0].used_bytes == 842551296
    # 65,919,459,328 + 33,567,911,936 + 16,668,827,648 + 16,651,702,272
    assert sum(host.memory_bytes for host in found.hosts) == 132_807_901_184
    assert {host.cluster for host in found.hosts} == {"clustername"}
    assert [(rule.kind, rule.vms, rule.hosts) for rule in found.rules] == [
        (RuleKind.MUST_RUN_ON, ("server1",), ("node1",))
    ]


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no third-party fixtures here")
def test_node_and_vm_fixtures(tmp_path):
    for name in ("pve9x_nodes.go.gz", "pve9x_virtual_machines.go.gz"):
        for path, data in answers_of(name, r"/nodes(/node\d+/status)?|/nodes/node1/qemu/\d+/(config|status/current)"):
            write(tmp_path / f"{path.lstrip('/')}.json", data)
    found = read_proxmox([tmp_path])
    vms = by_name(found)
    assert {name: vm.configured_bytes for name, vm in vms.items()} == {
        "matt": 2097152000, "wide": 4096 * MIB, "test-vm": 2048 * MIB,
    }  # fmt: skip
    assert vms["matt"].used_bytes == 1127792640  # 2,015,014,912 - 887,222,272
    assert (vms["matt"].ballooned_bytes, vms["matt"].vcpus, vms["matt"].host) == (0, 8, "node1")
    sizes = {host.name: host.memory_bytes for host in found.hosts}
    assert sizes == {"node1": 8589934592, "node2": 17179869184, "node3": 16668868608, "node4": 65919561728}


def test_a_minimum_bounds_ballooning_only_where_proxmox_balloons(tmp_path):
    write(tmp_path / "resources.json", NODES + GUESTS)
    # Web is ballooned down to 2 of its 8 GiB. Db has the minimum at its memory, off has no shares: none is ballooned.
    write(tmp_path / "100.json", {"digest": "a", "memory": 8192, "balloon": 2048})
    write(tmp_path / "101.json", {"digest": "b", "memory": 4096, "balloon": 4096})
    write(tmp_path / "102.json", {"digest": "c", "memory": 2048, "balloon": 1024, "shares": 0})
    found = read_proxmox([tmp_path])
    assert [(vm.name, vm.reservation_bytes, vm.has_balloon_driver) for vm in found.vms] == [
        ("web", 2 * GIB, True), ("db", None, False), ("off", None, False),
    ]  # fmt: skip
    assert any("not swapped out either" in text for text in found.assumptions)


@pytest.mark.parametrize("folder", ["", "nodes/pve-1/qemu/100/"])
@pytest.mark.parametrize(("second_s", "direction"), [(93_600, "24.0 h ahead"), (0, None), (10_800, None)])
def test_dumps_of_two_moments_are_refused(tmp_path, folder, second_s, direction):
    name, first = ("status.json", STATUS) if folder else ("list.json", GUESTS[0])

    def content(uptime_s):
        item = {**first, "uptime": uptime_s}
        return item if folder else [*NODES, item]

    # 7,200 s, then 86,400 s later; 0 is a VM that is off; 3,600 s later is just of one collection.
    write(tmp_path / "a" / folder / name, content(7_200))
    write(tmp_path / "b" / folder / name, content(second_s))
    if direction is None:
        assert len(read_proxmox([tmp_path]).vms) == 1
        return
    with pytest.raises(InputError, match=f"is of another moment than .*a/.* {direction}") as caught:
        read_proxmox([tmp_path])
    assert "b/" in caught.value.place
    assert "one moment at a time" in caught.value.hint
