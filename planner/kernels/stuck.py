"""Searches for victims that must come to nothing: known before a page is drawn.

Where swap is off, or its space full, and the compression cache full, too, pages have nowhere to go: only sharing could
free a frame. A search of all pages of a VM would find that out in every tick, and change nothing.
"""

from planner.kernels.compiled import kernel
from planner.kernels.compression import space_left
from planner.kernels.sharing_groups import GROUP_BITS, GROUP_PAGES, close_groups
from planner.kernels.state import NO_CONTENT, PRIVATE, TOTAL_POOL_UNITS, UNITS_PER_PAGE


@kernel
def is_stuck(stack, v):
    """Say whether pages of VM `v` can go neither to the swap device nor into a cache of compressed pages."""
    knobs, limits = stack.knobs, stack.swap.limits
    may_write_back = knobs.is_compressing and limits.is_slot_held
    if knobs.is_swapping and (may_write_back or space_left(stack) > 0):
        return False
    if not knobs.is_compressing:
        return True
    room = stack.vms.compress_cap[v] - stack.swap.used[v]
    if limits.is_pool_shared:
        room = limits.pool_cap - stack.host.totals[TOTAL_POOL_UNITS]
    # With room for any page most searches find one; looking for it first would double their work.
    return room < UNITS_PER_PAGE and (room < limits.least_units or not _fits_any(stack, v, room))


@kernel
def _fits_any(stack, v, room):
    """Return whether a private page of VM `v` is no larger than `room` when compressed."""
    first, end = stack.vms.start[v], stack.vms.start[v] + stack.vms.granted[v]
    host_class, slot_units = stack.pages.host_class, stack.swap.slot_units
    for i in range(first, end):
        if slot_units[i] <= room and host_class[i] == PRIVATE:
            return True
    return False


@kernel
def give_up(stack, v):
    """Leave the search of the stuck VM `v` out if no page can be shared. In place; returns whether it was left out."""
    if stack.knobs.is_sharing and not stack.knobs.sharing.is_ksm:
        first, end = stack.vms.start[v], stack.vms.start[v] + stack.vms.granted[v]
        if close_groups(stack, first, end) > 0 and _may_share_any(stack, first, end):
            return False
    # The draws of a search are counted: as many as there are pages and one, before it walks past all of them.
    stack.swap.draws[v] += stack.vms.granted[v] + 1
    return True


@kernel
def _may_share_any(stack, first, end):
    """Return False if each page from `first` to before `end` that could be shared is known to be alone."""
    pages, contents, is_open = stack.pages, stack.contents, stack.sharing.is_open
    for group in range(first >> GROUP_BITS, (end + GROUP_PAGES - 1) >> GROUP_BITS):
        if is_open[group] == 0:
            continue
        for i in range(max(first, group << GROUP_BITS), min(end, (group + 1) << GROUP_BITS)):
            content = pages.content[i]
            if pages.host_class[i] == PRIVATE and content != NO_CONTENT:
                # Alone is a page that is itself the hint of its content, with no frame to join.
                has_frame = contents.refs[content] > 0 or contents.frame_cost[content] == 0
                if has_frame or contents.hint[content] != i:
                    return True
    return False
