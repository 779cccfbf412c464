"""Page sharing by content: scan with a budget, merge equal pages, copy on write.

Contents are identities (equal numbers = equal bytes), so comparing is exact and false matches do not occur. Pages in
2 MiB blocks are not shared until pressure allows breaking the block. Not modelled: the memory and CPU of the scanner.
"""

import math

from planner.kernels.compiled import kernel
from planner.kernels.draws import PURPOSE_SCAN, draw_u32
from planner.kernels.frames import break_block, free_frames, move_page, vm_of
from planner.kernels.state import NO_CONTENT, PRIVATE, SHARED


@kernel
def try_share(stack, v, i):
    """Share private page `i` with a shared frame or a hinted page of equal content. In place; returns success.

    A page that finds no partner becomes the hint of its content. A zero page in sampled mode stands for many equal
    pages, which share among themselves: it needs no partner (its shared frame costs nothing).
    """
    pages, contents = stack.pages, stack.contents
    content = pages.content[i]
    if content == NO_CONTENT or pages.host_class[i] != PRIVATE:
        return False
    if contents.refs[content] == 0 and contents.frame_cost[content] > 0:
        partner = contents.hint[content]
        if partner < 0 or partner == i:
            contents.hint[content] = i
            return False
        partner_vm = vm_of(stack, partner)
        break_block(stack, partner_vm, partner)
        move_page(stack, partner_vm, partner, SHARED)
    break_block(stack, v, i)
    move_page(stack, v, i, SHARED)
    return True


@kernel
def step_scan(stack, tick):
    """Scan the tick's budget of pages of every VM and merge what is equal. Changes `stack` in place.

    Blocks mapped large are passed over unless free memory is low enough to break them; a host with nothing but large
    blocks and enough free memory costs nothing.
    """
    knobs, vms = stack.knobs, stack.vms
    host_class, content = stack.pages.host_class, stack.pages.content
    may_break = free_frames(stack) < knobs.break_below
    for v in range(vms.key.size):
        granted = vms.granted[v]
        if granted <= 0 or (vms.small[v] == 0 and not may_break):
            continue
        rate = vms.scan_per_tick[v]
        budget = int(math.floor(rate * (tick + 1)) - math.floor(rate * tick))
        for n in range(budget):
            if knobs.is_sequential_scan:
                offset = vms.scan_cursor[v] % granted
                vms.scan_cursor[v] = offset + 1
            else:
                offset = int(draw_u32(vms.key[v], n, tick, PURPOSE_SCAN)) % granted
            i = vms.start[v] + offset
            if host_class[i] == PRIVATE and content[i] != NO_CONTENT:
                _scan_page(stack, v, i, may_break)


@kernel
def _scan_page(stack, v, i, may_break):
    pages, knobs = stack.pages, stack.knobs
    block = stack.host.block_start[v] + (i - stack.vms.start[v]) // knobs.pages_per_block
    if stack.host.is_small[block] == 0 and not may_break:
        return
    if knobs.is_two_pass and pages.is_stable[i] == 0:
        pages.is_stable[i] = 1
        return
    try_share(stack, v, i)


@kernel
def write_page(stack, v, i):
    """Write to page `i`, which then equals no other page; a shared page is copied. In place.

    Returns
    -------
    bool
        Whether a shared page was copied. The caller has made sure of a free frame.
    """
    pages, contents = stack.pages, stack.contents
    content = pages.content[i]
    is_copy = pages.host_class[i] == SHARED
    if is_copy:
        move_page(stack, v, i, PRIVATE)
    if content != NO_CONTENT and contents.hint[content] == i:
        contents.hint[content] = -1
    pages.content[i] = NO_CONTENT
    pages.is_stable[i] = 0
    return is_copy
