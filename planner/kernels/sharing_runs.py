"""KSM's visits to many pages at once, where none of them needs more than counting down or a glance.

Most visits of smart_scan skip a page or find it merged. The result is that of visiting the pages one by one.
"""

import numpy as np

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.sharing_state import (
    ITEM_NONE,
    ITEM_VOLATILE,
    SCAN_BATCH_PAGES,
    SCAN_BATCH_SIZE,
    SCAN_CPU_NS,
    SCAN_PASS_CPU_NS,
    SCAN_SCANNED,
    SCAN_SKIPPED,
    SCAN_TIME_LEFT_NS,
    VISIT_MERGED,
    VISIT_PASSED_OVER,
)
from planner.kernels.state import NO_CONTENT, PRIVATE, SHARED

RUN_PAGES = 32


@kernel
def visit_run(pages, sharing, knobs, first):
    """Visit the run of pages from `first` on if all of them are skipped, merged or not there; else do nothing.

    Returns
    -------
    bool
        Whether they were visited: also not where the time may not suffice.
    """
    rows = slice(first, first + RUN_PAGES)
    item, page_class, age, skips = sharing.item[rows], pages.host_class[rows], sharing.age[rows], sharing.skips[rows]
    content, checksum = pages.content[rows], sharing.checksum[rows]
    n_skipped, n_merged, n_away = np.uint32(0), np.uint32(0), np.uint32(0)
    for k in range(RUN_PAGES):
        n_skipped += _is_skipped(item[k], page_class[k], content[k], checksum[k], age[k], skips[k])
        n_merged += np.uint32(item[k] != ITEM_NONE) & np.uint32(page_class[k] == SHARED)
        is_away = np.uint32(page_class[k] != PRIVATE) & np.uint32(page_class[k] != SHARED)
        n_away += np.uint32(item[k] == ITEM_NONE) & is_away
    if not knobs.is_smart:
        n_skipped = np.uint32(0)
    if knobs.is_zero_merging:
        n_merged = np.uint32(0)
    if n_skipped + n_merged + n_away != RUN_PAGES:
        return False
    if not _pay(sharing, knobs, np.int64(n_skipped) + np.int64(n_away), np.int64(n_merged)):
        return False
    for k in range(RUN_PAGES):
        step = _is_skipped(item[k], page_class[k], content[k], checksum[k], age[k], skips[k])
        age[k] += np.uint8(step & np.uint32(age[k] != 255))
        skips[k] -= np.uint8(step)
    sharing.counters[SCAN_SKIPPED] += n_skipped
    return True


@small_kernel
def _is_skipped(item, page_class, content, checksum, age, skips):
    """Return 1 for a private page in no tree whose visit smart_scan skips, else 0."""
    is_known = np.uint32(item == ITEM_VOLATILE) & np.uint32(page_class == PRIVATE)
    is_plain = np.uint32(content == NO_CONTENT) | np.uint32(checksum != content)
    return is_known & is_plain & np.uint32(age >= 3) & np.uint32(skips > 0)


@small_kernel
def _pay(sharing, knobs, n_passed_over, n_merged):
    """Charge the visits and the pauses of the batches that they complete; returns False if there is too little time."""
    counters, cost_ns, size = sharing.counters, sharing.cost_ns, sharing.counters[SCAN_BATCH_SIZE]
    cpu_ns = (n_passed_over * cost_ns[VISIT_PASSED_OVER] + n_merged * cost_ns[VISIT_MERGED]) * knobs.page_scale
    in_batch = counters[SCAN_BATCH_PAGES] + n_merged * knobs.page_scale
    batches = in_batch // size if in_batch >= size else 0
    left_ns = counters[SCAN_TIME_LEFT_NS] - cpu_ns - batches * knobs.sleep_ns
    if left_ns <= 0:
        return False
    counters[SCAN_TIME_LEFT_NS] = left_ns
    counters[SCAN_BATCH_PAGES] = in_batch - batches * size
    counters[SCAN_CPU_NS] += cpu_ns
    counters[SCAN_PASS_CPU_NS] += cpu_ns
    counters[SCAN_SCANNED] += n_merged
    return True
