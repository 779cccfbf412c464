"""From answers of the Proxmox VE API to hosts and VMs, and what to doubt about them."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from planner.errors import InputError
from planner.inventory.dump_values import Values
from planner.inventory.found import Found, FoundCluster, FoundHost, FoundVm, Note, Power
from planner.inventory.moments import check_one_moment
from planner.inventory.proxmox_rules import find_rules
from planner.inventory.suspicions import PRESSURE_FRACTION, find_suspicions
from planner.units import MIB, format_bytes

MAX_CORES = 65_536
PRESSURE_PERCENT = 1.0
"""Share of time that a VM waits for memory from which on it is worth a word."""
_NEAR = 0.01
Record = tuple[str, Mapping[str, Any]]
_ASSUMPTIONS = (
    "Memory that a guest uses is Proxmox' own figure, with the guest's page cache.",
    "Memory consumed is Proxmox' view from the host (memhost), at most the VM's memory: the rest is overhead.",
    "The least that Proxmox balloons a VM to is read as its reservation: it is ballooned no further, as on Proxmox, "
    "and is not swapped out either, although Proxmox promises that to no VM.",
    "Proxmox balloons only VMs with a minimum below their memory and with shares: the others count as without a "
    "balloon driver.",
    "Active memory is unknown: Proxmox has no such figure.",
)


@dataclass
class ProxmoxDump:
    """Answers of the API by what they are of, each with the place where it was read.

    Attributes
    ----------
    guests : list
        VMs and containers of the cluster's or a node's list.
    node_status, vm_status, vm_config : dict
        By name of the node, or number of the VM; of VMs with the node of the path, if it has one.
    """

    nodes: list[Record] = field(default_factory=list)
    guests: list[Record] = field(default_factory=list)
    node_status: dict[str, Record] = field(default_factory=dict)
    vm_status: dict[str, tuple[str, Mapping[str, Any], str | None]] = field(default_factory=dict)
    vm_config: dict[str, tuple[str, Mapping[str, Any], str | None]] = field(default_factory=dict)
    rules: list[Record] = field(default_factory=list)
    ha_groups: list[Record] = field(default_factory=list)
    ha_resources: list[Record] = field(default_factory=list)
    cluster_names: list[str] = field(default_factory=list)


class _Guest(NamedTuple):
    """What is known of one VM."""

    number: str
    listed: Values
    status: Values
    config: Values
    node: str | None


def fill_found(found: Found, dump: ProxmoxDump) -> None:
    """Turn it into clusters, hosts, VMs and rules. Changes `found` in place."""
    guests = _merge_guests(dump, found)
    containers: dict[str, int] = defaultdict(int)
    names: dict[str, str] = {}
    for guest in guests:
        if not _is_skipped(guest, containers, found):
            found.vms.append(_vm(guest, found))
            names[guest.number] = found.vms[-1].name
    cluster = _cluster(dump)
    merged: dict[str, list[Record]] = defaultdict(list)
    for place, item in dump.nodes:
        merged[str(item.get("node") or item.get("name"))].append((place, item))
    for name in dump.node_status:
        merged.setdefault(name, [])
    for vm in found.vms:
        merged.setdefault(vm.host or "", [])
    merged.pop("", None)
    for name, items in merged.items():
        found.hosts.append(_host(name, items, dump, cluster, found))
    _reserve(containers, found)
    if cluster:
        found.clusters.append(FoundCluster(cluster, f"cluster {cluster}"))
    hosts = {host.name for host in found.hosts}
    find_rules(found, (dump.rules, dump.ha_groups, dump.ha_resources), names, hosts)
    found.assumptions += _ASSUMPTIONS
    found.doubts += find_suspicions(found)


def _merge_guests(dump: ProxmoxDump, found: Found) -> list[_Guest]:
    listed: dict[str, Record] = {}
    for place, item in dump.guests:
        number = str(item.get("vmid"))
        first = listed.setdefault(number, (place, item))
        if first[1] is item:
            continue
        if first[1].get("name") != item.get("name"):
            message = f"number {number} is another VM than in {first[0]}"
            raise InputError(place, message, "are these two clusters? Import one at a time")
        clocks = [(at, Values(raw, at, found.doubts).whole("uptime")) for at, raw in (first, (place, item))]
        check_one_moment(*clocks)
        found.skipped.append(Note(place, "the VM is there twice; the first is used"))
    nothing: Mapping[str, Any] = {}
    guests = []
    for number in [*listed, *(key for key in {**dump.vm_status, **dump.vm_config} if key not in listed)]:
        status = dump.vm_status.get(number)
        config = dump.vm_config.get(number)
        place, item = listed.get(number) or ((status or config or ("", nothing, None))[0], nothing)
        list_values = Values(item, f"{place}, VM {number}" if item else place, found.doubts)
        node = list_values.text("node") or (status[2] if status else None) or (config[2] if config else None)
        status_values = Values(status[1] if status else nothing, status[0] if status else place, found.doubts)
        config_values = Values(config[1] if config else nothing, config[0] if config else place, found.doubts)
        guests.append(_Guest(number, list_values, status_values, config_values, node))
    return guests


def _is_skipped(guest: _Guest, containers: dict[str, int], found: Found) -> bool:
    """Tell whether it is a container or template; count the memory that containers may take."""
    if guest.listed.is_true("template") or guest.status.is_true("template") or guest.config.is_true("template"):
        found.skipped.append(Note(guest.listed.place, "a template is no VM that runs"))
        return True
    if guest.listed.text("type") != "lxc":
        return False
    memory = guest.listed.memory("maxmem")
    is_running = guest.listed.text("status") == "running"
    text = "a container is no VM; while it runs, its memory limit is taken off the host"
    found.skipped.append(Note(guest.listed.place, text))
    if is_running and guest.node and memory:
        containers[guest.node] += memory
    return True


def _vm(guest: _Guest, found: Found) -> FoundVm:
    listed, status, config = guest.listed, guest.status, guest.config
    place = listed.place if listed.raw else (status.place if status.raw else config.place)
    memory = Values({"memory": _property(config.raw.get("memory"), "current")}, config.place, found.doubts)
    set_bytes = memory.needed_memory("memory", unit_bytes=MIB)
    configured = status.needed_memory("maxmem") or listed.needed_memory("maxmem") or set_bytes
    if configured is None:
        found.doubts.append(Note(place, "the memory of the VM is unknown", "add /cluster/resources"))
    _compare(guest, configured, set_bytes, found)
    power = _power(guest)
    has_driver, minimum = _balloon(guest, configured)
    is_pinned = _note_pinned(config, found)
    consumed, used = _in_use(guest, power, configured)
    info = status.section("ballooninfo")
    actual = info.memory("actual") if info.raw else status.memory("balloon")
    _note_pressure(status, info, found)
    is_on = power is not Power.OFF
    return FoundVm(
        name=listed.text("name") or status.text("name") or config.text("name") or f"VM {guest.number}",
        place=place,
        uuid=f"qemu/{guest.number}",
        power=power,
        configured_bytes=configured,
        vcpus=_vcpus(guest),
        host=guest.node,
        group=listed.text("pool"),
        consumed_bytes=consumed,
        used_bytes=used,
        ballooned_bytes=max(0, configured - actual) if is_on and configured and actual else None,
        shares=status.whole("shares") if status.raw.get("shares") is not None else config.whole("shares"),
        reservation_bytes=configured if is_pinned else minimum,
        has_balloon_driver=has_driver,
    )


def _compare(guest: _Guest, configured: int | None, set_bytes: int | None, found: Found) -> None:
    """Doubt answers that do not go together."""
    others = (guest.listed.memory("maxmem"), set_bytes)
    if any(other is not None and other != configured for other in others):
        text = "lists, status and config give different memory; what it runs with is used"
        found.doubts.append(Note(guest.status.place, text, "is a change pending, or are the dumps of several moments?"))
    names = {values.text("name") for values in (guest.listed, guest.status, guest.config)} - {None}
    if len(names) > 1:
        text = "lists, status and config give different names; the list's is used"
        found.doubts.append(Note(guest.status.place, text, "are the dumps of one cluster?"))


def _power(guest: _Guest) -> Power:
    if guest.config.text("lock") == "suspended" or guest.listed.text("lock") == "suspended":
        return Power.SUSPENDED
    if guest.status.text("qmpstatus") in ("paused", "suspended", "postmigrate"):
        return Power.SUSPENDED
    state = guest.status.text("status") or guest.listed.text("status")
    return {"running": Power.ON, "stopped": Power.OFF, "paused": Power.SUSPENDED}.get(state or "", Power.UNKNOWN)


def _balloon(guest: _Guest, configured: int | None) -> tuple[bool | None, int | None]:
    """Tell whether Proxmox would balloon the VM, and down to what [bytes]; None is unknown, or no such bound.

    Without ballooning the minimum does nothing: it is neither admission nor protection from swap.
    """
    status, config = guest.status, guest.config
    if not status.raw and not config.raw:
        return None, None
    minimum = status.memory("balloon_min") or config.memory("balloon", unit_bytes=MIB)
    shares = config.whole("shares") if config.raw.get("shares") is not None else status.whole("shares")
    if not minimum or shares == 0 or (configured is not None and minimum >= configured):
        return False, None
    return True, minimum


def _in_use(guest: _Guest, power: Power, configured: int | None) -> tuple[int | None, int | None]:
    """Tell what the host gives and what the guest uses [bytes].

    "mem" is the guest's own figure where its balloon driver reports; else it is the host's, and says nothing of it.
    """
    if power is not Power.ON:
        return None, None
    from_host = guest.status.memory("memhost") or guest.listed.memory("memhost")
    mem = guest.status.memory("mem") if guest.status.raw.get("mem") is not None else guest.listed.memory("mem")
    info = guest.status.raw.get("ballooninfo")
    is_guests = guest.config.raw.get("balloon") not in (0, "0") and mem != from_host
    if guest.status.raw:
        is_guests = is_guests and isinstance(info, Mapping) and bool(info.get("free_mem"))
    consumed = min(from_host, configured or from_host) if from_host else None
    return consumed, (mem or None) if is_guests else None


def _note_pinned(config: Values, found: Found) -> bool:
    reasons = []
    if config.text("hugepages"):
        reasons.append("on huge pages")
    if any(re.fullmatch(r"hostpci\d+", key) for key in config.raw):
        reasons.append("held by a device of the host")
    for reason in reasons:
        text = f"its memory is {reason} and cannot be overcommitted: it is read as reserved in full"
        found.doubts.append(Note(config.place, text))
    return bool(reasons)


def _note_pressure(status: Values, info: Values, found: Found) -> None:
    if (status.ratio("pressurememorysome") or 0.0) >= PRESSURE_PERCENT:
        found.doubts.append(Note(status.place, "the VM waits for memory even now", "see /proc/pressure on its host"))
    if info.memory("mem_swapped_out"):
        text = "the guest itself has swapped since it started"
        found.doubts.append(Note(status.place, text, "its memory may be too small, or its balloon too large"))


def _vcpus(guest: _Guest) -> int | None:
    vcpus = guest.status.whole("cpus", most=MAX_CORES) or guest.listed.whole("maxcpu", most=MAX_CORES)
    config = guest.config
    if vcpus or not config.raw:
        return vcpus
    sockets, cores = config.whole("sockets", most=MAX_CORES) or 1, config.whole("cores", most=MAX_CORES) or 1
    return config.whole("vcpus", most=MAX_CORES) or min(MAX_CORES, sockets * cores)


def _property(value: Any, key: str) -> Any:
    """Read a value that may be written as a list of properties: "current=2048"."""
    if isinstance(value, str) and "=" in value:
        parts = dict(part.split("=", 1) for part in value.split(",") if "=" in part)
        return parts.get(key)
    return value


def _cluster(dump: ProxmoxDump) -> str | None:
    """Name the cluster; nodes that one API lists are one, named or not."""
    if dump.cluster_names:
        return dump.cluster_names[0]
    nodes = {str(item.get("node") or item.get("name")) for _, item in dump.nodes}
    return "cluster" if len(nodes) > 1 else None


def _host(name: str, items: list[Record], dump: ProxmoxDump, cluster: str | None, found: Found) -> FoundHost:
    values = [Values(item, f"{place}, node {name}", found.doubts) for place, item in items]
    place, raw = dump.node_status.get(name, (values[0].place if values else f"node {name}", {}))
    status = Values(raw, place, found.doubts)
    memory, swap, cpu = status.section("memory"), status.section("swap"), status.section("cpuinfo")
    sizes = [size for item in values if (size := item.needed_memory("maxmem")) is not None]
    total = memory.needed_memory("total") or (sizes[0] if sizes else None)
    if total is None:
        text = "the memory of the host is unknown"
        found.doubts.append(Note(place, text, f"add /cluster/resources or /nodes/{name}/status"))
    if total and any(abs(size - total) > _NEAR * total for size in sizes):
        shown = ", ".join(sorted({format_bytes(size) for size in [total, *sizes]}))
        text = "lists and status give different memory of the host; its status, or the first list, is used"
        found.doubts.append(Note(f"{place}: {shown}", text, "are the dumps of one cluster and moment?"))
    used = memory.memory("used") if memory.raw else _first(item.memory("mem") for item in values)
    swapped = swap.memory("used")
    if swapped and total and used is not None and used < PRESSURE_FRACTION * total:
        text = "the host has swapped although it has room"
        found.doubts.append(Note(place, text, "it is left from a past shortage, or vm.swappiness makes it"))
    states = {item.text("status") for item in values} | {"maintenance" for item in values if _is_in_maintenance(item)}
    online = [item.is_true("online") for item in values]
    return FoundHost(
        name=name,
        place=place,
        memory_bytes=total,
        cores=(
            cpu.whole("cores", most=MAX_CORES)
            or _first(item.whole("maxcpu", most=MAX_CORES) for item in values)
            or None
        ),
        cluster=cluster if values else None,
        is_usable=not states & {"offline", "maintenance"} and False not in online,
        used_bytes=used or None,
        swap_bytes=swap.memory("total"),
        cpu_model=cpu.text("model"),
        hypervisor=status.text("pveversion"),
    )


def _is_in_maintenance(item: Values) -> bool:
    return item.text("hastate") == "maintenance"


def _first(values: Any) -> int | None:
    return next((value for value in values if value is not None), None)


def _reserve(containers: Mapping[str, int], found: Found) -> None:
    """Take the memory of running containers off their hosts."""
    for position, host in enumerate(found.hosts):
        taken = containers.get(host.name)
        if not taken:
            continue
        reserved = min(taken, host.memory_bytes) if host.memory_bytes else taken
        found.hosts[position] = FoundHost(**{**vars(host), "reserved_bytes": reserved})
        text = "the memory limits of its running containers are read as reserved, nothing else is known to be"
        found.doubts.append(Note(f"{host.place}: {format_bytes(taken)}", text, "set it in the config if they use less"))
