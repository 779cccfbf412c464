"""KubeVirt objects in YAML and JSON; KubeVirt's own examples where they are."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from planner.errors import InputError
from planner.inventory.found import Power, RuleKind
from planner.inventory.kube_quantities import parse_quantity, round_up
from planner.inventory.kubevirt import read_kubevirt
from planner.units import GIB, MIB

FIXTURES = Path(__file__).parents[4] / "shared" / "data" / "fixtures" / "kubevirt"


def vm(name, memory="1Gi", namespace="shop", labels=None, **spec):
    template = {"metadata": {"labels": labels or {}}, "spec": {"domain": {"memory": {"guest": memory}}, **spec}}
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    return {"kind": "VirtualMachine", "metadata": metadata, "spec": {"runStrategy": "Always", "template": template}}


def vmi(name, memory="1Gi", namespace="shop", node="n1", **status):
    return {
        "kind": "VirtualMachineInstance",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"domain": {"memory": {"guest": memory}, "cpu": {"sockets": 2, "cores": 2}}},
        "status": {"phase": "Running", "nodeName": node, **status},
    }


def node(name, labels=None, capacity="64Gi", allocatable="60Gi", **spec):
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
        "status": {"capacity": {"memory": capacity, "cpu": "32"}, "allocatable": {"memory": allocatable}},
    }


def read(tmp_path, *items):
    path = tmp_path / "all.json"
    path.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": list(items)}))
    return read_kubevirt([path])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("128Mi", 128 * MIB), ("1024M", 1_024_000_000), ("1.5Gi", 1_610_612_736), ("128974848", 128_974_848),
        ("129e6", 129_000_000), ("129E6", 129_000_000), ("1E", 10**18), ("128974848000m", 128_974_848),
        ("1500m", 2), ("1k", 1000), ("1Ki", 1024), (".5Ki", 512), ("2.", 2), (1024, 1024), (1e3, 1000), ("+1Gi", GIB),
        ("1n", 1), ("1Ei", 2**60),
    ],
)  # fmt: skip
def test_quantities(text, expected):
    assert round_up(parse_quantity(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["1KB", "1 Gi", "Gi", "", "1GiB", "1K", "0x10", "1e", "1e1e1", "9" * 61, "١Gi", True, None, [], float("inf")],
)
def test_no_quantities(text):
    with pytest.raises(ValueError, match="quantity"):
        parse_quantity(text)


def test_exact_below_a_byte():
    assert parse_quantity("1m") == Decimal("0.001")


def test_vms_instances_and_nodes(tmp_path):
    running = vmi("web", "1Gi")
    running["status"]["memory"] = {"guestAtBoot": "1Gi", "guestCurrent": "2Gi"}  # plugged in since
    found = read(
        tmp_path,
        node("n1", {"host-model-cpu.node.kubevirt.io/Skylake-Server": "true"}),
        node("n2", unschedulable=True),
        node("n3", taints=[{"key": "control", "effect": "NoSchedule"}]),
        vm("web", "1Gi"),
        running,
        vm("off") | {"spec": {**vm("off")["spec"], "runStrategy": "Halted"}},
        vmi("paused", "512Mi", conditions=[{"type": "Paused", "status": "True"}]),
    )
    assert found.hypervisor == "kvm"
    assert [(h.name, h.memory_bytes, h.reserved_bytes, h.cores, h.is_usable) for h in found.hosts] == [
        ("n1", 64 * GIB, 4 * GIB, 32, True), ("n2", 64 * GIB, 4 * GIB, 32, False), ("n3", 64 * GIB, 4 * GIB, 32, False),
    ]  # fmt: skip
    assert found.hosts[0].cpu_model == "Skylake-Server"
    web, off, paused = found.vms
    assert (web.configured_bytes, web.vcpus, web.host, web.group, web.power) == (2 * GIB, 4, "n1", "shop", Power.ON)
    assert (web.uuid, web.consumed_bytes, web.reservation_bytes) == ("uid-web", None, None)
    assert (off.power, off.host, off.vcpus) == (Power.OFF, None, 1)
    assert (paused.power, paused.configured_bytes) == (Power.SUSPENDED, 512 * MIB)
    assert not found.doubts


def test_memory_of_types_requests_limits_and_huge_pages(tmp_path):
    kind = "VirtualMachineClusterInstancetype"
    spec = {"cpu": {"guest": 3}, "memory": {"guest": "3Gi"}}
    typed = vm("typed", None)
    typed["spec"]["instancetype"] = {"kind": kind, "name": "m"}
    lost = vm("lost", None)
    lost["spec"]["instancetype"] = {"name": "none"}
    own = vm("own", None)
    own["spec"]["instancetype"] = {"kind": "VirtualMachineInstancetype", "name": "m"}
    requested = vm("requested", None)
    requested["spec"]["template"]["spec"]["domain"] = {
        "resources": {"requests": {"memory": "100M", "cpu": "1500m"}, "limits": {"memory": "50M"}},
        "devices": {"autoattachMemBalloon": False},
    }
    less = vm("less", "2Gi")
    less["spec"]["template"]["spec"]["domain"]["resources"] = {
        "requests": {"memory": "1Gi"}, "overcommitGuestOverhead": True,
    }  # fmt: skip
    huge = vm("huge")
    huge["spec"]["template"]["spec"]["domain"]["memory"]["hugepages"] = {"pageSize": "2Mi"}
    types = [
        {"kind": kind, "metadata": {"name": "m"}, "spec": spec},
        {"kind": "VirtualMachineInstancetype", "metadata": {"name": "m", "namespace": "shop"},
         "spec": {"memory": {"guest": "5Gi"}, "cpu": {"guest": 1}}},
    ]  # fmt: skip
    found = read(tmp_path, node("n1"), *types, typed, lost, own, requested, less, huge)
    vms = {one.name: one for one in found.vms}
    assert (vms["typed"].configured_bytes, vms["typed"].vcpus) == (3 * GIB, 3)
    assert vms["own"].configured_bytes == 5 * GIB
    assert vms["lost"].configured_bytes is None
    assert (vms["requested"].configured_bytes, vms["requested"].vcpus) == (100_000_000, 2)
    assert (vms["requested"].limit_bytes, vms["requested"].has_balloon_driver) == (50_000_000, False)
    assert (vms["huge"].reservation_bytes, vms["less"].reservation_bytes) == (GIB, None)
    texts = sorted({note.text.split(":")[0].split(" and ")[0] for note in found.doubts})
    assert texts == [
        "it requests less memory than its guest has", "its instance type is in no file",
        "its limit is below its memory", "its memory is on huge pages",
        "its overhead memory is not requested (overcommitGuestOverhead)",
        "the memory of the VM is unknown",
    ]  # fmt: skip


def test_rules_of_nodes(tmp_path):
    nodes = [node("n1", {"disk": "ssd", "gen": "3"}), node("n2", {"disk": "ssd", "gen": "2"}), node("n3")]

    def bound(name, *expressions, fields=()):
        term = {"matchExpressions": list(expressions), "matchFields": list(fields)}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
        return vm(name, affinity={"nodeAffinity": required})

    found = read(
        tmp_path,
        *nodes,
        vm("a", nodeSelector={"disk": "ssd"}),
        vm("b", nodeSelector={"disk": "ssd"}),
        bound("c", {"key": "gen", "operator": "Gt", "values": ["2"]}),
        bound("d", {"key": "disk", "operator": "DoesNotExist"}),
        bound("e", {"key": "disk", "operator": "NotIn", "values": ["hdd"]}),  # every node
        bound("f", fields=[{"key": "metadata.name", "operator": "In", "values": ["n2"]}]),
        vm("g", nodeSelector={"disk": "tape"}),
        bound("h"),  # a term without expressions matches nothing
    )
    assert [(rule.kind, rule.vms, rule.hosts) for rule in found.rules] == [
        (RuleKind.MUST_RUN_ON, ("a", "b"), ("n1", "n2")),
        (RuleKind.MUST_RUN_ON, ("c",), ("n1",)),
        (RuleKind.MUST_RUN_ON, ("d",), ("n3",)),
        (RuleKind.MUST_RUN_ON, ("f",), ("n2",)),
    ]
    assert [note.text.split(";")[0] for note in found.doubts] == ["it is bound to nodes that are not there"] * 2


def affinity(key, labels, topology="kubernetes.io/hostname", **more):
    term = {"topologyKey": topology, "labelSelector": {"matchLabels": labels}, **more}
    return {key: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def test_rules_between_vms(tmp_path):
    apart = affinity("podAntiAffinity", {"app": "db"})
    found = read(
        tmp_path,
        node("n1"),
        vm("db-1", labels={"app": "db"}, affinity=apart),
        vm("db-2", labels={"app": "db"}, affinity=apart),
        vm("db-3", labels={"app": "db"}, namespace="other"),
        vm("cache", labels={"app": "cache"}, affinity=affinity("podAffinity", {"app": "web"})),
        vm("web", labels={"app": "web"}),
        vm("noisy", affinity=affinity("podAntiAffinity", {"app": "db"})),
        vm("any", affinity=affinity("podAffinity", {"app": "db"})),
        vm("zone", affinity=affinity("podAntiAffinity", {"app": "db"}, topology="topology.kubernetes.io/zone")),
        vm("all", affinity=affinity("podAntiAffinity", {"app": "db"}, namespaceSelector={})),
    )
    assert [(rule.kind, rule.vms) for rule in found.rules] == [
        (RuleKind.TOGETHER, ("cache", "web")),
        # Three VMs carry the same term, of which one is not selected by it: pairs.
        (RuleKind.APART, ("db-1", "db-2")), (RuleKind.APART, ("db-2", "db-1")),
        (RuleKind.APART, ("noisy", "db-1")), (RuleKind.APART, ("noisy", "db-2")),
    ]  # fmt: skip
    assert len([note for note in found.skipped if "affinity" in note.text]) == 3


def test_a_group_that_keeps_apart_is_one_rule_and_wishes_are_left_out(tmp_path):
    apart = affinity("podAntiAffinity", {"app": "db"})
    apart["nodeAffinity"] = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}
    found = read(tmp_path, node("n1"), *(vm(f"db-{n}", labels={"app": "db"}, affinity=apart) for n in range(3)))
    assert [rule.vms for rule in found.rules] == [("db-0", "db-1", "db-2")]
    assert [note.text for note in found.skipped] == ["what a VM only prefers is left out"] * 3


def test_same_names_in_namespaces_and_duplicates(tmp_path):
    found = read(tmp_path, node("n1"), vm("a"), vm("a", namespace="other"), vm("a"), {"kind": "Pod", "metadata": {}})
    assert [one.name for one in found.vms] == ["shop/a", "other/a"]
    assert [note.text for note in found.skipped] == [
        "the object is there twice; the first is used",
        "objects of the kind Pod are not read",
    ]


def test_several_documents_and_comments(tmp_path):
    path = tmp_path / "all.yaml"
    one = "kind: VirtualMachine\nmetadata: {name: %s}\nspec: {template: {spec: {domain: {memory: {guest: %s}}}}}\n"
    path.write_text("# mine\n---\n" + one % ("a", "1Gi") + "--- # next\n" + one % ("b", "1024") + "...\n---\n")
    found = read_kubevirt([path])
    assert [(vm.name, vm.configured_bytes, vm.power) for vm in found.vms] == [
        ("a", GIB, Power.UNKNOWN), ("b", 1024, Power.UNKNOWN),
    ]  # fmt: skip
    assert found.read == {str(path): 2}


ONE = "kind: VirtualMachineInstance\nmetadata: {name: a}\nspec: {domain: {memory: {guest: %s}}}\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.yaml", ONE % "1Gi" + "---\n" + "kind: [x", "line [56]: cannot be read as YAML"),
        ("a.yaml", ONE % "1 GB", "is no quantity of Kubernetes"),
        ("a.yaml", ONE % "[1]", "a list is no quantity"),
        ("a.yaml", ONE % "-1Gi", "is no amount of memory"),
        ("a.yaml", ONE % "9e99", "is no amount of memory"),
        ("a.yaml", "a: &a [x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(9)) + "kind: 5", "holds no VMs"),
        ("a.yaml", "x: " + "[" * 5000, "nested too deeply"),
        ("a.json", json.dumps(vmi("a"))[:-5], "cannot be read as JSON"),
        ("a.yaml", "plain words", "holds no VMs"),
    ],
)
def test_broken_files(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_kubevirt([path])
    assert re.search(re.escape(str(path)), str(caught.value))
    assert caught.value.hint


def test_wrong_types_do_not_stop_it(tmp_path):
    odd = {"kind": "VirtualMachine", "metadata": {"name": "odd", "labels": 7}, "spec": {"template": [], "running": "?"}}
    broken = vm("b", labels=[1], affinity=7, nodeSelector=[], volumes=["x", {"containerDisk": 5}])
    found = read(tmp_path, {**node("n1"), "spec": {"taints": 5}}, odd, broken, 7, {"kind": "Node", "metadata": {}})
    assert [(one.name, one.configured_bytes) for one in found.vms] == [("odd", None), ("b", GIB)]
    assert len(found.doubts) >= 4
    assert "the object has no name" in [note.text for note in found.skipped]


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no third-party fixtures here")
def test_kubevirts_examples():
    found = read_kubevirt([FIXTURES])
    assert {one.name: (one.configured_bytes, one.vcpus, one.power.value) for one in found.vms} == {
        "vm-alpine-multipvc": (128 * MIB, 1, "off"),
        "vm-cirros": (128 * MIB, 1, "off"),
        "vmi-fedora": (1_024_000_000, 1, "on"),
        # Their type is of a namespace, and gives 2 GiB and 4 vCPUs; they set 128 MiB beside it.
        "vm-cirros-clarge": (2 * GIB, 4, "off"),
        "vm-windows-clarge-windows": (2 * GIB, 4, "off"),
    }
    # 2 x 134,217,728 + 1,024,000,000 + 2 x 2,147,483,648
    assert sum(one.configured_bytes for one in found.vms) == 5_587_402_752
    assert sum("beside its instance type" in note.text for note in found.doubts) == 2
    windows = found.vms[-1] if found.vms[-1].name.startswith("vm-windows") else found.vms[-2]
    assert windows.uuid == "5d307ca9-b3ef-428c-8861-06e72d69f223"
    assert not found.skipped
