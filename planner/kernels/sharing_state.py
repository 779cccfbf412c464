"""Arrays and index constants of page sharing: what ESXi's and Linux's scanner remember. Part of `state.Stack`.

Links are index + 1, 0 is none: the arrays start as zeros, and memory of zeros is not backed until it is written.
"""

from typing import NamedTuple

import numpy as np

from planner.kernels.bundle import by_reference

# What a page's item is: the scanner's record of a page (KSM: struct ksm_rmap_item).
ITEM_NONE = 0
ITEM_VOLATILE = 1  # in no tree
ITEM_UNSTABLE = 2  # in the unstable tree of its last visit
ITEM_STABLE = 3  # belongs to a stable node, even if the page has left it since

# What a visit of the scanner comes to; its CPU time is `SharingArrays.cost_ns`.
VISIT_PASSED_OVER, VISIT_CHECKSUM, VISIT_SEARCH, VISIT_MERGE, VISIT_MERGED = 0, 1, 2, 3, 4
N_VISITS = 5

# Entries of `SharingArrays.counters`: the kernel's own counters, in sampled pages, then the state of the scan.
SCAN_SHARED = 0  # stable nodes with items
SCAN_SHARING = 1  # further items of stable nodes
SCAN_UNSHARED = 2
SCAN_ITEMS = 3
SCAN_SKIPPED = 4  # since the start
SCAN_SCANNED = 5  # since the start
SCAN_FULL_SCANS = 6
SCAN_CHAINS = 7
SCAN_DUPS = 8
SCAN_SELF = 9  # pages of contents that share with themselves: zero pages
SCAN_CPU_NS = 10  # of this tick [ns]
SCAN_VM = 11  # where the scan is
SCAN_PAGE = 12
SCAN_TIME_LEFT_NS = 13  # time of this tick not yet spent; negative: spent in advance [ns]
SCAN_TICK_END_NS = 14  # [ns]
SCAN_BATCH_PAGES = 15  # 4 KiB pages of the open batch
SCAN_BATCH_SIZE = 16  # pages_to_scan
SCAN_PASS_START_NS = 17  # [ns]
SCAN_PASS_CPU_NS = 18  # [ns]
SCAN_PASS_IS_EMPTY = 19
SCAN_LAST_PASS_S = 20  # advisor: duration of the last pass [s]
SCAN_CHANGE = 21  # advisor: smoothed change of the duration [%]
SCAN_FREE_NODE = 22  # head of the list of unused nodes
SCAN_USED_NODES = 23  # nodes ever used
SCAN_IS_BREAKING = 24  # ESXi: large pages could be broken in the last tick
SCAN_SELF_FRAMES = 25  # frames of `SCAN_SELF`
N_SCAN = 26

CHANGED = -2
"""Checksum that equals none: the page was never visited, or holds other unique bytes than at its last visit."""

ITEM_BYTES = 64
"""Memory of an item and of a stable node each (struct ksm_rmap_item and ksm_stable_node on 64-bit Linux)."""


@by_reference
class SharingKnobs(NamedTuple):
    """Scalars of page sharing. `*_below` are thresholds of 32-bit draws."""

    is_ksm: bool
    is_smart: bool
    is_zero_merging: bool
    is_advised: bool
    page_scale: int
    tick_ns: int
    sleep_ns: int  # a batch's pause, in whole timer ticks
    max_sharing: int
    self_limit: int  # sampled pages of a content that shares with itself to one frame; 0: they take none
    prune_ns: int
    advisor_target_s: int
    advisor_max_cpu: int
    advisor_max_pages: int
    return_below: int
    private_write_below: int
    table_bytes: int  # ESXi's table of contents


@by_reference
class SharingArrays(NamedTuple):
    """State of the scanner. By page, node and content the arrays are empty where the rules do not need them."""

    counters: np.ndarray  # int64, shape (N_SCAN,)
    cost_ns: np.ndarray  # int64, shape (N_VISITS,)
    on_tick: np.ndarray  # int64, shape (n_vms,), tick of the VM's power-on; -1 = off
    scan_end: np.ndarray  # int64, shape (n_vms,), pages from here on have no items

    is_open: np.ndarray  # uint8, by group of pages: may hold a page to share, see `sharing_groups`
    looks: np.ndarray  # int32, scratch: pages that the scan looks at, numbered within the VM

    item: np.ndarray  # uint8, by page
    age: np.ndarray  # uint8, by page: visits
    skips: np.ndarray  # uint8, by page: visits still to skip
    checksum: np.ndarray  # int32, by page: content at the last visit
    node: np.ndarray  # int32, by page: link to the stable node of its item
    next_mapper: np.ndarray  # int32, by page: pages mapped to the same merged frame
    prev_mapper: np.ndarray  # int32, by page

    # By stable node; entry 0 is not used. A node is a merged frame and its items.
    node_content: np.ndarray  # int32, content + 1; 0: the node is gone, though items may still point to it
    node_refs: np.ndarray  # int32, pages mapped to the frame
    node_items: np.ndarray  # int32
    node_pointers: np.ndarray  # int32, pages whose `node` is this one
    next_dup: np.ndarray  # int32, nodes of the same content; also the list of unused nodes
    prev_dup: np.ndarray  # int32
    first_mapper: np.ndarray  # int32

    # By content.
    first_dup: np.ndarray  # int32
    is_chain: np.ndarray  # uint8
    prune_ns: np.ndarray  # int64, when the chain was last cleaned [ns]
    unstable_pass: np.ndarray  # int32, pass + 1 in which `ContentArrays.hint` entered the unstable tree
