"""What a placement strategy is given and gives back. "Does not fit" is a value here, never an exception.

Limits that hold on every host, whatever the strategy:

- overcommit: sum of configured memory <= ratio x usable memory, usable = RAM - reserved - sum of overhead memory;
- RAM: sum of (reservation + overhead memory) <= RAM - reserved, because that memory is never reclaimed;
- where asked for, a cap on vCPUs per core and a predicted peak within usable memory; a reserve for failover makes the
  memory of every host smaller by a share (`packing.py`).

`docs/placement.md` says what each limit and rule means exactly.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from types import MappingProxyType
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from planner.config.hypervisor import HypervisorSpec
from planner.config.placement_rules import AdmissionSpec, HaReserveSpec
from planner.placement.forecast import Forecast
from planner.placement.rules import NO_RULES, PlacementRules
from planner.workload.fleet import VmTable

OVERCOMMIT, RAM, VCPUS, PREDICTED = "overcommit", "RAM", "vCPUs", "predicted"
"""Names of the limits that add up over the VMs of a host."""


class Verdict(IntEnum):
    """What became of a VM."""

    PLACED = 0
    NO_ROOM = 1
    TOO_LARGE = 2
    HOST_UNKNOWN = 3
    HOST_FULL = 4
    KEPT_OFF = 5
    NOT_ADMITTED = 6
    NO_HOST = 7


REASONS = {
    Verdict.PLACED: "placed",
    Verdict.NO_ROOM: "no host has enough room left for it at this ratio",
    Verdict.TOO_LARGE: "larger than any empty host allows at this ratio",
    Verdict.HOST_UNKNOWN: "the host it runs on today is unknown or not among fleet.hosts",
    Verdict.HOST_FULL: "the host it runs on today has not enough room left for it at this ratio",
    Verdict.KEPT_OFF: "its rules keep it off every host with room",
    Verdict.NOT_ADMITTED: "the predicted peak of every host with room would be above its usable memory",
    Verdict.NO_HOST: "no host is available",
}


NO_RESERVE = HaReserveSpec()
BY_RATIO = AdmissionSpec()


@dataclass(frozen=True)
class HostCapacities:
    """Hosts in the order in which they are opened; arrays of shape (n_hosts,).

    Attributes
    ----------
    names : tuple of str
        Unique names.
    memory_bytes, reserved_bytes : int64 array
        Installed RAM, and what the hypervisor keeps of it: its own memory and minFree. [bytes]
    cores : int64 array
        Physical cores.
    is_available : bool array
        False: the host is down or in maintenance and takes nothing.
    """

    names: tuple[str, ...]
    memory_bytes: np.ndarray
    reserved_bytes: np.ndarray
    cores: np.ndarray
    is_available: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    @property
    def room_bytes(self) -> np.ndarray:
        """RAM less what the hypervisor keeps: int64 array. [bytes]."""
        return np.asarray(self.memory_bytes - self.reserved_bytes, dtype=np.int64)

    def without(self, host_idx: np.ndarray) -> "HostCapacities":
        """Return the same hosts, those in `host_idx` (int array) not available."""
        is_available = self.is_available.copy()
        is_available[host_idx] = False
        return replace(self, is_available=is_available)


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
    rules : PlacementRules
        VMs together, apart, or on some hosts only.
    max_vcpus_per_core : float or None
        Most vCPUs of a host's VMs per core; None: any number.
    ha_reserve : HaReserveSpec
        Room kept free for failover.
    admission : AdmissionSpec
        Predicts the peak of a host's VMs.
    image_shared_fraction : float
        Share of granted memory that VMs of an image have in common.
    """

    overcommit_ratio: float
    hypervisor: HypervisorSpec
    is_every_host_open: bool = False
    rules: PlacementRules = NO_RULES
    max_vcpus_per_core: float | None = None
    ha_reserve: HaReserveSpec = NO_RESERVE
    admission: AdmissionSpec = BY_RATIO
    image_shared_fraction: float = 0.0


@dataclass(frozen=True)
class PlacementRequest:
    """VMs to place, and all that decides where they may go.

    Attributes
    ----------
    vms : VmTable
    hosts : HostCapacities
    limits : PlacementLimits
    standing : int64 array, shape (n_vms,), or None
        Host on which a VM already runs and stays; -1: to be placed; None: all are to be placed. VMs that stay take
        their room first, and keep their host even if it is over a limit, breaks a rule or is not available.
    forecast : Forecast or None
        Demand that strategies and admission may look at, rows as in `vms`; None: they may not.
    seed : int
        Root of draws.
    """

    vms: VmTable
    hosts: HostCapacities
    limits: PlacementLimits
    standing: np.ndarray | None = None
    forecast: Forecast | None = None
    seed: int = 0

    @property
    def standing_idx(self) -> np.ndarray:
        """`standing` as an array: int64, shape (n_vms,)."""
        return np.full(len(self.vms), -1, dtype=np.int64) if self.standing is None else self.standing

    def take(self, vm_idx: np.ndarray) -> "PlacementRequest":
        """Return the request for the VMs `vm_idx` (int array) alone."""
        return replace(
            self,
            vms=self.vms.take(vm_idx),
            standing=None if self.standing is None else self.standing[vm_idx],
            forecast=None if self.forecast is None else self.forecast.take(vm_idx),
        )


@dataclass(frozen=True)
class Placement:
    """Where each VM goes.

    Attributes
    ----------
    host_idx : int64 array, shape (n_vms,)
        Host of each VM; meaningless where the verdict is not PLACED.
    verdicts : int8 array, shape (n_vms,)
        Values of `Verdict`. A VM that stays where it is, is PLACED.
    reasons : mapping
        Row of each VM without a host -> a sentence that names the VM, the host that came nearest and what it lacks.
        Computed when read.
    warnings : tuple of str
        Rules that the placement breaks because VMs were not to be moved; a sentence each.
    """

    host_idx: np.ndarray
    verdicts: np.ndarray
    reasons: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    warnings: tuple[str, ...] = ()

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


class HostBound(NamedTuple):
    """A lower bound on the hosts that a placement of all VMs uses.

    Attributes
    ----------
    hosts : int or None
        Proven; None: not within the time.
    relaxed : tuple of str
        Rules and limits of the request that the bound leaves out.
    """

    hosts: int | None
    relaxed: tuple[str, ...]


class PlacementStrategy(Protocol):
    """A rule that says which VM goes to which host. A pure function of its request; host names never matter.

    Attributes
    ----------
    name : str
        As written in configs.
    is_order_invariant : bool
        Whether a VM's host does not depend on the order of the rows of the VM table.
    """

    name: ClassVar[str]
    is_order_invariant: ClassVar[bool]

    def place(self, request: PlacementRequest) -> Placement:
        """Place each VM once, within limits and rules; what finds no host gets a verdict and a reason."""
        ...
