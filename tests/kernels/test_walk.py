"""The 2-D walk: the closed form of its references for all leaf pairs, and exact agreement with the oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.kernels import radix
from planner.kernels.radix import build_radix, map_or_grow, split_page, walk_radix
from planner.kernels.tlb import HIT_L1, HIT_L2, MISS, TlbGeometry, build_tlb
from planner.kernels.walk import (
    FAULT,
    N_RUN_COLUMNS,
    OUTCOME,
    PHYSICAL,
    TALLY,
    build_nested_space,
    build_shadow,
    fill_shadow,
    run_native,
    run_nested,
    walk_nested,
)
from planner.kernels.walk_caches import (
    CYCLES,
    FROM_DRAM,
    FROM_L1,
    GUEST_PWC_HITS,
    HOST_PWC_HITS,
    NESTED_TLB_HITS,
    NO_CACHES,
    REFERENCES,
    WalkerGeometry,
    build_walker,
)
from planner.kernels.walk_deep import load_inner_guest, walk_inner
from tests.oracles import translation as oracle
from tests.oracles.translation import WHERE, OracleRadix, OracleTlb, OracleWalker, leaf_bytes

PAGE = 4096
MIB = 1024**2
GIB = 1024**3
HOST_BASE = 1 << 46

# Rows: guest leaf 4 KiB, 2 MiB, 1 GiB; columns: host leaf. (g + 1)(h + 1) - 1 with g, h the levels walked, e.g.
# 4-level, 4 KiB on 4 KiB: 5 * 5 - 1 = 24; 2 MiB on 1 GiB: 4 * 3 - 1 = 11.
COUNTS = {
    (4, 4): [[24, 19, 14], [19, 15, 11], [14, 11, 8]],
    (5, 5): [[35, 29, 23], [29, 24, 19], [23, 19, 15]],
    (4, 5): [[29, 24, 19], [23, 19, 15], [17, 14, 11]],
}


TLB = TlbGeometry((4, 4), (4, 4), (4, 4), False, (8, 4), True, (0, 0))
CACHES = WalkerGeometry(
    guest_pwc=((32, 4), (4, 4), (2, 1), (2, 1)),
    host_pwc=((32, 4), (4, 4), (2, 1), (2, 1)),
    nested_tlb=(16, 16),
    data_caches=((64, 8), (256, 8), (1024, 16)),
    latency_cycles=(4, 14, 54, 200, 1),
)


def counted(space, address):
    """Walk without caches; return address, guest leaf, host leaf, references."""
    walker = build_walker(NO_CACHES)
    return *walk_nested(space, walker, address), int(walker.tally[REFERENCES])


def uniform_tables(guest_levels, host_levels, guest_leaf, host_leaf):
    """Map guest-virtual 3 GiB to guest-physical 5 GiB to host-physical 7 GiB; the guest's table to itself."""
    guest = map_or_grow(build_radix(guest_levels, 0, 8), 3 * GIB, 5 * GIB, guest_leaf)
    host = map_or_grow(build_radix(host_levels, HOST_BASE, 8), 5 * GIB, 7 * GIB, host_leaf)
    for start in range(0, 8 * PAGE, leaf_bytes(host_leaf)):
        host = map_or_grow(host, start, start, host_leaf)
    return guest, host


@pytest.mark.parametrize("levels", COUNTS)
@pytest.mark.parametrize("guest_leaf", [1, 2, 3])
@pytest.mark.parametrize("host_leaf", [1, 2, 3])
def test_references_of_every_leaf_pair(levels, guest_leaf, host_leaf):
    space = build_nested_space(*uniform_tables(*levels, guest_leaf, host_leaf))
    expected = COUNTS[levels][guest_leaf - 1][host_leaf - 1]
    assert counted(space, 3 * GIB + 1234) == (7 * GIB + 1234, guest_leaf, host_leaf, expected)
    g, h = levels[0] - guest_leaf + 1, levels[1] - host_leaf + 1
    assert expected == (g + 1) * (h + 1) - 1


@pytest.mark.parametrize(("guest_leaf", "host_leaf"), [(1, 1), (1, 2), (2, 1), (2, 2), (3, 2), (3, 3)])
def test_shadow_table_costs_what_native_costs(guest_leaf, host_leaf):
    space = build_nested_space(*uniform_tables(4, 4, guest_leaf, host_leaf))
    shadow = build_radix(4, 0, 8)
    walker = build_walker(NO_CACHES)
    assert fill_shadow(space, walker, shadow, 3 * GIB + 1234) == radix.DONE
    smaller = min(guest_leaf, host_leaf)
    # A native walk to a leaf of level 1, 2, 3 reads 4, 3, 2 entries.
    assert walk_radix(shadow, 3 * GIB + 1234) == (7 * GIB + 1234, smaller, 5 - smaller)
    assert fill_shadow(space, walker, shadow, 4 * GIB) == -1


def test_a_table_pointer_on_a_small_host_page_costs_one_more():
    """4 KiB guest leaf, 2 MiB host leaves: 19. Split the host page under the guest's table: 4 pointers, 19 + 4."""
    guest, host = uniform_tables(4, 4, 1, 2)
    split_page(host, 0)
    assert counted(build_nested_space(guest, host), 3 * GIB)[3] == 23
    split_page(host, 5 * GIB)
    assert counted(build_nested_space(guest, host), 3 * GIB)[3] == 24


def test_faults_count_what_was_read():
    guest, host = uniform_tables(4, 4, 1, 1)
    space = build_nested_space(guest, host)
    # The first entry is missing: 4 host references to find the root and 1 guest entry.
    assert counted(space, 1 << 40) == (0, 0, 0, 5)
    radix.unmap_page(host, 5 * GIB)
    # The guest walk is complete (4 x 5); the host's last walk reads its root and third level before the gap: the
    # 1 GiB that held only this page was freed with it.
    assert counted(space, 3 * GIB) == (0, 0, 0, 22)


def test_unmapped_guest_table_is_refused():
    guest, host = uniform_tables(4, 4, 1, 1)
    radix.unmap_page(host, 2 * PAGE)
    with pytest.raises(ValueError, match="0x2000"):
        build_nested_space(guest, host)


def test_one_small_side_makes_the_entry_small():
    """Guest 2 MiB on host 4 KiB: the next page misses; on host 2 MiB it hits."""
    for host_leaf, expected in ((1, FAULT), (2, HIT_L1)):
        space = build_nested_space(*uniform_tables(4, 4, 2, host_leaf))
        out = run(run_nested, space, CACHES, TLB, [3 * GIB, 3 * GIB + PAGE])
        # The host maps one 4 KiB page only, so the miss ends in a host fault.
        assert out[:, OUTCOME].tolist() == [MISS, expected]


def run(run_mode, space_or_table, caches, tlb, addresses):
    out = np.full((len(addresses), N_RUN_COLUMNS), -1, np.int64)
    run_mode(space_or_table, build_tlb(tlb), build_walker(caches), np.array(addresses, np.int64), out)
    return out


def dense_space(guest_leaf, host_leaf):
    """Map 8 MiB in guest and host, the guest's table with 4 KiB or 2 MiB host pages."""
    guest = build_radix(4, 0, 8)
    for start in range(3 * GIB, 3 * GIB + 8 * MIB, leaf_bytes(guest_leaf)):
        guest = map_or_grow(guest, start, start + 2 * GIB, guest_leaf)
    host = build_radix(4, HOST_BASE, 8)
    for first, target in ((5 * GIB, 7 * GIB), (0, 0)):
        for start in range(0, 8 * MIB, leaf_bytes(host_leaf)):
            host = map_or_grow(host, first + start, target + start, host_leaf)
    return build_nested_space(guest, host), guest


def test_caches_shorten_the_second_walk_to_two_references():
    """The best case: guest PWC, nested TLB and host PWC all hit; the guest's and the host's last entry are read.

    The first walk is shorter than 24 by itself: the guest's four table pages lie in one region of 2 MiB, so the host
    reads 4 entries for the first and 1 each for the others (host PWC of level 2), and 3 for the data, which share only
    the root's entry with them (host PWC of level 4). With the 4 guest entries: 4 + 3 + 3 + 4 = 14.
    """
    space, _ = dense_space(1, 1)
    first, second, again = run(run_nested, space, CACHES, TLB, [3 * GIB, 3 * GIB + 8 * PAGE, 3 * GIB])
    assert (first[TALLY + REFERENCES], first[TALLY + HOST_PWC_HITS]) == (14, 4)
    assert (first[TALLY + GUEST_PWC_HITS], first[TALLY + NESTED_TLB_HITS]) == (0, 0)
    assert [second[TALLY + k] for k in (REFERENCES, GUEST_PWC_HITS, HOST_PWC_HITS, NESTED_TLB_HITS)] == [2, 1, 1, 1]
    # Entry 8 of a table page is in its second line, which was not read before: twice memory, and three hits of 1 cycle.
    assert (second[TALLY + FROM_DRAM], second[TALLY + CYCLES]) == (2, 2 * 200 + 3)
    assert again[OUTCOME] == HIT_L1
    assert again[TALLY:].tolist() == [0] * 10


def test_neighbouring_pages_share_a_line_of_eight_entries():
    space, guest = dense_space(1, 1)
    pages = [3 * GIB + page * PAGE for page in range(9)]
    nested = run(run_nested, space, CACHES, TLB, pages)
    # Pages 1 to 7: guest's and host's last entry come from L1 (4 cycles each), 3 PWC hits of 1. Page 8: new lines.
    assert nested[1:, TALLY + CYCLES].tolist() == [11] * 7 + [403]
    native = run(run_native, guest, CACHES, TLB, pages)
    assert native[0, TALLY + REFERENCES] == 4
    assert native[1:, TALLY + CYCLES].tolist() == [4 + 1] * 7 + [200 + 1]


def test_program_data_pushes_entries_out_of_the_data_caches():
    """One line of L1 and L2 each: the data's own line takes it, so that the next walk finds its line in the third."""
    caches = CACHES._replace(data_caches=((1, 1), (1, 1), (64, 8)))
    _, guest = dense_space(1, 1)
    out = run(run_native, guest, caches, TLB, [3 * GIB, 3 * GIB + PAGE])
    assert [out[1, TALLY + column] for column in (REFERENCES, FROM_L1, FROM_L1 + 1, FROM_L1 + 2)] == [1, 0, 0, 1]


def test_shadow_walks_cost_what_native_walks_of_the_smaller_leaf_cost():
    space, guest = dense_space(1, 2)
    pages = [3 * GIB + page * PAGE for page in range(0, 2048, 8)]
    shadow = build_shadow(space, np.array(pages), 1 << 45)
    out = run(run_native, shadow, NO_CACHES, TLB, pages)
    native = run(run_native, guest, NO_CACHES, TLB, pages)
    assert out[:, TALLY + REFERENCES].tolist() == native[:, TALLY + REFERENCES].tolist() == [4] * 256
    # Guest-physical is 2 GiB above guest-virtual, host-physical 2 GiB above that.
    assert out[:, PHYSICAL].tolist() == [page + 4 * GIB for page in pages]


@pytest.mark.parametrize(("leaf", "references"), [(1, 124), (2, 63)])
def test_a_vm_in_a_vm_walks_three_tables(leaf, references):
    """(4 + 1) ** 3 - 1 = 124 with 4 KiB pages everywhere, (3 + 1) ** 3 - 1 = 63 with 2 MiB."""
    space, _ = dense_space(leaf, leaf)
    # The inner guest's physical memory is the outer guest's virtual: 3 GiB to 3 GiB + 8 MiB.
    inner = map_or_grow(build_radix(4, 3 * GIB, 8), 1 << 40, 3 * GIB + 4 * MIB, leaf)
    walker = build_walker(NO_CACHES)
    deep = load_inner_guest(inner, space)
    found = walk_inner(inner.base, 4, deep, walker, (1 << 40) + 77)
    assert found == (7 * GIB + 4 * MIB + 77, leaf)
    assert walker.tally[REFERENCES] == references == (6 - leaf) ** 3 - 1
    assert walk_inner(inner.base, 4, deep, walker, 0) == (0, 0)
    with pytest.raises(ValueError, match="not mapped"):
        load_inner_guest(build_radix(4, 9 * GIB, 1), space)


# Random spaces: (place, leaf level, target), both in units of the leaf.
SIDES = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3), st.integers(0, 5)), min_size=1, max_size=12)
GUEST_TABLE = 40 * GIB


def random_guest(levels, pages):
    """Map pages (place, leaf level, target): guest-physical 0-5 GiB."""
    fast, slow = build_radix(levels, GUEST_TABLE, 2), OracleRadix(levels, GUEST_TABLE)
    for place, level, target in pages:
        address = place * leaf_bytes(level)
        goal = target * leaf_bytes(level)
        if slow.map(address, goal, level):
            fast = map_or_grow(fast, address, goal, level)
    return fast, slow


def random_host(levels, pages, wanted, n_tables, order):
    """Map the guest's table (4 KiB pages in a shuffled order, or one 2 MiB page), pages, and `wanted` with 4 KiB."""
    fast, slow = build_radix(levels, HOST_BASE, 2), OracleRadix(levels, HOST_BASE)
    first = [(GUEST_TABLE, 2 * MIB, 2)]
    if order is not None:
        frames = sorted(range(n_tables), key=lambda node: (node * 7 + order) % 31)
        first = [(GUEST_TABLE + node * PAGE, frame * PAGE, 1) for node, frame in enumerate(frames)]
    spread = [(p * leaf_bytes(level), (8 + t) * leaf_bytes(3) + t * leaf_bytes(level), level) for p, level, t in pages]
    small = [(address, 30 * GIB + address, 1) for address in wanted]
    for address, goal, level in first + spread + small:
        if slow.map(address, goal, level):
            fast = map_or_grow(fast, address, goal, level)
    return fast, slow


FULL_SHAPES = st.sampled_from([(1, 1), (2, 1), (2, 2), (4, 2), (6, 3), (9, 3)])
SHAPES = st.just((0, 0)) | FULL_SHAPES
TLBS = st.builds(TlbGeometry, FULL_SHAPES, FULL_SHAPES, SHAPES, st.booleans(), FULL_SHAPES, st.booleans(), SHAPES)
WALKERS = st.builds(
    WalkerGeometry,
    st.tuples(SHAPES, SHAPES, SHAPES, SHAPES),
    st.tuples(SHAPES, SHAPES, SHAPES, SHAPES),
    SHAPES,
    st.tuples(SHAPES, SHAPES, SHAPES),
    st.just((4, 14, 54, 200, 1)),
)


def assert_same_run(fast, run_mode, geometries, addresses, expected):
    """Compare each reference of a stream: outcome, address, tally, and line and place of every entry read."""
    tlb, walker = build_tlb(geometries[0]), build_walker(geometries[1])
    row = np.full((1, N_RUN_COLUMNS), -1, np.int64)
    for address, (outcome, physical, tally, read) in zip(addresses, expected, strict=True):
        run_mode(fast, tlb, walker, np.array([address], np.int64), row)
        assert row[0].tolist() == [outcome, physical, *tally]
        log = walker.log[: len(read)].tolist()
        assert [(code // 4, WHERE[code % 4]) for code in log] == read


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([(4, 4), (5, 5), (4, 5)]), SIDES, SIDES, st.none() | st.integers(0, 30), TLBS, WALKERS, st.data()
)
def test_random_spaces_and_streams_agree_with_the_oracle(levels, guest_pages, host_pages, order, tlb, caches, data):
    guest, slow_guest = random_guest(levels[0], guest_pages)
    wanted = [target * leaf_bytes(level) + page * PAGE for _, level, target in guest_pages for page in (0, 1, 3)]
    host, slow_host = random_host(levels[1], host_pages, wanted, int(guest.state[radix.USED]), order)
    places = [place * leaf_bytes(level) for place, level, _ in guest_pages]
    offsets = st.sampled_from([0, 17, PAGE, PAGE + 8, 3 * PAGE + 5, 6 * MIB + 1])
    addresses = data.draw(st.lists(st.builds(int.__add__, st.sampled_from(places), offsets), min_size=10, max_size=80))
    expected = oracle.run_nested(slow_guest, slow_host, OracleTlb(tlb), OracleWalker(caches), addresses)
    assert_same_run(build_nested_space(guest, host), run_nested, (tlb, caches), addresses, expected)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([4, 5]), SIDES, st.lists(st.integers(0, 3 * GIB), max_size=40), TLBS, WALKERS)
def test_native_streams_agree_with_the_oracle(levels, pages, addresses, tlb, caches):
    table, slow = random_guest(levels, pages)
    addresses = [*addresses, *(place * leaf_bytes(level) + 9 for place, level, _ in pages)]
    expected = oracle.run_native(slow, OracleTlb(tlb), OracleWalker(caches), addresses)
    assert_same_run(table, run_native, (tlb, caches), addresses, expected)


@pytest.mark.parametrize(("levels", "host_levels"), [(4, 4), (5, 5)])
def test_a_long_stream_through_real_sizes_agrees_with_the_oracle(levels, host_levels):
    """4,000 references over 3,000 pages of mixed leaves, through caches small enough to miss at every level."""
    rng = np.random.default_rng(levels)
    guest, slow_guest = random_guest(
        levels, [(5, 2, 5), *((2560 + page, 1, 2048 + page) for page in range(0, 40960, 16))]
    )
    wanted = [(2048 + page) * PAGE for page in range(0, 40960, 16)]
    host, slow_host = random_host(host_levels, [(5, 2, 1)], wanted, int(guest.state[radix.USED]), 3)
    addresses = ((2560 + rng.integers(0, 2560, 4000) * 16) * PAGE + rng.integers(0, 4096, 4000)).tolist()
    caches = CACHES._replace(data_caches=((32, 4), (128, 8), (512, 16)))
    tlb = TLB._replace(l2=(60, 4))
    expected = oracle.run_nested(slow_guest, slow_host, OracleTlb(tlb), OracleWalker(caches), addresses)
    out = run(run_nested, build_nested_space(guest, host), caches, tlb, addresses)
    assert out.tolist() == [[outcome, physical, *tally] for outcome, physical, tally, _ in expected]
    # The stream is one that can fail: every place answers and every cache hits somewhere.
    assert (out[:, TALLY + FROM_L1 :].sum(axis=0) > 0).all()
    assert {MISS, HIT_L1, HIT_L2} == set(out[:, OUTCOME].tolist())


def test_python_source_of_the_walk_agrees():
    space = build_nested_space(*uniform_tables(4, 4, 1, 1))
    fast, slow = build_walker(CACHES), build_walker(CACHES)
    assert walk_nested.py_func(space, slow, 3 * GIB) == walk_nested(space, fast, 3 * GIB)
    assert slow.tally.tolist() == fast.tally.tolist()
