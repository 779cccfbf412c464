"""Columns of RVTools' tabs that are read, by the spellings of its versions.

Each key lists normal headers (`planner.inventory.workbook_tab.normal_header`), the present spelling first, then older
ones ("Size MB") and the raw internal ones ("vMemorySizeMiB", without the tab's name). Memory is in MiB under all of
them; columns of storage ("In Use MiB", "Provisioned MiB") are not read as memory.
"""

from collections.abc import Mapping
from types import MappingProxyType

TABS = ("vInfo", "vMemory", "vCPU", "vTools", "vHost", "vCluster", "vRP", "vMetaData")
INFO_SIGNATURE = ("vm", "powerstate", "cpus", "memory")


def _amount(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}{unit}" for name in names for unit in ("", "mib", "mb"))


_IDENTITY = {
    "name": ("vm", "vmname", "name"),
    "power": ("powerstate",),
    "cluster": ("cluster", "clustername"),
    "host": ("host", "hostname"),
    "vm_id": ("vmid", "objectid"),
    "uuid": ("vmuuid", "uuid", "instanceuuid"),
    "vcenter": ("visdkserver", "vcenter", "visdkuuid", "vcenteruuid"),
}
_INFO = _IDENTITY | {
    "template": ("template",),
    "placeholder": ("srmplaceholder",),
    "connection": ("connectionstate",),
    "vcpus": ("cpus", "numcpu", "cpu"),
    "size": _amount("memory", "memorysize", "size"),
    "pool": ("resourcepool",),
    "vapp": ("vapp",),
    "rules": ("clusterrules", "clusterrule"),
    "rule_names": ("clusterrulenames", "clusterrulename"),
    "smbios": ("smbiosuuid", "biosuuid"),
    "os_config": ("osaccordingtotheconfigurationfile", "os"),
    "os_tools": ("osaccordingtothevmwaretools", "ostools"),
    "server_type": ("visdkservertype",),
}
_MEMORY = _IDENTITY | {
    "size": _amount("size", "memory", "memorysize"),
    "is_locked": ("memoryreservationlockedtomax",),
    "overhead": _amount("overhead"),
    "consumed": _amount("consumed"),
    "consumed_overhead": _amount("consumedoverhead"),
    "shared": _amount("shared"),
    "swapped": _amount("swapped"),
    "ballooned": _amount("ballooned"),
    "active": _amount("active"),
    "shares": ("shares",),
    "reservation": _amount("reservation"),
    "limit": _amount("limit"),
}
_HOST = {
    "name": ("host", "hostname", "name"),
    "cluster": ("cluster", "clustername"),
    "is_in_maintenance": ("inmaintenancemode", "maintenancemode"),
    "is_in_quarantine": ("inquarantinemode", "quarantinemode"),
    "cpu_model": ("cpumodel",),
    "sockets": ("cpu", "numcpu", "cpus"),
    "cores_per_socket": ("corespercpu",),
    "cores": ("cores", "numcpucores", "numcores"),
    "memory": _amount("memory", "memorysize"),
    "tiering": ("memorytieringtype",),
    "usage_percent": ("memoryusage", "overallmemoryusage"),
    "vms_total": ("vmstotal",),
    "vms": ("vms", "numvms"),
    "vram": _amount("vram"),
    "vm_used": _amount("vmusedmemory"),
    "vm_swapped": _amount("vmmemoryswapped"),
    "vm_ballooned": _amount("vmmemoryballooned"),
    "version": ("esxversion", "fullname"),
    "vcenter": _IDENTITY["vcenter"],
}
_CLUSTER = {
    "name": ("name", "cluster", "clustername"),
    "hosts": ("numhosts",),
    "total": ("totalmemory",),
    "has_ha": ("haenabled",),
    "failover": ("failoverlevel",),
    "has_admission": ("admissioncontrolenabled",),
    "has_drs": ("drsenabled",),
    "drs": ("drsdefaultvmbehavior",),
    "vcenter": _IDENTITY["vcenter"],
}
_POOL = {
    "name": ("resourcepoolname", "name", "resourcepool"),
    "path": ("resourcepoolpath", "path"),
    "configured": _amount("memconfigured"),
    "limit": _amount("memlimit"),
    "reservation": _amount("memreservation"),
    "level": ("memlevel",),
    "shares": ("memshares",),
    "compressed": _amount("qscompressedmemory"),
}
_TOOLS = _IDENTITY | {"tools": ("tools", "toolsstatus")}
_CPU = _IDENTITY | {"vcpus": ("cpus", "numcpu", "cpu")}
_META = {
    "version": ("rvtoolsversion", "rvtoolsmajorversion"),
    "created": ("xlsxcreationdatetime", "creationdatetime"),
}
COLUMNS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "vInfo": _INFO,
        "vMemory": _MEMORY,
        "vCPU": _CPU,
        "vTools": _TOOLS,
        "vHost": _HOST,
        "vCluster": _CLUSTER,
        "vRP": _POOL,
        "vMetaData": _META,
    }
)

EXPECTED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "vInfo": {
            "power": "Powerstate",
            "template": "Template",
            "vcpus": "CPUs",
            "cluster": "Cluster",
            "host": "Host",
            "uuid": "VM UUID",
        },
        "vMemory": {
            "size": "Size MiB",
            "consumed": "Consumed",
            "active": "Active",
            "ballooned": "Ballooned",
            "swapped": "Swapped",
            "shares": "Shares",
            "reservation": "Reservation",
            "limit": "Limit",
        },
        "vHost": {
            "cluster": "Cluster",
            "memory": "# Memory",
            "cores": "# Cores",
            "is_in_maintenance": "in Maintenance Mode",
            "cpu_model": "CPU Model",
            "usage_percent": "Memory usage %",
            "vms": "# VMs",
            "vram": "vRAM",
        },
        "vCluster": {
            "has_ha": "HA enabled",
            "failover": "Failover Level",
            "has_admission": "AdmissionControlEnabled",
        },
        "vTools": {"tools": "Tools"},
    }
)
"""Columns whose absence leaves something unknown that the fleet is told by, with the name that RVTools gives them."""
