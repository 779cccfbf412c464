"""Host groups of a config -> single hosts with their hardware."""

from collections import Counter

import numpy as np

from planner.config.catalog import load_swap_device
from planner.config.spec import HostGroupSpec
from planner.errors import ConfigError, Issue
from planner.host.problem import HostHardware, SwapDevice
from planner.placement import HostCapacities


def expand_hosts(groups: tuple[HostGroupSpec, ...]) -> tuple[HostHardware, ...]:
    """List the hosts of all groups in order: esx-01, esx-02, ...; a group of one keeps its name.

    Raises
    ------
    ConfigError
        Two hosts get the same name, or a swap device is not known.
    """
    hosts = []
    for group in groups:
        spec = load_swap_device(group.swap)
        swap = SwapDevice(spec.name, spec.latency, spec.reads_per_s)
        for name in host_names(group):
            hosts.append(HostHardware(name, group.memory, group.reserved, group.cores, group.cpu, swap))
    twice = [name for name, count in Counter(host.name for host in hosts).items() if count > 1]
    if twice:
        message = f"two hosts would be called {twice[0]}"
        raise ConfigError((Issue("fleet.hosts", message, "give each group a name of its own"),))
    return tuple(hosts)


def host_names(group: HostGroupSpec) -> tuple[str, ...]:
    """Name the hosts of a group, numbers padded to the same width so that names sort in order."""
    if group.count == 1:
        return (group.name,)
    width = max(2, len(str(group.count)))
    return tuple(f"{group.name}-{number:0{width}d}" for number in range(1, group.count + 1))


def host_capacities(hosts: tuple[HostHardware, ...]) -> HostCapacities:
    """Return what placement needs to know of the hosts."""
    return HostCapacities(
        names=tuple(host.name for host in hosts),
        memory_bytes=np.array([host.memory_bytes for host in hosts], dtype=np.int64),
        reserved_bytes=np.array([host.reserved_bytes for host in hosts], dtype=np.int64),
    )
