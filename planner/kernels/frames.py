"""The one way in which a page changes its host class, so that frames, counts and references always agree.

Covers class transitions, free frames, breaking 2 MiB blocks and releasing a VM. Who moves which page, and why, is in
the kernels of the mechanisms.
"""

import math

import numpy as np

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.draws import PURPOSE_BLOCK, draw_u32
from planner.kernels.pool import enter_pool, leave_pool
from planner.kernels.sharing_frames import join_frame, leave_frame
from planner.kernels.sharing_groups import open_group
from planner.kernels.state import (
    COMPRESSED,
    GUEST_FREE,
    GUEST_ZEROED,
    N_CLASSES,
    N_GUEST_CODES,
    PRIVATE,
    SHARED,
    SWAPPED,
    TOTAL_COMPRESSED,
    TOTAL_METADATA,
    TOTAL_POOL_UNITS,
    TOTAL_PRIVATE,
    TOTAL_SHARED_FRAMES,
    TOTAL_SWAPPED,
    UNITS_PER_PAGE,
    UNTOUCHED,
)

IS_HELD = np.isin(np.arange(N_CLASSES), (PRIVATE, SHARED, COMPRESSED, SWAPPED))
"""By host class: whether the page is in the guest's memory, wherever the host keeps it."""

EFFECTIVE_CLASS = np.array([GUEST_FREE if code >= GUEST_ZEROED else code for code in range(N_GUEST_CODES)])
"""By code of `PageArrays.guest_class`: what the page is to the guest now."""


@small_kernel
def pool_frames(totals):
    """Return the frames that compressed pages take together."""
    return (totals[TOTAL_POOL_UNITS] + UNITS_PER_PAGE - 1) // UNITS_PER_PAGE


@small_kernel
def free_frames(stack):
    """Return the frames that neither a page nor the scanner's records use."""
    totals = stack.host.totals
    used = totals[TOTAL_PRIVATE] + totals[TOTAL_SHARED_FRAMES] + pool_frames(totals) + totals[TOTAL_METADATA]
    return stack.knobs.frames - used


@kernel
def move_page(stack, v, i, new_class):
    """Move page `i` of VM `v` to `new_class`; its content must still be the old one. Changes `stack` in place."""
    pages, totals = stack.pages, stack.host.totals
    old_class = pages.host_class[i]
    if old_class == PRIVATE:
        totals[TOTAL_PRIVATE] -= 1
    elif old_class == SHARED:
        leave_frame(stack, i)
    elif old_class == COMPRESSED:
        totals[TOTAL_COMPRESSED] -= 1
        leave_pool(stack, v, i)
    elif old_class == SWAPPED:
        totals[TOTAL_SWAPPED] -= 1

    if new_class == PRIVATE:
        totals[TOTAL_PRIVATE] += 1
        open_group(stack, i)
    elif new_class == SHARED:
        join_frame(stack, i)
    elif new_class == COMPRESSED:
        totals[TOTAL_COMPRESSED] += 1
        enter_pool(stack, v, i)
    elif new_class == SWAPPED:
        totals[TOTAL_SWAPPED] += 1

    if IS_HELD[old_class] != IS_HELD[new_class]:
        step = 1 if IS_HELD[new_class] else -1
        stack.guests.held[v, EFFECTIVE_CLASS[pages.guest_class[i]]] += step
    counts = stack.vms.counts
    counts[v, old_class] -= 1
    counts[v, new_class] += 1
    pages.host_class[i] = new_class


@kernel
def vm_of(stack, i):
    """Return the VM that owns page `i`, by bisection of the page ranges."""
    low, high = 0, stack.vms.key.size - 1
    while low < high:
        middle = (low + high + 1) // 2
        if stack.vms.start[middle] <= i:
            low = middle
        else:
            high = middle - 1
    return low


@kernel
def break_block(stack, v, i):
    """Map the 2 MiB block of page `i` with 4 KiB pages, if it is not yet. Changes `stack` in place.

    A sampled page stands for many pages, and these lie in many blocks: see `_break_scattered`.
    """
    block_in_vm = (i - stack.vms.start[v]) // stack.knobs.pages_per_block
    if stack.host.is_small[stack.host.block_start[v] + block_in_vm] == 0:
        _map_small(stack, v, block_in_vm)
    if stack.knobs.scatter > 0.0 and stack.vms.small[v] < stack.vms.granted[v]:
        _break_scattered(stack, v)


@small_kernel
def _map_small(stack, v, block_in_vm):
    per_block = stack.knobs.pages_per_block
    stack.host.is_small[stack.host.block_start[v] + block_in_vm] = 1
    stack.vms.small[v] += max(0, min(stack.vms.granted[v] - block_in_vm * per_block, per_block))


@kernel
def _break_scattered(stack, v):
    """Break the blocks that the other pages for which one sampled page of VM `v` stands lie in. In place.

    S pages taken at random from B blocks leave a block whole with probability exp(-S / B). Each block has a drawn
    threshold and breaks when the sum of S / B has come so far: as many break as would, and always the same ones first.
    """
    vms, host, per_block = stack.vms, stack.host, stack.knobs.pages_per_block
    host.exposure[v] += stack.knobs.scatter / vms.granted[v]
    breaks_from = math.exp(-host.exposure[v]) * 4294967296.0
    for block in range((vms.granted[v] + per_block - 1) // per_block):
        is_large = host.is_small[host.block_start[v] + block] == 0
        if is_large and float(draw_u32(vms.key[v], block, 0, PURPOSE_BLOCK)) >= breaks_from:
            _map_small(stack, v, block)


@kernel
def release_vm(stack, v):
    """Take every page from VM `v`, as power-off and restart do, and map it large again. Changes `stack` in place."""
    vms, host = stack.vms, stack.host
    for i in range(vms.start[v], vms.start[v + 1]):
        if stack.pages.host_class[i] != UNTOUCHED:
            move_page(stack, v, i, UNTOUCHED)
    if stack.knobs.is_large:
        host.is_small[host.block_start[v] : host.block_start[v + 1]] = 0
    host.exposure[v] = 0.0
    vms.small[v] = 0
    vms.granted[v] = 0
    stack.sharing.on_tick[v] = -1
