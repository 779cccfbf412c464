"""Frames of merged pages: mapping a page to one and unmapping it. Called when a page enters or leaves class SHARED."""

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.sharing_state import (
    ITEM_BYTES,
    SCAN_CHAINS,
    SCAN_ITEMS,
    SCAN_SELF,
    SCAN_SELF_FRAMES,
    SCAN_SHARED,
)

# As in `state`, which imports this module's arrays.
_SHARED_FRAMES = 1
_PAGE_BYTES = 4096


@small_kernel
def self_frames(refs, limit):
    """Return the frames of `refs` sampled pages of a content that shares with itself, rounded to the nearest."""
    return 0 if limit == 0 else (refs + limit // 2) // limit


@small_kernel
def metadata_frames(counters, more_items, more_nodes):
    """Return the frames that items and stable nodes take, with some more of each."""
    records = counters[SCAN_ITEMS] + counters[SCAN_SHARED] + counters[SCAN_CHAINS] + more_items + more_nodes
    return (records * ITEM_BYTES + _PAGE_BYTES - 1) // _PAGE_BYTES


@kernel
def _count_self(stack, content, change):
    """Count a page more or less (`change` +1 or -1) of a content that shares with itself."""
    counters, limit, refs = stack.sharing.counters, stack.knobs.sharing.self_limit, stack.contents.refs[content]
    frames = self_frames(refs + change, limit) - self_frames(refs, limit)
    counters[SCAN_SELF] += change
    counters[SCAN_SELF_FRAMES] += frames
    stack.host.totals[_SHARED_FRAMES] += frames


@small_kernel
def _link_mapper(sharing, node, i):
    first = sharing.first_mapper[node]
    sharing.next_mapper[i] = first
    sharing.prev_mapper[i] = 0
    if first > 0:
        sharing.prev_mapper[first - 1] = i + 1
    sharing.first_mapper[node] = i + 1


@small_kernel
def _unlink_mapper(sharing, node, i):
    after, before = sharing.next_mapper[i], sharing.prev_mapper[i]
    if before > 0:
        sharing.next_mapper[before - 1] = after
    else:
        sharing.first_mapper[node] = after
    if after > 0:
        sharing.prev_mapper[after - 1] = before


@kernel
def put_first(sharing, node, i):
    """Make page `i` the first of the pages mapped to the frame of `node`. In place."""
    _unlink_mapper(sharing, node, i)
    _link_mapper(sharing, node, i)


@kernel
def join_frame(stack, i):
    """Map page `i` to the frame of its content (KSM: of its stable node). In place."""
    contents, sharing, totals = stack.contents, stack.sharing, stack.host.totals
    content = stack.pages.content[i]
    if contents.frame_cost[content] == 0:
        _count_self(stack, content, 1)
    elif stack.knobs.sharing.is_ksm:
        node = sharing.node[i]
        _link_mapper(sharing, node, i)
        if sharing.node_refs[node] == 0:
            totals[_SHARED_FRAMES] += 1
        sharing.node_refs[node] += 1
    elif contents.refs[content] == 0:
        totals[_SHARED_FRAMES] += 1
    contents.refs[content] += 1


@kernel
def leave_frame(stack, i):
    """Unmap page `i` from its shared frame, which is freed with its last page. In place."""
    contents, sharing, totals = stack.contents, stack.sharing, stack.host.totals
    content = stack.pages.content[i]
    if contents.frame_cost[content] == 0:
        _count_self(stack, content, -1)
    elif stack.knobs.sharing.is_ksm:
        node = sharing.node[i]
        _unlink_mapper(sharing, node, i)
        sharing.node_refs[node] -= 1
        if sharing.node_refs[node] == 0:
            totals[_SHARED_FRAMES] -= 1
    elif contents.refs[content] == 1:
        totals[_SHARED_FRAMES] -= 1
    contents.refs[content] -= 1
