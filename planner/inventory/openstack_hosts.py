"""Hypervisors of Nova and what placement says of them, as hosts."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from planner.inventory.dump_values import Values
from planner.inventory.found import Found, FoundHost, Note
from planner.inventory.openstack_dump import OpenstackDump, Placed
from planner.units import MIB, format_bytes

MAX_CORES = 65_536
MEMORY_CLASS = "MEMORY_MB"
_RATIOS = (0.01, 1000.0)
_PRESETS = {"qemu": "kvm", "kvm": "kvm", "vmware vcenter server": "esxi-8", "hyperv": "hyper-v"}


class HostNames(NamedTuple):
    """Hosts by all the names that files use for them, and the hosts of servers as hypervisors list them."""

    hosts: dict[str, str]
    of_servers: dict[str, str]

    def find(self, name: str | None) -> str | None:
        """Find a host by its name, that of its compute service or its ID; an unknown one keeps its name."""
        return None if name is None else self.hosts.get(name) or self.hosts.get(name.partition(".")[0]) or name


def merge_hypervisors(dump: OpenstackDump, found: Found) -> dict[str, list[Values]]:
    """Join what several lists say of a host."""
    merged: dict[str, list[Values]] = defaultdict(list)
    for place, item in dump.hypervisors:
        values = Values(item, place, found.doubts)
        name = values.text("Hypervisor Hostname", "hypervisor_hostname")
        kind = (values.text("Hypervisor Type", "hypervisor_type") or "").lower()
        if name is None or kind == "ironic":
            text = "a bare-metal node is no host of VMs" if name else "the hypervisor has no name"
            found.skipped.append(Note(place, text))
            continue
        merged[name].append(values)
    return dict(merged)


def name_hosts(merged: Mapping[str, list[Values]], dump: OpenstackDump) -> HostNames:
    """Learn by which names hosts go."""
    hosts = {name: name for name in merged}
    short = Counter(name.partition(".")[0] for name in merged)
    of_servers: dict[str, str] = {}
    for name, items in merged.items():
        if short[name.partition(".")[0]] == 1:
            hosts.setdefault(name.partition(".")[0], name)
        for values in items:
            identity, service = values.text("id", "ID"), values.section("service", "Service")
            # Before API 2.53 the ID is a number, which could be in any path.
            if identity and not identity.isdigit():
                hosts.setdefault(identity, name)
            if service_host := (service.text("host") if service.raw else values.text("service_host")):
                hosts.setdefault(service_host, name)
            for server in values.items("servers", "Servers"):
                if isinstance(server, Mapping) and isinstance(server.get("uuid"), str):
                    of_servers.setdefault(server["uuid"], name)
    for uuid, name in dump.providers.items():
        if name in hosts:
            hosts.setdefault(uuid, hosts[name])
    return HostNames(hosts, of_servers)


def by_provider(items: list[Placed], names: HostNames, found: Found) -> dict[str, tuple[str, dict[str, Any]]]:
    """Join values of placement by the host that the path of their file names."""
    joined: dict[str, tuple[str, dict[str, Any]]] = {}
    for path, place, values in items:
        # Few names are in a path at all, and to compile a pattern for each takes long.
        near = [(name, host) for name, host in names.hosts.items() if name in path]
        inside = {host for name, host in near if re.search(rf"(^|[-_./ ]){re.escape(name)}\b", path)}
        if not inside and len(set(names.hosts.values())) == 1:
            inside = set(names.hosts.values())
        if len(inside) != 1:
            remedy = "name the file after the host or the ID of its resource provider"
            found.skipped.append(Note(place, "it is not known which host the file is of", remedy))
            continue
        joined.setdefault(next(iter(inside)), (place, {}))[1].update(values)
    return joined


class Promised(NamedTuple):
    """What placement says of a host: inventory and usage by resource class, each with its place."""

    inventory: tuple[str, dict[str, Any]] | None
    usage: tuple[str, dict[str, Any]] | None


def build_host(name: str, items: list[Values], promised: Promised, zone: str | None, found: Found) -> FoundHost:
    """Build a host from all that files say of it."""
    place = f"{items[0].place}, {name[:200]}"
    inventory = Values({}, place, found.doubts)
    if promised.inventory is not None:
        own_place, classes = promised.inventory
        inventory = Values(classes.get(MEMORY_CLASS), f"{own_place}, {MEMORY_CLASS}", found.doubts)
    total = _total(items, inventory, place, found)
    reserved = inventory.memory("reserved", unit_bytes=MIB)
    ratio = inventory.ratio("allocation_ratio")
    if ratio is not None and not _RATIOS[0] <= ratio <= _RATIOS[1]:
        found.doubts.append(Note(inventory.place, "its overcommit ratio cannot be; it is taken as unknown"))
        ratio = None
    vm_memory = _vm_memory(items, promised, reserved, found)
    if vm_memory and total and ratio and vm_memory > (total - (reserved or 0)) * ratio:
        found.doubts.append(Note(place, "more memory is promised than its ratio allows", "was the ratio lowered?"))
    states = {v.text("state", "State") for v in items} | {v.text("status", "Status") for v in items}
    cores, model = _cpu(items)
    return FoundHost(
        name=name,
        place=place,
        memory_bytes=total,
        cores=cores,
        cluster=zone,
        is_usable=not states & {"down", "disabled"},
        reserved_bytes=reserved,
        vm_memory_bytes=vm_memory,
        n_vms=_first(v.whole("running_vms") for v in items),
        vm_memory_is_of_running=False,
        overcommit_ratio=ratio,
        cpu_model=model,
        hypervisor=_first_text(items, "hypervisor_type", "Hypervisor Type"),
    )


def _total(items: list[Values], inventory: Values, place: str, found: Found) -> int | None:
    """Tell the memory of a host in bytes: by placement, else as Nova lists it."""
    sizes = [size for v in items if (size := v.needed_memory("memory_mb", "Memory MB", unit_bytes=MIB)) is not None]
    total = inventory.needed_memory("total", unit_bytes=MIB) or (sizes[0] if sizes else None)
    if total is None:
        remedy = "add openstack resource provider inventory list, in a file named after the host"
        found.doubts.append(Note(place, "the memory of the host is unknown", remedy))
    elif any(size != total for size in sizes):
        shown = ", ".join(format_bytes(size) for size in sorted({total, *sizes}))
        found.doubts.append(Note(f"{place}: {shown}", "files give different memory of the host; the first is used"))
    return total


def _vm_memory(items: list[Values], promised: Promised, reserved: int | None, found: Found) -> int | None:
    """Tell the memory promised to VMs in bytes: by placement, else by Nova, which counts the reserved as used."""
    if promised.usage is not None:
        place, classes = promised.usage
        return Values(classes, place, found.doubts).memory(MEMORY_CLASS, unit_bytes=MIB)
    claimed = _first(v.memory("memory_mb_used", "Memory MB Used", unit_bytes=MIB) for v in items)
    return claimed - reserved if claimed is not None and reserved is not None and claimed >= reserved else None


def _cpu(items: list[Values]) -> tuple[int | None, str | None]:
    """Tell cores, or else logical CPUs, and the CPU's model; older APIs have them as JSON in text."""
    for values in items:
        info = values.raw.get("cpu_info")
        if isinstance(info, str) and len(info) < 1 << 20:
            try:
                info = json.loads(info)
            except (ValueError, RecursionError):
                info = None
        if not isinstance(info, Mapping) or not info:
            continue
        cpu = Values(info, f"{values.place}, cpu_info", values.doubts)
        topology = cpu.section("topology")
        cores = (topology.whole("cells", most=MAX_CORES) or 1) if topology.raw else 0
        for key in ("sockets", "cores"):
            cores *= topology.whole(key, most=MAX_CORES) or 0
        if 0 < cores <= MAX_CORES:
            return cores, cpu.text("model")
    return _first(values.whole("vcpus", "vCPUs", most=MAX_CORES) for values in items) or None, None


def _first(values: Any) -> int | None:
    return next((value for value in values if value is not None), None)


def _first_text(items: list[Values], *keys: str) -> str | None:
    return next((text for values in items if (text := values.text(*keys))), None)


def choose_preset(merged: Mapping[str, list[Values]], found: Found) -> None:
    """Set the preset of the hypervisor that most hosts have. Changes `found` in place."""
    kinds = Counter(_first_text(items, "hypervisor_type", "Hypervisor Type") or "" for items in merged.values())
    kinds.pop("", None)
    presets = {kind: _PRESETS.get(kind.lower(), "kvm") for kind in kinds}
    if kinds:
        found.hypervisor = presets[max(sorted(kinds), key=lambda kind: kinds[kind])]
    found.assumptions += [
        f'Hypervisors of the type "{kind}" are taken to be KVM.' for kind in kinds if kind.lower() not in _PRESETS
    ]
    if len(set(presets.values())) > 1:
        text = f"hosts have several hypervisors; the fleet is taken to be of {found.hypervisor} alone"
        found.doubts.append(Note("hypervisors", text, "import each kind by itself"))
