"""What one host simulation is given and what it gives back. Plain values: they pickle and hash, no arrays of demand."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from planner.config.cpu import CpuSpec
from planner.config.hypervisor import HypervisorSpec
from planner.config.page_tables import FOUR_LEVELS, PageTableSpec
from planner.config.slo import SloSpec
from planner.config.spec import WorkloadSpec


@dataclass(frozen=True)
class SwapDevice:
    """Where pages are swapped to.

    Attributes
    ----------
    latency_s : float
        Time to read 4 KiB at queue depth 1. [s]
    reads_per_s : float
        Sustained 4 KiB random reads. [1/s]
    writes_per_s : float or None
        Sustained 4 KiB random writes; None: as many as reads. [1/s]
    size_bytes : int or None
        Space for swapped pages; None: it never runs out. [bytes]
    is_ram : bool
        Compressed RAM of the host itself (zram): swapped pages are compressed and take frames.
    """

    name: str
    latency_s: float
    reads_per_s: float
    writes_per_s: float | None = None
    size_bytes: int | None = None
    is_ram: bool = False


@dataclass(frozen=True)
class HostHardware:
    """One host. Memory in bytes; `reserved_bytes` is kept by the hypervisor itself."""

    name: str = field(compare=False)
    memory_bytes: int
    reserved_bytes: int
    cores: int
    cpu: str | CpuSpec
    swap: SwapDevice
    numa_nodes: int = 1
    page_tables: PageTableSpec = FOUR_LEVELS


@dataclass(frozen=True)
class HostProblem:
    """One host, its VMs and the rules, for one replicate. Equal problems have equal results.

    Attributes
    ----------
    vm_idx : tuple of int
        Rows of the VM table of the fleet's demand source, ascending.
    page_scale : int
        4 KiB pages that one sampled page stands for; 1 is exact mode.
    warm_up_s : float
        Start of the horizon that is simulated but not judged. [s]

    Notes
    -----
    Hashable; the host's name takes no part in equality, so that the same host problem met in two scenarios is
    recognised and simulated once.
    """

    host: HostHardware
    hypervisor: HypervisorSpec
    workload: WorkloadSpec
    slo: SloSpec
    seed: int
    replicate: int
    vm_idx: tuple[int, ...]
    page_scale: int
    warm_up_s: float = 0.0


@dataclass(frozen=True)
class HostResult:
    """What happened on one host.

    Attributes
    ----------
    host_row : dict
        Values of the simulated columns of `schema.HOST_COLUMNS`, one number (or list) each.
    vm_rows : dict
        Values of the simulated columns of `schema.VM_COLUMNS`: arrays of shape (n_vms,) in the order of `vm_idx`.
    timeline : int64 array, shape (n_ticks, len(TIMELINE_COLUMNS)), or None
        Host counters by tick; kept only where asked for.
    """

    host_row: dict[str, Any]
    vm_rows: dict[str, np.ndarray]
    timeline: np.ndarray | None = field(default=None)


@dataclass(frozen=True)
class HostFailure:
    """Why the simulation of one host gave no result.

    Attributes
    ----------
    message : str
        In one line.
    is_final : bool
        Whether it would fail again: what the simulation itself raised. False where its worker died, or memory ran out.
    """

    message: str
    is_final: bool = True


Outcome = HostResult | HostFailure
