"""Host groups of a config -> single hosts with their hardware."""

import numpy as np

from planner.config.hypervisor import HypervisorSpec
from planner.config.spec import HostGroupSpec
from planner.host.problem import HostHardware, SwapDevice
from planner.placement import HostCapacities
from planner.workload.overhead import min_free_bytes, sharing_kept_bytes


def expand_hosts(groups: tuple[HostGroupSpec, ...]) -> tuple[HostHardware, ...]:
    """List the hosts of all groups in order: esx-01, esx-02, ... Raises ConfigError on an unknown swap device."""
    hosts = []
    for group in groups:
        spec = group.swap_device
        swap = SwapDevice(spec.name, spec.latency, spec.reads_per_s, spec.writes_per_s, group.swap_size, spec.is_ram)
        for name in group.names():
            hardware = (group.memory, group.reserved_bytes, group.cores, group.cpu_or_preset, swap)
            hosts.append(HostHardware(name, *hardware, group.numa_nodes, group.page_tables))
    return tuple(hosts)


def host_capacities(hosts: tuple[HostHardware, ...], hypervisor: HypervisorSpec) -> HostCapacities:
    """Return what placement needs to know of the hosts: minFree is as little for guests as the hypervisor's own part.

    So is what page sharing itself may need. A host filled to its usable memory thus stays at minFree, and an overcommit
    ratio of 1.0 never reclaims.
    """
    kept_bytes = [
        host.reserved_bytes
        + min_free_bytes(host.memory_bytes, hypervisor)
        + sharing_kept_bytes(host.memory_bytes, hypervisor)
        for host in hosts
    ]
    return HostCapacities(
        names=tuple(host.name for host in hosts),
        memory_bytes=np.array([host.memory_bytes for host in hosts], dtype=np.int64),
        reserved_bytes=np.array(kept_bytes, dtype=np.int64),
        cores=np.array([host.cores for host in hosts], dtype=np.int64),
        is_available=np.ones(len(hosts), dtype=bool),
    )
