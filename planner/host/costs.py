"""What each event of a host costs in time: constants with their sources, and the bundle that the account step takes."""

import numpy as np

from planner.host.problem import HostProblem
from planner.kernels.account import Costs
from planner.units import PAGE_BYTES

FAULT_S = 5.5e-6
"""Software path of a host page fault: VM exit 1.0, memory management 1.5, swap code 3 us (orders of magnitude from
published kernel and hypervisor measurements; the device comes on top)."""

COW_BREAK_S = 2.5e-6
"""First write to a merged page: medians of 2.07 to 3.05 us measured on Linux 6.18, KSM, AMD EPYC."""


FASTEST_GUEST_DISK_S = 80e-6
"""The guest's own disk is taken to be as fast as the host's swap device: traces say nothing of it; but no faster than
an NVMe disk (middle of 70-90 us): guests do not page to remote memory or the host's RAM. Assumption."""

RECLAIM_S = 5e-6
"""Software of a fault that finds a victim and unmaps it itself, for one page. Assumption: about as much as a swap-in's
path; a batch of 32 pages then takes 160 us."""


def build_costs(problem: HostProblem, tick_s: float, n_ticks: int, vcpus: np.ndarray) -> Costs:
    """Build the costs of a host problem.

    Parameters
    ----------
    problem : HostProblem
    tick_s : float
        Length of a tick. [s]
    n_ticks : int
        Ticks of the demand.
    vcpus : int array, shape (n_vms,)
        vCPUs of the host's VMs: how many can wait at once.
    """
    swap = problem.host.swap
    return Costs(
        page_scale=problem.page_scale,
        tick_s=tick_s,
        fault_s=FAULT_S,
        latency_s=swap.latency_s,
        reads_per_s=swap.reads_per_s,
        write_cost=swap.reads_per_s / swap.writes_per_s if swap.writes_per_s else 1.0,
        decompress_s=swap.latency_s if swap.is_ram else problem.hypervisor.compression.decompress,
        reclaim_s=RECLAIM_S,
        guest_disk_s=max(swap.latency_s, FASTEST_GUEST_DISK_S),
        cow_s=COW_BREAK_S,
        page_bytes=float(problem.page_scale * PAGE_BYTES),
        first_judged_tick=min(round(problem.warm_up_s / tick_s), n_ticks - 1),
        vcpus=np.maximum(vcpus, 1).astype(np.float64),
    )
