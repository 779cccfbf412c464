"""The scanner's counters as columns of the timeline: the kernel's own for KSM, what exists of them for ESXi."""

from planner.kernels import timeline
from planner.kernels.compiled import kernel
from planner.kernels.sharing_state import (
    ITEM_BYTES,
    SCAN_CHAINS,
    SCAN_CPU_NS,
    SCAN_DUPS,
    SCAN_FULL_SCANS,
    SCAN_ITEMS,
    SCAN_SCANNED,
    SCAN_SELF,
    SCAN_SELF_FRAMES,
    SCAN_SHARED,
    SCAN_SHARING,
    SCAN_SKIPPED,
    SCAN_UNSHARED,
)
from planner.kernels.state import TOTAL_SHARED_FRAMES

_PAGE_BYTES = 4096


@kernel
def write_sharing(stack, row):
    """Write the columns of page sharing into the tick's row of the timeline, whose other columns are filled.

    The kernel keeps counting a page as shared that was written or swapped until the scanner comes by; so do we.
    """
    counters, knobs = stack.sharing.counters, stack.knobs.sharing
    row[timeline.PAGES_SCANNED] = counters[SCAN_SCANNED]
    row[timeline.SCANNER_CPU] = counters[SCAN_CPU_NS]
    if not knobs.is_ksm:
        row[timeline.PAGES_SHARED] = stack.host.totals[TOTAL_SHARED_FRAMES]
        row[timeline.PAGES_SHARING] = row[timeline.SHARED] - stack.host.totals[TOTAL_SHARED_FRAMES]
        row[timeline.SHARING_METADATA] = knobs.table_bytes // knobs.page_scale
        row[timeline.GENERAL_PROFIT] = row[timeline.PAGES_SHARING] * _PAGE_BYTES - row[timeline.SHARING_METADATA]
        return
    # In sampled mode zero pages share among themselves, outside the trees.
    self_frames = counters[SCAN_SELF_FRAMES]
    zero_pages = counters[SCAN_SELF] if knobs.is_zero_merging else 0
    shared = counters[SCAN_SHARED] + self_frames
    sharing = counters[SCAN_SHARING] + counters[SCAN_SELF] - zero_pages - self_frames
    items, unshared = counters[SCAN_ITEMS], counters[SCAN_UNSHARED]
    records = items + counters[SCAN_SHARED] + counters[SCAN_CHAINS]
    row[timeline.PAGES_SHARED] = shared
    row[timeline.PAGES_SHARING] = sharing
    row[timeline.PAGES_UNSHARED] = unshared
    row[timeline.PAGES_VOLATILE] = items - shared - sharing - unshared
    row[timeline.PAGES_SKIPPED] = counters[SCAN_SKIPPED]
    row[timeline.FULL_SCANS] = counters[SCAN_FULL_SCANS]
    row[timeline.KSM_ZERO_PAGES] = zero_pages
    row[timeline.STABLE_NODE_CHAINS] = counters[SCAN_CHAINS]
    row[timeline.STABLE_NODE_DUPS] = counters[SCAN_DUPS]
    row[timeline.SHARING_METADATA] = records * ITEM_BYTES
    row[timeline.GENERAL_PROFIT] = (sharing + zero_pages) * _PAGE_BYTES - items * ITEM_BYTES
