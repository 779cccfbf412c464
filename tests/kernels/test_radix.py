"""Radix tables: hand-counted cases, and random histories of map, unmap, split and collapse against the oracle."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.kernels import radix
from planner.kernels.radix import build_radix, collapse_page, map_or_grow, map_page, split_page, unmap_page, walk_radix
from tests.oracles.translation import OracleRadix, leaf_bytes

MIB = 1024**2
GIB = 1024**3
BASE = 64 * GIB


@pytest.mark.parametrize("levels", [4, 5])
@pytest.mark.parametrize("leaf_level", [1, 2, 3])
def test_walk_reads_one_entry_per_level_down_to_the_leaf(levels, leaf_level):
    address, target = 7 * GIB, 9 * GIB
    table = map_or_grow(build_radix(levels, BASE, 1), address, target, leaf_level)
    # 4 KiB leaves are on level 1, so levels - leaf_level + 1 entries are read: 4/3/2 and 5/4/3.
    assert walk_radix(table, address + 1234) == (target + 1234, leaf_level, levels - leaf_level + 1)
    assert walk_radix(table, address + leaf_bytes(leaf_level) - 1)[0] == target + leaf_bytes(leaf_level) - 1
    assert walk_radix(table, address + leaf_bytes(leaf_level))[1] == 0


def test_missing_address_costs_the_entries_read_until_the_gap():
    table = map_or_grow(build_radix(4, 0, 8), 0, 0, 1)
    assert walk_radix(table, PAGE := 4096) == (0, 0, 4)
    assert walk_radix(table, 512 * PAGE) == (0, 0, 3)
    assert walk_radix(table, 1 << 39) == (0, 0, 1)


def test_nodes_lie_at_addresses_from_the_base_on():
    table = map_or_grow(build_radix(4, BASE, 8), 0, 0, 1)
    pointers = [int(table.entries[node * 512]) for node in range(3)]
    assert pointers == [BASE + 4096 + 1, BASE + 8192 + 1, BASE + 12288 + 1]
    assert table.live[:4].tolist() == [1, 1, 1, 1]


def test_split_keeps_the_translation_and_adds_one_reference():
    table = map_or_grow(build_radix(4, BASE, 4), 2 * MIB, 10 * MIB, 2)
    before = [walk_radix(table, 2 * MIB + offset)[0] for offset in (0, 5000, 2 * MIB - 1)]
    assert split_page(table, 3 * MIB) == radix.DONE
    assert [walk_radix(table, 2 * MIB + offset)[0] for offset in (0, 5000, 2 * MIB - 1)] == before
    assert walk_radix(table, 2 * MIB + 5000)[1:] == (1, 4)
    assert split_page(table, 3 * MIB) == radix.MISSING


def test_split_of_1_gib_gives_512_leaves_of_2_mib():
    table = map_or_grow(build_radix(5, BASE, 4), GIB, 3 * GIB, 3)
    assert split_page(table, GIB) == radix.DONE
    assert walk_radix(table, GIB + 511 * 2 * MIB + 7) == (3 * GIB + 511 * 2 * MIB + 7, 2, 4)


def test_collapse_undoes_a_split_and_frees_the_node():
    table = map_or_grow(build_radix(4, BASE, 4), 0, 2 * MIB, 2)
    split_page(table, 0)
    used = radix.nodes_left(table)
    assert collapse_page(table, 4096, 6 * MIB) == radix.DONE
    assert walk_radix(table, 5000) == (6 * MIB + 5000, 2, 3)
    assert radix.nodes_left(table) == used + 1


def test_collapse_needs_all_512_pages():
    table = map_or_grow(build_radix(4, BASE, 4), 0, 2 * MIB, 2)
    assert collapse_page(table, 0, 6 * MIB) == radix.MISSING
    split_page(table, 0)
    assert unmap_page(table, 100 * 4096) == 1
    assert collapse_page(table, 0, 6 * MIB) == radix.MISSING
    assert walk_radix(table, 0) == (2 * MIB, 1, 4)


def test_full_table_says_so_and_changes_nothing():
    table = build_radix(4, BASE, 3)
    entries = table.entries.copy()
    # Three nodes below the root are needed for a 4 KiB leaf, two are left.
    assert map_page(table, 0, 0, 1) == radix.FULL
    assert (table.entries == entries).all()
    assert map_page(table, 0, 0, 2) == radix.DONE
    assert split_page(table, 0) == radix.FULL
    assert walk_radix(table, 0)[1] == 2


def test_unmapping_the_last_page_leaves_the_root_alone():
    table = map_or_grow(build_radix(4, BASE, 4), GIB, 0, 1)
    assert radix.nodes_left(table) == 0
    assert unmap_page(table, GIB) == 1
    assert radix.nodes_left(table) == 3
    assert table.live[0] == 0
    assert unmap_page(table, GIB) == 0


@pytest.mark.parametrize(
    ("address", "target", "level", "message"),
    [
        (4096, 0, 2, "multiples"),
        (0, 4096, 2, "multiples"),
        (1 << 48, 0, 1, "range"),
        (-4096, 0, 1, "range"),
        (0, 0, 4, "leaf_level is 4"),
        (2 * MIB, 0, 1, "mapped already"),
    ],
)
def test_wrong_mappings_are_refused_with_a_reason(address, target, level, message):
    table = map_or_grow(build_radix(4, 0, 4), 2 * MIB, 0, 2)
    with pytest.raises(ValueError, match=message):
        map_or_grow(table, address, target, level)


@pytest.mark.parametrize(("levels", "base", "room"), [(3, 0, 1), (4, 100, 1), (4, 0, 0)])
def test_wrong_tables_are_refused(levels, base, room):
    with pytest.raises(ValueError, match="expected"):
        build_radix(levels, base, room)


ACTIONS = st.tuples(
    st.sampled_from(["map", "map", "map", "unmap", "split", "collapse"]),
    st.integers(0, 3),  # 1 GiB block
    st.integers(0, 2),  # 2 MiB block in it
    st.integers(0, 3),  # page in it
    st.integers(1, 3),
)


def apply_both(table, oracle, action):
    """Do the same to both; return the table, which may have grown, and both results."""
    kind, giant, large, small, level = action
    address = giant * GIB + large * 2 * MIB + small * 4096
    start = address - address % leaf_bytes(level)
    if kind == "map":
        done = oracle.map(start, start + 16 * GIB, level)
        status = map_page(table, start, start + 16 * GIB, level)
        while status == radix.FULL:
            table = radix.grow_radix(table)
            status = map_page(table, start, start + 16 * GIB, level)
        return table, status == radix.DONE, done
    if kind == "unmap":
        return table, unmap_page(table, address), oracle.unmap(address)
    if kind == "split":
        table = table if radix.nodes_left(table) else radix.grow_radix(table)
        return table, split_page(table, address) == radix.DONE, oracle.split(address)
    return table, collapse_page(table, address, 8 * GIB) == radix.DONE, oracle.collapse(address, 8 * GIB)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([4, 5]), st.lists(ACTIONS, max_size=40))
def test_random_histories_agree_with_the_oracle(levels, actions):
    table, oracle = build_radix(levels, BASE, 2), OracleRadix(levels, BASE)
    for action in actions:
        table, ours, expected = apply_both(table, oracle, action)
        assert ours == expected, action
    assert table.state[radix.USED] - table.state[radix.FREE_COUNT] == len(oracle.nodes)
    for node, entries in oracle.nodes.items():
        first = (node - BASE) // 4096 * 512
        assert table.live[first // 512] == len(entries)
        for slot, (target, is_leaf) in entries.items():
            assert table.entries[first + slot] & radix.ADDRESS_MASK == target, (node, slot, is_leaf)
    for giant in range(4):
        for offset in (0, 4096 * 3 + 5, 2 * MIB + 4096, 5 * MIB):
            assert walk_radix(table, giant * GIB + offset) == oracle.walk(giant * GIB + offset)


def test_python_source_of_the_kernels_agrees():
    """`py_func` of the walk gives what the compiled walk gives."""
    table = map_or_grow(build_radix(4, BASE, 4), GIB, 2 * GIB, 1)
    assert walk_radix.py_func(table, GIB + 9) == walk_radix(table, GIB + 9) == (2 * GIB + 9, 1, 4)
