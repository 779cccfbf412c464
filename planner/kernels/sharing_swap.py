"""Swapping a frame that KSM merged: one page is written, all its mappings go, and sharing has to be found anew."""

from planner.kernels.compiled import kernel
from planner.kernels.compression import space_left
from planner.kernels.frames import move_page, vm_of
from planner.kernels.sharing_frames import put_first
from planner.kernels.state import PRIVATE, QUEUE_CUTOFF, SHARED, SWAPPED, TICK_SWAP_OUT


@kernel
def swap_merged(stack, v, i):
    """Swap out the merged frame of page `i`, the first of its pages, if none was touched lately. In place.

    A younger page that keeps the frame is put first: only the first is ever in the queue of victims. Pages of a VM that
    could fall under its reservation keep the frame, too. Swap in RAM is left out: it gains little from one page.
    """
    sharing, vms, last_touch = stack.sharing, stack.vms, stack.pages.last_touch
    node = sharing.node[i]
    refs = sharing.node_refs[node]
    if not stack.knobs.is_swapping or stack.swap.limits.is_ram or space_left(stack) < refs:
        return
    mapper = i + 1
    while mapper > 0:
        j = mapper - 1
        if last_touch[j] > stack.swap.queue_state[QUEUE_CUTOFF]:
            put_first(sharing, node, j)
            return
        owner = vm_of(stack, j)
        if vms.counts[owner, PRIVATE] + vms.counts[owner, SHARED] - vms.reservation[owner] < refs:
            return
        mapper = sharing.next_mapper[j]
    while sharing.first_mapper[node] > 0:
        j = sharing.first_mapper[node] - 1
        move_page(stack, vm_of(stack, j), j, SWAPPED)
    vms.tick[v, TICK_SWAP_OUT] += 1
