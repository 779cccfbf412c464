"""The table of balloon policies: which kernels run a platform's policy in the reclaim step."""

from planner.kernels.balloon import has_balloon, move_balloon
from planner.kernels.balloon_esxi import has_cause, run_esxi
from planner.kernels.balloon_hyperv import is_hyperv_calm, run_hyperv
from planner.kernels.balloon_mom import is_mom_calm, run_mom
from planner.kernels.balloon_pve import is_pve_calm, run_pve
from planner.kernels.balloon_rounds import rounds_in_tick
from planner.kernels.compiled import kernel
from planner.kernels.frames import free_frames
from planner.kernels.state import STATE_SOFT, TOTAL_STATE

POLICY_NONE, POLICY_ESXI, POLICY_MOM, POLICY_PVE, POLICY_HYPERV = 0, 1, 2, 3, 4
POLICIES = {
    "none": POLICY_NONE,
    "esxi": POLICY_ESXI,
    "ovirt-mom": POLICY_MOM,
    "pve-autoballoon": POLICY_PVE,
    "hyper-v": POLICY_HYPERV,
}
"""By the name of `ballooning.policy`."""


@kernel
def step_balloons(stack, tick):
    """Let the platform's policy move balloons after the tick's faults. Changes `stack` in place.

    Returns
    -------
    bool
        Whether the host waits for balloons before it pages in state soft: ESXi does while they still grow.
    """
    policy = stack.balloon_knobs.policy
    if policy == POLICY_ESXI:
        if not has_cause(stack):
            return False
        is_short = stack.host.totals[TOTAL_STATE] >= STATE_SOFT
        return run_esxi(stack, is_short, tick) and stack.host.totals[TOTAL_STATE] >= STATE_SOFT
    if policy == POLICY_NONE:
        _move_all(stack, tick)
    else:
        _run_rounds(stack, 0, tick)
    return False


@kernel
def balloon_now(stack, enough_free, tick):
    """Let balloons lift free memory to `enough_free` for a fault that found none, as far as a platform can within one.

    ESXi can. Managers with rounds of many seconds cannot, but for the first tick: they were there before it.
    """
    policy = stack.balloon_knobs.policy
    if policy == POLICY_ESXI:
        run_esxi(stack, True, tick)
    elif policy != POLICY_NONE and tick == 0:
        _run_rounds(stack, enough_free, tick)


@kernel
def _is_calm(stack):
    policy = stack.balloon_knobs.policy
    if policy == POLICY_MOM:
        return is_mom_calm(stack)
    if policy == POLICY_PVE:
        return is_pve_calm(stack)
    return is_hyperv_calm(stack)


@kernel
def _run_round(stack, tick):
    policy = stack.balloon_knobs.policy
    if policy == POLICY_MOM:
        return run_mom(stack, tick)
    if policy == POLICY_PVE:
        return run_pve(stack, tick)
    return run_hyperv(stack, tick)


@kernel
def _run_rounds(stack, enough_free, tick):
    """Run the rounds of the tick until nothing moves any more, or `enough_free` (if not 0) frames are free."""
    if _is_calm(stack):
        return
    for _ in range(rounds_in_tick(stack.balloon_knobs, tick)):
        is_unsteady = _run_round(stack, tick)
        n_moved = _move_all(stack, tick)
        if n_moved == 0 and not is_unsteady:
            break
        if enough_free > 0 and free_frames(stack) >= enough_free:
            break


@kernel
def _move_all(stack, tick):
    """Move every balloon towards its wanted size. Returns pages moved."""
    n_moved = 0
    if has_balloon(stack) or stack.balloons.wanted.any():
        for v in range(stack.vms.key.size):
            n_moved += move_balloon(stack, v, True, tick)[0]
    return n_moved
