"""The 2-D walk: the closed form of its references for all leaf pairs, and exact agreement with the oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.kernels import radix, walk
from planner.kernels.radix import build_radix, map_or_grow, split_page, walk_radix
from planner.kernels.tlb import HIT_L1, MISS, TlbGeometry, build_tlb
from planner.kernels.walk import FAULT, build_nested_space, fill_shadow, run_native, run_nested, walk_nested
from tests.oracles import translation as oracle
from tests.oracles.translation import OracleRadix, OracleTlb, leaf_bytes

PAGE = 4096
MIB = 1024**2
GIB = 1024**3
HOST_BASE = 1 << 46

# Rows: guest leaf 4 KiB, 2 MiB, 1 GiB; columns: host leaf. (g + 1)(h + 1) - 1 with g, h the levels walked, e.g.
# 4-level, 4 KiB on 4 KiB: 5 * 5 - 1 = 24; 2 MiB on 1 GiB: 4 * 3 - 1 = 11.
REFERENCES = {
    (4, 4): [[24, 19, 14], [19, 15, 11], [14, 11, 8]],
    (5, 5): [[35, 29, 23], [29, 24, 19], [23, 19, 15]],
    (4, 5): [[29, 24, 19], [23, 19, 15], [17, 14, 11]],
}


def uniform_tables(guest_levels, host_levels, guest_leaf, host_leaf):
    """Map guest-virtual 3 GiB to guest-physical 5 GiB to host-physical 7 GiB; the guest's table to itself."""
    guest = map_or_grow(build_radix(guest_levels, 0, 8), 3 * GIB, 5 * GIB, guest_leaf)
    host = map_or_grow(build_radix(host_levels, HOST_BASE, 8), 5 * GIB, 7 * GIB, host_leaf)
    for start in range(0, 8 * PAGE, leaf_bytes(host_leaf)):
        host = map_or_grow(host, start, start, host_leaf)
    return guest, host


@pytest.mark.parametrize("levels", REFERENCES)
@pytest.mark.parametrize("guest_leaf", [1, 2, 3])
@pytest.mark.parametrize("host_leaf", [1, 2, 3])
def test_references_of_every_leaf_pair(levels, guest_leaf, host_leaf):
    space = build_nested_space(*uniform_tables(*levels, guest_leaf, host_leaf))
    expected = REFERENCES[levels][guest_leaf - 1][host_leaf - 1]
    assert walk_nested(space, 3 * GIB + 1234) == (7 * GIB + 1234, guest_leaf, host_leaf, expected)
    g, h = levels[0] - guest_leaf + 1, levels[1] - host_leaf + 1
    assert expected == (g + 1) * (h + 1) - 1


@pytest.mark.parametrize(("guest_leaf", "host_leaf"), [(1, 1), (1, 2), (2, 1), (2, 2), (3, 2), (3, 3)])
def test_shadow_table_costs_what_native_costs(guest_leaf, host_leaf):
    space = build_nested_space(*uniform_tables(4, 4, guest_leaf, host_leaf))
    shadow = build_radix(4, 0, 8)
    assert fill_shadow(space, shadow, 3 * GIB + 1234) == radix.DONE
    smaller = min(guest_leaf, host_leaf)
    # A native walk to a leaf of level 1, 2, 3 reads 4, 3, 2 entries.
    assert walk_radix(shadow, 3 * GIB + 1234) == (7 * GIB + 1234, smaller, 5 - smaller)
    assert fill_shadow(space, shadow, 4 * GIB) == -1


def test_a_table_pointer_on_a_small_host_page_costs_one_more():
    """4 KiB guest leaf, 2 MiB host leaves: 19. Split the host page under the guest's table: 4 pointers, 19 + 4."""
    guest, host = uniform_tables(4, 4, 1, 2)
    split_page(host, 0)
    assert walk_nested(build_nested_space(guest, host), 3 * GIB)[3] == 23
    split_page(host, 5 * GIB)
    assert walk_nested(build_nested_space(guest, host), 3 * GIB)[3] == 24


def test_faults_count_what_was_read():
    guest, host = uniform_tables(4, 4, 1, 1)
    space = build_nested_space(guest, host)
    # The first entry is missing: 4 host references to find the root and 1 guest entry.
    assert walk_nested(space, 1 << 40) == (0, 0, 0, 5)
    radix.unmap_page(host, 5 * GIB)
    # The guest walk is complete (4 x 5); the host's last walk reads its root and third level before the gap: the
    # 1 GiB that held only this page was freed with it.
    assert walk_nested(space, 3 * GIB) == (0, 0, 0, 22)


def test_unmapped_guest_table_is_refused():
    guest, host = uniform_tables(4, 4, 1, 1)
    radix.unmap_page(host, 2 * PAGE)
    with pytest.raises(ValueError, match="0x2000"):
        build_nested_space(guest, host)


def test_one_small_side_makes_the_entry_small():
    """Guest 2 MiB on host 4 KiB: the next page misses; on host 2 MiB it hits."""
    geometry = TlbGeometry(4, 4, 4, 4, 8, 4, True)
    for host_leaf, expected in ((1, FAULT), (2, HIT_L1)):
        space = build_nested_space(*uniform_tables(4, 4, 2, host_leaf))
        out = np.zeros((2, 3), np.int64)
        run_nested(space, build_tlb(geometry), np.array([3 * GIB, 3 * GIB + PAGE]), out)
        # The host maps one 4 KiB page only, so the miss ends in a host fault.
        assert out[:, 0].tolist() == [MISS, expected]


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


@settings(max_examples=80, deadline=None)
@given(st.sampled_from([(4, 4), (5, 5), (4, 5)]), SIDES, SIDES, st.none() | st.integers(0, 30), st.data())
def test_random_spaces_and_streams_agree_with_the_oracle(levels, guest_pages, host_pages, order, data):
    guest, slow_guest = random_guest(levels[0], guest_pages)
    wanted = [target * leaf_bytes(level) + page * PAGE for _, level, target in guest_pages for page in (0, 1, 3)]
    host, slow_host = random_host(levels[1], host_pages, wanted, int(guest.state[radix.USED]), order)
    places = [place * leaf_bytes(level) for place, level, _ in guest_pages]
    offsets = st.sampled_from([0, 17, PAGE, PAGE + 8, 3 * PAGE + 5, 6 * MIB + 1])
    addresses = data.draw(st.lists(st.builds(int.__add__, st.sampled_from(places), offsets), min_size=10, max_size=80))
    geometry = TlbGeometry(2, 2, 1, 1, 8, 2, data.draw(st.booleans()))
    out = np.full((len(addresses), 3), -1, np.int64)
    run_nested(build_nested_space(guest, host), build_tlb(geometry), np.array(addresses, np.int64), out)
    expected = oracle.run_nested(slow_guest, slow_host, OracleTlb(geometry), addresses)
    assert [tuple(row) for row in out.tolist()] == expected


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([4, 5]), SIDES, st.lists(st.integers(0, 3 * GIB), max_size=40))
def test_native_streams_agree_with_the_oracle(levels, pages, addresses):
    table, slow = random_guest(levels, pages)
    addresses = [*addresses, *(place * leaf_bytes(level) + 9 for place, level, _ in pages)]
    geometry = TlbGeometry(2, 2, 2, 1, 4, 2, True)
    out = np.full((len(addresses), 3), -1, np.int64)
    run_native(table, build_tlb(geometry), np.array(addresses, np.int64), out)
    expected = oracle.run_native(slow, OracleTlb(geometry), addresses)
    assert [tuple(row) for row in out.tolist()] == expected


def test_python_source_of_the_walk_agrees():
    space = build_nested_space(*uniform_tables(4, 4, 1, 1))
    assert walk_nested.py_func(space, 3 * GIB) == walk_nested(space, 3 * GIB)
    assert walk.OUTCOME == 0
