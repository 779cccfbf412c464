"""What a tick's events cost each VM in time, and the pressure figures of the host.

Stalls are charged at their full length to the VM that waits; they do not overlap with one another. A demand that the
swap device cannot serve within the tick makes the stalls of the tick longer; writes, and reads to rebuild large pages,
that nobody waits for are carried to the next. Pressure is some and full of Linux's PSI, taking vCPUs to stall
independently of one another.
"""

from planner.kernels.compiled import kernel
from planner.kernels.device import response_s
from planner.kernels.state import (
    TICK_COW,
    TICK_DECOMPRESS,
    TICK_DENIED,
    TICK_DIRECT,
    TICK_GUEST_PAGING,
    TICK_KILLED,
    TICK_REBUILD_READ,
    TICK_SWAP_IN,
    TICK_SWAP_OUT,
)

# Parts of a VM's stalls in a tick, and the first columns of `Out.vm_times`. [s]
STALL_SWAP_IN, STALL_DECOMPRESS, STALL_GUEST_PAGING, STALL_COW, STALL_DENIED, STALL_DIRECT = 0, 1, 2, 3, 4, 5
N_STALLS = 6


@kernel
def is_stalled(vms, v):
    """Tell whether anything happened to VM `v` in this tick that costs it time."""
    events = vms.tick[v]
    return (
        events[TICK_SWAP_IN]
        + events[TICK_DECOMPRESS]
        + events[TICK_GUEST_PAGING]
        + events[TICK_COW]
        + events[TICK_DENIED]
        + events[TICK_DIRECT]
        + events[TICK_KILLED]
    ) > 0


@kernel
def fill_stalls(stack, costs, out):
    """Fill `out.stalls` with what the tick's events cost each VM. Changes the device's backlog in place.

    Returns
    -------
    bool
        Whether any VM stalled at all; `out.stalls` is not filled otherwise.
    """
    vms, backlog = stack.vms, stack.swap.backlog
    reads, writes, background_reads, waits, vcpus, any_stalled = 0, 0, 0, 0, 0.0, False
    for v in range(vms.key.size):
        events = vms.tick[v]
        reads += events[TICK_SWAP_IN]
        writes += events[TICK_SWAP_OUT]
        background_reads += events[TICK_REBUILD_READ]
        waits += events[TICK_SWAP_IN] + events[TICK_DIRECT]
        if events[TICK_SWAP_IN] + events[TICK_DIRECT] > 0:
            vcpus += costs.vcpus[v]
        any_stalled |= is_stalled(vms, v)
    scale = costs.page_scale
    # A write takes as much of the device as `write_cost` reads.
    queued = (writes * costs.write_cost + background_reads) * scale + backlog[0]
    if not any_stalled:
        backlog[0] = max(0.0, queued - costs.reads_per_s * costs.tick_s)
        return False
    read_s, write_wait_s = costs.latency_s, 0.0
    if waits == 0:
        backlog[0] = max(0.0, queued - costs.reads_per_s * costs.tick_s)
    elif reads * scale + queued > 0.0:
        backlog[0] = 0.0
        n_customers = max(1, int(vcpus + 0.5))
        think_s = n_customers * costs.tick_s / (reads * scale + queued)
        read_s = response_s(n_customers, think_s, costs.latency_s, costs.reads_per_s)
        # Writes go on by themselves; what they have to wait is felt by those who need the frames.
        write_wait_s = queued * (read_s - costs.latency_s) / (waits * scale)
    for v in range(vms.key.size):
        _fill_vm(vms, costs, out.stalls[v], v, (read_s, write_wait_s))
    return True


@kernel
def _fill_vm(vms, costs, stalls, v, device):
    events, scale, (read_s, write_wait_s) = vms.tick[v], costs.page_scale, device
    stalls[STALL_SWAP_IN] = events[TICK_SWAP_IN] * scale * (costs.fault_s + read_s + write_wait_s)
    stalls[STALL_DECOMPRESS] = events[TICK_DECOMPRESS] * scale * (costs.fault_s + costs.decompress_s)
    stalls[STALL_GUEST_PAGING] = events[TICK_GUEST_PAGING] * scale * costs.guest_disk_s
    stalls[STALL_COW] = events[TICK_COW] * scale * costs.cow_s
    # A vCPU that cannot have its page waits for the next tick, on average half of this one.
    blocked = costs.vcpus[v] if events[TICK_KILLED] > 0 else min(events[TICK_DENIED] * scale, costs.vcpus[v])
    stalls[STALL_DENIED] = blocked * 0.5 * costs.tick_s
    stalls[STALL_DIRECT] = events[TICK_DIRECT] * scale * (costs.reclaim_s + read_s + write_wait_s)


@kernel
def pressure(stack, costs, out):
    """Return Linux's pressure figures of the tick, from `out.stalls`.

    Returns
    -------
    some, full : float
        Share of the tick in which some vCPU is stalled on the host's memory; ... and none does useful work.
    """
    vms = stack.vms
    none_stalled, none_useful, all_idle = 1.0, 1.0, 1.0
    for v in range(vms.key.size):
        if vms.granted[v] < 0:
            continue
        stalls, n_vcpus = out.stalls[v], costs.vcpus[v]
        stalled_s = stalls[STALL_SWAP_IN] + stalls[STALL_DECOMPRESS] + stalls[STALL_DENIED] + stalls[STALL_DIRECT]
        stalled = min(1.0, stalled_s / (n_vcpus * costs.tick_s))
        useful = (1.0 - stalled) * min(1.0, out.busy_vcpus[v] / n_vcpus)
        none_stalled *= (1.0 - stalled) ** n_vcpus
        none_useful *= (1.0 - useful) ** n_vcpus
        all_idle *= max(0.0, 1.0 - useful - stalled) ** n_vcpus
    return 1.0 - none_stalled, none_useful - all_idle
