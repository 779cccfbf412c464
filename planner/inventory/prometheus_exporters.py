"""What exporters of VM metrics call things, and in which unit: one table, data only.

Names and units as the exporters' own sources and documentation have them. A field with several metrics takes the first
that is there. Counters are read as rates. What a guest swaps, or reads as its own "usage", is no memory of the host's.
"""

from collections.abc import Iterable
from typing import NamedTuple

from planner.errors import InputError
from planner.units import KIB, MIB


class Metric(NamedTuple):
    """A metric, and what one unit of it is worth in bytes, or whatever the field counts."""

    name: str
    factor: float = 1.0


class Exporter(NamedTuple):
    """What one exporter calls things.

    Attributes
    ----------
    hypervisor : str
        Preset of the config that its fleets are for.
    vm_labels, uuid_labels, host_labels, cluster_labels, group_labels : tuple of str
        Labels that name the VM, its UUID, host, cluster and tenant; the first that is there counts.
    vm, host : dict
        Field to its metrics, in order of preference.
    host_id_labels : tuple of str
        Labels that name the host on host metrics.
    scope_labels : tuple of str
        Labels within which names of VMs are unique; none: names are.
    id_prefixes : tuple of (prefix, subject)
        Where one metric is about VMs and hosts, its label says of which.
    is_resident : bool
        Whether consumed memory is the resident set of the VM's process.
    info : tuple of str
        Metrics whose labels describe VMs.
    says : tuple of str
        What an import from it takes for granted.
    """

    name: str
    hypervisor: str
    vm_labels: tuple[str, ...]
    host_labels: tuple[str, ...]
    vm: dict[str, tuple[Metric, ...]]
    host: dict[str, tuple[Metric, ...]]
    host_id_labels: tuple[str, ...]
    uuid_labels: tuple[str, ...] = ()
    cluster_labels: tuple[str, ...] = ("cluster", "cluster_name")
    group_labels: tuple[str, ...] = ()
    scope_labels: tuple[str, ...] = ()
    is_resident: bool = False
    id_prefixes: tuple[tuple[str, str], ...] = ()
    info: tuple[str, ...] = ()
    says: tuple[str, ...] = ()


_NO_ACTIVE = (
    "active memory is not measured by this exporter: its series is unknown and comes from the model; what guests say "
    "they use is not taken for it"
)
_RSS = (
    "the resident set of a VM's process is read as its granted memory; what exceeds configured memory is the process's "
    "own and left out"
)
_GUEST_LABELS = ("host", "hostname", "node", "nodename", "instance")


def _one(name: str, factor: float = 1.0) -> tuple[Metric, ...]:
    return (Metric(name, factor),)


def _names(*names: str) -> tuple[Metric, ...]:
    return tuple(Metric(name) for name in names)


NODE = Exporter(
    name="node_exporter",
    hypervisor="kvm",
    vm_labels=(),
    host_labels=(),
    host_id_labels=("nodename", "node", "host", "hostname", "instance"),
    vm={},
    host={
        "memory": _one("node_memory_MemTotal_bytes"),
        "available": _one("node_memory_MemAvailable_bytes"),
        "swap": _one("node_memory_SwapTotal_bytes"),
        "swap_free": _one("node_memory_SwapFree_bytes"),
        "swap_in_pages": _one("node_vmstat_pswpin"),
    },
    info=("node_uname_info",),
)
"""Hosts only; read beside whichever exporter tells of VMs."""

_LIBVIRT = Exporter(
    name="libvirt",
    hypervisor="kvm",
    vm_labels=("domain", "name"),
    uuid_labels=("uuid",),
    host_labels=_GUEST_LABELS,
    host_id_labels=(),
    group_labels=("project_name", "project_id"),
    is_resident=True,
    vm={
        "configured": _one("libvirt_domain_info_maximum_memory_bytes"),
        "current": _names(
            "libvirt_domain_memory_stats_actual_balloon_bytes",  # Tinkoff
            "libvirt_domain_memory_stats_current_balloon_bytes",  # inovex
            "libvirt_domain_info_memory_usage_bytes",  # the balloon's size as libvirt has it, in spite of its name
        ),
        "consumed": _one("libvirt_domain_memory_stats_rss_bytes"),
        "available": _one("libvirt_domain_memory_stats_available_bytes"),
        "usable": _one("libvirt_domain_memory_stats_usable_bytes"),
        "unused": _one("libvirt_domain_memory_stats_unused_bytes"),
        "cached": _names(
            "libvirt_domain_memory_stats_disk_cache_bytes", "libvirt_domain_memory_stats_disk_caches_bytes"
        ),
        "vcpus": _one("libvirt_domain_info_virtual_cpus"),
        "cpu_seconds": _one("libvirt_domain_info_cpu_time_seconds_total"),
    },
    host={},
    info=("libvirt_domain_info_meta",),
    says=(_RSS, _NO_ACTIVE, "what a guest swaps on its own disk is not read as swapping of the host"),
)

_VMWARE = Exporter(
    name="vmware_exporter",
    hypervisor="esxi-8",
    vm_labels=("vm_name",),
    host_labels=("host_name",),
    host_id_labels=("host_name",),
    cluster_labels=("cluster_name", "cluster"),
    vm={
        "configured": _one("vmware_vm_memory_max", MIB),  # "Mbytes" of the exporter's help text are MiB of the API
        "consumed": _one("vmware_vm_mem_consumed_average", KIB),
        "granted": _one("vmware_vm_mem_granted_average", KIB),
        "active": _one("vmware_vm_mem_active_average", KIB),
        "swapped": _one("vmware_vm_mem_swapped_average", KIB),
        "ballooned": _one("vmware_vm_mem_vmmemctl_average", KIB),
        "shared": _one("vmware_vm_mem_shared_average", KIB),
        "overhead": _one("vmware_vm_mem_overhead_average", KIB),
        "vcpus": _one("vmware_vm_num_cpu"),
        "power": _one("vmware_vm_power_state"),
        "template": _one("vmware_vm_template"),
    },
    host={
        "memory": _one("vmware_host_memory_max", MIB),
        "used": _one("vmware_host_memory_usage", MIB),
        "ballooned": _one("vmware_host_mem_vmmemctl_average", KIB),
        "swapped": _one("vmware_host_mem_swapused_average", KIB),
        "cores": _one("vmware_host_num_cpu"),
        "maintenance": _one("vmware_host_maintenance_mode"),
    },
    says=("memory counters (mem_*_average) are read in KiB, memory_max and memory_usage in MiB",),
)

_PVE = Exporter(
    name="pve_exporter",
    hypervisor="proxmox",
    vm_labels=("id",),
    host_labels=("node",),
    host_id_labels=("id",),
    id_prefixes=(("qemu/", "vm"), ("node/", "host")),
    vm={
        "configured": _one("pve_memory_size_bytes"),
        "used": _one("pve_memory_usage_bytes"),
        "vcpus": _one("pve_cpu_usage_limit"),
        "cpu_ratio": _one("pve_cpu_usage_ratio"),
        "power": _one("pve_up"),
    },
    host={
        "memory": _one("pve_memory_size_bytes"),
        "used": _one("pve_memory_usage_bytes"),
        "cores": _one("pve_cpu_usage_limit"),
        "up": _one("pve_up"),
    },
    info=("pve_guest_info",),
    says=(
        _NO_ACTIVE,
        "pve_memory_usage_bytes is what the guest says it uses, or its control group's memory where it says nothing: "
        "granted memory is unknown",
    ),
)

_KUBEVIRT = Exporter(
    name="kubevirt",
    hypervisor="kvm",
    vm_labels=("name", "exported_name"),
    host_labels=("node", "exported_node", "instance"),
    host_id_labels=(),
    group_labels=("exported_namespace", "namespace"),
    scope_labels=("exported_namespace", "namespace"),
    is_resident=True,
    vm={
        "configured": _one("kubevirt_vmi_memory_domain_bytes"),
        "current": _one("kubevirt_vmi_memory_actual_balloon_bytes"),
        "consumed": _one("kubevirt_vmi_memory_resident_bytes"),
        "used": _one("kubevirt_vmi_memory_used_bytes"),
        "available": _one("kubevirt_vmi_memory_available_bytes"),
        "usable": _one("kubevirt_vmi_memory_usable_bytes"),
        "unused": _one("kubevirt_vmi_memory_unused_bytes"),
        "cached": _one("kubevirt_vmi_memory_cached_bytes"),
        "overhead": _one("kubevirt_vmi_launcher_memory_overhead_bytes"),
        "cpu_seconds": _one("kubevirt_vmi_cpu_usage_seconds_total"),
    },
    host={},
    says=(_RSS, _NO_ACTIVE, "what a guest swaps on its own disk is not read as swapping of the host"),
)

_OTEL = Exporter(
    name="otel-vcenter",
    hypervisor="esxi-8",
    vm_labels=("vcenter_vm_name",),
    uuid_labels=("vcenter_vm_id",),
    host_labels=("vcenter_host_name",),
    host_id_labels=("vcenter_host_name",),
    cluster_labels=("vcenter_cluster_name",),
    vm={
        # The receiver's "usage" is vCenter's guestMemoryUsage, which is active memory.
        "active": (Metric("vcenter_vm_memory_usage_mebibytes", MIB), Metric("vcenter_vm_memory_usage", MIB)),
        "active_percent": _names("vcenter_vm_memory_utilization_percent", "vcenter_vm_memory_utilization"),
        "granted": (Metric("vcenter_vm_memory_granted_mebibytes", MIB), Metric("vcenter_vm_memory_granted", MIB)),
        "ballooned": (Metric("vcenter_vm_memory_ballooned_mebibytes", MIB), Metric("vcenter_vm_memory_ballooned", MIB)),
        "swapped": (Metric("vcenter_vm_memory_swapped_mebibytes", MIB), Metric("vcenter_vm_memory_swapped", MIB)),
    },
    host={
        "memory": (Metric("vcenter_host_memory_capacity_mebibytes", MIB), Metric("vcenter_host_memory_capacity", MIB)),
        "used": (Metric("vcenter_host_memory_usage_mebibytes", MIB), Metric("vcenter_host_memory_usage", MIB)),
    },
    says=(
        "vcenter.vm.memory.usage is vCenter's guest memory usage, that is active memory; configured memory is inferred "
        "from usage and utilization, which is usage in per cent of it",
    ),
)

VM_EXPORTERS: tuple[Exporter, ...] = (_LIBVIRT, _VMWARE, _PVE, _KUBEVIRT, _OTEL)
CORES_METRIC = "node_cpu_seconds_total"
"""One series per core and mode: a host's cores are its distinct `cpu` labels."""


def metric_names(exporter: Exporter) -> tuple[str, ...]:
    """Name all metrics that are read of an exporter, each once."""
    found = [metric.name for table in (exporter.vm, exporter.host) for metrics in table.values() for metric in metrics]
    return tuple(dict.fromkeys([*found, *exporter.info]))


def find_exporter(names: Iterable[str], wanted: str | None, place: str) -> Exporter | None:
    """Find the exporter of VM metrics by the names of the metrics that are there; None if only hosts are told of.

    Raises
    ------
    InputError
        `wanted` is unknown or has no metric here; several exporters have; or none has, not even node_exporter.
    """
    there = set(names)
    known = ", ".join(exporter.name for exporter in VM_EXPORTERS)
    found = [exporter for exporter in VM_EXPORTERS if there.intersection(metric_names(exporter))]
    if wanted is not None:
        chosen = next((exporter for exporter in (*VM_EXPORTERS, NODE) if exporter.name == wanted), None)
        if chosen is None:
            raise InputError("--exporter", f'unknown exporter "{wanted}"', f"use one of {known}")
        if not there.intersection(metric_names(chosen)):
            raise InputError(place, f"has no metric of {wanted}", _shown(there))
        return None if chosen is NODE else chosen
    if len(found) > 1:
        both = " and ".join(exporter.name for exporter in found)
        raise InputError(place, f"has metrics of {both}", "choose one with --exporter")
    if not found and not there.intersection(metric_names(NODE)):
        raise InputError(place, f"has no metric of a known exporter ({known}, {NODE.name})", _shown(there))
    return found[0] if found else None


def _shown(there: set[str]) -> str:
    names = sorted(there)
    return "found: " + (", ".join(names[:5]) + (", ..." if len(names) > 5 else "") if names else "no series at all")
