"""Memory that guests cannot have: overhead of each VM, and the free memory that the hypervisor keeps (minFree)."""

from math import isqrt
from typing import NamedTuple

import numpy as np

from planner.config.hypervisor import HypervisorSpec, WatermarkSpec
from planner.units import GIB, KIB, MIB, PAGE_BYTES
from planner.workload.fleet import VmTable

# Sliding scale of the free memory target: share of each slice of RAM, up to the slice's end (vSphere 5 and later,
# Mem.MemMinFreePct = 0). [GiB, share]
_MIN_FREE_SLICES = ((4, 0.06), (12, 0.04), (28, 0.02), (None, 0.01))

SHARING_TABLE_ENTRY_BYTES = 16
KSM_RECORD_BYTES = 64


def vm_overhead_bytes(vms: VmTable, hypervisor: HypervisorSpec) -> np.ndarray:
    """Return the overhead memory of each VM: a constant, a part per vCPU and a part of the configured memory.

    Returns
    -------
    int64 array, shape (n_vms,)
        Rounded up. [bytes]

    Notes
    -----
    Linear law of `HypervisorSpec.vm_overhead_*`. It takes the VM as powered on; video memory and devices that are
    passed through are not modelled.
    """
    fixed_bytes = (hypervisor.vm_overhead_base + hypervisor.vm_overhead_per_vcpu * vms.vcpus) * MIB
    overhead_bytes: np.ndarray = np.ceil(fixed_bytes + hypervisor.vm_overhead_per_memory * vms.configured_bytes)
    return overhead_bytes.astype(np.int64)


def sharing_table_bytes(memory_bytes: int, hypervisor: HypervisorSpec) -> int:
    """Return the memory of ESXi's table of page contents: 16 bytes for each 4 KiB page of the host, 0.39 %.

    Waldspurger, OSDI 2002, section 4.3. KSM's records grow with what it scans and are counted by the host itself.
    """
    sharing = hypervisor.page_sharing
    is_table = sharing.enabled and sharing.rules == "esxi"
    return -(-memory_bytes // PAGE_BYTES) * SHARING_TABLE_ENTRY_BYTES if is_table else 0


def sharing_kept_bytes(memory_bytes: int, hypervisor: HypervisorSpec) -> int:
    """Return the memory that page sharing itself may need on a host, and that guests therefore cannot have.

    ESXi's table, or KSM's records of all pages of the host: 64 bytes each, 1.6 % (struct ksm_rmap_item).
    """
    sharing = hypervisor.page_sharing
    if sharing.enabled and sharing.rules == "ksm":
        return -(-memory_bytes // PAGE_BYTES) * KSM_RECORD_BYTES
    return sharing_table_bytes(memory_bytes, hypervisor)


def min_free_bytes(memory_bytes: int, hypervisor: HypervisorSpec) -> int:
    """Return the free memory target minFree of a host, in bytes: 901 MiB for 28 GiB on the sliding scale.

    With Linux's states it is the high watermark: at rest the kernel keeps at least that.
    """
    if hypervisor.states == "linux":
        return watermark_bytes(memory_bytes, hypervisor.watermarks).high
    if hypervisor.min_free_fraction is not None:
        return int(memory_bytes * hypervisor.min_free_fraction)
    total, below_gib = 0.0, 0
    memory_gib = memory_bytes / GIB
    for end_gib, share in _MIN_FREE_SLICES:
        top_gib = memory_gib if end_gib is None else min(memory_gib, end_gib)
        total += max(0.0, top_gib - below_gib) * share
        below_gib = end_gib or 0
    return int(total * GIB)


class Watermarks(NamedTuple):
    """Linux's watermarks of a host. [bytes]."""

    min: int
    low: int
    high: int


def watermark_bytes(memory_bytes: int, spec: WatermarkSpec) -> Watermarks:
    """Return the watermarks of a host: 90.5, 615 and 1139 MiB for 512 GiB.

    Notes
    -----
    Linux, mm/page_alloc.c: min_free_kbytes is the root of 16 times the memory in KiB, between 128 KiB and 256 MiB; low
    and high are each a quarter of min, or `scale` of the memory, further up, whichever is more. Takes all RAM as
    managed by one zone; neither khugepaged's larger minimum nor watermark boosting is modelled.
    """
    least = spec.min_free
    if least is None:
        least = min(max(isqrt(memory_bytes // KIB * 16), 128), 262_144) * KIB
    step = max(least // 4, int(memory_bytes * spec.scale))
    return Watermarks(least, least + step, least + 2 * step)
