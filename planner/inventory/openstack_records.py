"""From records of Nova and placement to hosts, VMs and rules, and what to doubt about them.

OpenStack knows what was promised, not what is in use: consumed and active memory stay unknown.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from planner.inventory.dump_values import Values
from planner.inventory.found import Found, FoundCluster, FoundVm, Note, Power
from planner.inventory.openstack_dump import OpenstackDump, Placed
from planner.inventory.openstack_hosts import (
    MAX_CORES,
    MEMORY_CLASS,
    HostNames,
    Promised,
    build_host,
    by_provider,
    choose_preset,
    merge_hypervisors,
    name_hosts,
)
from planner.inventory.openstack_rules import add_rules
from planner.inventory.suspicions import find_suspicions
from planner.units import MIB

_POWER_STATES = {
    "1": Power.ON, "running": Power.ON, "3": Power.SUSPENDED, "paused": Power.SUSPENDED, "4": Power.OFF,
    "shutdown": Power.OFF, "6": Power.OFF, "crashed": Power.OFF, "7": Power.SUSPENDED, "suspended": Power.SUSPENDED,
}  # fmt: skip
_ON = ("ACTIVE", "REBOOT", "HARD_REBOOT", "PASSWORD", "RESCUE", "MIGRATING", "RESIZE", "VERIFY_RESIZE", "REVERT_RESIZE")
_STATUSES = dict.fromkeys(_ON, Power.ON) | {
    "SHUTOFF": Power.OFF, "STOPPED": Power.OFF, "SHELVED": Power.OFF, "SHELVED_OFFLOADED": Power.OFF,
    "PAUSED": Power.SUSPENDED, "SUSPENDED": Power.SUSPENDED,
}  # fmt: skip
_PROPERTY = re.compile(r"([\w:.-]+)='([^']*)'")
_FLAVOR_WITH_ID = re.compile(r"(.+) \(([^()]*)\)$")
_ASSUMPTIONS = (
    "The memory of a VM is that of its flavor.",
    "What VMs consume and use is unknown: OpenStack knows what they were promised.",
    "Hosts of an availability zone are read as one cluster.",
)


class _Flavor(NamedTuple):
    memory_bytes: int | None
    vcpus: int | None
    specs: Mapping[str, Any]


def fill_found(found: Found, dump: OpenstackDump) -> None:
    """Turn it into hosts, VMs, clusters and rules. Changes `found` in place."""
    merged = merge_hypervisors(dump, found)
    names = name_hosts(merged, dump)
    flavors = _flavors(dump, found)
    allocated = _allocated(dump)
    servers: dict[str, FoundVm] = {}
    for place, item in dump.servers:
        _add_server(Values(item, place, found.doubts), (servers, flavors, names, allocated), found)
    found.vms += servers.values()
    for uuid, host in names.of_servers.items():
        if uuid not in servers:
            remedy = "export servers with --all-projects"
            place = f"host {host[:200]}, server {uuid[:200]}"
            found.skipped.append(Note(place, "the host lists a VM that no file holds", remedy))
    zones = _zones(dump, found, names)
    inventories, usages = (by_provider(items, names, found) for items in (dump.inventories, dump.usages))
    for name, items in merged.items():
        promised = Promised(inventories.get(name), usages.get(name))
        found.hosts.append(build_host(name, items, promised, zones.get(name), found))
    clusters = sorted({name for name in [*(v.cluster for v in found.vms), *zones.values()] if name})
    found.clusters += [FoundCluster(name, f"availability zone {name}") for name in clusters]
    add_rules(dump, servers, found)
    choose_preset(merged, found)
    found.assumptions += _ASSUMPTIONS
    found.doubts += find_suspicions(found)


def _flavors(dump: OpenstackDump, found: Found) -> dict[str, _Flavor]:
    """Index flavors by ID and name."""
    flavors: dict[str, _Flavor] = {}
    for place, item in dump.flavors:
        values = Values(item, place, found.doubts)
        flavor = _flavor(values)
        for key in (values.text("id", "ID"), values.text("name", "Name")):
            if key:
                flavors.setdefault(key, flavor)
    return flavors


def _flavor(values: Values) -> _Flavor:
    _, specs = values.first("extra_specs", "properties", "Properties")
    if isinstance(specs, str):
        specs = dict(_PROPERTY.findall(specs))
    return _Flavor(
        memory_bytes=values.needed_memory("ram", "RAM", unit_bytes=MIB),
        vcpus=values.whole("vcpus", "VCPUs", most=MAX_CORES),
        specs=specs if isinstance(specs, Mapping) else {},
    )


def _allocated(dump: OpenstackDump) -> dict[str, Placed]:
    """Index allocations by what is in their path: the ID of a server."""
    return {path.rpartition("/")[2].partition(".")[0]: (path, place, item) for path, place, item in dump.allocations}


def _add_server(
    values: Values,
    known: tuple[dict[str, FoundVm], Mapping[str, _Flavor], HostNames, Mapping[str, Placed]],
    found: Found,
) -> None:
    servers, flavors, names, allocated = known
    name = values.text("name", "Name") or "server"
    uuid = values.text("id", "ID") or values.place
    place = f"{values.place}, {name[:200]}"
    status = (values.text("status", "Status") or "").upper()
    if uuid in servers:
        found.skipped.append(Note(place, "the server is there twice; the first is used"))
        return
    if status in ("DELETED", "SOFT_DELETED"):
        found.skipped.append(Note(place, "the server is deleted"))
        return
    flavor = _flavor_of(values, flavors)
    host = names.find(values.text("OS-EXT-SRV-ATTR:hypervisor_hostname", "Host", "OS-EXT-SRV-ATTR:host", "host"))
    memory, provider = _allocation(allocated.get(uuid), found)
    host = host or names.of_servers.get(uuid) or names.find(provider)
    configured = flavor.memory_bytes if flavor.memory_bytes is not None else memory
    if configured is None:
        remedy = "add openstack flavor list --all -f json"
        found.doubts.append(Note(place, "the memory of the VM is unknown: no file holds its flavor", remedy))
    elif memory is not None and memory != configured:
        found.doubts.append(Note(place, "placement holds other memory for it than its flavor has", "was it resized?"))
    is_pinned = _note_pinned(flavor, place, found)
    image = values.first("image", "Image ID", "Image Name")[1]
    servers[uuid] = FoundVm(
        name=name,
        place=place,
        uuid=values.text("id", "ID"),
        power=_power(values, status),
        configured_bytes=configured,
        vcpus=flavor.vcpus,
        host=None if status == "SHELVED_OFFLOADED" else host,
        cluster=values.text("OS-EXT-AZ:availability_zone", "Availability Zone"),
        group=values.text("tenant_id", "Project ID", "project_id"),
        reservation_bytes=configured if is_pinned else None,
        image=str(image.get("id") or "") or None if isinstance(image, Mapping) else values.text("image", "Image ID"),
    )


def _flavor_of(values: Values, flavors: Mapping[str, _Flavor]) -> _Flavor:
    """Find the flavor of a server: within it, or by ID or name; an empty one where it is unknown."""
    key, inner = values.first("flavor", "Flavor")
    if isinstance(inner, Mapping):
        nested = Values(inner, f"{values.place}, {key}", values.doubts)
        if "ram" in inner:
            return _flavor(nested)
        asked = [nested.text("id"), nested.text("original_name", "name")]
    else:
        text = values.text("flavor", "Flavor", "Flavor Name")
        with_id = _FLAVOR_WITH_ID.match(text or "")
        asked = [values.text("Flavor ID"), text, *(with_id.groups()[::-1] if with_id else ())]
    return next((flavors[name] for name in asked if name and name in flavors), _Flavor(None, None, {}))


def _allocation(allocation: Placed | None, found: Found) -> tuple[int | None, str | None]:
    """Tell memory [bytes] and provider of an allocation; nothing where it is of several providers."""
    if allocation is None or len(allocation[2]) != 1:
        return None, None
    provider, item = next(iter(allocation[2].items()))
    resources = Values(item, f"{allocation[1]}, {provider}", found.doubts).section("resources")
    return resources.memory(MEMORY_CLASS, unit_bytes=MIB), provider


def _power(values: Values, status: str) -> Power:
    state = (values.text("OS-EXT-STS:power_state", "Power State") or "").lower()
    return _POWER_STATES.get(state) or _STATUSES.get(status, Power.UNKNOWN)


def _note_pinned(flavor: _Flavor, place: str, found: Found) -> bool:
    size = str(flavor.specs.get("hw:mem_page_size", "small"))
    reasons = {
        "on huge pages": size not in ("small", "any", "4", "4KB", "4096"),
        "locked": str(flavor.specs.get("hw:locked_memory", "")).lower() == "true",
        "held by a device of the host": "pci_passthrough:alias" in flavor.specs,
    }
    for reason in (reason for reason, is_so in reasons.items() if is_so):
        text = f"its memory is {reason} and cannot be overcommitted: it is read as reserved in full"
        found.doubts.append(Note(place, text))
    return any(reasons.values())


def _zones(dump: OpenstackDump, found: Found, names: HostNames) -> dict[str, str]:
    """Tell the availability zone of hosts: by aggregates, else by their servers where these agree."""
    zones: dict[str, str] = {}
    for place, item in dump.aggregates:
        values = Values(item, place, found.doubts)
        zone = values.text("availability_zone", "Availability Zone")
        hosts = [names.find(host) for host in values.items("hosts", "Hosts") if isinstance(host, str)]
        zones |= {host: zone for host in hosts if host and zone}
    by_vms: dict[str, set[str]] = defaultdict(set)
    for vm in found.vms:
        if vm.host and vm.cluster:
            by_vms[vm.host].add(vm.cluster)
    return {host: next(iter(some)) for host, some in by_vms.items() if len(some) == 1} | zones
