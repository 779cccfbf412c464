"""Page sharing as the rest of the stack sees it: writes, contents that come back, the scan.

Contents are identities (equal numbers = equal bytes). The scanners are in `sharing_esx` and `sharing_ksm`.
"""

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.draws import PURPOSE_PRIVATE_WRITE, PURPOSE_RETURN, draw_u32
from planner.kernels.frames import move_page
from planner.kernels.sharing_esx import step_esx
from planner.kernels.sharing_groups import open_group
from planner.kernels.sharing_ksm import step_ksm
from planner.kernels.sharing_state import CHANGED
from planner.kernels.state import (
    GUEST_CACHE,
    GUEST_FREE,
    NO_CONTENT,
    PRIVATE,
    SHARED,
)


@kernel
def step_scan(stack, tick):
    """Let the host's scanner run for one tick. Changes `stack` in place."""
    if stack.knobs.sharing.is_ksm:
        step_ksm(stack, tick)
    else:
        step_esx(stack, tick)


@small_kernel
def mark_changed(stack, i):
    """Note that page `i` holds other unique bytes than before: its checksum will differ from that of the last."""
    if stack.knobs.sharing.is_ksm and stack.sharing.checksum[i] == NO_CONTENT:
        stack.sharing.checksum[i] = CHANGED


@kernel
def write_page(stack, v, i):
    """Write to page `i`, which then equals no other page; a shared page is copied. In place.

    Returns
    -------
    bool
        Whether a shared page was copied. The caller has made sure of a free frame.
    """
    is_copy = stack.pages.host_class[i] == SHARED
    if is_copy:
        move_page(stack, v, i, PRIVATE)
    stack.pages.content[i] = NO_CONTENT
    mark_changed(stack, i)
    return is_copy


@kernel
def touch_unique(stack, v, i, tick):
    """Touch page `i` of unique content: the guest may bring its first content back, or write to it. In place.

    Page cache is read again from the file, free memory is zeroed again. Of other pages a fixed share is written
    whenever it is touched, which matters to checksums only, and only where the scanner has seen the page since.
    """
    pages, knobs, key = stack.pages, stack.knobs.sharing, stack.vms.key[v]
    offset = i - stack.vms.start[v]
    may_return = pages.guest_class[i] == GUEST_CACHE or pages.guest_class[i] == GUEST_FREE
    may_return &= pages.home_content[i] != NO_CONTENT
    if may_return and int(draw_u32(key, offset, tick, PURPOSE_RETURN)) < knobs.return_below:
        pages.content[i] = pages.home_content[i]
        open_group(stack, i)
        return
    is_known = knobs.is_ksm and stack.sharing.checksum[i] == NO_CONTENT
    if is_known and int(draw_u32(key, offset, 0, PURPOSE_PRIVATE_WRITE)) < knobs.private_write_below:
        stack.sharing.checksum[i] = CHANGED
