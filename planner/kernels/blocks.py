"""Breaking of 2 MiB blocks, when one of their pages is shared, swapped, compressed or given to a balloon.

In exact mode a page breaks its own block. A sampled page stands for many pages in many blocks, and which of these break
with it depends on how the page was chosen: at random, in turn, or for being of a kind. See docs/decisions/0007.
"""

import math

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.draws import PURPOSE_BLOCK, draw_u32
from planner.kernels.state import NO_CONTENT


@kernel
def break_block(stack, v, i):
    """Map the 2 MiB block of page `i`, taken at random, with 4 KiB pages if it is not yet. Changes `stack` in place.

    A sampled page in a large block stands for pages in many large blocks, and these break, too. One in a broken block
    stands for pages in broken blocks.
    """
    per_block, granted = stack.knobs.pages_per_block, stack.vms.granted[v]
    block = (i - stack.vms.start[v]) // per_block
    if stack.host.is_small[stack.host.block_start[v] + block] == 0:
        if stack.knobs.scatter > 0.0:
            _break_some(stack, v, 0, (granted + per_block - 1) // per_block, granted - stack.vms.small[v])
        _map_small(stack, v, block)


@kernel
def break_range(stack, v, i, first, end):
    """Map the block of page `i` with 4 KiB pages, the only one taken of pages `first` .. `end`. Changes in place.

    The pages that a sampled page stands for lie in this range. A block of n pages, of which one in g is taken, stays
    whole with probability exp(-n / g).
    """
    start, per_block = stack.vms.start[v], stack.knobs.pages_per_block
    if stack.knobs.scatter > 0.0 and end > first + 1:
        _break_some(stack, v, (first - start) // per_block, (end - start + per_block - 1) // per_block, end - first)
    _map_small(stack, v, (i - start) // per_block)


@kernel
def break_victim(stack, v, i):
    """Break the block of victim `i`. By age, the pages that it stands for lie between the nearest that are as old."""
    if not stack.knobs.is_lru:
        break_block(stack, v, i)
        return
    last_touch, first, end = stack.pages.last_touch, stack.vms.start[v], stack.vms.start[v] + stack.vms.granted[v]
    lower, upper, reach = i - 1, i + 1, _reach(stack, v)
    if stack.knobs.scatter > 0.0:
        while lower >= first and i - lower < reach and last_touch[lower] != last_touch[i]:
            lower -= 1
        while upper < end and upper - i < reach and last_touch[upper] != last_touch[i]:
            upper += 1
    _break_between(stack, v, i, lower, upper)


@small_kernel
def _reach(stack, v):
    """Return how far to look for pages of a kind. With all blocks broken it only matters whether the next are of it."""
    return 3 if stack.vms.small[v] >= stack.vms.granted[v] else stack.vms.granted[v]


@kernel
def break_shared(stack, v, i):
    """Break the block of page `i`, which is shared: what it stands for lies between the nearest of known content."""
    content, first, end = stack.pages.content, stack.vms.start[v], stack.vms.start[v] + stack.vms.granted[v]
    lower, upper, reach = i - 1, i + 1, _reach(stack, v)
    if stack.knobs.scatter > 0.0:
        while lower >= first and i - lower < reach and content[lower] == NO_CONTENT:
            lower -= 1
        while upper < end and upper - i < reach and content[upper] == NO_CONTENT:
            upper += 1
    _break_between(stack, v, i, lower, upper)


@kernel
def _break_between(stack, v, i, lower, upper):
    """Break the block of page `i`; `lower` and `upper` are the nearest pages of its kind. Changes in place.

    What page `i` stands for lies half-way to them; beyond the VM's first and last page of the kind, all the way.
    """
    start, end = stack.vms.start[v], stack.vms.start[v] + stack.vms.granted[v]
    first = start if lower < start else (lower + i + 1) // 2
    break_range(stack, v, i, first, end if upper >= end else (i + upper + 1) // 2)


@small_kernel
def _map_small(stack, v, block_in_vm):
    block, per_block = stack.host.block_start[v] + block_in_vm, stack.knobs.pages_per_block
    if stack.host.is_small[block] == 0:
        stack.host.is_small[block] = 1
        stack.vms.small[v] += max(0, min(stack.vms.granted[v] - block_in_vm * per_block, per_block))


@kernel
def _break_some(stack, v, first_block, end_block, n_pages):
    """Break the large blocks in which other pages lie that one sampled page stands for, taken out of `n_pages`."""
    host = stack.host
    host.breaks[v] += 1
    if stack.vms.small[v] >= stack.vms.granted[v]:
        return
    whole_below = math.exp(-stack.knobs.scatter / max(1, n_pages)) * 4294967296.0
    for block in range(first_block, end_block):
        is_large = host.is_small[host.block_start[v] + block] == 0
        if is_large and float(draw_u32(stack.vms.key[v], block, host.breaks[v], PURPOSE_BLOCK)) >= whole_below:
            _map_small(stack, v, block)
