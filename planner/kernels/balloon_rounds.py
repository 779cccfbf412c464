"""What balloon managers with rounds of their own share: the rounds of a tick, sizes as they reckon them."""

import math

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.state import BALLOONED

FIRST_ROUNDS = 360
"""Rounds before the first tick, an hour of them: the fleet did not start with the simulation."""


@small_kernel
def rounds_in_tick(knobs, tick):
    """Return how many rounds of the manager fall into the tick."""
    if tick == 0:
        return FIRST_ROUNDS
    before = math.floor(tick * knobs.tick_s / knobs.interval_s)
    return int(math.floor((tick + 1) * knobs.tick_s / knobs.interval_s) - before)


@small_kernel
def is_managed(stack, v, tick):
    """Return whether the manager can balloon VM `v`: it is on and its driver answers."""
    return stack.balloons.cap[v] > 0 and stack.vms.granted[v] >= 0 and tick >= stack.balloons.ready_tick[v]


@small_kernel
def current_size(stack, v):
    """Return the memory, in pages, that the manager takes VM `v` to have: what it was last left, once that is so.

    Managers reckon in bytes, balloons here move by whole sampled pages; without the remainder, steps under a page would
    be lost.
    """
    actual = float(stack.vms.start[v + 1] - stack.vms.start[v] - stack.vms.counts[v, BALLOONED])
    assigned = stack.balloons.assigned[v]
    return assigned if abs(assigned - actual) < 1.0 else actual


@small_kernel
def least_size(stack, v):
    """Return the memory, in pages, below which VM `v` is not ballooned."""
    return float(stack.vms.start[v + 1] - stack.vms.start[v] - stack.balloons.cap[v])


@kernel
def assign_size(stack, v, size):
    """Ask VM `v` to make do with `size` pages. Changes `stack.balloons` in place."""
    configured = stack.vms.start[v + 1] - stack.vms.start[v]
    stack.balloons.assigned[v] = size
    stack.balloons.wanted[v] = max(0, int(math.floor(configured - size)))
