"""What a placement strategy is given and gives back. "Does not fit" is a value here, never an exception.

Two limits hold on every host, whatever the strategy:

- overcommit: sum of configured memory <= ratio x usable memory, usable = RAM - reserved - sum of overhead memory;
- RAM: sum of (reservation + overhead memory) <= RAM - reserved, because that memory is never reclaimed.

The first is kept in the form sum(configured + ratio x overhead) <= ratio x (RAM - reserved), whole bytes rounded to the
safe side, so that a VM has one fixed size and a host one fixed room. vCPUs, affinity and failover capacity are not
limits here.
"""

from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from typing import NamedTuple, Protocol

import numpy as np

from planner.config.hypervisor import HypervisorSpec
from planner.workload.fleet import VmTable
from planner.workload.overhead import vm_overhead_bytes


class Verdict(IntEnum):
    """What became of a VM."""

    PLACED = 0
    NO_ROOM = 1
    TOO_LARGE = 2
    HOST_UNKNOWN = 3
    HOST_FULL = 4


REASONS = {
    Verdict.PLACED: "placed",
    Verdict.NO_ROOM: "no host has enough memory left for it at this ratio",
    Verdict.TOO_LARGE: "larger than any empty host allows at this ratio",
    Verdict.HOST_UNKNOWN: "the host it runs on today is unknown or not among fleet.hosts",
    Verdict.HOST_FULL: "the host it runs on today has not enough memory left for it at this ratio",
}


@dataclass(frozen=True)
class HostCapacities:
    """Hosts in the order in which they are opened; arrays of shape (n_hosts,).

    Attributes
    ----------
    names : tuple of str
        Unique names.
    memory_bytes, reserved_bytes : int64 array
        Installed RAM, and what the hypervisor keeps of it: its own memory and minFree. [bytes]
    """

    names: tuple[str, ...]
    memory_bytes: np.ndarray
    reserved_bytes: np.ndarray

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class PlacementLimits:
    """What every host must keep, and how hosts are opened.

    Attributes
    ----------
    overcommit_ratio : float
        Largest configured ÷ usable memory of a host.
    hypervisor : HypervisorSpec
        Says how much overhead memory a VM needs.
    is_every_host_open : bool
        True: spread over all hosts from the start (question "grow"); false: open no more than needed.
    """

    overcommit_ratio: float
    hypervisor: HypervisorSpec
    is_every_host_open: bool = False


@dataclass(frozen=True)
class Placement:
    """Where each VM goes.

    Attributes
    ----------
    host_idx : int64 array, shape (n_vms,)
        Host of each VM; meaningless where the verdict is not PLACED.
    verdicts : int8 array, shape (n_vms,)
        Values of `Verdict`.
    """

    host_idx: np.ndarray
    verdicts: np.ndarray

    @property
    def is_placed(self) -> np.ndarray:
        """Which VMs have a host: bool array, shape (n_vms,)."""
        return np.asarray(self.verdicts == Verdict.PLACED)

    def vms_by_host(self) -> dict[int, np.ndarray]:
        """Return the VMs on each host in use, both ascending: host -> int64 array."""
        placed = np.flatnonzero(self.is_placed)
        by_host = placed[np.argsort(self.host_idx[placed], kind="stable")]
        hosts, first = np.unique(self.host_idx[by_host], return_index=True)
        return dict(zip(hosts.tolist(), np.split(by_host, first[1:]), strict=True)) if hosts.size else {}


class PlacementStrategy(Protocol):
    """A rule that says which VM goes to which host. A pure function of its arguments; host names never matter."""

    name: str

    def place(self, vms: VmTable, hosts: HostCapacities, limits: PlacementLimits) -> Placement:
        """Place each VM once, within the limits; what finds no host gets a verdict that says why."""
        ...


class Sizes(NamedTuple):
    """VMs and hosts as the packing kernels see them, int64 arrays, in bytes.

    vm_room, vm_ram : shape (n_vms,). host_room, host_ram : shape (n_hosts,).
    """

    vm_room: np.ndarray
    vm_ram: np.ndarray
    host_room: np.ndarray
    host_ram: np.ndarray


def packing_sizes(vms: VmTable, hosts: HostCapacities, limits: PlacementLimits) -> Sizes:
    """Turn both limits into whole bytes taken by each VM and offered by each host."""
    overhead_bytes = vm_overhead_bytes(vms, limits.hypervisor)
    host_ram = (hosts.memory_bytes - hosts.reserved_bytes).astype(np.int64)
    kinds, kind_idx = np.unique(host_ram, return_inverse=True)
    # The decimal that the user wrote, not its binary neighbour: 1.4 x 10 bytes are 14, not 13.
    ratio = Fraction(repr(float(limits.overcommit_ratio)))
    room_of_kind = np.array([int(ratio * int(ram)) for ram in kinds], dtype=np.int64)
    vm_room = vms.configured_bytes + np.ceil(limits.overcommit_ratio * overhead_bytes).astype(np.int64)
    return Sizes(vm_room, vms.reservation_bytes + overhead_bytes, room_of_kind[kind_idx], host_ram)


def judge(host_idx: np.ndarray, sizes: Sizes) -> Placement:
    """Make a Placement of packed hosts (-1: none), telling VMs too large for any host from those that found no room."""
    verdicts = np.where(host_idx >= 0, Verdict.PLACED, Verdict.NO_ROOM).astype(np.int8)
    kinds = np.unique(np.stack([sizes.host_room, sizes.host_ram]), axis=1)
    left = np.flatnonzero(host_idx < 0)
    fits_empty = (kinds[0] >= sizes.vm_room[left, None]) & (kinds[1] >= sizes.vm_ram[left, None])
    verdicts[left[~fits_empty.any(axis=1)]] = Verdict.TOO_LARGE
    return Placement(np.maximum(host_idx, 0), verdicts)


def search_trees(sizes: Sizes, n_hosts: int) -> tuple[np.ndarray, np.ndarray]:
    """Make the two search trees of the packing kernels over the first `n_hosts` hosts."""
    from planner.kernels.packing import fill_tree

    n_leaves = 1 << max(0, n_hosts - 1).bit_length()
    trees = np.empty((2, 2 * n_leaves), dtype=np.int64)
    fill_tree(sizes.host_room[:n_hosts], trees[0])
    fill_tree(sizes.host_ram[:n_hosts], trees[1])
    return trees[0], trees[1]
