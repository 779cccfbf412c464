"""What nested address translation costs a VM: measured once per CPU with the exact walker, then read from a table.

For active memory of 4 MiB to 512 GiB and for each share of it that the host maps with 4 KiB pages, a sampled stream of
page visits runs through a TLB and a 2-D walk on real radix tables. docs/model/translation.md has the equations, the
sources of the assumptions and what is left out: page-walk caches, instruction TLBs, overlap of walks with other work.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from planner.config.catalog import CpuSpec
from planner.errors import InvariantError
from planner.kernels.overhead import OverheadTable
from planner.kernels.radix import DONE, LEAF_2M, LEAF_4K, USED, Radix, build_radix, clear_radix, map_pages, split_pages
from planner.kernels.tlb import HIT_L2, MISS, Tlb, TlbGeometry, build_tlb, flush_tlb
from planner.kernels.visits import build_head_weights, draw_visits
from planner.kernels.walk import FAULT, OUTCOME, REFERENCES, NestedSpace, run_native, run_nested
from planner.streams import stable_hash32
from planner.units import LARGE_PAGE_BYTES, PAGE_BYTES, PAGES_PER_LARGE_PAGE

ACTIVE_LOG2_BYTES = (22, 23, 24, 25, 26, 27, 28, 30, 32, 35, 39)
"""Rows of the table: 4 MiB to 512 GiB of active memory, closer where it grows out of the TLB's reach."""

SMALL_FRACTIONS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Columns of the table."""

N_GUEST_PATTERNS, N_HOST_PATTERNS = 2, 4
"""Which blocks are large in guest and host is tried in all combinations: a block that most visits go to counts as
large in half of them at a guest share of 0.5, and as broken in one, two or three of four at 0.25, 0.5 or 0.75."""

N_PAST_VISITS, N_WARM_UP_VISITS, N_MEASURED_VISITS = 16_000, 1_500, 4_000
"""Visits for each of the eight patterns: those that only set the TLB's first contents, run unmeasured, measured."""

_PURPOSE_VISIT = 8
_DATA_GPA = 1 << 40
_HOST_TABLE_HPA = 1 << 46
# The R2 sequence (powers of 1 / plastic number): its fractional parts fill the square evenly, so every run of
# neighbouring blocks has its right share of large guest and large host pages, independently of each other.
_HOST_STEP, _GUEST_STEP = 0.7548776662466927, 0.5698402909980532


class StreamAssumptions(NamedTuple):
    """How a VM references memory. Sources and doubts: docs/model/translation.md.

    Attributes
    ----------
    guest_large_fraction : float
        Share of the active memory that the guest OS maps with 2 MiB pages. Assumption.
    references_per_instruction : float
        Loads and stores per instruction.
    cycles_per_instruction : float
        Without any address translation. Assumption. [cycles]
    references_per_visit : float
        References that stay on a page before the next page is drawn. Calibrated: the walk part of nested 4 KiB
        memcached on Sandy Bridge, 19.6 % (Agile Paging, ISCA 2016).
    steepest_alpha : float
        Upper bound of the exponent of the law of page visits.
    levels : int
        Levels of guest and host table.
    """

    guest_large_fraction: float = 0.5
    references_per_instruction: float = 0.35
    cycles_per_instruction: float = 1.0
    references_per_visit: float = 1390.0
    steepest_alpha: float = 0.99
    levels: int = 4


class Measured(NamedTuple):
    """What a stream met, per page visit: second-level hits, misses, references per miss; and what that costs."""

    l2_hits_per_visit: float
    misses_per_visit: float
    references_per_miss: float
    overhead: float


@dataclass(frozen=True)
class TranslationTable:
    """Translation overhead of the VMs of one CPU model.

    Attributes
    ----------
    cpu : str
        CPU preset.
    alpha : float
        Exponent of the law of page visits that was used.
    arrays : OverheadTable
        What `planner.kernels.overhead.interpolate_overhead` reads.
    """

    cpu: str
    alpha: float
    arrays: OverheadTable


@lru_cache(maxsize=64)
def build_translation_table(
    cpu: CpuSpec, law_alpha: float, seed: int, assumptions: StreamAssumptions | None = None
) -> TranslationTable:
    """Measure the translation overhead over active memory and share of small host pages.

    Parameters
    ----------
    cpu : CpuSpec
        TLB sizes and costs.
    law_alpha : float
        Exponent of the popularity law. The law is fitted to minutes; taken down to single references, an exponent
        above 1 would put most of them on one page, so `steepest_alpha` bounds it.
    seed : int
        Root seed; same arguments, same bytes.
    assumptions : StreamAssumptions, optional
        How VMs reference memory; None for the defaults.

    Notes
    -----
    Cached; one to two seconds of CPU the first time. The arrays are read-only.
    """
    bench = _build_bench(cpu, law_alpha, seed, assumptions or StreamAssumptions())
    rows = [[m.overhead for m in _measure_size(bench, 1 << log2, SMALL_FRACTIONS)] for log2 in ACTIVE_LOG2_BYTES]
    arrays = OverheadTable(np.array(ACTIVE_LOG2_BYTES, np.float64), np.array(SMALL_FRACTIONS), np.array(rows))
    for array in arrays:
        array.setflags(write=False)
    return TranslationTable(cpu.name, bench.alpha, arrays)


def measure_nested(
    cpu: CpuSpec, active_bytes: int, small_fraction: float, seed: int, assumptions: StreamAssumptions
) -> Measured:
    """Measure one point: a VM with `active_bytes` of active memory, `small_fraction` of it in 4 KiB host pages."""
    bench = _build_bench(cpu, assumptions.steepest_alpha, seed, assumptions)
    return _measure_size(bench, active_bytes, (small_fraction,))[0]


def measure_native(cpu: CpuSpec, active_bytes: int, seed: int, assumptions: StreamAssumptions) -> Measured:
    """Measure the same streams without virtualization: the guest's table alone."""
    bench = _build_bench(cpu, assumptions.steepest_alpha, seed, assumptions)
    counts = np.zeros(4, np.int64)
    for pattern in _PATTERNS:
        ranks, n_start = _draw_ranks(bench, active_bytes, pattern)
        _map_guest(bench, np.unique(ranks), pattern)
        out = np.zeros((ranks.size, 3), np.int64)
        flush_tlb(bench.tlb)
        run_native(bench.guest, bench.tlb, ranks * PAGE_BYTES, out)
        counts += _count(out[n_start:])
    return _price(counts, bench)


def tlb_geometry(cpu: CpuSpec) -> TlbGeometry:
    """Return the TLB sizes of a CPU preset as the kernels take them."""
    return TlbGeometry(*(getattr(cpu, name) for name in TlbGeometry._fields))


class _Pattern(NamedTuple):
    """Shifts of which blocks are large in the guest and broken in the host; own visits, too."""

    number: int
    guest_shift: float
    host_shift: float


_PATTERNS = tuple(
    _Pattern(guest * N_HOST_PATTERNS + host, guest / N_GUEST_PATTERNS, host / N_HOST_PATTERNS)
    for guest in range(N_GUEST_PATTERNS)
    for host in range(N_HOST_PATTERNS)
)


class _Bench(NamedTuple):
    """What one measurement needs: CPU, stream, and tables that are cleared and used again."""

    cpu: CpuSpec
    alpha: float
    seed: int
    assumptions: StreamAssumptions
    guest: Radix
    host: Radix
    tlb: Tlb


def _build_bench(cpu: CpuSpec, law_alpha: float, seed: int, assumptions: StreamAssumptions) -> _Bench:
    # Each sampled page adds at most three nodes; memory that is never taken is never backed.
    n_nodes = 3 * (4 * cpu.l2_entries + N_WARM_UP_VISITS + N_MEASURED_VISITS) + PAGES_PER_LARGE_PAGE
    guest = build_radix(assumptions.levels, 0, n_nodes)
    host = build_radix(assumptions.levels, _HOST_TABLE_HPA, n_nodes)
    alpha = min(law_alpha, assumptions.steepest_alpha)
    return _Bench(cpu, alpha, seed, assumptions, guest, host, build_tlb(tlb_geometry(cpu)))


def _measure_size(bench: _Bench, active_bytes: int, small_fractions: tuple[float, ...]) -> list[Measured]:
    """Measure one active size for ascending small fractions."""
    counts = sum(_count_pattern(bench, active_bytes, small_fractions, pattern) for pattern in _PATTERNS)
    return [_price(row, bench) for row in np.asarray(counts)]


def _count_pattern(
    bench: _Bench, active_bytes: int, small_fractions: tuple[float, ...], pattern: _Pattern
) -> np.ndarray:
    """Return the counts of `_count`, a row per fraction, breaking more large host pages from one to the next."""
    ranks, n_start = _draw_ranks(bench, active_bytes, pattern)
    _map_guest(bench, np.unique(ranks), pattern)
    blocks = _map_host(bench, np.unique(ranks // PAGES_PER_LARGE_PAGE))
    space = NestedSpace(bench.guest.entries, bench.guest.base, bench.guest.levels, bench.host)
    breaks_at = _spread(blocks, _HOST_STEP, pattern.host_shift, bench.seed)
    out = np.zeros((ranks.size, 3), np.int64)
    counts = np.zeros((len(small_fractions), 4), np.int64)
    broken_up_to = 0.0
    for row, fraction in enumerate(small_fractions):
        to_break = blocks[(breaks_at >= broken_up_to) & (breaks_at < fraction)]
        _check(split_pages(bench.host, to_break * LARGE_PAGE_BYTES)[1])
        broken_up_to = fraction
        flush_tlb(bench.tlb)
        run_nested(space, bench.tlb, ranks * PAGE_BYTES, out)
        counts[row] = _count(out[n_start:])
    return counts


def _draw_ranks(bench: _Bench, active_bytes: int, pattern: _Pattern) -> tuple[np.ndarray, int]:
    """Return the visited pages by rank (which is also their place) and how many of them only fill the TLB."""
    n_pages = max(active_bytes // PAGE_BYTES, 1)
    head = build_head_weights(bench.alpha, n_pages)
    visits = np.zeros(N_PAST_VISITS + N_WARM_UP_VISITS + N_MEASURED_VISITS, np.int64)
    key = np.uint32(stable_hash32(f"translation/{bench.seed}/{pattern.number}"))
    draw_visits(key, _PURPOSE_VISIT, head, bench.alpha, n_pages, visits)
    past = _recency_order(visits[:N_PAST_VISITS], n_pages, bench.cpu)
    return np.concatenate([past, visits[N_PAST_VISITS:]]), past.size + N_WARM_UP_VISITS


def _recency_order(past: np.ndarray, n_pages: int, cpu: CpuSpec) -> np.ndarray:
    """Return the pages that fill a TLB as the past visits leave it, least recent first.

    LRU remembers the order of last visits only, so a long past costs little. Pages and blocks that it did not reach
    are taken as older, the less popular the older.
    """
    _, from_end = np.unique(past[::-1], return_index=True)
    visited = past[np.sort(past.size - 1 - from_end)]
    # More than the TLB holds, because its sets do not fill evenly and pages on large blocks share an entry; most where
    # few visits miss and so mistakes in the first contents last.
    is_near_reach = n_pages <= 32 * cpu.l2_entries
    wanted = cpu.l2_entries * 5 // 2 if is_near_reach else cpu.l2_entries * 5 // 4
    older = np.setdiff1d(np.arange(min(n_pages, wanted)), visited)[::-1]
    pages = np.concatenate([older, visited])[-wanted:]
    n_blocks = min(-(-n_pages // PAGES_PER_LARGE_PAGE), cpu.l2_entries)
    blocks = np.setdiff1d(np.arange(n_blocks), pages // PAGES_PER_LARGE_PAGE)[::-1]
    return np.concatenate([blocks * PAGES_PER_LARGE_PAGE, pages])


def _map_guest(bench: _Bench, pages: np.ndarray, pattern: _Pattern) -> None:
    """Map the given pages only, with 2 MiB or 4 KiB by block: no other entry is ever read, so counts stay exact."""
    fills_at = _spread(pages // PAGES_PER_LARGE_PAGE, _GUEST_STEP, pattern.guest_shift, bench.seed)
    is_large = fills_at < bench.assumptions.guest_large_fraction
    large = np.unique(pages[is_large] // PAGES_PER_LARGE_PAGE) * LARGE_PAGE_BYTES
    small = pages[~is_large] * PAGE_BYTES
    clear_radix(bench.guest)
    _check(map_pages(bench.guest, large, large + _DATA_GPA, LEAF_2M)[1])
    _check(map_pages(bench.guest, small, small + _DATA_GPA, LEAF_4K)[1])


def _map_host(bench: _Bench, data_blocks: np.ndarray) -> np.ndarray:
    """Back the guest's table and data with 2 MiB host pages; return their guest-physical block numbers.

    The host maps each address to itself, so the guest's table from address 0 on is machine memory as it stands.
    """
    n_table_blocks = -(-int(bench.guest.state[USED]) // PAGES_PER_LARGE_PAGE)
    blocks = np.concatenate([np.arange(n_table_blocks), data_blocks + _DATA_GPA // LARGE_PAGE_BYTES])
    clear_radix(bench.host)
    _check(map_pages(bench.host, blocks * LARGE_PAGE_BYTES, blocks * LARGE_PAGE_BYTES, LEAF_2M)[1])
    return blocks


def _check(status: int) -> None:
    if status != DONE:
        raise InvariantError(f"a sampled page table did not come out as planned (status {status})")


def _spread(numbers: np.ndarray, step: float, shift: float, seed: int) -> np.ndarray:
    """Return for each number a value in [0, 1): evenly filled by any run of numbers, moved by shift and seed."""
    start = stable_hash32(f"translation/{seed}/{step}") / 2**32
    values: np.ndarray = (numbers * step + start + shift) % 1.0
    return values


def _count(out: np.ndarray) -> np.ndarray:
    """Return visits, second-level hits, misses and page-table references of a run."""
    outcome = out[:, OUTCOME]
    if (outcome == FAULT).any():
        raise InvariantError("a sampled page is not mapped")
    return np.array([outcome.size, (outcome == HIT_L2).sum(), (outcome == MISS).sum(), out[:, REFERENCES].sum()])


def _price(counts: np.ndarray, bench: _Bench) -> Measured:
    """Turn counts into cycles and these into a share of the useful ones."""
    visits, l2_hits, misses, references = (int(count) for count in counts)
    assumptions = bench.assumptions
    instructions_per_visit = assumptions.references_per_visit / assumptions.references_per_instruction
    useful_cycles = visits * instructions_per_visit * assumptions.cycles_per_instruction
    cycles = l2_hits * bench.cpu.l2_hit_cycles + references * bench.cpu.walk_ref_cycles
    return Measured(l2_hits / visits, misses / visits, references / max(misses, 1), cycles / useful_cycles)
