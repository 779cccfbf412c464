"""What a host holds over the window: VMs that are there all the time, and stays. Sums at its fullest tick."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from planner.host.problem import HostHardware
from planner.sweep.plan import PlacedHost
from planner.workload.fleet import VmTable
from planner.workload.stays import Stay


class FleetSizes(NamedTuple):
    """The VMs of a fleet and the overhead memory of each. [bytes]."""

    vms: VmTable
    overhead_bytes: np.ndarray


def peak_sum(whole: int, stays: Iterable[Stay], sizes: np.ndarray, first_tick: int = 0) -> tuple[int, int]:
    """Return the largest sum of sizes over the ticks from `first_tick` on, and the first tick that has it.

    Parameters
    ----------
    whole : int
        Sum over the VMs that never leave.
    stays : iterable of Stay
    sizes : int64 array, shape (n_vms,)
        Size of each VM of the fleet.
    """
    changes: dict[int, int] = {first_tick: 0}
    for stay in stays:
        begin = max(stay.first_tick, first_tick)
        if stay.end_tick > begin:
            changes[begin] = changes.get(begin, 0) + int(sizes[stay.vm])
            changes[stay.end_tick] = changes.get(stay.end_tick, 0) - int(sizes[stay.vm])
    best, best_tick, current = whole, first_tick, whole
    for tick in sorted(changes):
        current += changes[tick]
        if current > best:
            best, best_tick = current, tick
    return best, best_tick


def split_stays(stays: Sequence[Stay], n_ticks: int) -> tuple[list[int], list[Stay]]:
    """Tell VMs that run on a host over the whole horizon from stays."""
    whole = [stay.vm for stay in stays if stay.start == "running" and stay.end_tick == n_ticks]
    return whole, [stay for stay in stays if stay.start != "running" or stay.end_tick < n_ticks]


def describe_host(
    hardware: HostHardware, ram_bytes: int, vm_idx: Sequence[int], stays: Sequence[Stay], fleet: FleetSizes
) -> PlacedHost:
    """Describe a host as the result tables do: by the VMs it holds when it holds most configured memory.

    Parameters
    ----------
    ram_bytes : int
        RAM less what the hypervisor keeps for itself. [bytes]
    vm_idx : sequence of int
        VMs that never leave it.
    stays : sequence of Stay
        Of those that come or go.
    """
    configured = fleet.vms.configured_bytes
    _, tick = peak_sum(int(configured[list(vm_idx)].sum()), stays, configured)
    there = [*vm_idx, *(stay.vm for stay in stays if stay.first_tick <= tick < stay.end_tick)]
    return PlacedHost(
        hardware=hardware,
        vm_idx=tuple(sorted(vm_idx)),
        configured_bytes=int(configured[there].sum()),
        usable_bytes=ram_bytes - int(fleet.overhead_bytes[there].sum()),
        vcpus=int(fleet.vms.vcpus[there].sum()),
        stays=tuple(sorted(stays)),
    )
