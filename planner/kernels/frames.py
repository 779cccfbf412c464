"""The one way in which a page changes its host class, so that frames, counts and references always agree.

Covers class transitions, free frames and releasing a VM. Who moves which page, and why, is in
the kernels of the mechanisms.
"""

import numpy as np

from planner.kernels.compiled import kernel, small_kernel
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
    TOTAL_OVERHEAD,
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
    """Return the frames that neither a page, nor the scanner's records, nor overhead memory of passing VMs use."""
    totals = stack.host.totals
    used = totals[TOTAL_PRIVATE] + totals[TOTAL_SHARED_FRAMES] + pool_frames(totals) + totals[TOTAL_METADATA]
    return stack.knobs.frames - used - totals[TOTAL_OVERHEAD]


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
def release_vm(stack, v):
    """Take every page from VM `v`, as power-off and restart do, and map it large again. Changes `stack` in place."""
    vms, host = stack.vms, stack.host
    for i in range(vms.start[v], vms.start[v + 1]):
        if stack.pages.host_class[i] != UNTOUCHED:
            move_page(stack, v, i, UNTOUCHED)
    if stack.knobs.is_large:
        host.is_small[host.block_start[v] : host.block_start[v + 1]] = 0
    vms.small[v] = 0
    vms.granted[v] = 0
    stack.sharing.on_tick[v] = -1
