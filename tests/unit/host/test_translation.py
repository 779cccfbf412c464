"""The translation table: interpolation, closed forms, the published machine, and what it promises its callers."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.config.catalog import load_cpu
from planner.host import reference_stream as stream
from planner.host import translation
from planner.host.reference_stream import HOST_STREAM, Effort, StreamAssumptions, build_bench
from planner.host.translation import (
    PROGRAM_EFFORT,
    TABLE_EFFORT,
    build_translation_table,
    measure_native,
    measure_nested,
)
from planner.kernels.overhead import OverheadTable, interpolate_overhead
from planner.kernels.radix import LEAF_2M, LEAF_4K, build_radix, map_pages
from planner.kernels.tlb import flush_tlb
from planner.kernels.walk import N_RUN_COLUMNS, NestedSpace, run_nested
from planner.kernels.walk_caches import CYCLES, flush_walker
from tests.oracles import translation as oracle

MIB = 1024**2
GIB = 1024**3
SANDY_BRIDGE = load_cpu("sandy-bridge")
SMALL_GUEST = StreamAssumptions(guest_large_fraction=0.0)
LARGE_GUEST = StreamAssumptions(guest_large_fraction=1.0)

HAND_TABLE = OverheadTable(
    np.array([20.0, 22.0, 30.0]),
    np.array([0.0, 0.5, 1.0]),
    np.array([[0.0, 1.0, 2.0], [2.0, 3.0, 6.0], [4.0, 5.0, 8.0]]),
)


@pytest.mark.parametrize(
    ("active_bytes", "small_fraction", "expected"),
    [
        (2**22, 0.5, 3.0),  # a grid point
        (2**21, 0.0, 1.0),  # half way in log2: (0 + 2) / 2
        (2**22, 0.75, 4.5),  # half way in fraction: (3 + 6) / 2
        (2**24, 0.25, 3.0),  # a quarter of 22 to 30; rows give 2.5 and 4.5: 2.5 + 0.25 * 2
        (2**10, 0.5, 1.0),  # below the table: flat
        (2**40, 2.0, 8.0),  # above both axes: flat
        (0, 0.5, 0.0),  # nothing is active
    ],
)
def test_interpolation_by_hand(active_bytes, small_fraction, expected):
    assert interpolate_overhead(HAND_TABLE, active_bytes, small_fraction) == pytest.approx(expected, abs=1e-12)
    assert interpolate_overhead.py_func(HAND_TABLE, active_bytes, small_fraction) == pytest.approx(expected, abs=1e-12)


AXIS = st.lists(st.integers(0, 60), min_size=2, max_size=6, unique=True).map(sorted)


@settings(max_examples=80, deadline=None)
@given(AXIS, AXIS, st.floats(0, 2.0**62), st.floats(-0.2, 1.2), st.data())
def test_interpolation_agrees_with_the_oracle(sizes, fractions, active_bytes, small_fraction, data):
    fractions = [value / 60 for value in fractions]
    cells = st.lists(st.floats(0, 4), min_size=len(fractions), max_size=len(fractions))
    grid = data.draw(st.lists(cells, min_size=len(sizes), max_size=len(sizes)))
    table = OverheadTable(np.array(sizes, np.float64), np.array(fractions), np.array(grid))
    ours = interpolate_overhead(table, active_bytes, small_fraction)
    assert ours == pytest.approx(oracle.interpolate_overhead(sizes, fractions, grid, active_bytes, small_fraction))


QUICK = Effort(1, 1, 2_000, 20_000, 0, 20_000, 2.0, has_whole_llc=True)


def without_walk_caches(cpu):
    none = cpu.walk_caches.model_copy(update=dict.fromkeys(("l2", "l3", "l4", "l5", "nested_tlb"), (0, 0)))
    return cpu.model_copy(update={"walk_caches": none})


@pytest.mark.parametrize(
    ("assumptions", "small_fraction", "references"),
    [
        (SMALL_GUEST, 1.0, 24),
        (SMALL_GUEST, 0.0, 19),
        (LARGE_GUEST, 1.0, 19),
        (LARGE_GUEST, 0.0, 15),
        (SMALL_GUEST._replace(guest_levels=5, host_levels=5), 1.0, 35),
        (SMALL_GUEST._replace(host_levels=5), 1.0, 29),
        (SMALL_GUEST._replace(guest_levels=5), 0.0, 23),
    ],
)
def test_references_per_miss_are_those_of_the_leaf_pair_without_walk_caches(assumptions, small_fraction, references):
    measured = measure_nested(without_walk_caches(SANDY_BRIDGE), 4 * GIB, small_fraction, assumptions, QUICK)
    assert measured.references_per_miss == references


def test_walk_caches_leave_two_references_where_they_reach():
    """64 MiB: 32 entries of level 2 cover it in both dimensions, so a walk reads the guest's and the host's last entry.

    16 table pages of 4 KiB each fit the nested TLB of 16 but for the three tables above, which a PWC hit never reads.
    """
    measured = measure_nested(SANDY_BRIDGE, 32 * MIB, 1.0, SMALL_GUEST, QUICK)
    assert measured.references_per_miss == pytest.approx(2.0, abs=0.02)
    assert measure_native(SANDY_BRIDGE, 32 * MIB, SMALL_GUEST, QUICK).references_per_miss == pytest.approx(1, abs=0.01)


def test_uniform_visits_meet_the_closed_form():
    """Misses are 1 - R / N with a reach R between L2 alone and L1 and L2 together; the price is plain arithmetic."""
    assumptions = SMALL_GUEST._replace(steepest_alpha=0.0)
    measured = measure_nested(SANDY_BRIDGE, 16 * MIB, 1.0, assumptions, QUICK)
    # N = 4096 pages, R = 512 to 576: 0.859 to 0.875. Standard error sqrt(0.87 * 0.13 / 20000) = 0.0024.
    assert 0.859 - 0.008 < measured.misses_per_visit < 0.875 + 0.008
    assert measured.l2_hits_per_visit == pytest.approx(512 / 4096 - 64 / 4096, abs=0.02)
    # A look-up in L2 costs 7 cycles, also where a walk follows.
    walks = measured.misses_per_visit * (7 + measured.cycles_per_miss)
    assert measured.cycles_per_visit == pytest.approx(walks + measured.l2_hits_per_visit * 7)
    assert measured.overhead == pytest.approx(measured.cycles_per_visit / assumptions.useful_cycles_per_visit)


def test_the_calibrated_constant_is_that_of_native_memcached():
    """Memcached, 75 GB, Sandy Bridge (Agile Paging, ISCA 2016): fitted to the native 4 KiB bar, 3.2 %."""
    measured = measure_native(SANDY_BRIDGE, 75 * 10**9, SMALL_GUEST, PROGRAM_EFFORT)
    assert measured.overhead == pytest.approx(0.032, abs=0.0005)


@pytest.fixture
def small_grid(monkeypatch):
    """Tables of four cells, so that a test may build several."""
    build_translation_table.cache_clear()
    monkeypatch.setattr(translation, "ACTIVE_LOG2_BYTES", (25, 32))
    monkeypatch.setattr(translation, "SMALL_FRACTIONS", (0.25, 1.0))
    yield
    build_translation_table.cache_clear()


def test_table_grows_with_memory_and_with_broken_large_pages():
    grid = build_translation_table(SANDY_BRIDGE, 2.0, 1).arrays.overhead
    # Neighbours may differ by sampling noise (about 1 %), so compare with that slack.
    assert (np.diff(grid, axis=0) > -0.01 * grid[:-1]).all()
    assert (np.diff(grid, axis=1) > -0.01 * grid[:, :-1]).all()
    assert (grid[:, -1] > grid[:, 0]).all()
    assert (grid > 0).all()
    assert (grid < 0.3).all()


@pytest.mark.usefixtures("small_grid")
def test_same_arguments_give_the_same_bytes_and_seeds_differ_little():
    first = build_translation_table(SANDY_BRIDGE, 2.0, 1)
    build_translation_table.cache_clear()
    again = build_translation_table(SANDY_BRIDGE, 2.0, 1)
    assert [a.tobytes() for a in first.arrays] == [a.tobytes() for a in again.arrays]
    other = build_translation_table(SANDY_BRIDGE, 2.0, 2).arrays.overhead
    assert not np.array_equal(other, first.arrays.overhead)
    # At 4 GiB a cell's standard error is about 1 %.
    assert np.abs(other[-1] / first.arrays.overhead[-1] - 1).max() < 0.06


@pytest.mark.usefixtures("small_grid")
def test_steep_laws_are_bounded_and_flat_ones_are_not():
    steep = build_translation_table(SANDY_BRIDGE, 2.0, 1)
    assert steep.alpha == 0.99
    compact = StreamAssumptions()
    tables = [build_translation_table(SANDY_BRIDGE, alpha, 1, compact).arrays.overhead for alpha in (2.0, 1.3)]
    assert np.array_equal(*tables)
    flat = build_translation_table(SANDY_BRIDGE, 0.5, 1)
    assert flat.alpha == 0.5
    assert (flat.arrays.overhead[-1] > steep.arrays.overhead[-1]).all()


@pytest.mark.usefixtures("small_grid")
def test_table_pickles_and_is_read_only():
    table = build_translation_table(SANDY_BRIDGE, 2.0, 1)
    copy = pickle.loads(pickle.dumps(table))
    assert np.array_equal(copy.arrays.overhead, table.arrays.overhead)
    with pytest.raises(ValueError, match="read-only"):
        table.arrays.overhead[0, 0] = 1.0
    assert interpolate_overhead(table.arrays, 2**32, 1.0) == table.arrays.overhead[-1, -1]


def test_between_its_columns_the_overhead_is_a_line():
    """Half of the blocks broken costs the mean of none and all; host patterns spread which half."""
    effort = TABLE_EFFORT._replace(n_host_patterns=4)
    ends = [measure_nested(SANDY_BRIDGE, 4 * GIB, share, HOST_STREAM, effort).overhead for share in (0.0, 1.0)]
    middle = measure_nested(SANDY_BRIDGE, 4 * GIB, 0.5, HOST_STREAM, effort).overhead
    assert middle == pytest.approx(sum(ends) / 2, rel=0.05)


def test_tables_of_sampled_pages_count_as_full_tables_do():
    """Map all 8192 pages of 32 MiB in guest and host instead of the visited ones: hits, misses, references are equal.

    The table's nodes lie elsewhere then, so their lines fall in other sets of the data caches: times are equal to 2 %.
    """
    n_pages = 32 * MIB // 4096
    bench = build_bench(
        SANDY_BRIDGE, 0.99, 1, StreamAssumptions(), TABLE_EFFORT._replace(n_past=16_000, n_warm_up=2_000)
    )
    pattern = stream.Pattern(3, 0.5, 0.25)
    sampled = translation.count_pattern(bench, 32 * MIB, (0.5,), pattern)[0]
    (addresses,) = stream.draw_stream(bench, 32 * MIB, pattern, 1)
    assert np.unique(addresses // 4096).size < n_pages
    stream.map_guest(bench, np.arange(n_pages), pattern)
    blocks = np.concatenate([np.arange(8), (1 << 40) // (2 * MIB) + np.arange(n_pages // 512)])
    is_small = stream.spread(blocks, stream.HOST_STEP, pattern.host_shift, bench.seed) < 0.5
    host = build_radix(4, 1 << 46, 64)
    small = (blocks[is_small, None] * 512 + np.arange(512)).ravel() * 4096
    map_pages(host, blocks[~is_small] * 2 * MIB, blocks[~is_small] * 2 * MIB, LEAF_2M)
    map_pages(host, small, small, LEAF_4K)
    out = np.zeros((addresses.size, N_RUN_COLUMNS), np.int64)
    flush_tlb(bench.tlb)
    flush_walker(bench.walker)
    run_nested(NestedSpace(bench.guest.entries, 0, 4, host), bench.tlb, bench.walker, addresses, out)
    full = translation.count_run(out[-bench.effort.n_measured :])
    assert full[: translation.WALKS + 1].tolist() == sampled[: translation.WALKS + 1].tolist()
    cycles = translation.WALKS + CYCLES
    assert full[cycles] == pytest.approx(sampled[cycles], rel=0.02)
