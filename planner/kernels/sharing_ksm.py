"""The scanner of Linux KSM: a page at a time, through all VMs in turn, as in mm/ksm.c (cmp_and_merge_page).

Covers the checksum rule, zero pages, stable and unstable tree, chains, smart_scan, splitting of huge pages, the pace
of batches and pauses, and the scan-time advisor. Not modelled: migration between NUMA nodes, forks, failed locks.
"""

from planner.kernels.blocks import break_block, break_shared
from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.frames import free_frames, move_page, vm_of
from planner.kernels.sharing_frames import metadata_frames
from planner.kernels.sharing_nodes import add_node, find_dup, join_node, leave_trees
from planner.kernels.sharing_runs import RUN_PAGES, visit_run
from planner.kernels.sharing_state import (
    CHANGED,
    ITEM_NONE,
    ITEM_STABLE,
    ITEM_UNSTABLE,
    ITEM_VOLATILE,
    SCAN_BATCH_PAGES,
    SCAN_BATCH_SIZE,
    SCAN_CHANGE,
    SCAN_CPU_NS,
    SCAN_FULL_SCANS,
    SCAN_ITEMS,
    SCAN_LAST_PASS_S,
    SCAN_PAGE,
    SCAN_PASS_CPU_NS,
    SCAN_PASS_IS_EMPTY,
    SCAN_PASS_START_NS,
    SCAN_SCANNED,
    SCAN_SKIPPED,
    SCAN_TICK_END_NS,
    SCAN_TIME_LEFT_NS,
    SCAN_UNSHARED,
    SCAN_VM,
    VISIT_CHECKSUM,
    VISIT_MERGE,
    VISIT_MERGED,
    VISIT_PASSED_OVER,
    VISIT_SEARCH,
)
from planner.kernels.state import NO_CONTENT, PRIVATE, SHARED, TOTAL_METADATA

_EWMA_WEIGHT = 30  # [%], EWMA_WEIGHT of mm/ksm.c
_ADVISOR_MIN_CPU = 10  # [%], KSM_ADVISOR_MIN_CPU of mm/ksm.c
_NS_PER_S = 1_000_000_000
_OLDEST = 255


@kernel
def step_ksm(stack, tick):
    """Let the scanner run for one tick: as many pages as its batches and pauses leave time for. In place."""
    vms, pages, sharing, knobs = stack.vms, stack.pages, stack.sharing, stack.knobs.sharing
    counters = sharing.counters
    counters[SCAN_TICK_END_NS] = (tick + 1) * knobs.tick_ns
    counters[SCAN_TIME_LEFT_NS] += knobs.tick_ns
    counters[SCAN_CPU_NS] = 0
    if vms.key.size == 0:
        return
    while counters[SCAN_TIME_LEFT_NS] > 0:
        v, offset = counters[SCAN_VM], counters[SCAN_PAGE]
        if offset >= max(vms.granted[v], sharing.scan_end[v]):
            sharing.scan_end[v] = max(vms.granted[v], 0)
            counters[SCAN_PAGE] = 0
            counters[SCAN_VM] = v + 1
            if v + 1 == vms.key.size:
                counters[SCAN_VM] = 0
                _end_pass(stack)
            continue
        counters[SCAN_PASS_IS_EMPTY] = 0
        i = vms.start[v] + offset
        is_run = offset % RUN_PAGES == 0 and offset + RUN_PAGES <= max(vms.granted[v], sharing.scan_end[v])
        if is_run and visit_run(pages, sharing, knobs, i):
            counters[SCAN_PAGE] = offset + RUN_PAGES
            continue
        counters[SCAN_PAGE] = offset + 1
        visit = _visit_quickly(pages, sharing, knobs, i)
        _pay(sharing, knobs, visit if visit >= 0 else _visit(stack, v, i))


@small_kernel
def _pay(sharing, knobs, visit):
    """Charge the time of one visit, and the pauses of the batches that it completes."""
    counters = sharing.counters
    cpu_ns = sharing.cost_ns[visit] * knobs.page_scale
    counters[SCAN_CPU_NS] += cpu_ns
    counters[SCAN_PASS_CPU_NS] += cpu_ns
    counters[SCAN_TIME_LEFT_NS] -= cpu_ns
    if visit != VISIT_PASSED_OVER:
        counters[SCAN_SCANNED] += 1
        counters[SCAN_BATCH_PAGES] += knobs.page_scale
        if counters[SCAN_BATCH_PAGES] >= counters[SCAN_BATCH_SIZE]:
            batches = counters[SCAN_BATCH_PAGES] // counters[SCAN_BATCH_SIZE]
            counters[SCAN_BATCH_PAGES] -= batches * counters[SCAN_BATCH_SIZE]
            counters[SCAN_TIME_LEFT_NS] -= batches * knobs.sleep_ns


@kernel
def _end_pass(stack):
    """Count a full scan: the batch ends with it, and the unstable tree is forgotten (its items carry the pass)."""
    counters, knobs = stack.sharing.counters, stack.knobs.sharing
    passes = 1
    if counters[SCAN_PASS_IS_EMPTY] == 1:
        # Nothing to scan: the scanner wakes, finds nothing and sleeps, for the rest of the tick.
        passes = (counters[SCAN_TIME_LEFT_NS] + knobs.sleep_ns - 1) // knobs.sleep_ns
    counters[SCAN_TIME_LEFT_NS] -= passes * knobs.sleep_ns
    counters[SCAN_FULL_SCANS] += passes
    counters[SCAN_BATCH_PAGES] = 0
    if knobs.is_advised and counters[SCAN_PASS_IS_EMPTY] == 0:
        advise(counters, knobs)
    counters[SCAN_PASS_IS_EMPTY] = 1
    counters[SCAN_PASS_CPU_NS] = 0
    counters[SCAN_PASS_START_NS] = counters[SCAN_TICK_END_NS] - counters[SCAN_TIME_LEFT_NS]


@kernel
def advise(counters, knobs):
    """Set the batch size after a pass so that passes take the wanted time (scan_time_advisor). Fills `counters`.

    Integer arithmetic, order and the first pass's change of 30 % are the kernel's.
    """
    now_ns = counters[SCAN_TICK_END_NS] - counters[SCAN_TIME_LEFT_NS]
    pass_s = max(1, (now_ns - counters[SCAN_PASS_START_NS]) // _NS_PER_S)
    cpu_ms = counters[SCAN_PASS_CPU_NS] // 1_000_000
    cpu_percent = max(1, cpu_ms * 100 // (pass_s * 1000))
    last_pass_s = counters[SCAN_LAST_PASS_S] if counters[SCAN_LAST_PASS_S] > 0 else pass_s
    factor = max(1, knobs.advisor_target_s * 100 // pass_s)
    change = max(1, pass_s * 100 // last_pass_s)
    change = ((100 - _EWMA_WEIGHT) * counters[SCAN_CHANGE] + _EWMA_WEIGHT * change) // 100
    pages = counters[SCAN_BATCH_SIZE] * 100 // factor
    pages = pages * change // 100
    per_percent = max(1, counters[SCAN_BATCH_SIZE] // cpu_percent)
    pages = max(min(pages, per_percent * knobs.advisor_max_cpu), per_percent * _ADVISOR_MIN_CPU)
    counters[SCAN_BATCH_SIZE] = min(pages, knobs.advisor_max_pages)
    counters[SCAN_CHANGE] = change
    counters[SCAN_LAST_PASS_S] = pass_s


@small_kernel
def _visit_quickly(pages, sharing, knobs, i):
    """Visit page `i` where that needs no look at other pages, as most visits do; else do nothing and return -1.

    The same as `_visit`, in 0.06 instead of 1.4 us: that one is handed the whole stack.
    """
    item, page_class = sharing.item[i], pages.host_class[i]
    if item == ITEM_NONE:
        return VISIT_PASSED_OVER if page_class != PRIVATE and page_class != SHARED else -1
    if page_class == SHARED and not knobs.is_zero_merging:
        return VISIT_MERGED
    content = pages.content[i]
    is_changed = sharing.checksum[i] != content
    if item == ITEM_STABLE or page_class != PRIVATE or (content != NO_CONTENT and not is_changed):
        return -1
    counters = sharing.counters
    if item == ITEM_UNSTABLE:
        counters[SCAN_UNSHARED] -= 1
        sharing.item[i] = ITEM_VOLATILE
    if knobs.is_smart and _is_skipped(sharing, i):
        counters[SCAN_SKIPPED] += 1
        return VISIT_PASSED_OVER
    if is_changed:
        sharing.checksum[i] = content
        return VISIT_CHECKSUM
    sharing.item[i] = ITEM_UNSTABLE
    counters[SCAN_UNSHARED] += 1
    return VISIT_SEARCH


@kernel
def _visit(stack, v, i):
    """Visit page `i` of VM `v`, whatever it needs; returns what came of it. In place."""
    pages, sharing, knobs = stack.pages, stack.sharing, stack.knobs.sharing
    counters = sharing.counters
    page_class, content = pages.host_class[i], pages.content[i]
    # The kernel's zero page is no page of the guest to the scanner.
    is_zero_mapped = page_class == SHARED and knobs.is_zero_merging and stack.contents.frame_cost[content] == 0
    if is_zero_mapped or (page_class != PRIVATE and page_class != SHARED):
        _drop_item(stack, i)
        return VISIT_PASSED_OVER
    if sharing.item[i] == ITEM_NONE:
        if metadata_frames(counters, 1, 0) > stack.host.totals[TOTAL_METADATA] and free_frames(stack) < 1:
            return VISIT_PASSED_OVER
        sharing.item[i] = ITEM_VOLATILE
        sharing.checksum[i] = CHANGED
        counters[SCAN_ITEMS] += 1
        _count_metadata(counters, stack.host.totals)
    if knobs.is_smart and page_class == PRIVATE and _is_skipped(sharing, i):
        counters[SCAN_SKIPPED] += 1
        leave_trees(sharing, i)
        return VISIT_PASSED_OVER
    if page_class == SHARED:
        return VISIT_MERGED
    leave_trees(sharing, i)
    if sharing.checksum[i] != content:
        sharing.checksum[i] = content
        return VISIT_CHECKSUM
    visit = _merge(stack, v, i, content)
    _count_metadata(counters, stack.host.totals)
    return visit


@small_kernel
def _count_metadata(counters, totals):
    """Bring the frames of the scanner's own memory up to date."""
    totals[TOTAL_METADATA] = metadata_frames(counters, 0, 0)


@kernel
def _drop_item(stack, i):
    """Forget a page that is no longer there (get_next_rmap_item passes it by)."""
    sharing = stack.sharing
    if sharing.item[i] == ITEM_NONE:
        return
    leave_trees(sharing, i)
    sharing.item[i] = ITEM_NONE
    sharing.age[i] = 0
    sharing.skips[i] = 0
    sharing.counters[SCAN_ITEMS] -= 1
    _count_metadata(sharing.counters, stack.host.totals)


@small_kernel
def _is_skipped(sharing, i):
    """Say whether smart_scan skips this visit (should_skip_rmap_item, skip_age)."""
    age = sharing.age[i]
    if age != _OLDEST:
        sharing.age[i] = age + 1
    if age < 3:
        return False
    if sharing.skips[i] > 0:
        sharing.skips[i] -= 1
        return True
    sharing.skips[i] = 1 if age <= 3 else 2 if age <= 5 else 4 if age <= 8 else 8
    return False


@kernel
def _merge(stack, v, i, content):
    """Search both trees for a page of unchanged content; merge it, or put it into the unstable tree. In place."""
    contents, sharing = stack.contents, stack.sharing
    counters = sharing.counters
    if content == NO_CONTENT:
        sharing.item[i] = ITEM_UNSTABLE
        counters[SCAN_UNSHARED] += 1
        return VISIT_SEARCH
    if contents.frame_cost[content] == 0:
        break_shared(stack, v, i)
        move_page(stack, v, i, SHARED)
        return VISIT_MERGE
    node = find_dup(stack, content)
    if node > 0:
        join_node(stack, v, i, node)
        return VISIT_MERGE
    this_pass = counters[SCAN_FULL_SCANS] + 1
    partner = contents.hint[content]
    if sharing.unstable_pass[content] != this_pass or stack.pages.content[partner] != content:
        contents.hint[content] = i
        sharing.unstable_pass[content] = this_pass
        sharing.item[i] = ITEM_UNSTABLE
        counters[SCAN_UNSHARED] += 1
        return VISIT_SEARCH
    if stack.pages.host_class[partner] != PRIVATE:
        return VISIT_SEARCH
    partner_vm = vm_of(stack, partner)
    if _is_same_huge_page(stack, v, i, partner_vm, partner):
        break_block(stack, v, i)
        return VISIT_SEARCH
    leave_trees(sharing, partner)
    sharing.unstable_pass[content] = 0
    node = add_node(sharing, content)
    join_node(stack, partner_vm, partner, node)
    join_node(stack, v, i, node)
    return VISIT_MERGE


@kernel
def _is_same_huge_page(stack, v, i, partner_vm, partner):
    start, per_block = stack.vms.start[v], stack.knobs.pages_per_block
    block = (i - start) // per_block
    is_same = partner_vm == v and (partner - start) // per_block == block
    return is_same and stack.host.is_small[stack.host.block_start[v] + block] == 0
