"""What each event of a host costs in time: constants with their sources, and the bundle that the account step takes."""

from planner.host.problem import HostProblem
from planner.kernels.account import Costs
from planner.units import PAGE_BYTES

FAULT_S = 5.5e-6
"""Software path of a host page fault: VM exit 1.0, memory management 1.5, swap code 3 us (orders of magnitude from
published kernel and hypervisor measurements; the device comes on top)."""

COW_BREAK_S = 2.5e-6
"""First write to a merged page: medians of 2.07 to 3.05 us measured on Linux 6.18, KSM, AMD EPYC."""


def build_costs(problem: HostProblem, tick_s: float, n_ticks: int) -> Costs:
    """Build the costs of a host problem whose demand has `n_ticks` ticks of `tick_s` seconds."""
    # The guest's own disk is taken to be as fast as the host's swap device: traces say nothing of it.
    return Costs(
        page_scale=problem.page_scale,
        tick_s=tick_s,
        fault_s=FAULT_S,
        swap_latency_s=problem.host.swap.latency_s,
        swap_requests_per_s=problem.host.swap.reads_per_s,
        decompress_s=problem.hypervisor.compression.decompress,
        guest_disk_s=problem.host.swap.latency_s,
        cow_s=COW_BREAK_S,
        page_bytes=float(problem.page_scale * PAGE_BYTES),
        first_judged_tick=min(round(problem.warm_up_s / tick_s), n_ticks - 1),
    )
