"""Pools of compressed pages, oldest first: entering and leaving, in constant time.

A pool is the compression cache of one VM (ESXi) or of the whole host (zswap, zram). Who is compressed, and who has to
leave, is in `compression.py`.
"""

from planner.kernels.compiled import kernel
from planner.kernels.state import TOTAL_POOL_UNITS


@kernel
def pool_of(stack, v):
    """Return the pool that pages of VM `v` are compressed into."""
    return 0 if stack.swap.limits.is_pool_shared else v


@kernel
def enter_pool(stack, v, i):
    """Append page `i` of VM `v` to its pool. Changes `stack` in place."""
    swap, pool = stack.swap, pool_of(stack, v)
    last = swap.newest[pool]
    swap.older[i], swap.newer[i] = last, 0
    if last > 0:
        swap.newer[last - 1] = i + 1
    else:
        swap.oldest[pool] = i + 1
    swap.newest[pool] = i + 1
    swap.used[pool] += swap.slot_units[i]
    stack.host.totals[TOTAL_POOL_UNITS] += swap.slot_units[i]


@kernel
def leave_pool(stack, v, i):
    """Take page `i` of VM `v` out of its pool, wherever it stands. Changes `stack` in place."""
    swap, pool = stack.swap, pool_of(stack, v)
    older, newer = swap.older[i], swap.newer[i]
    if older > 0:
        swap.newer[older - 1] = newer
    else:
        swap.oldest[pool] = newer
    if newer > 0:
        swap.older[newer - 1] = older
    else:
        swap.newest[pool] = older
    swap.used[pool] -= swap.slot_units[i]
    stack.host.totals[TOTAL_POOL_UNITS] -= swap.slot_units[i]
