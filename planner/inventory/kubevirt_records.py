"""From objects of KubeVirt to hosts and VMs, and what to doubt about them."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from planner.inventory.dump_values import Values
from planner.inventory.found import Found, FoundHost, FoundVm, Note, Power
from planner.inventory.kubevirt_objects import Key, KubeObject, KubevirtDump, read_cpus, read_memory
from planner.inventory.kubevirt_rules import Scheduled, find_rules
from planner.inventory.suspicions import find_suspicions

MAX_CORES = 65_536
_NO_SCHEDULE = ("NoSchedule", "NoExecute")
_HOST_MODEL = "host-model-cpu.node.kubevirt.io/"
_SCHEDULABLE = "kubevirt.io/schedulable"
_POWER = {
    "Running": Power.ON, "Migrating": Power.ON, "Stopping": Power.ON, "Paused": Power.SUSPENDED,
    "Stopped": Power.OFF, "Succeeded": Power.OFF, "Failed": Power.OFF,
}  # fmt: skip
_STRATEGIES = {"Halted": Power.OFF, "Always": Power.ON}
_ASSUMPTIONS = (
    "The memory of a VM is what its guest is given: memory.guest, else that of its instance type, else its request.",
    "Requests of memory bind the scheduler only: they are not read as reservations.",
    "What is not allocatable on a node is read as reserved for the hypervisor.",
    "What VMs consume and use is unknown: Kubernetes objects do not say.",
)


class _Parts(NamedTuple):
    """A VM's objects, and the spec that it runs by."""

    vm: KubeObject | None
    instance: KubeObject | None
    spec: Values
    type: Values


def fill_found(found: Found, dump: KubevirtDump) -> None:
    """Turn it into hosts, VMs and rules. Changes `found` in place."""
    keys = [*dump.vms, *(key for key in dump.instances if key not in dump.vms)]
    counts = Counter(key.name for key in keys)
    scheduled = []
    for key in keys:
        parts = _parts(key, dump, found)
        # Rules go by name, so names that several namespaces have are told apart.
        name = f"{key.namespace}/{key.name}" if counts[key.name] > 1 and key.namespace else key.name
        found.vms.append(_vm(name, key, parts, found))
        scheduled.append(Scheduled(name, key.namespace, _labels(parts), parts.spec))
    in_use = {vm.host for vm in found.vms if vm.host}
    found.hosts += [_host(node, in_use, found) for node in dump.nodes.values()]
    if not dump.nodes:
        remedy = "add kubectl get nodes -o json"
        found.doubts.append(Note(found.source, "the hosts are unknown", remedy))
    find_rules(found, scheduled, {key.name: _node_labels(node) for key, node in dump.nodes.items()})
    found.assumptions += _ASSUMPTIONS
    found.doubts += find_suspicions(found)


def _parts(key: Key, dump: KubevirtDump, found: Found) -> _Parts:
    vm, instance = dump.vms.get(key), dump.instances.get(key)
    nothing = Values({}, "", found.doubts)
    vm_spec = Values(vm.raw, vm.place, found.doubts).section("spec") if vm else nothing
    if instance:
        spec = Values(instance.raw, instance.place, found.doubts).section("spec")
    else:
        spec = vm_spec.section("template").section("spec")
    asked = vm_spec.section("instancetype")
    name = asked.text("name")
    if not name or not vm:
        return _Parts(vm, instance, spec, nothing)
    is_own = asked.text("kind") in ("VirtualMachineInstancetype", "virtualmachineinstancetype")
    found_type = dump.types.get(Key(key.namespace if is_own else "", name))
    if found_type is None and not instance:
        remedy = "add kubectl get virtualmachineclusterinstancetypes,virtualmachineinstancetypes -A -o json"
        found.doubts.append(Note(vm.place, "its instance type is in no file", remedy))
    type_spec = Values(found_type.raw, found_type.place, found.doubts).section("spec") if found_type else nothing
    return _Parts(vm, instance, spec, type_spec)


def _vm(name: str, key: Key, parts: _Parts, found: Found) -> FoundVm:
    one = parts.instance or parts.vm
    place = one.place if one else name
    domain = parts.spec.section("domain")
    memory, resources = domain.section("memory"), domain.section("resources")
    configured = _configured(parts, memory, resources, place, found)
    is_pinned = _note_pinned(parts, domain, place, found)
    requested = read_memory(resources.section("requests"), "memory")
    if requested is not None and configured is not None and requested < configured:
        found.doubts.append(Note(place, "it requests less memory than its guest has: it is overcommitted already"))
    if resources.is_true("overcommitGuestOverhead"):
        text = "its overhead memory is not requested (overcommitGuestOverhead): its host may run short of it"
        found.doubts.append(Note(place, text))
    status = _section(parts.instance, "status", found)
    metadata = _section(parts.vm or parts.instance, "metadata", found)
    return FoundVm(
        name=name,
        place=place,
        uuid=domain.section("firmware").text("uuid") or metadata.text("uid"),
        power=_power(parts, found),
        configured_bytes=configured,
        vcpus=_vcpus(parts, domain, status),
        host=status.text("nodeName"),
        group=key.namespace or None,
        limit_bytes=read_memory(resources.section("limits"), "memory"),
        reservation_bytes=configured if is_pinned else None,
        has_balloon_driver=False if domain.section("devices").is_true("autoattachMemBalloon") is False else None,
        image=_image(parts.spec),
    )


def _section(item: KubeObject | None, key: str, found: Found) -> Values:
    return Values(item.raw if item else {}, item.place if item else "", found.doubts).section(key)


def _configured(parts: _Parts, memory: Values, resources: Values, place: str, found: Found) -> int | None:
    """Tell the memory of the guest in bytes: as it runs, of its instance type, or as it is set."""
    running = _section(parts.instance, "status", found).section("memory")
    now = read_memory(running, "guestCurrent") or read_memory(running, "guestAtBoot")
    of_type = read_memory(parts.type.section("memory"), "guest")
    own = read_memory(memory, "guest")
    if of_type is not None and own is not None and own != of_type and not parts.instance:
        text = "it sets memory beside its instance type, which KubeVirt refuses; that of the type is used"
        found.doubts.append(Note(place, text, "remove one of the two"))
    requests, limits = resources.section("requests"), resources.section("limits")
    for size in (now, own if parts.instance else of_type, own, read_memory(requests, "memory")):
        if size is not None:
            return size
    size = read_memory(limits, "memory")
    if size is None:
        found.doubts.append(Note(place, "the memory of the VM is unknown", "add its instance type or its instance"))
    return size


def _note_pinned(parts: _Parts, domain: Values, place: str, found: Found) -> bool:
    devices = domain.section("devices")
    reasons = {
        "on huge pages": bool(domain.section("memory").section("hugepages").raw)
        or bool(parts.type.section("memory").section("hugepages").raw),
        "held by a device of the host": bool(devices.items("hostDevices") or devices.items("gpus"))
        or bool(parts.type.items("gpus") or parts.type.items("hostDevices")),
    }
    for reason in (reason for reason, is_so in reasons.items() if is_so):
        text = f"its memory is {reason} and cannot be overcommitted: it is read as reserved in full"
        found.doubts.append(Note(place, text))
    return any(reasons.values())


def _vcpus(parts: _Parts, domain: Values, status: Values) -> int:
    """Count vCPUs. KubeVirt gives one where nothing is set."""
    for topology in (status.section("currentCPUTopology"), domain.section("cpu")):
        counts = [topology.whole(key, most=MAX_CORES) for key in ("sockets", "cores", "threads")]
        if any(counts) and not (topology is domain and parts.type.raw):
            vcpus = 1
            for count in counts:
                vcpus *= count or 1
            return min(vcpus, MAX_CORES)
    of_type = parts.type.section("cpu").whole("guest", most=MAX_CORES)
    resources = domain.section("resources")
    asked = read_cpus(resources.section("requests"), "cpu") or read_cpus(resources.section("limits"), "cpu")
    return of_type or asked or 1


def _power(parts: _Parts, found: Found) -> Power:
    """Tell by the instance, else by what the VM's status says, else by what it is set to."""
    if parts.instance is not None:
        status = _section(parts.instance, "status", found)
        paused = [c for c in status.items("conditions") if isinstance(c, Mapping) and c.get("type") == "Paused"]
        if any(condition.get("status") == "True" for condition in paused):
            return Power.SUSPENDED
        # An instance exists only while its VM is to run.
        return _POWER.get(status.text("phase") or "Running", Power.UNKNOWN)
    spec, status = _section(parts.vm, "spec", found), _section(parts.vm, "status", found)
    told = _POWER.get(status.text("printableStatus") or "")
    if told is not None:
        return told
    if (is_running := spec.is_true("running")) is not None:
        return Power.ON if is_running else Power.OFF
    return _STRATEGIES.get(spec.text("runStrategy") or "", Power.UNKNOWN)


def _image(spec: Values) -> str | None:
    for volume in spec.items("volumes"):
        disk = volume.get("containerDisk") if isinstance(volume, Mapping) else None
        if isinstance(disk, Mapping) and isinstance(disk.get("image"), str):
            return str(disk["image"])[:1000]
    return None


def _labels(parts: _Parts) -> dict[str, str]:
    raw: Any = parts.instance.raw if parts.instance else None
    if raw is None and parts.vm is not None:
        spec = parts.vm.raw.get("spec")
        raw = spec.get("template") if isinstance(spec, Mapping) else None
    metadata = raw.get("metadata") if isinstance(raw, Mapping) else None
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    return {str(key): str(value) for key, value in labels.items()} if isinstance(labels, Mapping) else {}


def _node_labels(node: KubeObject) -> dict[str, str]:
    metadata = node.raw.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    known = {str(key): str(value) for key, value in labels.items()} if isinstance(labels, Mapping) else {}
    return {"kubernetes.io/hostname": node.key.name, **known}


def _host(node: KubeObject, in_use: set[str], found: Found) -> FoundHost:
    values = Values(node.raw, node.place, found.doubts)
    status, labels = values.section("status"), _node_labels(node)
    capacity, allocatable = status.section("capacity"), status.section("allocatable")
    memory, free = read_memory(capacity, "memory"), read_memory(allocatable, "memory")
    if memory is None:
        found.doubts.append(Note(node.place, "the memory of the host is unknown", "add kubectl get nodes -o json"))
    if any(str(key).startswith("hugepages-") and str(value) != "0" for key, value in capacity.raw.items()):
        text = "the host keeps memory for huge pages, which is not allocatable: it is read as reserved"
        found.doubts.append(Note(node.place, text))
    models = [key.removeprefix(_HOST_MODEL) for key in labels if key.startswith(_HOST_MODEL)]
    return FoundHost(
        name=node.key.name,
        place=node.place,
        memory_bytes=memory,
        cores=read_cpus(capacity, "cpu"),
        is_usable=_is_usable(values, labels) and (node.key.name in in_use or not _has_taint(values)),
        reserved_bytes=memory - free if memory is not None and free is not None and free <= memory else None,
        swap_bytes=read_memory(status.section("nodeInfo").section("swap"), "capacity"),
        cpu_model=models[0] if models else None,
        hypervisor=status.section("nodeInfo").text("kubeletVersion"),
    )


def _is_usable(values: Values, labels: Mapping[str, str]) -> bool:
    conditions = [c for c in values.section("status").items("conditions") if isinstance(c, Mapping)]
    is_ready = all(c.get("status") == "True" for c in conditions if c.get("type") == "Ready")
    is_cordoned = values.section("spec").is_true("unschedulable")
    return is_ready and not is_cordoned and labels.get(_SCHEDULABLE, "true") == "true"


def _has_taint(values: Values) -> bool:
    taints = values.section("spec").items("taints")
    return any(isinstance(taint, Mapping) and taint.get("effect") in _NO_SCHEDULE for taint in taints)
