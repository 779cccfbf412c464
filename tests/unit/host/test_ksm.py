"""KSM rule by rule, on hosts whose pages are written out: expected numbers by hand from mm/ksm.c."""

import numpy as np
import pytest

from planner.host.invariants import find_violation
from planner.host.pages import UNIQUE_KEY, ZERO_KEY
from planner.kernels import sharing_state, state, timeline
from planner.kernels.sharing_ksm import advise
from planner.kernels.sharing_state import N_SCAN, SharingKnobs
from planner.validation.contents import ScanHost, start_scan
from tests.unit.host.stacks import SHARING_KNOBS

# A pause of 1 s (1000.5 ms) after each batch and at the end of each pass. With all pages in one batch a pass takes
# 2 x 1.0005 s, so that a tick of 2.001 s holds exactly one.
PASS_S = 2.001
NAMES = ("PAGES_SHARED", "PAGES_SHARING", "PAGES_UNSHARED", "PAGES_VOLATILE")


def host(*contents, n_passes=8, written=None, numa_local=False, numa_nodes=1, **ksm):
    n_pages = sum(len(content) for content in contents)
    knobs = {"pages_to_scan": n_pages, "sleep_millisecs": 1000, "timer_hz": 1000, "smart_scan": False} | ksm
    cost = dict.fromkeys(("checksum", "search", "merge", "merged", "passed_over"), "0 s")
    sharing = {"salting": False, "numa_local": numa_local, "ksm": knobs, "cost": cost}
    keys = [np.array(content) for content in contents]
    if written is not None:
        written = [[np.array(pages, dtype=np.int64) for pages in vm] for vm in written]
    return start_scan(ScanHost(keys, sharing, PASS_S, n_passes, written=written, numa_nodes=numa_nodes))


def play(run, n_passes=None):
    """Play passes; returns the counters named in NAMES after each."""
    found = []
    for tick in run.ticks():
        assert find_violation(run.stack) is None
        row = run.out.timeline[tick]
        found.append(tuple(int(row[getattr(timeline, name)]) for name in NAMES))
        if n_passes is not None and tick + 1 == n_passes:
            break
    return found


def test_a_pass_is_a_tick_and_counts_move_as_in_the_kernel():
    # Pass 1: all volatile. Pass 2: the second 5 meets the first, the third joins; 6 and the unique page wait.
    rows = play(host([5, 5, 5, 6, UNIQUE_KEY], [UNIQUE_KEY], n_passes=3))
    assert rows == [(0, 0, 0, 6), (1, 2, 3, 0), (1, 2, 3, 0)]


def test_pages_that_change_stay_volatile():
    # Page 1 is written in every tick before the scan: never unchanged.
    rows = play(host([UNIQUE_KEY, UNIQUE_KEY], n_passes=4, written=[[[1]] * 4]))
    assert rows[1:] == [(0, 0, 1, 1)] * 3


def test_written_pages_count_as_shared_until_the_scanner_comes_by():
    # Five copies merge in pass 2. In pass 3's tick two are written before the scan, which then finds them changed.
    never = [[]] * 2
    rows = play(host([5] * 5, n_passes=5, written=[[*never, [0, 1], [], []]]))
    assert rows[1] == (1, 4, 0, 0)
    assert rows[2] == (1, 2, 0, 2)
    assert rows[3] == (1, 2, 2, 0)


def test_a_node_whose_pages_have_all_left_is_dropped():
    # Two copies merge, both are written: the frame is gone, and with the first visit the node and both items.
    rows = play(host([5, 5, UNIQUE_KEY], n_passes=4, written=[[[], [], [0, 1], []]]))
    assert rows[1] == (1, 1, 1, 0)
    assert rows[2] == (0, 0, 1, 2)
    assert rows[3] == (0, 0, 3, 0)


def test_a_full_frame_starts_a_chain():
    # At most 3 pages a frame: 8 copies make frames of 3, 3 and 2 and a chain of three.
    run = host([5] * 8, n_passes=2, max_page_sharing=3)
    assert play(run)[-1] == (3, 5, 0, 0)
    row = run.out.timeline[-1]
    assert (row[timeline.STABLE_NODE_CHAINS], row[timeline.STABLE_NODE_DUPS]) == (1, 3)
    assert row[timeline.SHARED_SAVED] == 5


def test_a_page_too_many_waits_for_a_partner():
    # 4 copies, frames of 3: the fourth finds the frame full and no partner.
    assert play(host([5] * 4, n_passes=2, max_page_sharing=3))[-1] == (1, 2, 1, 0)


def test_a_chain_of_one_frame_collapses():
    # 2 + 2 in a chain; the second frame's pages (2 and 3) are written, then a search for the content meets one frame.
    run = host([5, 5, 5, 5], n_passes=6, max_page_sharing=2, written=[[[], [], [2, 3], [], [], []]])
    rows = play(run)
    chains = run.out.timeline[:, timeline.STABLE_NODE_CHAINS].tolist()
    dups = run.out.timeline[:, timeline.STABLE_NODE_DUPS].tolist()
    assert rows[1] == (2, 2, 0, 0)
    assert rows[-1] == (1, 1, 2, 0)
    # Nobody searches for the content any more, so the chain of one stays, as in the kernel.
    assert (chains[1], dups[1]) == (1, 2)
    assert (chains[-1], dups[-1]) == (1, 1)


def test_zero_pages_go_to_the_kernels_zero_page_and_lose_their_items():
    run = host([ZERO_KEY, ZERO_KEY, UNIQUE_KEY], n_passes=3, use_zero_pages=True)
    # Pass 2 maps them; their items are volatile until pass 3 passes them by.
    assert play(run) == [(0, 0, 0, 3), (0, 0, 1, 2), (0, 0, 1, 0)]
    row = run.out.timeline[-1]
    assert row[timeline.KSM_ZERO_PAGES] == 2
    assert row[timeline.PRIVATE] == 1
    assert row[timeline.SHARED_SAVED] == 2
    assert row[timeline.GENERAL_PROFIT] == 2 * 4096 - 1 * 64


def test_profit_and_metadata():
    run = host([5, 5, 5, UNIQUE_KEY], n_passes=2)
    play(run)
    row = run.out.timeline[-1]
    # 4 items and 1 node of 64 bytes; 2 pages saved.
    assert row[timeline.SHARING_METADATA] == 5 * 64
    assert row[timeline.GENERAL_PROFIT] == 2 * 4096 - 4 * 64
    assert run.stack.host.totals[state.TOTAL_METADATA] == 1


def test_skips_follow_the_age_of_a_page():
    run = host([UNIQUE_KEY], n_passes=12, pages_to_scan=1, smart_scan=True)
    for _ in run.ticks():
        pass
    skipped = run.out.timeline[:, timeline.PAGES_SKIPPED]
    # A skipped visit leaves no batch, so such a pass takes one pause and not two: passes 4, 6-7, 9-12 and so on.
    scans = run.out.timeline[:, timeline.FULL_SCANS]
    expected = [4, 6, 7, *range(9, 13), *range(14, 22)]
    assert skipped.tolist() == [sum(number < done for number in expected) for done in scans.tolist()]


def test_merged_pages_are_never_skipped():
    run = host([5, 5], n_passes=8, smart_scan=True)
    play(run)
    assert run.out.timeline[-1, timeline.PAGES_SKIPPED] == 0
    assert run.out.timeline[-1, timeline.PAGES_SCANNED] == 16


def test_pages_of_one_huge_page_split_it_first():
    # 512 pages a block: pages 0 and 1 are equal. Pass 2 finds them, splits; pass 3 merges.
    run = host([5, 5] + [UNIQUE_KEY] * 510, n_passes=3)
    run.stack.host.is_small[:] = 0
    counts = []
    for _ in run.ticks():
        counts.append((int(run.stack.host.is_small[0]), int(run.stack.vms.counts[0, state.SHARED])))
    assert counts == [(0, 0), (1, 0), (1, 2)]


def test_swapping_a_merged_frame_breaks_the_sharing():
    run = host([5, 5, 5], n_passes=3)
    ticks = run.ticks()
    next(ticks), next(ticks)
    stack = run.stack
    assert stack.vms.counts[0, state.SHARED] == 3
    from planner.kernels.swap import page_out_lru

    page_out_lru(stack, 1, 2)
    assert stack.vms.counts[0, state.SWAPPED] == 3
    assert stack.vms.tick[0, state.TICK_SWAP_OUT] == 1
    next(ticks)
    # The scan passes them by: no items, no node.
    assert stack.sharing.counters[sharing_state.SCAN_ITEMS] == 0
    assert stack.sharing.counters[sharing_state.SCAN_SHARED] == 0


def advised(batch, pass_s, cpu_s, last_pass_s=0, change=0):
    counters = np.zeros(N_SCAN, np.int64)
    counters[sharing_state.SCAN_BATCH_SIZE] = batch
    counters[sharing_state.SCAN_TICK_END_NS] = int(pass_s * 1e9)
    counters[sharing_state.SCAN_PASS_CPU_NS] = int(cpu_s * 1e9)
    counters[sharing_state.SCAN_LAST_PASS_S] = last_pass_s
    counters[sharing_state.SCAN_CHANGE] = change
    knobs: SharingKnobs = SHARING_KNOBS._replace(advisor_max_pages=30_000)
    advise(counters, knobs)
    return int(counters[sharing_state.SCAN_BATCH_SIZE]), int(counters[sharing_state.SCAN_CHANGE])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # First pass of 400 s at 500 pages, 8 s of CPU = 2 %: factor 100 x 200 / 400 = 50, change 30 % of 100 = 30:
        # 500 x 100 / 50 x 30 / 100 = 300; at least 500 / 2 x 10 = 2500.
        ((500, 400, 8), (2500, 30)),
        # 2000 pages, 400 s after 400 s, 80 s = 20 %: change 70 + 30 = 100; 4000; 1000 <= 4000 <= 7000.
        ((2000, 400, 80, 400, 100), (4000, 100)),
        # The same with 200 s = 50 %: at most 2000 / 50 x 70 = 2800.
        ((2000, 400, 200, 400, 100), (2800, 100)),
        # At most advisor_max_pages_to_scan.
        ((20_000, 800, 8, 800, 100), (30_000, 100)),
    ],
)
def test_advisor(given, expected):
    assert advised(*given) == expected


@pytest.mark.parametrize(("numa_local", "expected"), [(False, (1, 2, 1, 0)), (True, (1, 1, 2, 0))])
def test_numa_nodes_keep_copies_of_their_own(numa_local, expected):
    # One VM on each of two nodes; content 5 is twice in the first and once in the second.
    assert play(host([5, 5], [5, 6], n_passes=2, numa_local=numa_local, numa_nodes=2))[-1] == expected
