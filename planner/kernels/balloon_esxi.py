"""ESXi's balloons: configured memory less what min-funding revocation entitles a VM to (see `policy.py`)."""

from planner.kernels.balloon import has_balloon, move_balloon
from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.policy import guest_page_supply, set_targets
from planner.kernels.state import STATE_SOFT, TOTAL_STATE


@small_kernel
def has_cause(stack):
    """Return whether balloons may have to move: the host is short, or one is inflated, or a VM is above its limit."""
    vms = stack.vms
    if stack.host.totals[TOTAL_STATE] >= STATE_SOFT or has_balloon(stack):
        return True
    for v in range(vms.key.size):
        if vms.limit[v] < vms.granted[v]:
            return True
    return False


@kernel
def run_esxi(stack, may_inflate, tick):
    """Set entitlements and move balloons towards them; a VM above its limit always. Changes `stack` in place.

    Returns
    -------
    bool
        Whether some balloon would have grown more but for its rate.
    """
    vms, wanted = stack.vms, stack.balloons.wanted
    set_targets(stack, guest_page_supply(stack))
    can_inflate_more = False
    for v in range(vms.key.size):
        configured = vms.start[v + 1] - vms.start[v]
        wanted[v] = configured - vms.target[v] if vms.target[v] < vms.granted[v] else 0
        is_over_limit = vms.limit[v] < vms.granted[v]
        is_slow = move_balloon(stack, v, may_inflate or is_over_limit, tick)[1]
        can_inflate_more = can_inflate_more or is_slow
    return can_inflate_more
