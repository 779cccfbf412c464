"""KSM's stable nodes, their chains of copies, and items entering and leaving the trees, as in Linux mm/ksm.c.

A tree is an index by content: equal contents are equal bytes, so what a search finds is exact and its balance is of no
matter. A node whose frame is gone is dropped where the kernel meets it: in a search for its content, or when one of
its items is visited. The kernel also drops such nodes when a search for other bytes passes by; here they wait for
their own items, one pass at most.
"""

from planner.kernels.blocks import break_shared
from planner.kernels.compiled import kernel
from planner.kernels.frames import move_page
from planner.kernels.sharing_state import (
    ITEM_STABLE,
    ITEM_UNSTABLE,
    ITEM_VOLATILE,
    SCAN_CHAINS,
    SCAN_DUPS,
    SCAN_FREE_NODE,
    SCAN_SHARED,
    SCAN_SHARING,
    SCAN_TICK_END_NS,
    SCAN_TIME_LEFT_NS,
    SCAN_UNSHARED,
    SCAN_USED_NODES,
)
from planner.kernels.state import SHARED


@kernel
def _unlink_dup(sharing, node):
    content = sharing.node_content[node] - 1
    before, after = sharing.prev_dup[node], sharing.next_dup[node]
    if before > 0:
        sharing.next_dup[before] = after
    else:
        sharing.first_dup[content] = after
    if after > 0:
        sharing.prev_dup[after] = before


@kernel
def _link_dup_first(sharing, node, content):
    first = sharing.first_dup[content]
    sharing.prev_dup[node] = 0
    sharing.next_dup[node] = first
    if first > 0:
        sharing.prev_dup[first] = node
    sharing.first_dup[content] = node


@kernel
def _drop_node(sharing, node):
    """Take a node whose frame is gone out of the tree; its items belong to none (remove_node_from_stable_tree)."""
    counters = sharing.counters
    content = sharing.node_content[node] - 1
    counters[SCAN_SHARED] -= 1
    counters[SCAN_SHARING] -= sharing.node_items[node] - 1
    if sharing.is_chain[content] == 1:
        counters[SCAN_DUPS] -= 1
    _unlink_dup(sharing, node)
    sharing.node_content[node] = 0
    sharing.node_items[node] = 0


@kernel
def leave_trees(sharing, i):
    """Take the item of page `i` out of the tree it is in, if any (remove_rmap_item_from_tree). In place."""
    counters, item = sharing.counters, sharing.item
    if item[i] == ITEM_UNSTABLE:
        counters[SCAN_UNSHARED] -= 1
        item[i] = ITEM_VOLATILE
    elif item[i] == ITEM_STABLE:
        node = sharing.node[i]
        if sharing.node_content[node] > 0:
            if sharing.node_refs[node] == 0:
                _drop_node(sharing, node)
            else:
                sharing.node_items[node] -= 1
                counters[SCAN_SHARING] -= 1
        sharing.node[i] = 0
        sharing.node_pointers[node] -= 1
        if sharing.node_pointers[node] == 0:
            sharing.next_dup[node] = counters[SCAN_FREE_NODE]
            counters[SCAN_FREE_NODE] = node
        item[i] = ITEM_VOLATILE


@kernel
def find_dup(stack, content):
    """Find the stable node of `content` that the next page joins; 0 where there is none or all are full.

    Which copy of a chain it is, what is cleaned on the way and when a chain ends is that of stable_node_dup().
    """
    sharing, knobs = stack.sharing, stack.knobs.sharing
    counters, items = sharing.counters, sharing.node_items
    node = sharing.first_dup[content]
    if sharing.is_chain[content] == 0:
        if node > 0 and sharing.node_refs[node] == 0:
            _drop_node(sharing, node)
            return 0
        return node if node > 0 and items[node] < knobs.max_sharing else 0
    now_ns = counters[SCAN_TICK_END_NS] - counters[SCAN_TIME_LEFT_NS]
    is_pruning = now_ns >= sharing.prune_ns[content] + knobs.prune_ns
    if is_pruning:
        sharing.prune_ns[content] = now_ns
    found = 0
    while node > 0:
        after = sharing.next_dup[node]
        if sharing.node_refs[node] == 0:
            _drop_node(sharing, node)
        else:
            has_room = items[node] < knobs.max_sharing
            if found == 0 or (has_room and (items[found] >= knobs.max_sharing or items[node] > items[found])):
                found = node
                if has_room and not is_pruning:
                    break
        node = after
    if found == 0:
        sharing.is_chain[content] = 0
        counters[SCAN_CHAINS] -= 1
        return 0
    if sharing.next_dup[found] == 0 and sharing.prev_dup[found] == 0:
        sharing.is_chain[content] = 0
        counters[SCAN_CHAINS] -= 1
        counters[SCAN_DUPS] -= 1
    elif sharing.prev_dup[found] > 0 and items[found] + 1 < knobs.max_sharing:
        _unlink_dup(sharing, found)
        _link_dup_first(sharing, found, content)
    return found if items[found] < knobs.max_sharing else 0


@kernel
def add_node(sharing, content):
    """Add a stable node of `content`; beside others it makes, or lengthens, a chain (stable_tree_insert)."""
    counters = sharing.counters
    node = counters[SCAN_FREE_NODE]
    if node > 0:
        counters[SCAN_FREE_NODE] = sharing.next_dup[node]
    else:
        counters[SCAN_USED_NODES] += 1
        node = counters[SCAN_USED_NODES]
    if sharing.first_dup[content] > 0 and sharing.is_chain[content] == 0:
        sharing.is_chain[content] = 1
        sharing.prune_ns[content] = counters[SCAN_TICK_END_NS] - counters[SCAN_TIME_LEFT_NS]
        counters[SCAN_CHAINS] += 1
        counters[SCAN_DUPS] += 1
    counters[SCAN_DUPS] += sharing.is_chain[content]
    sharing.node_content[node] = content + 1
    _link_dup_first(sharing, node, content)
    return node


@kernel
def join_node(stack, v, i, node):
    """Merge page `i`, whose item is in no tree, into the frame of a stable node. In place."""
    sharing = stack.sharing
    counters = sharing.counters
    break_shared(stack, v, i)
    sharing.node[i] = node
    sharing.node_pointers[node] += 1
    sharing.item[i] = ITEM_STABLE
    counters[SCAN_SHARED if sharing.node_items[node] == 0 else SCAN_SHARING] += 1
    sharing.node_items[node] += 1
    move_page(stack, v, i, SHARED)
