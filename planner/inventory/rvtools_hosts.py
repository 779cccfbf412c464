"""The hosts, clusters and resource pools of one RVTools export.

A host's own account is of the VMs that are on: "# VMs" and "vRAM" leave VMs out that are off ("# VMs total" counts
them). "VM Used memory" is far below what the host has in use and fits the sum of "Active". Memory in use is "Memory
usage %" of the memory, to a percent.
"""

import re
from dataclasses import replace
from typing import Any

from planner.inventory.found import FoundCluster, FoundHost, Note
from planner.inventory.rvtools_snapshot import Snapshot
from planner.inventory.workbook_tab import Tab
from planner.units import GIB, MAX_BYTES, MIB, format_bytes

_LEAST_HOST_BYTES = 4 * GIB
"""ESXi does not install on less."""
_FITS_WITHIN = 1.5
"""A cluster's memory in the right unit is within this ratio of its hosts' sum; units are a million apart."""
_AUTOMATIC = "fullyautomated"
_TIERED = re.compile(r"^(?!notiering$).+tier", re.IGNORECASE)


def read_hosts(tabs: dict[str, Tab], snapshot: Snapshot) -> None:
    """Add the hosts to the snapshot, those of vHost and those that only VMs name."""
    if "vHost" in tabs:
        tab = tabs["vHost"]
        for row_idx, values in enumerate(_host_rows(tab)):
            add_host(values, tab.row_place(row_idx), snapshot)
    known = set(snapshot.hosts)
    _add_clusters_by_vms(snapshot)
    for row in snapshot.rows:
        name = row.vm.host
        if name is None or name.casefold() in known:
            continue
        if name.casefold() not in snapshot.hosts:
            snapshot.hosts[name.casefold()] = FoundHost(name, row.vm.place, cluster=row.vm.cluster)
            message = "the host is named by VMs and is not in vHost: its memory is unknown"
            snapshot.doubts.append(Note(f'{row.vm.place}, host "{name}"', message, "export vHost with it"))


def _add_clusters_by_vms(snapshot: Snapshot) -> None:
    """Give hosts whose cluster vHost does not tell that of their VMs, where these agree."""
    told: dict[str, set[str | None]] = {}
    for row in snapshot.rows:
        told.setdefault((row.vm.host or "").casefold(), set()).add(row.vm.cluster)
    for key, host in snapshot.hosts.items():
        clusters = told.get(key, set())
        if host.cluster is None and len(clusters) == 1:
            snapshot.hosts[key] = replace(host, cluster=next(iter(clusters)))


def _host_rows(tab: Tab) -> list[dict[str, Any]]:
    columns: dict[str, list[Any]] = {key: tab.texts(key) for key in ("name", "cluster", "cpu_model", "version")}
    columns |= {key: tab.flags(key) for key in ("is_in_maintenance", "is_in_quarantine")}
    columns |= {key: tab.wholes(key) for key in ("sockets", "cores_per_socket", "cores", "vms")}
    columns |= {key: tab.sizes_bytes(key) for key in ("memory", "vram", "vm_used", "vm_swapped", "vm_ballooned")}
    columns["usage_percent"] = tab.numbers("usage_percent")
    columns["tiering"] = tab.texts("tiering")
    keys = list(columns)
    return [dict(zip(keys, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def add_host(row: dict[str, Any], place: str, snapshot: Snapshot) -> None:
    """Add a host by its values by our names for the columns."""
    key = row["name"].casefold()
    if key in snapshot.hosts:
        message = f"the host is listed twice, also in {snapshot.hosts[key].place}; the first row counts"
        snapshot.skipped.append(Note(place, message))
        return
    sockets, per_socket = row["sockets"], row["cores_per_socket"]
    cores = row["cores"] or (sockets * per_socket if sockets and per_socket else None)
    if row["cores"] and sockets and per_socket and sockets * per_socket != row["cores"]:
        snapshot.doubts.append(Note(place, '"# Cores" is not "# CPU" times "Cores per CPU"; "# Cores" is taken'))
    memory = row["memory"] or None
    _check_memory(row, memory, place, snapshot)
    percent = row["usage_percent"]
    if percent is not None and percent > 100:
        snapshot.doubts.append(Note(place, '"Memory usage %" is above 100 and not used'))
        percent = None
    if row["is_in_maintenance"] or row["is_in_quarantine"]:
        mode = "maintenance" if row["is_in_maintenance"] else "quarantine"
        message = f"the host is in {mode} mode: it is kept, and no VM is placed on it"
        snapshot.doubts.append(Note(f'{place}, "{row["name"]}"', message))
    snapshot.hosts[key] = FoundHost(
        name=row["name"], place=place, memory_bytes=memory, cores=cores, numa_nodes=_nodes(sockets, cores),
        cluster=row["cluster"], is_usable=not (row["is_in_maintenance"] or row["is_in_quarantine"]),
        vm_memory_bytes=row["vram"], n_vms=row["vms"], vm_memory_is_of_running=True,
        used_bytes=round(memory * percent / 100) if memory and percent is not None else None,
        active_bytes=row["vm_used"], ballooned_bytes=row["vm_ballooned"], swapped_bytes=row["vm_swapped"],
        cpu_model=row["cpu_model"], hypervisor=row["version"],
    )  # fmt: skip


def _check_memory(row: dict[str, Any], memory: int | None, place: str, snapshot: Snapshot) -> None:
    if memory is None:
        message = 'the memory of the host is unknown ("# Memory" is empty, 0 or missing)'
        snapshot.doubts.append(Note(place, message, "export vHost with it, or write it into the fleet"))
    elif memory < _LEAST_HOST_BYTES:
        message = f"the host has {format_bytes(memory)}, less than ESXi installs on"
        snapshot.doubts.append(Note(place, message, 'is "# Memory" in MiB?'))
    if row["tiering"] and _TIERED.match(row["tiering"].strip()):
        message = f'the host tiers its memory ("{row["tiering"]}"): part of it may be slower than DRAM'
        snapshot.doubts.append(Note(place, message, "the model takes all of it as DRAM"))


def read_clusters(tabs: dict[str, Tab], snapshot: Snapshot) -> None:
    """Add the clusters to the snapshot, those of vCluster and those that only hosts or VMs name."""
    if "vCluster" in tabs:
        tab = tabs["vCluster"]
        columns = {
            "name": tab.texts("name"), "hosts": tab.wholes("hosts"), "total": tab.numbers("total"),
            "has_ha": tab.flags("has_ha"), "failover": tab.wholes("failover"),
            "has_admission": tab.flags("has_admission"), "has_drs": tab.flags("has_drs"), "drs": tab.texts("drs"),
        }  # fmt: skip
        for row_idx, values in enumerate(zip(*columns.values(), strict=True)):
            add_cluster(dict(zip(columns, values, strict=True)), tab.row_place(row_idx), snapshot)
    named = [(host.cluster, host.place) for host in snapshot.hosts.values()]
    named += [(row.vm.cluster, row.vm.place) for row in snapshot.rows]
    for name, place in named:
        if name is not None:
            snapshot.clusters.setdefault(name.casefold(), FoundCluster(name, place))


def add_cluster(row: dict[str, Any], place: str, snapshot: Snapshot) -> None:
    """Add a cluster by its values by our names for the columns."""
    key = row["name"].casefold()
    if key in snapshot.clusters:
        message = "two clusters have this name; their hosts and VMs are taken for those of one, the first row counts"
        snapshot.doubts.append(Note(place, message, "rename one of them, or import one vCenter at a time"))
        return
    hosts = [host for host in snapshot.hosts.values() if (host.cluster or "").casefold() == key]
    if row["hosts"] is not None and hosts and row["hosts"] != len(hosts):
        message = f"vCluster counts {row['hosts']} hosts, vHost lists {len(hosts)}"
        snapshot.doubts.append(Note(place, message, "was the export allowed to see all hosts?"))
    has_drs = row["has_drs"]
    if has_drs and row["drs"] is not None:
        has_drs = row["drs"].casefold() == _AUTOMATIC
    snapshot.clusters[key] = FoundCluster(
        row["name"], place, _failover_hosts(row, place, snapshot), _total_bytes(row, hosts, place, snapshot), has_drs
    )


def _failover_hosts(row: dict[str, Any], place: str, snapshot: Snapshot) -> int | None:
    if row["has_ha"] is False or row["has_admission"] is False:
        return 0
    if row["has_ha"] is None and row["has_admission"] is None:
        return None
    if row["failover"]:
        return int(row["failover"])
    message = "admission control is on, and how many hosts may fail is not in the export (a percentage is kept free?)"
    snapshot.doubts.append(Note(place, message, "write it into the config"))
    return None


def _total_bytes(row: dict[str, Any], hosts: list[FoundHost], place: str, snapshot: Snapshot) -> int | None:
    """Return the cluster's memory: bytes or MiB by version, told by the sum of its hosts."""
    if not row["total"]:
        return None
    known = sum(host.memory_bytes for host in hosts if host.memory_bytes)
    readings = [round(row["total"] * unit) for unit in (1, MIB) if row["total"] * unit <= MAX_BYTES]
    if known:
        fitting = [value for value in readings if known / _FITS_WITHIN <= value <= known * _FITS_WITHIN]
    else:
        fitting = [value for value in readings if value >= _LEAST_HOST_BYTES][:1]
    if fitting:
        return int(fitting[0])
    message = f'"TotalMemory" is {row["total"]:,.0f}, which fits the sum of the hosts neither as bytes nor as MiB'
    snapshot.doubts.append(Note(place, message, f"the hosts add up to {format_bytes(known)}"))
    return None


def check_pools(tabs: dict[str, Tab], snapshot: Snapshot) -> None:
    """Note the settings of resource pools that bind their VMs, which are not modelled, and compressed memory."""
    if "vRP" not in tabs:
        return
    tab = tabs["vRP"]
    columns = {
        "name": tab.texts("name"), "configured": tab.sizes_bytes("configured"), "limit": tab.sizes_bytes("limit"),
        "reservation": tab.sizes_bytes("reservation"), "level": tab.texts("level"),
        "compressed": tab.numbers("compressed"),
    }  # fmt: skip
    for row_idx, values in enumerate(zip(*columns.values(), strict=True)):
        row = dict(zip(columns, values, strict=True))
        place = f'{tab.row_place(row_idx)}, "{row["name"]}"'
        if row["compressed"]:
            message = "VMs of the pool have compressed memory: their hosts were short of memory"
            snapshot.doubts.append(Note(place, message))
        if row["name"].casefold() != "resources":
            check_pool(row, place, snapshot)


def check_pool(row: dict[str, Any], place: str, snapshot: Snapshot) -> None:
    """Note what a resource pool asks for that is not modelled."""
    limit, configured = row["limit"], row["configured"]
    if limit and (configured is None or limit < configured):
        message = "the pool's memory limit is below what its VMs are given; limits of pools are not modelled"
        snapshot.doubts.append(Note(place, message, f"limit: {format_bytes(limit)}"))
    if row["reservation"]:
        message = "the pool reserves memory; reservations of pools are not modelled, those of VMs are"
        snapshot.doubts.append(Note(place, message, f"reservation: {format_bytes(row['reservation'])}"))
    if row["level"] and row["level"].casefold() != "normal":
        message = f"the pool has {row['level']} shares of memory; shares of pools are not modelled, those of VMs are"
        snapshot.doubts.append(Note(place, message))


def _nodes(sockets: int | None, cores: int | None) -> int | None:
    """Take sockets as NUMA nodes, unless the host tells fewer cores than sockets: then one of the two is wrong."""
    return sockets if sockets and (cores is None or sockets <= cores) else None
