"""Host-level paging: choose victims, then share, compress or swap each. Reserved memory is never taken.

Victims are random within VMs above their target (ESXi) or the host's least recently used pages (Linux, `victims.py`).
Only pages with a frame of their own are taken, and by LRU frames that KSM merged. Not modelled: clustering of writes.
"""

from planner.kernels.blocks import break_victim
from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.compression import make_room, space_left
from planner.kernels.draws import PURPOSE_VICTIM, draw_u32
from planner.kernels.frames import free_frames, move_page, vm_of
from planner.kernels.sharing_esx import try_share
from planner.kernels.sharing_swap import swap_merged
from planner.kernels.state import COMPRESSED, PRIVATE, SHARED, SWAPPED, TICK_SWAP_OUT, UNITS_PER_PAGE
from planner.kernels.stuck import give_up, is_stuck
from planner.kernels.victims import build_queue, next_victim


@small_kernel
def _resident(vms, v):
    return vms.counts[v, PRIVATE] + vms.counts[v, SHARED]


@kernel
def evict_page(stack, v, i):
    """Take the frame of private page `i`: share it if its content is known, else compress, else swap. In place.

    Returns
    -------
    bool
        Whether the page gave up its frame.
    """
    knobs, limits = stack.knobs, stack.swap.limits
    if knobs.is_sharing and not knobs.sharing.is_ksm and try_share(stack, v, i, True):
        return True
    units = stack.swap.slot_units[i]
    if knobs.is_compressing and units < UNITS_PER_PAGE and make_room(stack, v, units):
        break_victim(stack, v, i)
        move_page(stack, v, i, COMPRESSED)
        return True
    if not knobs.is_swapping or space_left(stack) < 1:
        return False
    break_victim(stack, v, i)
    if limits.is_ram:
        # As Linux does, also a page that does not compress: it goes into the device as it is, and nothing is gained.
        move_page(stack, v, i, COMPRESSED)
        return units < UNITS_PER_PAGE
    move_page(stack, v, i, SWAPPED)
    stack.vms.tick[v, TICK_SWAP_OUT] += 1
    return True


@kernel
def page_out_vm(stack, v, want, tick):
    """Page out up to `want` random private pages of VM `v`, down to its reservation. Returns pages taken.

    Draws pages until enough were taken. Where as many draws as the VM has pages were not enough, few are left to take:
    then the pages are walked in turn from a random one on.
    """
    vms, draws = stack.vms, stack.swap.draws
    first, granted = vms.start[v], vms.granted[v]
    taken = 0
    has_cause = granted > 0 and want > 0 and _resident(vms, v) > vms.reservation[v]
    if not has_cause or (is_stuck(stack, v) and give_up(stack, v)):
        return 0
    for n in range(2 * granted):
        if taken >= want or _resident(vms, v) <= vms.reservation[v]:
            break
        if n <= granted:
            offset = int(draw_u32(vms.key[v], draws[v], tick, PURPOSE_VICTIM)) % granted
            draws[v] += 1
        else:
            offset = offset + 1 if offset + 1 < granted else 0
        if stack.pages.host_class[first + offset] == PRIVATE and evict_page(stack, v, first + offset):
            taken += 1
    return taken


@kernel
def page_out_random(stack, want, tick):
    """Page out about `want` frames from VMs in proportion to what they hold above their target. In place."""
    vms = stack.vms
    n_vms = vms.key.size
    goal = free_frames(stack) + want
    excess = 0
    for v in range(n_vms):
        excess += max(0, _resident(vms, v) - max(vms.target[v], vms.reservation[v]))
    if excess > 0:
        for v in range(n_vms):
            over = max(0, _resident(vms, v) - max(vms.target[v], vms.reservation[v]))
            missing = goal - free_frames(stack)
            if over > 0 and missing > 0:
                page_out_vm(stack, v, min(missing, min(over, want * over // excess + 1)), tick)
    # What the VMs above their target could not give (two compressed pages still take a frame) comes from all alike.
    held = 0
    for v in range(n_vms):
        held += max(0, _resident(vms, v) - vms.reservation[v])
    missing = goal - free_frames(stack)
    if missing > 0 and held > 0:
        for v in range(n_vms):
            over = max(0, _resident(vms, v) - vms.reservation[v])
            still_missing = goal - free_frames(stack)
            if over > 0 and still_missing > 0:
                page_out_vm(stack, v, min(over, missing * over // held + 1), tick)


@kernel
def page_out_lru(stack, want, tick):
    """Page out about `want` frames, the host's least recently touched pages first. Changes in place.

    Gives up where no page of a whole new queue could go anywhere.
    """
    vms = stack.vms
    goal = free_frames(stack) + want
    n_taken, is_new, v = 0, False, 0
    while free_frames(stack) < goal:
        i = next_victim(stack)
        if i < 0:
            if (is_new and n_taken == 0) or build_queue(stack, tick) == 0:
                return
            n_taken, is_new = 0, True
            continue
        # The queue has pages of a VM in turn.
        if i < vms.start[v] or i >= vms.start[v + 1]:
            v = vm_of(stack, i)
        page_class = stack.pages.host_class[i]
        if page_class == SHARED:
            swap_merged(stack, v, i)
        elif _resident(vms, v) > vms.reservation[v]:
            evict_page(stack, v, i)
        n_taken += stack.pages.host_class[i] != page_class


@kernel
def page_out(stack, want, tick):
    """Page out about `want` frames by the policy's choice of victims. Returns frames gained. Changes in place."""
    knobs = stack.knobs
    before = free_frames(stack)
    if want > 0 and (knobs.is_swapping or knobs.is_compressing):
        if knobs.is_lru:
            page_out_lru(stack, want, tick)
        else:
            page_out_random(stack, want, tick)
    return free_frames(stack) - before
