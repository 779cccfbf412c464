"""Hyper-V's Dynamic Memory as far as it is published: demand is committed memory and a buffer, weighted when short.

Published: need comes from committed-memory counters; target = need x (1 + buffer), buffer 20 %; minimum and maximum;
memory weight. Not published, and assumptions here: a round each 10 s; memory is taken from VMs only while the host is
short of its reserve (minFree); first, alike from all, what VMs have above their target, then, in inverse proportion
to weight, what they have above their minimum; a VM below its target gets free memory in proportion to what it lacks
and its weight.
"""

from planner.kernels.balloon import has_balloon
from planner.kernels.balloon_rounds import assign_size, current_size, is_managed, least_size
from planner.kernels.compiled import kernel
from planner.kernels.frames import free_frames
from planner.kernels.state import BALLOONED, GUEST_ANON, GUEST_DIRTY, GUEST_KERNEL

LEAST_WEIGHT = 0.01

SIZE, LACKING, ABOVE_LEAST = 0, 1, 2  # columns of the scratch array


@kernel
def is_hyperv_calm(stack):
    """Return whether no round can change anything: the host keeps its reserve, and no VM was left short."""
    return free_frames(stack) >= stack.knobs.min_free and not has_balloon(stack)


@kernel
def _demand(stack, v):
    """Return committed memory (also what the guest has on its own disk) and the buffer, within bounds, in pages."""
    used = stack.guests.used[v]
    committed = used[GUEST_ANON] + used[GUEST_KERNEL] + used[GUEST_DIRTY]
    configured = float(stack.vms.start[v + 1] - stack.vms.start[v])
    return min(max(committed * (1.0 + stack.balloon_knobs.buffer), least_size(stack, v)), configured)


@kernel
def run_hyperv(stack, tick):
    """Run one round: set the size each VM should have. Changes `stack.balloons` in place. Returns False."""
    vms, balloons = stack.vms, stack.balloons
    missing = float(stack.knobs.min_free - free_frames(stack))
    surplus, lacking, above_least = 0.0, 0.0, 0.0
    for v in range(vms.key.size):
        scratch = balloons.scratch[v]
        scratch[:] = 0.0
        if not is_managed(stack, v, tick):
            continue
        weight = max(balloons.weight[v], LEAST_WEIGHT)
        size, demand = current_size(stack, v), _demand(stack, v)
        scratch[SIZE] = size
        surplus += max(0.0, size - demand)
        if vms.counts[v, BALLOONED] > 0:
            scratch[LACKING] = max(0.0, demand - size) * weight
        scratch[ABOVE_LEAST] = (min(size, demand) - least_size(stack, v)) / weight
        lacking += scratch[LACKING]
        above_least += scratch[ABOVE_LEAST]
    if missing > 0.0:
        _shrink(stack, missing, surplus, above_least)
    elif missing < 0.0 and lacking > 0.0:
        _grow(stack, -missing, lacking)
    return False


@kernel
def _shrink(stack, missing, surplus, above_least):
    """Take `missing` pages: surpluses alike, then what is above the minimums by inverse weight."""
    scratch = stack.balloons.scratch
    surplus_share = min(1.0, missing / surplus) if surplus > 0.0 else 0.0
    rest = max(0.0, missing - surplus)
    rest_share = rest / above_least if above_least > 0.0 else 0.0
    for v in range(stack.vms.key.size):
        size = scratch[v, SIZE]
        if size == 0.0:
            continue
        taken = max(0.0, size - _demand(stack, v)) * surplus_share + scratch[v, ABOVE_LEAST] * rest_share
        new_size = max(size - taken, least_size(stack, v))
        if new_size < size:
            assign_size(stack, v, new_size)


@kernel
def _grow(stack, spare, lacking):
    """Give `spare` free pages of the host to VMs below their demand."""
    scratch = stack.balloons.scratch
    for v in range(stack.vms.key.size):
        size = scratch[v, SIZE]
        if scratch[v, LACKING] > 0.0:
            assign_size(stack, v, min(_demand(stack, v), size + spare * scratch[v, LACKING] / lacking))
