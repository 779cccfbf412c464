"""The reclaim step: what a host does to keep memory free, in the order of its memory state.

First the platform's balloon policy (`balloon_policies.py`); ESXi's acts in state soft and worse. hard and worse: page
out until hard is left. Where balloons cannot give any more, soft pages out, too (Waldspurger, OSDI 2002, section 6.2).
A better state deflates. A fault that finds no free frame triggers the same within the tick (`reclaim_now`).

One tick is long against a real host's reaction (seconds), so balloon and swap both run within a tick in which a host
goes from high to hard; on ESXi 6 and later ballooning is said to stop in hard, on which sources disagree. By Linux's
watermarks nothing is paged out in soft, and hard is the kernel's background reclaim, at its own rate.
"""

from planner.kernels.balloon_policies import balloon_now, step_balloons
from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.frames import free_frames
from planner.kernels.outage import kill_largest
from planner.kernels.policy import update_state
from planner.kernels.state import (
    PRIVATE,
    SHARED,
    STATE_HARD,
    TICK_DIRECT,
    TOTAL_BACKGROUND,
    TOTAL_EXHAUSTED_TICK,
    TOTAL_STATE,
)
from planner.kernels.swap import page_out, page_out_vm


@kernel
def step_reclaim(stack, tick):
    """Bring free memory back towards minFree after the tick's faults. Changes `stack` in place."""
    knobs = stack.knobs
    update_state(stack, free_frames(stack))
    is_waiting = step_balloons(stack, tick)
    _enforce_limits(stack, tick)
    if not is_waiting and free_frames(stack) < knobs.soft_below and not knobs.is_linux:
        page_out(stack, _to_leave(knobs.soft_below, knobs.margin) - free_frames(stack), tick)
    free = free_frames(stack)
    if free < knobs.hard_below or (knobs.is_linux and stack.host.totals[TOTAL_STATE] == STATE_HARD):
        _background(stack, knobs.hard_goal - free, tick)
    stack.host.totals[TOTAL_BACKGROUND] = 0
    update_state(stack, free_frames(stack))


@kernel
def _background(stack, want, tick):
    """Page out `want` frames, as far as background reclaim keeps up. Gaining nothing, it gives up for the tick."""
    totals, most = stack.host.totals, stack.swap.limits.background_per_tick
    want = min(want, most - totals[TOTAL_BACKGROUND])
    if want > 0:
        gained = page_out(stack, want, tick)
        totals[TOTAL_BACKGROUND] = totals[TOTAL_BACKGROUND] + gained if gained > 0 else most


@small_kernel
def _to_leave(threshold, margin):
    """Return the free frames at which the state below `threshold` is left."""
    return int(threshold * (1.0 + margin)) + 1


@kernel
def reclaim_now(stack, v, tick):
    """Find frames for a fault of VM `v` that found too few. Returns free frames. Changes in place.

    Once nothing more can be taken, the rest of the tick does not try again. Where there is no frame in the end, the
    largest VM is killed if the policy says so.
    """
    totals, knobs = stack.host.totals, stack.knobs
    if totals[TOTAL_EXHAUSTED_TICK] != tick:
        if knobs.is_linux:
            _reclaim_by_watermarks(stack, v, tick)
        else:
            stack.vms.tick[v, TICK_DIRECT] += 1
            _reclaim_to_hard(stack, tick)
        if free_frames(stack) < 1:
            totals[TOTAL_EXHAUSTED_TICK] = tick
    if free_frames(stack) < 1 and stack.swap.limits.may_kill and kill_largest(stack, tick):
        totals[TOTAL_EXHAUSTED_TICK] = -1
    update_state(stack, free_frames(stack))
    return free_frames(stack)


@kernel
def _reclaim_to_hard(stack, tick):
    """Balloon within the tick's rate, then page out up to the hard threshold, so that the next faults need not wait."""
    goal = max(1, stack.knobs.hard_below)
    balloon_now(stack, goal, tick)
    missing = goal - free_frames(stack)
    if missing > 0:
        page_out(stack, missing, tick)


@kernel
def _reclaim_by_watermarks(stack, v, tick):
    """Below low the background reclaims up to high; below min, where it cannot keep up, the fault itself does."""
    knobs, limits = stack.knobs, stack.swap.limits
    if stack.host.totals[TOTAL_BACKGROUND] < limits.background_per_tick:
        balloon_now(stack, knobs.hard_goal, tick)
        _background(stack, knobs.hard_goal - free_frames(stack), tick)
    if free_frames(stack) < max(1, knobs.low_below):
        stack.vms.tick[v, TICK_DIRECT] += 1
        if page_out(stack, limits.direct_batch, tick) < 1:
            stack.host.totals[TOTAL_EXHAUSTED_TICK] = tick


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
