"""Conservation rules of the stack, recounted from the pages: every page one class, frames add up, references match."""

from collections.abc import Iterator

import numpy as np

from planner.kernels import sharing_state, state
from planner.kernels.frames import EFFECTIVE_CLASS, IS_HELD
from planner.kernels.sharing_groups import GROUP_BITS

_RUN_PAGES = 1 << 20


def find_violation(stack: state.Stack) -> str | None:
    """Return the first broken rule in words, or None. Recounts everything from the pages; changes nothing."""
    broken_ticks = int(stack.host.totals[state.TOTAL_BROKEN_TICKS])
    if broken_ticks:
        return f"the books did not balance after {broken_ticks} ticks"
    counts = np.zeros_like(stack.vms.counts)
    for v, rows in _runs(stack):
        counts[v] += np.bincount(stack.pages.host_class[rows], minlength=state.N_CLASSES)
    return (
        _find_count_violation(stack, counts)
        or _find_frame_violation(stack, counts)
        or _find_item_violation(stack)
        or _find_bound_violation(stack, counts)
        or _find_pool_violation(stack, counts)
        or _find_mapping_violation(stack)
        or _find_group_violation(stack)
    )


def _runs(stack: state.Stack) -> Iterator[tuple[int, slice]]:
    """List the pages as (VM, run of its pages): what is recounted by run needs little memory beside the pages."""
    start = stack.vms.start
    for v in range(stack.vms.key.size):
        for first in range(int(start[v]), int(start[v + 1]), _RUN_PAGES):
            yield v, slice(first, min(first + _RUN_PAGES, int(start[v + 1])))


def _find_count_violation(stack: state.Stack, counts: np.ndarray) -> str | None:
    vms, pages = stack.vms, stack.pages
    if not np.array_equal(counts, vms.counts):
        v, column = np.argwhere(counts != vms.counts)[0]
        return f"VM {v}: {vms.counts[v, column]} pages counted in class {column}, {counts[v, column]} found"
    held = np.zeros_like(stack.guests.held)
    for v, rows in _runs(stack):
        codes = pages.guest_class[rows][IS_HELD[pages.host_class[rows]]]
        held[v] += np.bincount(EFFECTIVE_CLASS[codes], minlength=state.N_GUEST_CLASSES)
    if not np.array_equal(held, stack.guests.held):
        return "pages in guest memory are miscounted"
    refs = np.zeros_like(stack.contents.refs)
    for _, rows in _runs(stack):
        np.add.at(refs, pages.content[rows][pages.host_class[rows] == state.SHARED], 1)
    if not np.array_equal(refs, stack.contents.refs):
        return "references of shared frames differ from the pages mapped to them"
    return None


def _find_frame_violation(stack: state.Stack, counts: np.ndarray) -> str | None:
    private, compressed = counts[:, state.PRIVATE].sum(), counts[:, state.COMPRESSED].sum()
    units = int(stack.swap.slot_units[stack.pages.host_class == state.COMPRESSED].astype(np.int64).sum())
    shared = _shared_frames(stack)
    expected = {
        state.TOTAL_PRIVATE: private,
        state.TOTAL_SHARED_FRAMES: shared,
        state.TOTAL_COMPRESSED: compressed,
        state.TOTAL_POOL_UNITS: units,
        state.TOTAL_SWAPPED: counts[:, state.SWAPPED].sum(),
    }
    for total, value in expected.items():
        if stack.host.totals[total] != value:
            return f"total {total} is {stack.host.totals[total]}, the pages say {value}"
    if stack.host.totals[state.TOTAL_OVERHEAD] != stack.stays.held.sum():
        return "overhead memory of VMs that come and go is miscounted"
    used = private + shared + -(-units // state.UNITS_PER_PAGE) + stack.stays.held.sum()
    used += stack.host.totals[state.TOTAL_METADATA]
    if used > stack.knobs.frames:
        return f"{used} frames in use of {stack.knobs.frames}"
    return None


def _shared_frames(stack: state.Stack) -> int:
    """Count the frames of shared pages: one a content, with KSM one a stable node; zero pages by their own rule."""
    is_self = stack.contents.frame_cost == 0
    limit = stack.knobs.sharing.self_limit
    refs = stack.contents.refs[is_self].astype(np.int64)
    self_frames = int(((refs + limit // 2) // limit).sum()) if limit else 0
    held = stack.sharing.node_refs if stack.knobs.sharing.is_ksm else stack.contents.refs[~is_self]
    return self_frames + int(np.count_nonzero(held))


def _find_item_violation(stack: state.Stack) -> str | None:
    """Recount KSM's records from the pages' items."""
    sharing, counters = stack.sharing, stack.sharing.counters
    if not stack.knobs.sharing.is_ksm:
        return None
    is_live = sharing.node_content > 0
    refs, items = np.zeros_like(sharing.node_refs), np.zeros_like(sharing.node_items)
    for _, rows in _runs(stack):
        node = sharing.node[rows]
        np.add.at(refs, node[(stack.pages.host_class[rows] == state.SHARED) & (node > 0)], 1)
        np.add.at(items, node[is_live[node]], 1)
    if not np.array_equal(refs, sharing.node_refs):
        return "page sharing: mappings of merged frames are miscounted"
    if not np.array_equal(items, sharing.node_items):
        return "page sharing: items of merged frames are miscounted"
    if items.max(initial=0) > stack.knobs.sharing.max_sharing:
        return f"page sharing: {items.max()} pages share a frame, more than max_page_sharing"
    expected = {
        sharing_state.SCAN_ITEMS: np.count_nonzero(sharing.item != sharing_state.ITEM_NONE),
        sharing_state.SCAN_UNSHARED: np.count_nonzero(sharing.item == sharing_state.ITEM_UNSTABLE),
        sharing_state.SCAN_SHARED: np.count_nonzero(is_live),
        sharing_state.SCAN_SHARING: items.sum() - np.count_nonzero(is_live),
        sharing_state.SCAN_CHAINS: sharing.is_chain.sum(),
        sharing_state.SCAN_DUPS: sharing.is_chain[sharing.node_content[is_live] - 1].sum(),
    }
    for counter, value in expected.items():
        if counters[counter] != value:
            return f"page sharing: counter {counter} is {counters[counter]}, the pages say {value}"
    return None


def _find_bound_violation(stack: state.Stack, counts: np.ndarray) -> str | None:
    over = counts[:, state.BALLOONED] > stack.balloons.cap
    if over.any():
        v = int(np.argmax(over))
        return f"VM {v}: balloon of {counts[v, state.BALLOONED]} pages above its cap of {stack.balloons.cap[v]}"
    taken = counts[:, [state.BALLOONED, state.COMPRESSED, state.SWAPPED]].sum(axis=1)
    over = taken > counts.sum(axis=1) - stack.vms.reservation
    if over.any():
        return f"VM {int(np.argmax(over))}: reserved memory was reclaimed"
    return None


def _find_pool_violation(stack: state.Stack, counts: np.ndarray) -> str | None:
    swap, limits = stack.swap, stack.swap.limits
    caps = stack.vms.compress_cap if not limits.is_pool_shared else np.array([limits.pool_cap])
    if not limits.is_ram:
        over = swap.used[: caps.size] > caps
        if over.any():
            pool = int(np.argmax(over))
            return f"pool {pool} of compressed pages takes {swap.used[pool]} units, its cap is {caps[pool]}"
    held = counts[:, state.SWAPPED].sum() + (counts[:, state.COMPRESSED].sum() if limits.is_slot_held else 0)
    if held > limits.space:
        return f"{held} pages on a swap device that holds {limits.space}"
    return None


def _find_mapping_violation(stack: state.Stack) -> str | None:
    vms, per_block = stack.vms, stack.knobs.pages_per_block
    small = np.zeros_like(vms.small)
    for v, rows in _runs(stack):
        local = np.arange(rows.start, rows.stop) - vms.start[v]
        is_granted = local < vms.granted[v]
        is_small = stack.host.is_small[stack.host.block_start[v] + local // per_block] == 1
        small[v] += np.count_nonzero(is_granted & is_small)
        is_taken = np.isin(stack.pages.host_class[rows], (state.SHARED, state.COMPRESSED, state.SWAPPED))
        if is_taken[is_granted & ~is_small].any():
            return "a shared, compressed or swapped page lies in a block mapped large"
    if not np.array_equal(small, vms.small):
        return "granted pages in small blocks are miscounted"
    return None


def _find_group_violation(stack: state.Stack) -> str | None:
    for _, rows in _runs(stack):
        to_share = (stack.pages.host_class[rows] == state.PRIVATE) & (stack.pages.content[rows] != state.NO_CONTENT)
        groups = (rows.start + np.flatnonzero(to_share)) >> GROUP_BITS
        if not stack.sharing.is_open[groups].all():
            return "page sharing: a page that could be shared lies in a group that is marked as having none"
    return None
