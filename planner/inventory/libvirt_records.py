"""From what libvirt says of hosts and VMs to records of them, and what to doubt about it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from planner.inventory.dump_values import Values
from planner.inventory.found import Found, FoundHost, FoundVm, Note, Power
from planner.inventory.libvirt_xml import DomainXml
from planner.inventory.suspicions import find_suspicions
from planner.units import KIB

MAX_CORES = 65_536
MAX_CLOCK_S = 2**62
# virDomainState: running, blocked, paused, in shutdown, shut off, crashed, suspended by the guest.
_POWER = {
    1: Power.ON, 2: Power.ON, 3: Power.SUSPENDED, 4: Power.ON, 5: Power.OFF, 6: Power.OFF, 7: Power.SUSPENDED,
}  # fmt: skip
_ASSUMPTIONS = (
    "Memory that a guest uses is what it calls available less usable, its page cache left out.",
    "Memory consumed is the resident set of the VM's process, at most its configured memory: the rest is overhead.",
    "Memory below a VM's maximum is ballooned while it runs.",
    "Active memory is unknown: libvirt has no such figure.",
)


class VmStats(NamedTuple):
    """Values of domstats and dommemstat of a VM, and where they are from."""

    place: str
    values: dict[str, Any]


class LibvirtDump(NamedTuple):
    """All that libvirt says, by host and by host and VM.

    Attributes
    ----------
    hosts : Mapping
        Values of nodeinfo and nodememstats by host; "place" is where they are from.
    stats, xmls : Mapping
        By host and VM; the host of an XML may be unknown.
    """

    hosts: Mapping[str, Mapping[str, str]]
    stats: Mapping[tuple[str, str], VmStats]
    xmls: Mapping[tuple[str | None, str], DomainXml]


def fill_found(found: Found, dump: LibvirtDump) -> None:
    """Turn it into hosts and VMs. Changes `found` in place."""
    found.hosts += [_host(name, values, found) for name, values in dump.hosts.items()]
    found.vms += [_vm(key, stats, dump.xmls.get(key), found) for key, stats in dump.stats.items()]
    known: set[tuple[str | None, str]] = set(dump.stats)
    found.vms += [_vm(key, VmStats(xml.place, {}), xml, found) for key, xml in dump.xmls.items() if key not in known]
    known_hosts = {host.name for host in found.hosts}
    others = sorted({vm.host for vm in found.vms if vm.host and vm.host not in known_hosts})
    found.hosts += [_host(name, {"place": f"host {name}"}, found) for name in others]
    found.assumptions += _ASSUMPTIONS
    found.doubts += find_suspicions(found)


def _host(name: str, raw: Mapping[str, str], found: Found) -> FoundHost:
    place = raw.get("place", name)
    plain = {key: value.removesuffix("KiB").strip() for key, value in raw.items() if key != "place"}
    values = Values(plain, place, found.doubts)
    size, total = values.memory("memory", unit_bytes=KIB), values.memory("total", unit_bytes=KIB)
    parts = [values.memory(key, unit_bytes=KIB) for key in ("free", "buffers", "cached")]
    spare = sum(part for part in parts if part is not None)
    if size is None and total is None:
        remedy = f"add the output of virsh nodeinfo, e.g. as {name}.nodeinfo.txt"
        found.doubts.append(Note(place, "the memory of the host is unknown", remedy))
    if total is not None and spare > total:
        found.doubts.append(Note(place, "free memory, buffers and cache are more than all memory", "export it again"))
    is_used_known = total is not None and None not in parts and spare <= total
    return FoundHost(
        name=name,
        place=place,
        memory_bytes=size or total,
        cores=_cores(values),
        numa_nodes=values.whole("numa_cells", most=MAX_CORES) or None,
        used_bytes=total - spare if is_used_known and total is not None else None,
        cpu_model=values.text("cpu_model"),
        hypervisor="libvirt",
    )


def _cores(values: Values) -> int | None:
    """Count cores, not threads: libvirt's sockets are those of one NUMA cell."""
    counts = [values.whole(key, most=MAX_CORES) for key in ("numa_cells", "sockets", "cores_per_socket")]
    cores = 1
    for count in counts:
        cores *= count or 0
    if 0 < cores <= MAX_CORES:
        return cores
    threads, per_core = values.whole("cpus", most=MAX_CORES), values.whole("threads_per_core", most=MAX_CORES)
    return (threads // per_core if threads and per_core else threads) or None  # no host has no core


def _vm(key: tuple[str | None, str], stats: VmStats, xml: DomainXml | None, found: Found) -> FoundVm:
    values = Values(stats.values, stats.place, found.doubts)
    power = _power(values, xml)
    is_running = power in (Power.ON, Power.SUSPENDED)
    configured = values.needed_memory("balloon.maximum", unit_bytes=KIB) or (xml.configured_bytes if xml else None)
    if xml is not None and configured is not None and configured != xml.configured_bytes:
        found.doubts.append(Note(xml.place, "its XML has other memory than it runs with; the latter is used"))
    current = values.memory("balloon.current", unit_bytes=KIB) or (xml.current_bytes if xml else None)
    if configured is None:
        configured = _fallback(current, stats.place, found)
    is_pinned = xml is not None and _note_pinned(xml, found)
    rss = values.memory("balloon.rss", unit_bytes=KIB) if is_running else None
    reservation = configured if is_pinned else (xml.reservation_bytes if xml else None)
    used, has_driver = _guest(values, power, xml, found)
    return FoundVm(
        name=key[1],
        place=stats.place,
        uuid=xml.uuid if xml else None,
        power=power,
        configured_bytes=configured,
        vcpus=values.whole("vcpu.current", "vcpu.maximum", most=MAX_CORES) or (xml.vcpus if xml else None),
        host=key[0] or None,
        group=xml.group if xml else None,
        # The resident set has no huge pages in it.
        consumed_bytes=None if not rss or (xml and "on huge pages" in xml.pinned_by) else min(rss, configured or rss),
        used_bytes=used,
        ballooned_bytes=max(0, configured - current) if is_running and configured and current is not None else None,
        reservation_bytes=reservation,
        limit_bytes=xml.limit_bytes if xml else None,
        has_balloon_driver=has_driver,
        image=xml.image if xml else None,
    )


def _power(values: Values, xml: DomainXml | None) -> Power:
    state = values.whole("state.state", most=100)
    if state is None and xml is not None and xml.is_running:
        return Power.ON
    return _POWER.get(state or 0, Power.UNKNOWN)


def _fallback(current: int | None, place: str, found: Found) -> int | None:
    if current is None:
        remedy = "add the VM's XML (virsh dumpxml), or all of virsh domstats"
        found.doubts.append(Note(place, "the memory of the VM is unknown", remedy))
        return None
    found.doubts.append(Note(place, "its maximum is unknown; what it has now is taken for it", "add virsh dumpxml"))
    return current


def _note_pinned(xml: DomainXml, found: Found) -> bool:
    """Say why memory cannot be reclaimed, and where the flavor says another size."""
    for reason in xml.pinned_by:
        text = f"its memory is {reason} and cannot be overcommitted: it is read as reserved in full"
        found.doubts.append(Note(xml.place, text))
    if xml.flavor_bytes is not None and xml.flavor_bytes != xml.configured_bytes:
        found.doubts.append(Note(xml.place, "its flavor has other memory than the VM; the VM's is used"))
    return bool(xml.pinned_by)


def _guest(values: Values, power: Power, xml: DomainXml | None, found: Found) -> tuple[int | None, bool | None]:
    """Tell what the guest uses by its own account [bytes], and whether its balloon driver works; None is unknown."""
    has_driver = xml.has_balloon_driver if xml else None
    updated = values.whole("balloon.last-update", most=MAX_CLOCK_S)
    available = values.memory("balloon.available", unit_bytes=KIB)
    if power is not Power.ON:
        return None, False if has_driver is False else None
    if available is None or updated == 0:
        remedy = "let the balloon driver report: virsh dommemstat VM --period 10 --live, then export again"
        found.doubts.append(Note(values.place, "the guest does not say what it uses", remedy))
        return None, False if has_driver is False else None
    spare = values.memory("balloon.usable", unit_bytes=KIB)
    if spare is None:
        unused = values.memory("balloon.unused", unit_bytes=KIB)
        spare = None if unused is None else unused + (values.memory("balloon.disk_caches", unit_bytes=KIB) or 0)
    if spare is not None and spare > available:
        text = "the guest has more usable memory than it has memory; what it uses is unknown"
        found.doubts.append(Note(values.place, text))
        spare = None
    if values.whole("balloon.swap_out"):
        text = "the guest itself has swapped since it started"
        found.doubts.append(Note(values.place, text, "its memory may be too small, or its balloon too large"))
    return None if spare is None else available - spare, True
