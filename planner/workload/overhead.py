"""Overhead memory: what the hypervisor itself needs for each VM, on top of the guest's memory."""

import numpy as np

from planner.config.hypervisor import HypervisorSpec
from planner.units import MIB
from planner.workload.fleet import VmTable


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
