"""ESXi's page sharing (TPS): random order, hints, share before swap, large pages broken when memory is short.

A hint is the page last seen with a content; whether it still holds is found out when it is used (Waldspurger, OSDI
2002, section 4.3). Pages mapped large are hashed, too, but shared only once their block breaks; then what was hashed
before is shared at once. Hashes are exact here: false matches do not occur.
"""

import math

from planner.kernels.blocks import break_shared
from planner.kernels.compiled import kernel
from planner.kernels.draws import PURPOSE_HASHED, PURPOSE_HASHED_FIRST, PURPOSE_SCAN, draw_below, draw_u32
from planner.kernels.frames import free_frames, move_page, vm_of
from planner.kernels.sharing_groups import close_groups, keep_to_share
from planner.kernels.sharing_state import (
    SCAN_CPU_NS,
    SCAN_IS_BREAKING,
    SCAN_SCANNED,
    VISIT_CHECKSUM,
    VISIT_MERGE,
)
from planner.kernels.state import NO_CONTENT, PRIVATE, SHARED


@kernel
def try_share(stack, v, i, may_break):
    """Share private page `i` with a shared frame or a hinted page of equal content. In place; returns success.

    A page that finds no partner becomes the hint of its content; so does one that finds a stale hint. A zero page in
    sampled mode stands for many equal pages, which share among themselves: it needs no partner. Unless
    `may_break`, only blocks that are broken are searched, and page `i` stands for pages in such blocks.
    """
    pages, contents = stack.pages, stack.contents
    content = pages.content[i]
    if content == NO_CONTENT or pages.host_class[i] != PRIVATE:
        return False
    if contents.refs[content] == 0 and contents.frame_cost[content] > 0:
        partner = contents.hint[content]
        is_held = partner >= 0 and pages.host_class[partner] == PRIVATE and pages.content[partner] == content
        if not is_held or partner == i:
            contents.hint[content] = i
            return False
        partner_vm = vm_of(stack, partner)
        _break(stack, partner_vm, partner, may_break)
        move_page(stack, partner_vm, partner, SHARED)
    _break(stack, v, i, may_break)
    move_page(stack, v, i, SHARED)
    stack.sharing.counters[SCAN_CPU_NS] += stack.sharing.cost_ns[VISIT_MERGE] * stack.knobs.sharing.page_scale
    return True


@kernel
def _break(stack, v, i, may_break):
    block = stack.host.block_start[v] + (i - stack.vms.start[v]) // stack.knobs.pages_per_block
    if may_break or stack.host.is_small[block] == 0:
        break_shared(stack, v, i)


@kernel
def step_break(stack, tick):
    """Once memory gets short, break large pages and share what was hashed before, until it is no longer short.

    In place. Runs in the tick in which free memory falls under the threshold; from then on the scan goes on as usual.
    """
    counters, vms = stack.sharing.counters, stack.vms
    counters[SCAN_CPU_NS] = 0
    _note_power(stack, tick)
    is_breaking = free_frames(stack) < stack.knobs.break_below
    if is_breaking and counters[SCAN_IS_BREAKING] == 0:
        n_vms = vms.key.size
        first_vm = int(draw_u32(vms.key[0], 0, tick, PURPOSE_HASHED_FIRST)) % n_vms if n_vms > 0 else 0
        for m in range(n_vms):
            v = (first_vm + m) % n_vms
            if vms.small[v] < vms.granted[v]:
                _share_hashed(stack, v, tick)
        is_breaking = free_frames(stack) < stack.knobs.break_below
    counters[SCAN_IS_BREAKING] = 1 if is_breaking else 0


@kernel
def _note_power(stack, tick):
    """Note when VMs are powered on. The fleet did not start with the simulation: VMs on at the start are long on."""
    on_tick, granted = stack.sharing.on_tick, stack.vms.granted
    for v in range(granted.size):
        if granted[v] <= 0:
            on_tick[v] = -1
        elif on_tick[v] < 0:
            on_tick[v] = tick


@kernel
def _share_hashed(stack, v, tick):
    """Share pages of VM `v` that were hashed since it is on: those that are mapped large waited for this.

    A random scan of rate r over M pages has hashed a page after a time t with probability 1 - exp(-r t / M).
    """
    vms, host_class, content = stack.vms, stack.pages.host_class, stack.pages.content
    on_tick, granted, first = stack.sharing.on_tick[v], vms.granted[v], vms.start[v]
    hashed_below = 4294967296.0
    if on_tick > 0:
        hashed_below *= 1.0 - math.exp(-vms.scan_per_tick[v] * (tick - on_tick) / granted)
    for offset in range(granted):
        i = first + offset
        if host_class[i] != PRIVATE or content[i] == NO_CONTENT:
            continue
        if draw_u32(vms.key[v], offset, 0, PURPOSE_HASHED) >= hashed_below:
            continue
        if free_frames(stack) >= stack.knobs.break_below:
            break
        try_share(stack, v, i, True)


@kernel
def step_esx(stack, tick):
    """Scan the tick's budget of pages of every VM and share what is equal. Changes `stack` in place.

    Blocks mapped large are only hashed unless free memory is low enough to break them: that costs CPU time and has no
    effect until then, so it is not played.
    """
    vms, sharing = stack.vms, stack.sharing
    may_break = free_frames(stack) < stack.knobs.break_below
    scanned = 0
    for v in range(vms.key.size):
        granted = vms.granted[v]
        if granted <= 0:
            continue
        rate = vms.scan_per_tick[v]
        budget = int(math.floor(rate * (tick + 1)) - math.floor(rate * tick))
        scanned += budget
        is_any = vms.small[v] > 0 or may_break
        if is_any and close_groups(stack, vms.start[v], vms.start[v] + granted) > 0:
            _look(stack, v, budget, tick, may_break)
    sharing.counters[SCAN_SCANNED] += scanned
    sharing.counters[SCAN_CPU_NS] += scanned * sharing.cost_ns[VISIT_CHECKSUM] * stack.knobs.sharing.page_scale


@kernel
def _look(stack, v, budget, tick, may_break):
    """Look at `budget` random pages of VM `v`."""
    # First where to look, then looking: places drawn in a loop of their own are drawn several at a time.
    looks, key, first, granted = stack.sharing.looks, stack.vms.key[v], stack.vms.start[v], stack.vms.granted[v]
    is_small, first_block, per_block = stack.host.is_small, stack.host.block_start[v], stack.knobs.pages_per_block
    for begin in range(0, budget, looks.size):
        n_looks = min(looks.size, budget - begin)
        for n in range(n_looks):
            looks[n] = draw_below(key, begin + n, tick, PURPOSE_SCAN, granted)
        for n in range(keep_to_share(stack, first, looks, n_looks)):
            offset = looks[n]
            if may_break or is_small[first_block + offset // per_block] == 1:
                try_share(stack, v, first + offset, may_break)
