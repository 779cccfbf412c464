"""Read a vCenter or an ESXi host live, by its API.

The values are those that RVTools exports, which it reads by the same API, so they are taken as there: amounts are quick
statistics of this moment, in MB of 2^20 bytes.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from planner.inventory.found import Found, FoundHost, FoundRule, Note, RuleKind
from planner.inventory.progress import Progress, no_progress
from planner.inventory.rvtools_doubts import check_against_hosts
from planner.inventory.rvtools_hosts import add_cluster, add_host, check_pool
from planner.inventory.rvtools_snapshot import Snapshot
from planner.inventory.rvtools_vms import left_out, row_of_vm
from planner.inventory.vsphere_session import Login, open_session, retrieve
from planner.units import MIB

Objects = list[tuple[Any, dict[str, Any]]]

_WANTED = {
    "VirtualMachine": (
        "name", "config.uuid", "config.instanceUuid", "config.template", "config.managedBy", "config.hardware.memoryMB",
        "config.hardware.numCPU", "config.memoryAllocation", "config.memoryReservationLockedToMax",
        "runtime.powerState", "runtime.connectionState", "runtime.host", "resourcePool", "parentVApp",
        "guest.toolsRunningStatus", "summary.quickStats",
    ),
    "HostSystem": (
        "name", "parent", "summary.hardware", "summary.quickStats", "runtime.connectionState",
        "runtime.inMaintenanceMode", "runtime.inQuarantineMode", "config.product.fullName",
    ),
    "ClusterComputeResource": ("name", "configurationEx", "summary"),
    "ResourcePool": ("name", "parent", "config.memoryAllocation"),
}  # fmt: skip
_TOOLS = {"guestToolsRunning": "toolsOk", "guestToolsNotRunning": "toolsNotRunning"}
_ASSUMED = (
    "Amounts of memory are the quick statistics of this moment, in MiB; peaks are not among them.",
    "VMs that are off have no amounts known.",
    "Consumed memory is the host's usage for the VM less its overhead.",
    "Whether a VM has a balloon driver is whether VMware Tools run in it; a driver that came with a Linux kernel is "
    "not seen.",
    "A host has a NUMA node per socket.",
)


def read_vsphere(login: Login, progress: Progress = no_progress) -> Found:
    """Read a server.

    Parameters
    ----------
    login : Login
        A user with the role Read-only is enough.
    progress : Progress
        Called after logging in and after reading.

    Raises
    ------
    InputError
        See `vsphere_session.open_session`.
    """
    with open_session(login) as content:
        progress(1, 2)
        objects = retrieve(content, _WANTED)
        product = str(content.about.fullName)
    progress(2, 2)
    read = {kind: len(found) for kind, found in objects.items()}
    snapshot = Snapshot(login.url, int(time.time()), read)
    clusters = {item._moId: str(values["name"]) for item, values in objects["ClusterComputeResource"]}
    hosts = {item._moId: str(values["name"]) for item, values in objects["HostSystem"]}
    _add_hosts(objects["HostSystem"], clusters, snapshot)
    for item, values in objects["ClusterComputeResource"]:
        add_cluster(_cluster_row(values), f'cluster {item._moId}, "{values["name"]}"', snapshot)
    names = _add_vms(objects, {key: snapshot.hosts[name.casefold()] for key, name in hosts.items()}, snapshot)
    _check_pools(objects["ResourcePool"], snapshot)
    check_against_hosts(snapshot)
    rules: list[FoundRule] = []
    for _, values in objects["ClusterComputeResource"]:
        rules += _rules(values, names, hosts, snapshot)
    return Found(
        source=f"vsphere: {login.url} ({product})",
        hypervisor="esxi-8",
        hosts=list(snapshot.hosts.values()),
        vms=[row.vm for row in snapshot.rows],
        clusters=list(snapshot.clusters.values()),
        rules=rules,
        taken_at_s=(snapshot.taken_at_s or 0,),
        read=snapshot.read,
        skipped=snapshot.skipped,
        doubts=snapshot.doubts,
        assumptions=list(_ASSUMED),
    )


def _add_hosts(objects: Objects, clusters: Mapping[str, str], snapshot: Snapshot) -> None:
    for item, values in objects:
        place = f"host {item._moId}"
        add_host(_host_row(values, clusters), place, snapshot)
        state = str(values.get("runtime.connectionState", "connected"))
        key = str(values["name"]).casefold()
        if state != "connected" and snapshot.hosts[key].is_usable:
            snapshot.hosts[key] = replace(snapshot.hosts[key], is_usable=False)
            message = "the host is not connected: it is kept, and no VM is placed on it"
            snapshot.doubts.append(Note(f'{place}, "{values["name"]}"', message))


def _host_row(values: Mapping[str, Any], clusters: Mapping[str, str]) -> dict[str, Any]:
    hardware, stats = values.get("summary.hardware"), values.get("summary.quickStats")
    memory, used_mib = _whole(hardware, "memorySize"), _whole(stats, "overallMemoryUsage")
    parent = getattr(values.get("parent"), "_moId", "")
    sockets, cores = _whole(hardware, "numCpuPkgs"), _whole(hardware, "numCpuCores")
    return {
        "name": str(values["name"]), "cluster": clusters.get(parent), "memory": memory, "sockets": sockets,
        "cores": cores, "cores_per_socket": cores // sockets if cores and sockets else None,
        "usage_percent": 100 * used_mib * MIB / memory if memory and used_mib is not None else None,
        "is_in_maintenance": values.get("runtime.inMaintenanceMode"),
        "is_in_quarantine": values.get("runtime.inQuarantineMode"), "cpu_model": getattr(hardware, "cpuModel", None),
        "version": values.get("config.product.fullName"), "vram": None, "vms": None, "vm_used": None,
        "vm_ballooned": None, "vm_swapped": None, "tiering": None,
    }  # fmt: skip


def _cluster_row(values: Mapping[str, Any]) -> dict[str, Any]:
    config, summary = values.get("configurationEx"), values.get("summary")
    das, drs = getattr(config, "dasConfig", None), getattr(config, "drsConfig", None)
    policy = getattr(das, "admissionControlPolicy", None)
    behavior = getattr(drs, "defaultVmBehavior", None)
    return {
        "name": str(values["name"]), "hosts": _whole(summary, "numHosts"),
        "total": _whole(summary, "totalMemory"), "has_ha": getattr(das, "enabled", None),
        "failover": _whole(policy, "failoverLevel"),
        "has_admission": getattr(das, "admissionControlEnabled", None), "has_drs": getattr(drs, "enabled", None),
        "drs": None if behavior is None else str(behavior),
    }  # fmt: skip


def _add_vms(objects: Mapping[str, Objects], hosts: Mapping[str, FoundHost], snapshot: Snapshot) -> dict[str, str]:
    """Add VMs to the snapshot; return the names of those that were taken, by reference."""
    pools = {item._moId: values for item, values in objects["ResourcePool"]}
    names = {}
    for item, values in objects["VirtualMachine"]:
        row = _vm_row(values, hosts, pools)
        place = f"VM {item._moId}"
        reason = left_out(row)
        if reason is None and row["info_size"] is None:
            reason = "VM without a size of memory"
        if reason:
            snapshot.skipped.append(Note(f'{place}, "{row["name"]}"', reason))
        else:
            snapshot.rows.append(row_of_vm(row, place, snapshot))
            names[item._moId] = row["name"]
    return names


def _vm_row(values: Mapping[str, Any], hosts: Mapping[str, FoundHost], pools: Mapping[str, Any]) -> dict[str, Any]:
    host = hosts.get(getattr(values.get("runtime.host"), "_moId", ""))
    allocation, stats = values.get("config.memoryAllocation"), values.get("summary.quickStats")
    shares = getattr(allocation, "shares", None)
    managed = values.get("config.managedBy")

    def mib(name: str) -> int | None:
        value = _whole(stats, name)
        return None if value is None else value * MIB

    size, vcpus = values.get("config.hardware.memoryMB"), values.get("config.hardware.numCPU")
    limit, reservation = _whole(allocation, "limit"), _whole(allocation, "reservation")
    return {
        "name": str(values.get("name", "")), "power": str(values.get("runtime.powerState", "")),
        "connection": str(values.get("runtime.connectionState", "")), "host": host.name if host else None,
        "cluster": host.cluster if host else None, "pool": _pool_path(values.get("resourcePool"), pools),
        "vapp": None, "uuid": values.get("config.instanceUuid"), "smbios": values.get("config.uuid"), "vcenter": None,
        "rules": None, "rule_names": None, "template": values.get("config.template"),
        "placeholder": getattr(managed, "type", None) == "placeholderVm", "size": None,
        "info_size": int(size) * MIB if size else None, "vcpus": None if vcpus is None else int(vcpus),
        "tools": _TOOLS.get(str(values.get("guest.toolsRunningStatus"))),
        "reservation": None if reservation is None else reservation * MIB,
        "limit": limit * MIB if limit is not None and limit > 0 else None,
        "shares": _whole(shares, "shares"), "is_locked": values.get("config.memoryReservationLockedToMax"),
        "consumed": mib("hostMemoryUsage"), "consumed_overhead": mib("consumedOverheadMemory"), "overhead": None,
        "active": mib("guestMemoryUsage"), "ballooned": mib("balloonedMemory"), "swapped": mib("swappedMemory"),
        "shared": mib("sharedMemory"),
    }  # fmt: skip


def _whole(value: Any, name: str) -> int | None:
    """Return an attribute as a plain int: pyVmomi has kinds of its own."""
    found = getattr(value, name, None)
    return None if found is None else int(found)


def _pool_path(pool: Any, pools: Mapping[str, Any]) -> str | None:
    """Write the path of a resource pool below the root pool of its cluster; None for the root itself."""
    parts: list[str] = []
    key = getattr(pool, "_moId", "")
    while key in pools and getattr(pools[key].get("parent"), "_moId", "") in pools and len(parts) < len(pools):
        parts.append(str(pools[key]["name"]))
        key = pools[key]["parent"]._moId
    return "/".join(reversed(parts)) or None


def _check_pools(objects: Objects, snapshot: Snapshot) -> None:
    known = {item._moId for item, _ in objects}
    for item, values in objects:
        allocation = values.get("config.memoryAllocation")
        if allocation is None or getattr(values.get("parent"), "_moId", "") not in known:
            continue  # the root pool is the cluster itself
        limit, reservation = _whole(allocation, "limit") or 0, _whole(allocation, "reservation") or 0
        row = {
            "name": str(values["name"]), "configured": None, "limit": limit * MIB if limit > 0 else None,
            "reservation": reservation * MIB, "level": str(getattr(allocation.shares, "level", "normal")),
        }  # fmt: skip
        check_pool(row, f'resource pool {item._moId}, "{row["name"]}"', snapshot)


def _rules(
    values: Mapping[str, Any], vms: Mapping[str, str], hosts: Mapping[str, str], snapshot: Snapshot
) -> list[FoundRule]:
    """Return the rules of a cluster that are switched on; those that cannot be told as ours are noted."""
    from pyVmomi import vim

    config = values.get("configurationEx")
    groups = {group.name: group for group in getattr(config, "group", None) or ()}
    found = []
    for rule in getattr(config, "rule", None) or ():
        name = str(rule.name or rule.key)
        place = f'cluster "{values["name"]}", rule "{name}"'
        if not rule.enabled:
            snapshot.skipped.append(Note(place, "rule that is switched off"))
        elif isinstance(rule, vim.cluster.AffinityRuleSpec):
            found.append(FoundRule(RuleKind.TOGETHER, name, place, _names(rule.vm, vms)))
        elif isinstance(rule, vim.cluster.AntiAffinityRuleSpec):
            found.append(FoundRule(RuleKind.APART, name, place, _names(rule.vm, vms)))
        elif isinstance(rule, vim.cluster.VmHostRuleInfo) and rule.mandatory and rule.affineHostGroupName:
            its_vms = _names(getattr(groups.get(rule.vmGroupName), "vm", None), vms)
            its_hosts = _names(getattr(groups.get(rule.affineHostGroupName), "host", None), hosts)
            found.append(FoundRule(RuleKind.MUST_RUN_ON, name, place, its_vms, its_hosts))
        else:
            text = "the rule is a wish, or of a kind that is not modelled; it is not used"
            snapshot.skipped.append(Note(place, text, "write it into the config"))
    return found


def _names(references: Any, names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(names[item._moId] for item in references or () if item._moId in names)
