"""Rebuilding of large pages: blocks that were broken are mapped with 2 MiB again once memory is free enough.

The host looks at so many broken blocks a tick, VM after VM. A block comes back if every page of it has content on the
host, not too many of them are shared or out, and a whole block of frames is free above the level at which the host
would break it again. Its shared pages are copied, its swapped ones read. A sampled page stands for pages in many
blocks: how many of these are free of gaps follows from the VM's pages by the rule of `blocks.break_range`, exp(-n / g).
Not modelled: blocks with gaps, which Linux fills with zeroed memory, the search for contiguous frames, and the CPU time
of copying.
"""

import math

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.draws import PURPOSE_WHOLE, draw_u32
from planner.kernels.frames import free_frames, move_page
from planner.kernels.state import (
    BALLOONED,
    COMPRESSED,
    EVICTED,
    PRIVATE,
    SHARED,
    SWAPPED,
    TICK_REBUILD_READ,
    TICK_REBUILD_UNSHARED,
    TICK_REBUILT,
    UNTOUCHED,
)

_ALL = 4294967296.0
_NEIGHBOURS = 8
"""Sampled pages to each side that say what the rest of a block holds: pages of like popularity, that age alike."""


@kernel
def step_collapse(stack, tick):
    """Look at the tick's budget of broken blocks and rebuild those that qualify. Changes `stack` in place."""
    vms, limits = stack.vms, stack.rebuild.limits
    n_vms = vms.key.size
    rate = limits.blocks_per_tick
    budget = int(math.floor(rate * (tick + 1)) - math.floor(rate * tick))
    for n in range(n_vms):
        v = (tick + n) % n_vms
        if budget > 0 and vms.granted[v] > 0 and vms.small[v] > 0 and _has_room(stack):
            budget -= _collapse_vm(stack, v, budget)


@small_kernel
def _has_room(stack):
    """Say whether a block of frames is free above the level at which blocks break."""
    return free_frames(stack) >= stack.rebuild.limits.free_above + stack.knobs.pages_per_block


@kernel
def _collapse_vm(stack, v, budget):
    """Look at up to `budget` broken blocks of VM `v`; return at how many."""
    host, cursor, per_block = stack.host, stack.rebuild.cursor, stack.knobs.pages_per_block
    n_blocks = (stack.vms.granted[v] + per_block - 1) // per_block
    examined = 0
    for _ in range(n_blocks):
        if examined == budget or not _has_room(stack):
            break
        block = cursor[v] % n_blocks
        cursor[v] = block + 1
        if host.is_small[host.block_start[v] + block] == 1:
            examined += 1
            if _may_collapse(stack, v, block):
                _collapse(stack, v, block)
    return examined


@kernel
def _may_collapse(stack, v, block):
    """Say whether the block's own pages, and what the rest of a sampled block holds, allow a large page."""
    vms, limits, per_block = stack.vms, stack.rebuild.limits, stack.knobs.pages_per_block
    n_shared, n_out = 0, 0
    for offset in range(block * per_block, min((block + 1) * per_block, vms.granted[v])):
        page_class = stack.pages.host_class[vms.start[v] + offset]
        if page_class == SHARED:
            n_shared += 1
        elif page_class == COMPRESSED or page_class == SWAPPED:
            n_out += 1
        elif page_class != PRIVATE:
            return False
    resident = vms.counts[v, PRIVATE] + vms.counts[v, SHARED]
    if n_out > 0 and resident + n_out > vms.limit[v]:
        return False
    if stack.knobs.scatter == 0.0:
        return n_shared <= limits.max_shared and n_out <= limits.max_swapped
    rest_shared, rest_out = _rest_of_block(stack, v, block)
    is_few = n_shared + rest_shared <= limits.max_shared and n_out + rest_out <= limits.max_swapped
    return is_few and not _has_gap(stack, v, block)


@kernel
def _rest_of_block(stack, v, block):
    """Return how many shared pages, and pages that are out, a sampled block holds beside its own: as its neighbours."""
    vms, host_class, per_block = stack.vms, stack.pages.host_class, stack.knobs.pages_per_block
    first = max(0, block * per_block - _NEIGHBOURS)
    end = min(vms.granted[v], (block + 1) * per_block + _NEIGHBOURS)
    n_shared, n_out = 0, 0
    for i in range(vms.start[v] + first, vms.start[v] + end):
        n_shared += host_class[i] == SHARED
        n_out += host_class[i] == COMPRESSED or host_class[i] == SWAPPED
    per_page = stack.knobs.scatter / (end - first)
    return n_shared * per_page, n_out * per_page


@kernel
def _has_gap(stack, v, block):
    """Say whether the rest of a sampled block has a gap, by the distance to the nearest sampled one.

    Gaps as dense as one in g leave a block of n pages without any with probability exp(-n / g); the nearest of them is
    g / 2 away on average. It is always the same blocks that have none.
    """
    vms, host_class, per_block = stack.vms, stack.pages.host_class, stack.knobs.pages_per_block
    counts, granted = vms.counts[v], vms.granted[v]
    if counts[PRIVATE] + counts[SHARED] + counts[COMPRESSED] + counts[SWAPPED] >= granted:
        return False
    first, last = block * per_block, min((block + 1) * per_block, granted) - 1
    distance = 1
    while not _is_gap(host_class, vms.start[v], first - distance, granted) and not _is_gap(
        host_class, vms.start[v], last + distance, granted
    ):
        distance += 1
        if distance >= granted:
            return False
    whole_below = math.exp(-0.5 * stack.knobs.scatter / distance) * _ALL
    return float(draw_u32(vms.key[v], block, 0, PURPOSE_WHOLE)) >= whole_below


@small_kernel
def _is_gap(host_class, start, offset, granted):
    if offset < 0 or offset >= granted:
        return False
    page_class = host_class[start + offset]
    return page_class == UNTOUCHED or page_class == BALLOONED or page_class == EVICTED


@kernel
def _collapse(stack, v, block):
    """Give each page of the block a frame of its own and map it large."""
    vms, pages, per_block = stack.vms, stack.pages, stack.knobs.pages_per_block
    first, end = block * per_block, min((block + 1) * per_block, vms.granted[v])
    for i in range(vms.start[v] + first, vms.start[v] + end):
        page_class = pages.host_class[i]
        if page_class == PRIVATE:
            continue
        if page_class == SHARED:
            vms.tick[v, TICK_REBUILD_UNSHARED] += 1
        elif page_class == SWAPPED:
            vms.tick[v, TICK_REBUILD_READ] += 1
        move_page(stack, v, i, PRIVATE)
    stack.host.is_small[stack.host.block_start[v] + block] = 0
    vms.small[v] -= end - first
    vms.tick[v, TICK_REBUILT] += end - first
