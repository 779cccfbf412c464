"""Dumps changed at random: a reader gives hosts and VMs within bounds, or says what is wrong with which file."""

import copy
import json
import random

import pytest

from planner.errors import InputError
from planner.inventory.kubevirt import read_kubevirt
from planner.inventory.libvirt import read_libvirt
from planner.inventory.openstack import read_openstack
from planner.inventory.proxmox import read_proxmox
from planner.units import GIB, MAX_BYTES

ODD = [
    None, True, False, 0, -1, 1, 2**63, 10**30, 1.5, -0.0, float("nan"), float("inf"), "", " ", "x", "1e9", "9" * 50,
    "-5", "\u0663", "1Gi", "n" * 5000, "a\nb", [], {}, [1], [[]], {"a": 1}, {"name": {}}, [None, {"vmid": []}],
]  # fmt: skip
RESOURCES = [
    {"type": "node", "node": "n1", "status": "online", "maxmem": 64 * GIB, "mem": GIB, "maxcpu": 8, "hastate": "x"},
    {"type": "qemu", "vmid": 100, "name": "a", "node": "n1", "status": "running", "maxmem": GIB, "mem": 5, "pool": "p"},
    {"type": "lxc", "vmid": 101, "name": "c", "node": "n1", "status": "running", "maxmem": GIB, "template": 0},
]
STATUS = {
    "vmid": 100, "status": "running", "maxmem": GIB, "balloon": 5, "balloon_min": 4, "shares": 1000,
    "ballooninfo": {"actual": 4, "free_mem": 3, "total_mem": 9, "mem_swapped_out": 1}, "pressurememorysome": 2.0,
}  # fmt: skip
NODE = {"memory": {"total": GIB, "used": 5}, "swap": {"total": 5, "used": 1}, "cpuinfo": {"cores": 4, "model": "m"}}
RULES = [{"rule": "r", "type": "node-affinity", "resources": "vm:100", "nodes": "n1", "strict": 1}]
PROXMOX = {
    "/cluster/resources": {"data": RESOURCES},
    "/nodes/n1/qemu/100/status/current": STATUS,
    "/nodes/n1/qemu/100/config": {"digest": "d", "memory": "1024", "cores": 2, "balloon": 512, "hostpci0": "x"},
    "/nodes/n1/status": NODE,
    "/cluster/ha/rules": RULES,
    "/cluster/ha/groups": [{"group": "g", "nodes": "n1", "restricted": 1}],
    "/cluster/ha/resources": [{"sid": "vm:100", "group": "g"}],
    "/cluster/status": [{"type": "cluster", "name": "c"}, {"type": "node", "name": "n1", "nodeid": 1, "online": 1}],
}
OPENSTACK = [
    {"hypervisor_hostname": "h1", "hypervisor_type": "QEMU", "id": "aa-bb", "memory_mb": 8192, "memory_mb_used": 600,
     "state": "up", "status": "enabled", "service": {"host": "s1"}, "vcpus": 4, "running_vms": 1,
     "cpu_info": {"model": "m", "topology": {"cores": 2, "sockets": 1}}, "servers": [{"uuid": "u1"}]},
    {"id": "u1", "name": "a", "status": "ACTIVE", "flavor": {"ram": 512, "vcpus": 1, "extra_specs": {"hw:x": "y"}},
     "OS-EXT-STS:power_state": 1, "OS-EXT-SRV-ATTR:host": "s1", "image": {"id": "i"}, "tenant_id": "t",
     "OS-EXT-AZ:availability_zone": "z"},
    {"ID": "u2", "Name": "b", "Status": "ACTIVE", "Flavor": "f (1)", "Networks": {}, "Power State": "Running"},
    {"ID": "1", "Name": "f", "RAM": 512, "VCPUs": 1, "Properties": "hw:mem_page_size='large'"},
    {"id": 1, "name": "agg", "availability_zone": "z", "hosts": ["s1"], "metadata": {}},
    {"id": "g", "name": "g", "policy": "affinity", "rules": {"max_server_per_host": 1}, "members": ["u1", "u2"]},
    {"resource_class": "MEMORY_MB", "allocation_ratio": 1.5, "reserved": 512, "total": 8192},
    {"resource_class": "MEMORY_MB", "usage": 512},
    {"uuid": "aa-bb", "name": "h1", "generation": 1},
]  # fmt: skip
TERM = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}, "matchExpressions": []}}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
EXPRESSION = {"key": "disk", "operator": "Gt", "values": ["2"]}
SPEC = {
    "domain": {"memory": {"guest": "1Gi"}, "cpu": {"cores": 2}, "resources": {"requests": {"memory": "1Gi", "cpu": 1}},
               "devices": {"gpus": []}, "firmware": {"uuid": "u"}},
    "nodeSelector": {"disk": "3"},
    "affinity": {"podAntiAffinity": {REQUIRED: [TERM]},
                 "nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [EXPRESSION]}]}}},
    "volumes": [{"containerDisk": {"image": "i"}}],
}  # fmt: skip
META = {"name": "a", "namespace": "n", "uid": "u", "labels": {"a": "b"}}
KUBEVIRT = [
    {"kind": "VirtualMachine", "metadata": META,
     "spec": {"running": True, "instancetype": {"name": "t"}, "template": {"metadata": META, "spec": SPEC}}},
    {"kind": "VirtualMachineInstance", "metadata": {**META, "name": "b"}, "spec": SPEC,
     "status": {"phase": "Running", "nodeName": "n1", "memory": {"guestCurrent": "1Gi"},
                "conditions": [{"type": "x"}]}},
    {"kind": "VirtualMachineClusterInstancetype", "metadata": {"name": "t"},
     "spec": {"cpu": {"guest": 2}, "memory": {"guest": "1Gi"}}},
    {"kind": "Node", "metadata": {"name": "n1", "labels": {"disk": "3"}}, "spec": {"taints": [{"effect": "x"}]},
     "status": {"capacity": {"memory": "8Gi", "cpu": "8"}, "allocatable": {"memory": "7Gi"},
                "conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"swap": {"capacity": 5}}}},
]  # fmt: skip
LIBVIRT = {
    "host": "h", "nodeinfo": {"Memory size": "8388608 KiB", "CPU(s)": 8},
    "domains": [
        {"name": "a", "stats": {"state.state": 1, "balloon.maximum": 1024, "balloon.current": 512, "balloon.rss": 300,
                                "balloon.available": 900, "balloon.usable": 100, "vcpu.current": 2}},
        {"name": "b", "balloon": {"maximum": 1024, "unused": 1, "available": 5}, "state": {"state": 1}},
    ],
}  # fmt: skip
READERS = {
    "libvirt": (read_libvirt, LIBVIRT),
    "proxmox": (read_proxmox, PROXMOX),
    "openstack": (read_openstack, OPENSTACK),
    "kubevirt": (read_kubevirt, KUBEVIRT),
}


def places(value):
    """List every place in nested values as the container and the key in it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from places(inner)


def mutate(value, generator):
    for _ in range(generator.choice([1, 1, 1, 2, 5])):
        container, key = generator.choice(list(places(value)))
        if generator.random() < 0.2:
            del container[key]
        else:
            container[key] = copy.deepcopy(generator.choice(ODD))
        if not value:
            return


def check(found):
    sizes = [getattr(one, name) for one in [*found.vms, *found.hosts] for name in vars(one) if name.endswith("_bytes")]
    assert all(size is None or (type(size) is int and 0 <= size <= MAX_BYTES) for size in sizes)
    assert all(type(vm.name) is str and vm.name and (vm.host is None or type(vm.host) is str) for vm in found.vms)
    assert all(type(vm.vcpus) in (int, type(None)) and (vm.vcpus or 1) <= 65_536 for vm in found.vms)
    assert all(type(host.cores) in (int, type(None)) and (host.cores or 1) <= 65_536 for host in found.hosts)
    notes = [*found.doubts, *found.skipped]
    assert all(note.place and note.text and len(note.place) < 3000 for note in notes)


@pytest.mark.parametrize("kind", READERS)
def test_changed_values(tmp_path, kind):
    read, base = READERS[kind]
    path = tmp_path / "h1.json"
    generator = random.Random(kind)
    n_read = 0
    for _ in range(400):
        value = copy.deepcopy(base)
        mutate(value, generator)
        path.write_text(json.dumps(value))
        said = ""
        try:
            found = read([path])
        except InputError as error:
            said = str(error)
        if said:
            assert str(path) in said
        else:
            check(found)
            n_read += 1
    assert n_read > 200


@pytest.mark.parametrize("kind", READERS)
def test_files_cut_off_anywhere(tmp_path, kind):
    read, base = READERS[kind]
    text = json.dumps(base)
    path = tmp_path / "h1.json"
    for end in range(1, len(text), 53):
        path.write_text(text[:end])
        with pytest.raises(InputError, match="cannot be read as JSON"):
            read([path])


@pytest.mark.parametrize("kind", READERS)
def test_half_characters(tmp_path, kind):
    path = tmp_path / "h1.json"
    path.write_text(json.dumps(READERS[kind][1]).replace('"a"', '"a\\ud800"'))
    with pytest.raises(InputError, match="cannot be read as JSON"):
        READERS[kind][0]([path])
    path.write_text(json.dumps(READERS[kind][1]).replace('"a"', '"a\\ud83d\\ude00"'))
    assert READERS[kind][0]([path]).vms
