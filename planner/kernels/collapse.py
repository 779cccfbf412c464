"""Rebuilding of large pages: blocks that were broken are mapped with 2 MiB again once memory is free enough.

The host looks at so many broken blocks a tick, VM after VM. A block comes back if every page of it has content on the
host, not too many of them are shared or out, and a whole block of frames is free above the level at which the host
would break it again. Its shared pages are copied, its swapped ones read. A sampled page stands for pages in many
blocks: how many of these are free of gaps follows from the VM's pages, as in `frames.break_block`. Not modelled: blocks
with gaps, which Linux fills with zeroed memory, the search for contiguous frames, and the copying itself.
"""

import math

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.draws import PURPOSE_BLOCK, draw_u32
from planner.kernels.frames import free_frames, move_page
from planner.kernels.state import (
    COMPRESSED,
    PRIVATE,
    SHARED,
    SWAPPED,
    TICK_REBUILD_READ,
    TICK_REBUILD_UNSHARED,
    TICK_REBUILT,
)

PAGES_PER_LARGE_PAGE = 512
_ALL = 4294967296.0


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
    whole_below = _lower_exposure(stack, v, budget / n_blocks)
    examined = 0
    for _ in range(n_blocks):
        if examined == budget or not _has_room(stack):
            break
        block = cursor[v] % n_blocks
        cursor[v] = block + 1
        if host.is_small[host.block_start[v] + block] == 0:
            continue
        examined += 1
        is_whole = float(draw_u32(stack.vms.key[v], block, 0, PURPOSE_BLOCK)) < whole_below
        if is_whole and _may_collapse(stack, v, block):
            _collapse(stack, v, block)
    return examined


@kernel
def _lower_exposure(stack, v, share):
    """Let the VM's exposure fall by what rebuilding a share of its blocks takes away. In place.

    Returns
    -------
    float
        Blocks whose draw lies below are whole but for their own sampled pages; all are in exact mode.
    """
    scatter, host, counts = stack.knobs.scatter, stack.host, stack.vms.counts[v]
    if scatter == 0.0:
        return _ALL
    limits = stack.rebuild.limits
    per_page = scatter / stack.vms.granted[v]
    n_out = counts[COMPRESSED] + counts[SWAPPED]
    if counts[SHARED] * per_page > limits.max_shared or n_out * per_page > limits.max_swapped:
        return 0.0
    n_gaps = stack.vms.granted[v] - counts[PRIVATE] - counts[SHARED] - n_out
    whole = math.exp(-host.exposure[v])
    wanted = min(whole + share, math.exp(-n_gaps * per_page))
    if wanted > whole:
        host.exposure[v] = -math.log(wanted)
    return math.exp(-host.exposure[v]) * _ALL


@kernel
def _may_collapse(stack, v, block):
    """Say whether the block's own pages allow it to be mapped large."""
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
    is_few = (
        n_shared * PAGES_PER_LARGE_PAGE <= limits.max_shared * per_block
        and n_out * PAGES_PER_LARGE_PAGE <= limits.max_swapped * per_block
    )
    return is_few and (n_out == 0 or resident + n_out <= vms.limit[v])


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
