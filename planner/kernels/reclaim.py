"""The reclaim step: what a host does to keep memory free, in the order of its memory state.

First the platform's balloon policy (`balloon_policies.py`); ESXi's acts in state soft and worse. hard and worse: page
out until hard is left. Where balloons cannot give any more, soft pages out, too (Waldspurger, OSDI 2002, section 6.2).
A better state deflates. A fault that finds no free frame triggers the same within the tick (`reclaim_now`).

One tick is long against a real host's reaction (seconds), so balloon and swap both run within a tick in which a host
goes from high to hard; on ESXi 6 and later ballooning is said to stop in hard, on which sources disagree.
"""

from planner.kernels.balloon_policies import balloon_now, step_balloons
from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.frames import free_frames
from planner.kernels.policy import update_state
from planner.kernels.state import PRIVATE, SHARED, TOTAL_EXHAUSTED_TICK
from planner.kernels.swap import page_out, page_out_vm


@kernel
def step_reclaim(stack, tick):
    """Bring free memory back towards minFree after the tick's faults. Changes `stack` in place."""
    knobs = stack.knobs
    update_state(stack, free_frames(stack))
    is_waiting = step_balloons(stack, tick)
    _enforce_limits(stack, tick)
    if not is_waiting and free_frames(stack) < knobs.soft_below:
        page_out(stack, _to_leave(knobs.soft_below, knobs.margin) - free_frames(stack), tick)
    free = free_frames(stack)
    if free < knobs.hard_below:
        page_out(stack, _to_leave(knobs.hard_below, knobs.margin) - free, tick)
    update_state(stack, free_frames(stack))


@small_kernel
def _to_leave(threshold, margin):
    """Return the free frames at which the state below `threshold` is left."""
    return int(threshold * (1.0 + margin)) + 1


@kernel
def reclaim_now(stack, tick):
    """Find frames for a fault that found none: balloon within the tick's rate, then page out. Returns free frames.

    Lifts free memory to the hard threshold at once, so that the next faults do not come back here. Once nothing more
    can be taken, the rest of the tick does not try again.
    """
    totals, knobs = stack.host.totals, stack.knobs
    if totals[TOTAL_EXHAUSTED_TICK] == tick:
        return free_frames(stack)
    balloon_now(stack, max(1, knobs.hard_below), tick)
    missing = max(1, knobs.hard_below) - free_frames(stack)
    if missing > 0:
        page_out(stack, missing, tick)
    update_state(stack, free_frames(stack))
    if free_frames(stack) < 1:
        totals[TOTAL_EXHAUSTED_TICK] = tick
    return free_frames(stack)


@kernel
def _enforce_limits(stack, tick):
    """Page out what a VM holds above its limit and its balloon could not give."""
    vms = stack.vms
    if not stack.knobs.is_swapping:
        return
    for v in range(vms.key.size):
        over = vms.counts[v, PRIVATE] + vms.counts[v, SHARED] - vms.limit[v]
        if over > 0:
            page_out_vm(stack, v, over, tick)
