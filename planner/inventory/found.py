"""What a reader found in an inventory: hosts, VMs, rules, and what it left out, doubts or does not know.

Readers of formats (`rvtools`, `libvirt`, `proxmox`, ...) fill these and nothing else. What becomes of it, a fleet
directory and a report of the import, is the same for all. None means unknown, and unknown is never zero.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np


class Power(StrEnum):
    """Whether a VM runs."""

    ON = "on"
    OFF = "off"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class FoundVm:
    """A VM as the source tells it. Memory in bytes.

    Attributes
    ----------
    name : str
        As users know it; need not be unique.
    place : str
        Where it was read, for messages: "vInfo, row 12", "domstats.txt, domain web-1".
    uuid : str or None
        What identifies it in several snapshots.
    host, cluster : str or None
        Names in `Found.hosts` and `Found.clusters`, as the source writes them.
    group : str or None
        What belongs together: resource pool, project, namespace.
    consumed_bytes : int or None
        Guest memory backed by the host now (RVTools "Consumed", resident set of the process, ...).
    active_bytes : int or None
        Touched lately, as the hypervisor estimates it.
    used_bytes : int or None
        In use as the guest itself tells: neither of the two above.
    ballooned_bytes, swapped_bytes, shared_bytes, overhead_bytes : int or None
        What the host has done to its memory, and takes beside it.
    shares, reservation_bytes, limit_bytes : int or None
        Memory settings; a limit of None is unknown or none.
    """

    name: str
    place: str
    uuid: str | None = None
    power: Power = Power.UNKNOWN
    configured_bytes: int | None = None
    vcpus: int | None = None
    host: str | None = None
    cluster: str | None = None
    group: str | None = None
    consumed_bytes: int | None = None
    active_bytes: int | None = None
    used_bytes: int | None = None
    ballooned_bytes: int | None = None
    swapped_bytes: int | None = None
    shared_bytes: int | None = None
    overhead_bytes: int | None = None
    shares: int | None = None
    reservation_bytes: int | None = None
    limit_bytes: int | None = None
    has_balloon_driver: bool | None = None
    image: str | None = None


@dataclass(frozen=True)
class FoundHost:
    """A host as the source tells it. Memory in bytes.

    Attributes
    ----------
    place : str
        Where it was read, for messages.
    is_usable : bool
        Whether VMs may be placed on it: not in maintenance, not disabled, up.
    reserved_bytes : int or None
        Kept for the hypervisor itself.
    overcommit_ratio : float or None
        Up to which the manager places VMs on it today.
    vm_memory_bytes, n_vms : int or None
        Configured memory and number of its VMs by the host's own account, which VMs' rows must add up to.
    vm_memory_is_of_running : bool
        Whether that account leaves VMs out that are off.
    used_bytes : int or None
        Memory in use, by the host's own account.
    active_bytes : int or None
        Active memory of its VMs, by the host's own account.
    ballooned_bytes, swapped_bytes : int or None
        Sums over its VMs, by the host's own account.
    swap_bytes : int or None
        Size of its swap space.
    cpu_model : str or None
        As the source writes it, e.g. "Intel(R) Xeon(R) Gold 6430".
    """

    name: str
    place: str
    memory_bytes: int | None = None
    cores: int | None = None
    numa_nodes: int | None = None
    cluster: str | None = None
    is_usable: bool = True
    reserved_bytes: int | None = None
    vm_memory_bytes: int | None = None
    n_vms: int | None = None
    vm_memory_is_of_running: bool = True
    used_bytes: int | None = None
    active_bytes: int | None = None
    ballooned_bytes: int | None = None
    swapped_bytes: int | None = None
    swap_bytes: int | None = None
    overcommit_ratio: float | None = None
    cpu_model: str | None = None
    hypervisor: str | None = None


@dataclass(frozen=True)
class FoundCluster:
    """A cluster: hosts among which VMs may move.

    Attributes
    ----------
    failover_hosts : int or None
        Hosts whose failure it is to survive; 0: admission control is off.
    memory_bytes : int or None
        Memory of its hosts, by its own account.
    is_balanced : bool or None
        Whether VMs are moved to balance load (DRS).
    """

    name: str
    place: str
    failover_hosts: int | None = None
    memory_bytes: int | None = None
    is_balanced: bool | None = None


class RuleKind(StrEnum):
    """What a rule asks of its VMs."""

    TOGETHER = "together"
    APART = "apart"
    MUST_RUN_ON = "must run on"


@dataclass(frozen=True)
class FoundRule:
    """A placement rule. `vms` and `hosts` are names."""

    kind: RuleKind
    name: str
    place: str
    vms: tuple[str, ...]
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Note:
    """Something to tell the user.

    Attributes
    ----------
    place : str
        Where: tab and cell, file and key.
    text : str
        What is so, in a few words. Notes of the same text are counted together.
    remedy : str
        What to do about it; empty where nothing need be done.
    """

    place: str
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Series:
    """Demand over time, rows in the order of `Found.vms`, float32, NaN = unknown or off.

    Attributes
    ----------
    first_time_s, tick_s : int
        Start of the first tick since 1970, UTC; length of a tick. [s]
    active_bytes, granted_bytes : float32 array, shape (n_vms, n_ticks)
    cpu_busy_vcpus : float32 array or None
        Mean busy vCPUs.
    """

    first_time_s: int
    tick_s: int
    active_bytes: np.ndarray
    granted_bytes: np.ndarray
    cpu_busy_vcpus: np.ndarray | None = None


@dataclass
class Found:
    """All that a reader found.

    Attributes
    ----------
    source : str
        Kind and name: "rvtools: export.xlsx".
    hypervisor : str
        Preset of the config that the fleet is for.
    taken_at_s : tuple of int
        When the snapshots were taken, since 1970, UTC; empty: the source does not say. [s]
    reading_rank : int
        Which of the snapshots' readings a VM's are, from the smallest; 0: the largest.
    read : dict
        What was read: name of a tab, file or endpoint to number of rows.
    skipped, doubts : list of Note
        What was left out and why; what looks wrong, and is used or not as the text says.
    assumptions : list of str
        What was taken for granted, a sentence each.
    """

    source: str
    hypervisor: str
    hosts: list[FoundHost] = field(default_factory=list)
    vms: list[FoundVm] = field(default_factory=list)
    clusters: list[FoundCluster] = field(default_factory=list)
    rules: list[FoundRule] = field(default_factory=list)
    series: Series | None = None
    taken_at_s: tuple[int, ...] = ()
    reading_rank: int = 0
    read: dict[str, int] = field(default_factory=dict)
    skipped: list[Note] = field(default_factory=list)
    doubts: list[Note] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
