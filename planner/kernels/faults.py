"""Demand and faults: power and restart, first touches, the touches of a tick, and what each page needs to be there.

The touches themselves were drawn before (`touches.py`). Under a balloon the guest first finds memory for a page that is
not there (`guest.py`), then the host backs it.
"""

from planner.kernels.balloon_mom import NO_HISTORY
from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.draws import (
    PURPOSE_WRITE,
    draw_u32,
)
from planner.kernels.frames import free_frames, move_page, release_vm
from planner.kernels.guest import boot_guest, make_room, use_pages
from planner.kernels.outage import may_power_on
from planner.kernels.reclaim import reclaim_now
from planner.kernels.sharing import mark_changed, touch_unique, write_page
from planner.kernels.sharing_groups import open_group
from planner.kernels.state import (
    BALLOONED,
    COMPRESSED,
    EVICTED,
    GUEST_FREE,
    N_TICK,
    NO_CONTENT,
    PRIVATE,
    SHARED,
    SWAPPED,
    TICK_COW,
    TICK_DECOMPRESS,
    TICK_DENIED,
    TICK_GUEST_PAGING,
    TICK_REFUSED,
    TICK_SWAP_IN,
    TICK_TOUCHED,
    TOTAL_OVERHEAD,
    UNTOUCHED,
)


@kernel
def step_demand(stack, tick):
    """Play one tick of every VM's demand against the stack. Changes `stack` in place."""
    vms = stack.vms
    for v in range(vms.key.size):
        for column in range(N_TICK):
            vms.tick[v, column] = 0
    # VMs that leave make room before others come.
    for v in range(vms.key.size):
        if stack.plan.granted[v, tick] < 0 <= vms.granted[v]:
            _power_off(stack, v)
    for v in range(vms.key.size):
        granted = stack.plan.granted[v, tick]
        if granted < 0:
            continue
        if granted < stack.guests.in_use[v]:
            release_vm(stack, v)
            stack.guests.in_use[v] = 0
        if vms.granted[v] < 0 and stack.swap.limits.is_promised and not may_power_on(stack, v):
            vms.tick[v, TICK_REFUSED] = 1
        elif stack.swap.down_tick[v] < tick:
            _play(stack, v, granted, tick)


@kernel
def _power_off(stack, v):
    """Take everything from VM `v`, and give its overhead memory back to the host. Changes `stack` in place."""
    release_vm(stack, v)
    stack.vms.granted[v], stack.guests.in_use[v] = -1, -1
    stack.host.totals[TOTAL_OVERHEAD] -= stack.stays.held[v]
    stack.stays.held[v] = 0


@kernel
def _take_overhead(stack, v, tick):
    """Give VM `v` the overhead memory that it lacks, reclaiming where frames are short. Changes `stack` in place."""
    stays = stack.stays
    while stays.held[v] < stays.overhead[v]:
        if free_frames(stack) < stack.knobs.fault_below and not _find_frame(stack, v, tick):
            return
        stack.host.totals[TOTAL_OVERHEAD] += 1
        stays.held[v] += 1


@kernel
def _play(stack, v, granted, tick):
    """Play the tick of a VM that is on, until it is killed."""
    _take_overhead(stack, v, tick)
    if stack.swap.down_tick[v] == tick:
        return
    before = max(stack.guests.in_use[v], 0)
    if before == 0:
        _boot(stack, v, granted, tick)
    # A VM that was killed starts again a tick later, and uses all it had for the first time.
    if stack.swap.down_tick[v] < tick - 1:
        _touch(stack, v, tick)
    if stack.swap.down_tick[v] < tick:
        _grow(stack, v, before, granted, tick)


@kernel
def _boot(stack, v, granted, tick):
    """Power VM `v` on: its balloon driver is loaded later; a guest that zeroes its memory touches all of it first."""
    vms, balloons = stack.vms, stack.balloons
    n_pages = vms.start[v + 1] - vms.start[v]
    boot_guest(stack, v, tick)
    balloons.wanted[v], balloons.assigned[v] = 0, n_pages
    balloons.history[v, 0] = NO_HISTORY
    # What is found running, as all is in the first tick, was started long before.
    is_booting = tick != stack.stays.running_tick[v]
    balloons.ready_tick[v] = tick + stack.balloon_knobs.delay_ticks if is_booting else tick
    if not stack.balloon_knobs.is_zeroing:
        return
    pages, zero_content = stack.pages, stack.guests.zero_content[v]
    _grant(stack, v, n_pages)
    for i in range(vms.start[v] + granted, vms.start[v + 1]):
        pages.last_touch[i] = tick
        if not _back_page(stack, v, i, tick, True) and stack.swap.down_tick[v] == tick:
            return
        if pages.host_class[i] == PRIVATE:
            pages.content[i] = zero_content
    if is_booting:
        vms.tick[v, TICK_TOUCHED] += n_pages - granted


@kernel
def _grant(stack, v, granted):
    # All at once, before the first fault: a fault may reclaim, and a block that breaks counts its granted pages itself.
    vms, host = stack.vms, stack.host
    for offset in range(max(vms.granted[v], 0), granted):
        vms.small[v] += host.is_small[host.block_start[v] + offset // stack.knobs.pages_per_block]
    vms.granted[v] = max(vms.granted[v], granted)


@kernel
def _grow(stack, v, before, granted, tick):
    """Let the guest use the pages `before` .. `granted` for the first time."""
    pages, vms = stack.pages, stack.vms
    _grant(stack, v, granted)
    use_pages(stack, v, before, granted)
    for i in range(vms.start[v] + before, vms.start[v] + granted):
        pages.last_touch[i] = tick
        if pages.host_class[i] == PRIVATE or pages.host_class[i] == SHARED:
            _write(stack, v, i, tick)
            if pages.host_class[i] == PRIVATE:
                pages.content[i] = pages.home_content[i]
                open_group(stack, i)
        else:
            _back_page(stack, v, i, tick, True)
        if stack.swap.down_tick[v] == tick:
            return
    if tick != stack.stays.running_tick[v]:
        # What is granted when the VM is found running was touched before; it says nothing of how active the VM is.
        vms.tick[v, TICK_TOUCHED] += granted - before


@small_kernel
def _touch(stack, v, tick):
    """Touch the pages that the VM touches in this tick and had touched before."""
    # Arrays are taken out of the bundle once: passing the bundle down for every touched page costs several times more.
    pages, plan = stack.pages, stack.plan
    host_class, content, last_touch, touched_page = pages.host_class, pages.content, pages.last_touch, plan.touched_page
    begin, end = plan.touched_start[v, tick], plan.touched_start[v, tick + 1]
    first, key, write_below = stack.vms.start[v], stack.vms.key[v], stack.knobs.shared_write_below
    is_sharing, home_content, checksum = stack.knobs.is_sharing, pages.home_content, stack.sharing.checksum
    is_ksm = is_sharing and stack.knobs.sharing.is_ksm
    for k in range(begin, end):
        i = first + touched_page[k]
        last_touch[i] = tick
        page_class = host_class[i]
        if page_class != PRIVATE and page_class != SHARED and not _back_page(stack, v, i, tick, False):
            if stack.swap.down_tick[v] == tick:
                return
            continue
        # Nine of ten pages never hold bytes that others hold. NO_CONTENT is -1, all bits set: one look tells.
        if content[i] & home_content[i] == NO_CONTENT:
            if is_ksm and checksum[i] == NO_CONTENT:
                touch_unique(stack, v, i, tick)
        elif content[i] != NO_CONTENT:
            if int(draw_u32(key, touched_page[k], tick, PURPOSE_WRITE)) < write_below:
                _write(stack, v, i, tick)
                if stack.swap.down_tick[v] == tick:
                    return
        elif is_sharing:
            touch_unique(stack, v, i, tick)
    stack.vms.tick[v, TICK_TOUCHED] += end - begin


@kernel
def _back_page(stack, v, i, tick, is_first):
    """Give page `i` a frame and count what that cost. Returns False where there was none, or the VM was killed."""
    pages, vms = stack.pages, stack.vms
    page_class = pages.host_class[i]
    is_away = page_class == BALLOONED or page_class == EVICTED or page_class == UNTOUCHED
    if is_away and vms.counts[v, BALLOONED] > 0:
        make_room(stack, v, i, is_first, tick)
    if free_frames(stack) < stack.knobs.fault_below and not _find_frame(stack, v, tick):
        return False
    page_class = pages.host_class[i]
    is_guest_held = page_class == BALLOONED or page_class == EVICTED
    if page_class == SWAPPED:
        vms.tick[v, TICK_SWAP_IN] += 1
    elif page_class == COMPRESSED:
        vms.tick[v, TICK_DECOMPRESS] += 1
    elif is_guest_held and not is_first and pages.guest_class[i] != GUEST_FREE:
        vms.tick[v, TICK_GUEST_PAGING] += 1
    move_page(stack, v, i, PRIVATE)
    if is_first or page_class == UNTOUCHED:
        pages.content[i] = pages.home_content[i]
        mark_changed(stack, i)
    elif is_guest_held and pages.guest_class[i] == GUEST_FREE:
        pages.content[i] = NO_CONTENT
        mark_changed(stack, i)
    return True


@kernel
def _find_frame(stack, v, tick):
    """Reclaim for a fault of VM `v`. Returns whether it can be served: there is a frame, and the VM still runs."""
    n_free = reclaim_now(stack, v, tick)
    if stack.swap.down_tick[v] == tick:
        return False
    if n_free < 1:
        stack.vms.tick[v, TICK_DENIED] += 1
    return n_free >= 1


@kernel
def _write(stack, v, i, tick):
    """Write to page `i`, which is in memory; a shared page needs a free frame for its copy."""
    is_copy = stack.pages.host_class[i] == SHARED
    if is_copy and free_frames(stack) < stack.knobs.fault_below and not _find_frame(stack, v, tick):
        return
    if write_page(stack, v, i):
        stack.vms.tick[v, TICK_COW] += 1
