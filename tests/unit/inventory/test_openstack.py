"""JSON of OpenStack's command line and of its APIs; Nova's own samples where they are."""

import json
from pathlib import Path

import pytest

from planner.errors import InputError
from planner.inventory.found import Power, RuleKind
from planner.inventory.openstack import read_openstack
from planner.units import GIB, MIB

FIXTURES = Path(__file__).parents[4] / "shared" / "data" / "fixtures" / "openstack_nova"

PROVIDER = "28b0e607-d58a-4602-a511-efe18024f4d5"
HYPERVISORS = [
    {"ID": PROVIDER, "Hypervisor Hostname": "cmp-1.example.org", "Hypervisor Type": "QEMU", "Host IP": "192.0.2.1",
     "State": "up", "vCPUs Used": 4, "vCPUs": 32, "Memory MB Used": 6656, "Memory MB": 65536},
    {"ID": "b1e43b5f-eec1-44e0-9f10-7b4945c0226d", "Hypervisor Hostname": "cmp-2.example.org",
     "Hypervisor Type": "QEMU", "State": "down", "vCPUs": 32, "Memory MB": 32768},
]  # fmt: skip
SERVERS = [
    {"ID": "u1", "Name": "web", "Status": "ACTIVE", "Power State": 1, "Networks": {}, "Image ID": "img",
     "Flavor Name": "m.small", "Flavor ID": "f1", "Host": "cmp-1", "Availability Zone": "east", "Project ID": "p1"},
    {"ID": "u2", "Name": "db", "Status": "ACTIVE", "Power State": "Running", "Networks": "x=192.0.2.9",
     "Flavor": "m.huge", "Host": "cmp-1.example.org", "Availability Zone": "east"},
    {"ID": "u3", "Name": "off", "Status": "SHUTOFF", "Power State": "Shutdown", "Networks": "", "Flavor": "nowhere"},
]  # fmt: skip
FLAVORS = [
    {"ID": "f1", "Name": "m.small", "RAM": 2048, "Disk": 20, "Ephemeral": 0, "VCPUs": 1, "Is Public": True},
    {"ID": "f2", "Name": "m.huge", "RAM": 4096, "VCPUs": 2, "Properties": "hw:mem_page_size='large', a:b='c'"},
]
INVENTORY = [
    {"resource_class": "VCPU", "allocation_ratio": 4.0, "reserved": 0, "total": 32},
    {"resource_class": "MEMORY_MB", "allocation_ratio": 1.5, "reserved": 2048, "total": 65536, "min_unit": 1},
]


def write(folder, **files):
    for name, data in files.items():
        path = folder / f"{name.replace('__', '/')}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data))
    return folder


def test_the_command_lines_lists(tmp_path):
    write(tmp_path, a=HYPERVISORS, b=SERVERS, c=FLAVORS)
    (tmp_path / f"inventory-{PROVIDER}.json").write_text(json.dumps(INVENTORY))
    usage = [{"resource_class": "VCPU", "usage": 3}, {"resource_class": "MEMORY_MB", "usage": 6144}]
    (tmp_path / "usage-cmp-1.json").write_text(json.dumps(usage))
    found = read_openstack([tmp_path])
    assert found.hypervisor == "kvm"
    one, two = found.hosts
    assert (one.name, one.memory_bytes, one.reserved_bytes) == ("cmp-1.example.org", 64 * GIB, 2 * GIB)
    assert (one.overcommit_ratio, one.cluster, one.cores, one.is_usable) == (1.5, "east", 32, True)
    assert (one.vm_memory_bytes, one.vm_memory_is_of_running, one.used_bytes) == (6 * GIB, False, None)
    assert (two.memory_bytes, two.is_usable, two.reserved_bytes, two.vm_memory_bytes) == (32 * GIB, False, None, None)
    web, db, off = found.vms
    assert (web.uuid, web.host, web.cluster, web.group) == ("u1", "cmp-1.example.org", "east", "p1")
    assert (web.configured_bytes, web.vcpus, web.image, web.power) == (2 * GIB, 1, "img", Power.ON)
    assert (web.consumed_bytes, web.active_bytes, web.reservation_bytes) == (None, None, None)
    assert (db.configured_bytes, db.reservation_bytes, db.host) == (4 * GIB, 4 * GIB, "cmp-1.example.org")
    assert (off.power, off.configured_bytes) == (Power.OFF, None)
    texts = [note.text for note in found.doubts]
    assert "the memory of the VM is unknown: no file holds its flavor" in texts
    assert any("on huge pages" in text for text in texts)
    assert [cluster.name for cluster in found.clusters] == ["east"]


def test_novas_used_memory_has_the_reserved_in_it(tmp_path):
    write(tmp_path, a=HYPERVISORS[:1], b=INVENTORY)
    # 6,656 MiB used - 2,048 reserved; the only host needs no name in the path.
    assert read_openstack([tmp_path]).hosts[0].vm_memory_bytes == 4608 * MIB


def test_api_answers_and_aggregates(tmp_path):
    server = {"id": "u1", "name": "a", "status": "ACTIVE", "flavor": {"ram": 512, "vcpus": 1, "extra_specs": {}},
              "OS-EXT-STS:power_state": 4, "OS-EXT-SRV-ATTR:host": "service-7", "tenant_id": "t",
              "addresses": {}, "image": {"id": "img"}}  # fmt: skip
    host = {"hypervisor_hostname": "cmp-7", "hypervisor_type": "QEMU", "id": PROVIDER, "state": "up",
            "status": "disabled", "service": {"host": "service-7"}}  # fmt: skip
    resources = {"allocation_ratio": 1.0, "reserved": 512, "total": 8192}
    write(
        tmp_path,
        h={"hypervisors": [host]},
        s={"servers": [server]},
        g={"aggregates": [{"id": 1, "name": "x", "availability_zone": "west", "hosts": ["service-7"], "metadata": {}}]},
        rp={"resource_providers": [{"uuid": PROVIDER, "name": "cmp-7", "generation": 4}]},
        i={"inventories": {"MEMORY_MB": resources}, "resource_provider_generation": 7},
        u={"usages": {"MEMORY_MB": 9000}},
    )
    found = read_openstack([tmp_path])
    (one,) = found.hosts
    assert (one.memory_bytes, one.reserved_bytes, one.overcommit_ratio) == (8 * GIB, 512 * MIB, 1.0)
    assert (one.cluster, one.is_usable, one.vm_memory_bytes) == ("west", False, 9000 * MIB)
    (vm,) = found.vms
    assert (vm.host, vm.power, vm.configured_bytes, vm.image) == ("cmp-7", Power.OFF, 512 * MIB, "img")
    assert "more memory is promised than its ratio allows" in [note.text for note in found.doubts]


def test_allocations_tell_host_and_memory(tmp_path):
    server = {"id": "aaaaaaaa-0000", "name": "a", "status": "ACTIVE", "flavor": {"id": "f9"}}
    resources = {"MEMORY_MB": 1024, "VCPU": 1}
    allocation = [{"resource_provider": PROVIDER, "generation": 3, "resources": resources}]
    write(tmp_path, h=HYPERVISORS, s=[server])
    (tmp_path / "aaaaaaaa-0000.json").write_text(json.dumps(allocation))
    (vm,) = read_openstack([tmp_path]).vms
    assert (vm.host, vm.configured_bytes) == ("cmp-1.example.org", GIB)


def test_server_groups(tmp_path):
    groups = [
        {"ID": "1", "Name": "hard", "Policy": "anti-affinity", "Members": "u1, u2"},
        {"id": "2", "name": "near", "policies": ["affinity"], "members": ["u1", "u3"], "metadata": {}},
        {"id": "3", "name": "soft", "policies": ["soft-anti-affinity"], "members": ["u1", "u2"]},
        {"id": "4", "name": "two", "policy": "anti-affinity", "rules": {"max_server_per_host": 2}, "members": ["u1"]},
        {"id": "5", "name": "gone", "policy": "affinity", "members": ["u1", "u9"]},
    ]
    found = read_openstack([write(tmp_path, g=groups, s=SERVERS, f=FLAVORS)])
    assert [(rule.kind, rule.name, rule.vms) for rule in found.rules] == [
        (RuleKind.APART, "hard", ("web", "db")),
        (RuleKind.TOGETHER, "near", ("web", "off")),
    ]
    assert [note.text for note in found.skipped] == [
        "the policy soft-anti-affinity is a wish; it is left out",
        "a group that allows several servers on a host has no rule that fits; it is left out",
        "the group has members that are no known server",
    ]


@pytest.mark.parametrize(
    ("kind", "preset"), [("VMware vCenter Server", "esxi-8"), ("hyperv", "hyper-v"), ("QEMU", "kvm"), ("fake", "kvm")]
)
def test_presets(tmp_path, kind, preset):
    found = read_openstack([write(tmp_path, a=[{**HYPERVISORS[0], "Hypervisor Type": kind}])])
    assert found.hypervisor == preset
    assert any('"fake"' in text for text in found.assumptions) == (kind == "fake")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps(SERVERS)[:-9], "cannot be read as JSON"),
        (json.dumps([{**FLAVORS[0], "RAM": "2 GB"}]), "is no amount of memory"),
        (json.dumps([{**FLAVORS[0], "RAM": 1e300}]), "is no amount of memory"),
        (json.dumps([{**HYPERVISORS[0], "Memory MB": [1]}]), "is no amount of memory"),
        ('{"message": "Not authorized"}', "holds no servers"),
        ("+----+\n| ID |", "is not JSON"),
    ],
)
def test_broken_files(tmp_path, content, message):
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_openstack([path])
    assert caught.value.hint


def test_odd_values_duplicates_and_deleted_servers(tmp_path):
    odd = [
        {**SERVERS[0], "Host": 7, "Availability Zone": [], "Power State": {}},
        SERVERS[0],
        {**SERVERS[1], "ID": "u7", "Status": "DELETED"},
        "x",
    ]
    found = read_openstack([write(tmp_path, a=odd, f=FLAVORS, h=[{**HYPERVISORS[0], "Memory MB Used": -1}])])
    assert [(vm.name, vm.power, vm.cluster) for vm in found.vms] == [("web", Power.ON, None)]
    assert [note.text for note in found.skipped] == [
        "items of unknown kind are left out",
        "the server is there twice; the first is used",
        "the server is deleted",
    ]


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no third-party fixtures here")
def test_nova_samples():
    found = read_openstack([FIXTURES])
    (host,) = found.hosts
    # 8,192 MiB in two of the three samples; the third, of API 2.88, has no memory.
    assert (host.name, host.memory_bytes, host.cores, host.n_vms) == ("fake-mini", 8 * GIB, 4, 0)
    assert (host.cpu_model, host.is_usable, host.reserved_bytes) == ("Nehalem", True, None)
    (vm,) = found.vms
    assert (vm.name, vm.configured_bytes, vm.vcpus, vm.power) == ("new-server-test", 512 * MIB, 1, Power.ON)
    assert (vm.host, vm.cluster, vm.uuid) == (None, "us-west", "f5dc173b-6804-445a-a6d8-c705dad5b5eb")
    assert "os-server-diagnostics" in found.skipped[0].place  # it does not say which server it is of
    assert sum(note.text == "the host lists a VM that no file holds" for note in found.skipped) == 2
    assert any("further pages" in note.text for note in found.doubts)
    flavors = [path for path in found.read if "flavors" in path]
    assert found.read[flavors[0]] == 7
