"""VMs that are not let on, and VMs that are killed, for want of memory or swap space."""

from planner.kernels.compiled import kernel
from planner.kernels.frames import release_vm
from planner.kernels.state import COMPRESSED, PRIVATE, SHARED, SWAPPED, TICK_KILLED


@kernel
def kill_largest(stack, tick):
    """Kill the VM that holds most memory and swap space, and free it all. In place; returns whether there was one.

    As Linux's out-of-memory killer counts: resident and swapped memory. The VM is down for the rest of the tick.
    """
    vms = stack.vms
    largest, most = -1, 0
    for v in range(vms.key.size):
        held = vms.counts[v, PRIVATE] + vms.counts[v, SHARED] + vms.counts[v, COMPRESSED] + vms.counts[v, SWAPPED]
        if held > most:
            largest, most = v, held
    if largest < 0:
        return False
    release_vm(stack, largest)
    stack.guests.in_use[largest], stack.guests.used[largest, :] = 0, 0
    stack.balloons.ready_tick[largest] = tick + 1
    stack.swap.down_tick[largest] = tick
    vms.tick[largest, TICK_KILLED] = 1
    return True


@kernel
def may_power_on(stack, v):
    """Tell whether VM `v` can be promised reservation and overhead in RAM, and swap space for the rest."""
    vms = stack.vms
    overhead = stack.stays.overhead
    frames = stack.knobs.frames - vms.reservation[v] - overhead[v]
    space = stack.swap.limits.space - (vms.start[v + 1] - vms.start[v] - vms.reservation[v])
    for other in range(vms.key.size):
        if vms.granted[other] >= 0:
            frames -= vms.reservation[other] + overhead[other]
            space -= vms.start[other + 1] - vms.start[other] - vms.reservation[other]
    return frames >= 0 and space >= 0
