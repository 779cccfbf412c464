"""The ticks of one host in one compiled call, in the order of the stack."""

from planner.kernels.account import step_account
from planner.kernels.active import step_active
from planner.kernels.collapse import step_collapse
from planner.kernels.compiled import kernel
from planner.kernels.faults import step_demand
from planner.kernels.reclaim import step_reclaim
from planner.kernels.sharing import step_scan
from planner.kernels.sharing_esx import step_break


@kernel
def simulate_ticks(stack, costs, translation, out, ticks):
    """Simulate a run of ticks, from the first to before the end. Changes `stack` in place and fills `out`.

    One compiled call for many ticks: a Python step per tick would cost more than the model.
    """
    for tick in range(ticks[0], ticks[1]):
        simulate_tick(stack, costs, translation, out, tick)


@kernel
def simulate_tick(stack, costs, translation, out, tick):
    """Run demand, faults, estimate, reclaim, scan, rebuild and account of one tick. Changes `stack`, fills `out`.

    Reclaim runs the balloon policy first.
    """
    step_demand(stack, tick)
    if stack.balloon_knobs.is_estimating:
        step_active(stack, tick)
    if stack.knobs.is_sharing and not stack.knobs.sharing.is_ksm:
        step_break(stack, tick)
    step_reclaim(stack, tick)
    if stack.knobs.is_sharing:
        step_scan(stack, tick)
    if stack.rebuild.limits.is_on:
        step_collapse(stack, tick)
    step_account(stack, costs, translation, out, tick)
