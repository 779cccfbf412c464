"""Proxmox VE's automatic memory allocation (PVE/AutoBalloon.pm, called by pvestatd every 10 s).

The host should use its target share of memory, 80 %. What is missing to it, or above it, is spread over the VMs by
shares above their minimum, at most 100 MiB a VM and round; VMs with much free memory give first, the others get first.
Sizes are in pages, floats where the original has bytes.
"""

import math

from planner.kernels.balloon import has_balloon
from planner.kernels.balloon_rounds import assign_size, current_size, is_managed, least_size
from planner.kernels.compiled import kernel
from planner.kernels.frames import free_frames
from planner.kernels.guest import free_pages

MIB = 1048576.0
DEAD_BAND_BYTES = 10.0 * MIB
MOST_CHANGE_BYTES = 100.0 * MIB
NORMAL_SHARES = 1000.0
IDLE_FREE_SHARE = 0.25
"""A VM with more free memory than this share of its minimum has enough."""

PARTS_OF_PAGE = 1024.0
"""Sizes are rounded down to these parts of a page, as the original rounds to bytes."""

MOST_PASSES = 100

SIZE, IS_DONE, GROUP = 0, 1, 2  # columns of the scratch array
OUT, NEEDY, IDLE = 0.0, 1.0, 2.0  # values of GROUP


@kernel
def _goal(stack):
    """Return the pages that the host should use more (positive) or less."""
    knobs = stack.balloon_knobs
    return free_frames(stack) - (1.0 - knobs.host_target) * knobs.host_pages


@kernel
def is_pve_calm(stack):
    """Return whether no round can change anything: no need to shrink, and no balloon to give back."""
    return _goal(stack) >= -DEAD_BAND_BYTES / stack.balloon_knobs.page_bytes and not has_balloon(stack)


@kernel
def run_pve(stack, tick):
    """Run one round: set the size each VM should have. Changes `stack.balloons` in place. Returns False."""
    balloons, n_vms = stack.balloons, stack.vms.key.size
    for v in range(n_vms):
        size = current_size(stack, v)
        least = least_size(stack, v)
        group = OUT
        if is_managed(stack, v, tick) and least > 0.0 and balloons.weight[v] > 0.0:
            is_idle = free_pages(stack, v) > IDLE_FREE_SHARE * least and size >= least
            group = IDLE if is_idle else NEEDY
        balloons.scratch[v, SIZE] = size
        balloons.scratch[v, GROUP] = group
    goal = _goal(stack)
    dead_band = DEAD_BAND_BYTES / stack.balloon_knobs.page_bytes
    if goal > dead_band:
        rest = _spread(stack, goal, NEEDY)
        if rest >= goal:
            _spread(stack, rest, OUT)
    elif goal < -dead_band:
        rest = _spread(stack, goal, IDLE)
        if rest <= goal:
            _spread(stack, rest, OUT)
    for v in range(n_vms):
        if balloons.scratch[v, GROUP] != OUT and balloons.scratch[v, SIZE] != current_size(stack, v):
            assign_size(stack, v, balloons.scratch[v, SIZE])
    return False


@kernel
def _spread(stack, pages, group):
    """Spread a change of `pages` over the VMs of a group (OUT: of both groups). Returns what could not be spread."""
    scratch = stack.balloons.scratch
    n_vms = stack.vms.key.size
    for v in range(n_vms):
        is_member = scratch[v, GROUP] != OUT and (group == OUT or scratch[v, GROUP] == group)
        scratch[v, IS_DONE] = 0.0 if is_member else 1.0
    rest = pages
    for _ in range(MOST_PASSES):
        changed, is_open = _pass(stack, pages > 0.0, rest)
        rest -= changed
        if not is_open or rest == 0.0:
            break
    return rest


@kernel
def _pass(stack, is_growing, rest):
    """Move each open VM towards its share of the memory above the minimums. Returns the change and whether to go on."""
    scratch, weight = stack.balloons.scratch, stack.balloons.weight
    n_vms = stack.vms.key.size
    shares, above_least = 0.0, rest
    for v in range(n_vms):
        if scratch[v, IS_DONE] == 0.0:
            shares += NORMAL_SHARES * weight[v]
            above_least += scratch[v, SIZE] - least_size(stack, v)
    changed, is_open = 0.0, False
    most_change = MOST_CHANGE_BYTES / stack.balloon_knobs.page_bytes
    for v in range(n_vms):
        if scratch[v, IS_DONE] != 0.0:
            continue
        share = above_least / shares * (NORMAL_SHARES * weight[v])
        least, configured = least_size(stack, v), float(stack.vms.start[v + 1] - stack.vms.start[v])
        desired = least + math.floor(share * PARTS_OF_PAGE) / PARTS_OF_PAGE
        desired = min(max(desired, least), configured)
        size = current_size(stack, v)
        if is_growing and desired > size:
            new_size = min(desired, size + most_change)
        elif desired < size:
            new_size = max(desired, size - most_change)
        else:
            scratch[v, IS_DONE] = 1.0
            continue
        change = new_size - scratch[v, SIZE]
        scratch[v, SIZE] = new_size
        changed += change
        is_open = is_open or change != 0.0
    return changed, is_open
