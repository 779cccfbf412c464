"""Read a libvirt host live, by its URI, where libvirt's Python library is installed. Read-only.

The same figures as of dumps: `planner.inventory.libvirt`.
"""

import importlib
import re
from typing import Any

from planner.errors import InputError
from planner.inventory.dump_files import parse_xml
from planner.inventory.found import Found
from planner.inventory.libvirt_records import LibvirtDump, VmStats, fill_found
from planner.inventory.libvirt_text import memory_stat_key
from planner.inventory.libvirt_xml import DomainXml, find_domains, read_domain
from planner.inventory.progress import Progress, no_progress

_PASSWORD = re.compile(r"(://[^/@:]*):[^/@]*@")
_GONE_CODES = (42,)
"""VIR_ERR_NO_DOMAIN: the VM ended while it was being read."""


def read_libvirt_live(uri: str, progress: Progress = no_progress) -> Found:
    """Read the host behind a URI such as qemu:///system or qemu+ssh://HOST/system.

    Raises
    ------
    InputError
        libvirt's Python library is missing, or the host cannot be reached or read.
    """
    shown = _PASSWORD.sub(r"\1:***@", uri)
    try:
        libvirt = importlib.import_module("libvirt")
    except ImportError:
        hint = "install libvirt-python, or import the output of virsh domstats, nodeinfo and dumpxml"
        raise InputError(shown, "libvirt's Python library is not installed", hint) from None
    # The library would print each error beside raising it.
    libvirt.registerErrorHandler(lambda context, error: None, None)
    try:
        connection = libvirt.openReadOnly(uri)
    except libvirt.libvirtError as error:
        reason = _PASSWORD.sub(r"\1:***@", str(error))
        raise InputError(shown, f"cannot be opened: {reason}", "check the URI and that libvirt runs there") from None
    try:
        return _read(libvirt, connection, shown, progress)
    except libvirt.libvirtError as error:
        raise InputError(shown, f"cannot be read: {error}", "check your permissions there") from None
    finally:
        connection.close()


def _read(libvirt: Any, connection: Any, shown: str, progress: Progress) -> Found:
    found = Found(source=f"libvirt: {shown}", hypervisor="kvm")
    host = str(connection.getHostname())
    domains = connection.listAllDomains()
    stats: dict[tuple[str, str], VmStats] = {}
    xmls: dict[tuple[str | None, str], DomainXml] = {}
    for done, domain in enumerate(domains):
        progress(done, len(domains))
        name = domain.name()
        place = f"{shown}, domain {name}"
        try:
            values, text = _domain_values(libvirt, connection, domain), domain.XMLDesc(0)
        except libvirt.libvirtError as error:
            if error.get_error_code() in _GONE_CODES:
                continue
            raise
        stats[host, name] = VmStats(place, values)
        for element in find_domains(parse_xml(text, place)):
            xmls[host, name] = read_domain(element, shown, found.doubts)
    progress(len(domains), len(domains))
    found.read[shown] = len(domains)
    fill_found(found, LibvirtDump({host: _host_values(libvirt, connection, shown)}, stats, xmls))
    return found


def _domain_values(libvirt: Any, connection: Any, domain: Any) -> dict[str, Any]:
    """Read domstats of a VM, and dommemstat for drivers whose domstats have no memory."""
    flags = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_BALLOON | libvirt.VIR_DOMAIN_STATS_VCPU
    values: dict[str, Any] = {}
    for _, some in connection.domainListGetStats([domain], flags):
        values |= some
    if "balloon.current" not in values and domain.isActive():
        values |= {memory_stat_key(name): value for name, value in domain.memoryStats().items()}
    return values


def _host_values(libvirt: Any, connection: Any, place: str) -> dict[str, str]:
    model, memory_mib, cpus, _, cells, sockets, cores, threads = connection.getInfo()
    values = {
        "place": place,
        "cpu_model": str(model),
        "memory": str(memory_mib * 1024),
        "cpus": str(cpus),
        "numa_cells": str(cells),
        "sockets": str(sockets),
        "cores_per_socket": str(cores),
        "threads_per_core": str(threads),
    }
    try:
        memory = connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
    except libvirt.libvirtError:
        return values  # not every driver has it; used memory of the host stays unknown
    return values | {key: str(value) for key, value in memory.items()}
