"""Compression in front of the swap device: is there room, and who has to leave for it.

ESXi: a cache for each VM; the oldest pages leave a full cache for the swap device. zswap: one pool for the host; at its
limit the oldest pages are written back until it accepts again, and the page that found it full goes to the device.
Not modelled: CPU time of compressing, fragmentation within a pool, pages whose compressed size changes.
"""

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.frames import move_page, vm_of
from planner.kernels.state import SWAPPED, TICK_SWAP_OUT, TOTAL_COMPRESSED, TOTAL_POOL_UNITS, TOTAL_SWAPPED


@small_kernel
def space_left(stack):
    """Return the pages that the swap device can still take."""
    totals, limits = stack.host.totals, stack.swap.limits
    held = totals[TOTAL_COMPRESSED] if limits.is_slot_held else 0
    return limits.space - totals[TOTAL_SWAPPED] - held


@kernel
def make_room(stack, v, units):
    """Make room in the pool of VM `v` for a page of `units`, by age. Changes in place; returns whether it fits."""
    totals, limits = stack.host.totals, stack.swap.limits
    if limits.is_pool_shared:
        if totals[TOTAL_POOL_UNITS] + units <= limits.pool_cap:
            return space_left(stack) > 0
        while totals[TOTAL_POOL_UNITS] > limits.pool_accept and _write_back(stack, 0):
            pass
        return False
    cap = stack.vms.compress_cap[v]
    if units > cap:
        return False
    while stack.swap.used[v] + units > cap:
        if not _write_back(stack, v):
            return False
    return True


@kernel
def _write_back(stack, pool):
    """Swap out the oldest page of a pool. Returns False where there is none, or no space on the device."""
    swap = stack.swap
    if swap.oldest[pool] == 0 or not stack.knobs.is_swapping:
        return False
    if not swap.limits.is_slot_held and space_left(stack) < 1:
        return False
    i = swap.oldest[pool] - 1
    owner = vm_of(stack, i)
    move_page(stack, owner, i, SWAPPED)
    stack.vms.tick[owner, TICK_SWAP_OUT] += 1
    return True
