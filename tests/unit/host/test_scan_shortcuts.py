"""What scanner and pager leave out because it comes to nothing: groups without a page to share, runs, full devices."""

import numpy as np
import pytest

from planner.config.page_sharing import PageSharingSpec
from planner.host.invariants import find_violation
from planner.host.sharing import build_sharing_arrays
from planner.kernels import sharing_state, state
from planner.kernels.sharing import step_scan, write_page
from planner.kernels.sharing_groups import GROUP_PAGES, close_groups, keep_to_share
from planner.kernels.sharing_runs import RUN_PAGES, visit_run
from planner.kernels.swap import page_out
from tests.unit.host.stacks import SHARING_KNOBS, build_small_stack, grant

N_PAGES = 4 * GROUP_PAGES


def host_with_contents(at, contents, **knobs):
    """Build a VM of four groups of private pages, unique but for the pages `at`."""
    content = np.full(N_PAGES, state.NO_CONTENT)
    content[list(at)] = contents
    return grant(build_small_stack(1000, n_pages=[N_PAGES], **knobs), 0, N_PAGES, content)


def test_groups_close_when_they_hold_nothing_to_share_and_open_again():
    stack = host_with_contents([3, 70], [1, 2])
    assert close_groups(stack, 0, N_PAGES) == 2
    assert stack.sharing.is_open[:4].tolist() == [1, 1, 0, 0]
    assert find_violation(stack) is None
    # Page 70 is written: its group closes when it is looked through the next time.
    write_page(stack, 0, 70)
    assert close_groups(stack, 0, N_PAGES) == 1
    stack.pages.content[200] = 0
    assert "marked as having none" in find_violation(stack)


def test_only_pages_to_share_are_kept_in_order():
    stack = host_with_contents([3, 70, 71], [1, 2, 3])
    close_groups(stack, 0, N_PAGES)
    looks = np.array([71, 5, 3, 200, 70, 3, 9], dtype=np.int32)
    assert keep_to_share(stack, 0, looks, 6) == 4
    assert looks[:4].tolist() == [71, 3, 70, 3]


def test_a_group_does_not_end_with_its_vm():
    # Pages 10 to 19 are the second VM's, in the same group as the first's.
    stack = build_small_stack(100)
    grant(grant(stack, 0, 10), 1, 10, [0] * 10)
    assert close_groups(stack, 0, 10) == 1
    stack.vms.scan_per_tick[:] = 200
    for tick in range(10):
        step_scan(stack, tick)
    assert stack.vms.counts[:, state.SHARED].tolist() == [0, 10]


def test_a_search_in_vain_leaves_what_all_its_draws_would():
    # Swap is off and the cache has no room. Both rounds of the search would draw each page once and one more.
    stack = host_with_contents([], [], is_swapping=False, is_compressing=True)
    stack.vms.compress_cap[:] = 0
    assert page_out(stack, 5, 1) == 0
    assert stack.swap.draws.tolist() == [2 * (N_PAGES + 1)]
    # The same with pages that could be shared but have no partner: nothing is taken, both become the hint. Then they
    # are known to be alone, and the next search draws no page and counts as many.
    other = host_with_contents([3, 70], [1, 2], is_swapping=False, is_compressing=True)
    other.vms.compress_cap[:] = 0
    for n_searches in (1, 2):
        assert page_out(other, 5, 1) == 0
        assert other.swap.draws.tolist() == [n_searches * 2 * (N_PAGES + 1)]
        assert other.contents.hint.tolist() == [-1, 3, 70, -1]
    # A partner comes: it is found.
    other.pages.content[100], other.sharing.is_open[1] = 2, 1
    assert page_out(other, 5, 1) == 1


def test_room_that_no_page_fits_is_no_room():
    stack = host_with_contents([], [], is_swapping=False, is_compressing=True, limits={"least_units": 4})
    stack.swap.slot_units[:] = 8
    stack.vms.compress_cap[:] = 20
    page_out(stack, 50, 1)
    assert stack.vms.counts[0, state.COMPRESSED] == 2
    draws = stack.swap.draws.copy()
    # Four units are left; both rounds count as many draws as a search would make.
    assert page_out(stack, 50, 2) == 0
    assert (stack.swap.draws - draws).tolist() == [2 * (N_PAGES + 1)]


def test_where_nothing_can_be_swapped_equal_pages_are_shared():
    for limits in ({}, {"space": 0}):
        stack = host_with_contents(
            [3, 70, 200], [1, 1, 1], is_swapping=bool(limits), is_compressing=True, limits=limits
        )
        stack.vms.compress_cap[:] = 0
        # Three pages become one frame: two frames gained, however many are wanted.
        assert page_out(stack, 50, 1) == 2
        assert stack.vms.counts[0, state.SHARED] == 3
        assert find_violation(stack) is None


def test_the_last_room_of_a_cache_is_filled():
    stack = host_with_contents([], [], is_swapping=False, is_compressing=True, limits={"least_units": 4})
    stack.swap.slot_units[:] = 4
    # 35 units: eight pages of four, and three units that no page fits.
    stack.vms.compress_cap[:] = 35
    page_out(stack, 50, 1)
    assert stack.vms.counts[0, state.COMPRESSED] == 8
    assert find_violation(stack) is None


@pytest.fixture
def run_of_pages():
    """A run of 30 pages that smart_scan skips twice more, one merged page and one that is not there."""
    sharing = build_sharing_arrays(PageSharingSpec(rules="ksm"), RUN_PAGES, 1, 1)
    sharing.item[:] = sharing_state.ITEM_VOLATILE
    sharing.age[:], sharing.skips[:] = 5, 2
    sharing.age[0] = 255
    sharing.item[7], sharing.item[9] = sharing_state.ITEM_STABLE, sharing_state.ITEM_NONE
    sharing.checksum[:] = state.NO_CONTENT
    sharing.cost_ns[:] = [100, 850, 11_500, 5000, 1000]
    sharing.counters[sharing_state.SCAN_BATCH_SIZE] = 100
    pages = build_small_stack(100, n_pages=[RUN_PAGES]).pages
    pages.host_class[:] = state.PRIVATE
    pages.host_class[7], pages.host_class[9] = state.SHARED, state.SWAPPED
    return pages, sharing


SMART = SHARING_KNOBS._replace(is_ksm=True, is_smart=True)


def test_a_run_is_visited_at_once(run_of_pages):
    pages, sharing = run_of_pages
    sharing.counters[sharing_state.SCAN_TIME_LEFT_NS] = 5000
    sharing.counters[sharing_state.SCAN_BATCH_PAGES] = 20
    assert visit_run(pages, sharing, SMART, 0)
    # 31 pages passed over at 100 ns and one found merged at 1000 ns; only that one counts in the batch.
    counters = sharing.counters
    assert counters[sharing_state.SCAN_TIME_LEFT_NS] == 5000 - 4100
    assert counters[sharing_state.SCAN_CPU_NS] == 4100
    assert counters[sharing_state.SCAN_BATCH_PAGES] == 21
    assert (counters[sharing_state.SCAN_SCANNED], counters[sharing_state.SCAN_SKIPPED]) == (1, 30)
    assert sharing.age[[0, 1, 7, 9]].tolist() == [255, 6, 5, 5]
    assert sharing.skips[[0, 1, 7, 9]].tolist() == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("time_left_ns", "batch_pages", "changes"),
    [
        (4100, 20, {}),  # the last visits would begin after the end of the tick
        (500_000, 99, {}),  # so would they with the pause of a batch that the merged page completes
        (5000, 20, {"skips": 0}),
        (5000, 20, {"age": 2}),
        (5000, 20, {"item": sharing_state.ITEM_UNSTABLE}),
    ],
)
def test_other_runs_are_left_alone(run_of_pages, time_left_ns, batch_pages, changes):
    pages, sharing = run_of_pages
    sharing.counters[sharing_state.SCAN_TIME_LEFT_NS] = time_left_ns
    sharing.counters[sharing_state.SCAN_BATCH_PAGES] = batch_pages
    for name, value in changes.items():
        getattr(sharing, name)[20] = value
    before = [array.copy() for array in sharing]
    assert not visit_run(pages, sharing, SMART, 0)
    assert all(np.array_equal(old, new) for old, new in zip(before, sharing, strict=True))


def test_without_smart_scan_nothing_is_skipped(run_of_pages):
    pages, sharing = run_of_pages
    sharing.counters[sharing_state.SCAN_TIME_LEFT_NS] = 5000
    assert not visit_run(pages, sharing, SMART._replace(is_smart=False), 0)
