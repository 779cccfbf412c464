"""What nested address translation costs a VM: measured once per CPU with the exact walker, then read from a table.

For active memory of 4 MiB to 512 GiB and for each share of it that the host maps with 4 KiB pages, a sampled stream of
page visits runs through TLB, page-walk caches, nested TLB and data caches in front of two real radix tables.
docs/model/translation.md has the equations, the sources of the assumptions and what is left out.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from planner.config.cpu import CpuSpec
from planner.errors import InvariantError
from planner.host.reference_stream import (
    HOST_STEP,
    HOST_STREAM,
    Bench,
    Effort,
    Pattern,
    StreamAssumptions,
    build_bench,
    check_status,
    draw_stream,
    map_guest,
    map_host,
    patterns,
    spread,
)
from planner.kernels.overhead import OverheadTable
from planner.kernels.radix import split_pages
from planner.kernels.tlb import HIT_L2, MISS, flush_tlb
from planner.kernels.walk import FAULT, N_RUN_COLUMNS, OUTCOME, TALLY, NestedSpace, run_native, run_nested
from planner.kernels.walk_caches import CYCLES, FROM_L1, LAST_CYCLES, N_TALLY, REFERENCES, flush_walker
from planner.units import LARGE_PAGE_BYTES, PAGE_BYTES, PAGES_PER_LARGE_PAGE

ACTIVE_LOG2_BYTES = (22, 23, 24, 26, 27, 28, 30, 34, 39)
"""Rows of the table: 4 MiB to 512 GiB of active memory, closer where it grows out of the TLB's reach."""

SMALL_FRACTIONS = (0.0, 1.0)
"""Columns of the table. Between them the overhead is a straight line to 5 % (a test holds it to that)."""

TABLE_EFFORT = Effort(2, 1, 30_000, 30_000, 30_000, 10_000, 6.0, has_whole_llc=False)
"""Of the table. A block that most visits go to counts as large in one of the two patterns."""

PROGRAM_EFFORT = Effort(1, 1, 16_000, 400_000, 100_000, 200_000, 2.0, has_whole_llc=True)
"""Of one program on a machine of its own, as papers measure it: long enough to fill its last-level cache."""


class Measured(NamedTuple):
    """What a stream met.

    Attributes
    ----------
    l2_hits_per_visit, misses_per_visit, references_per_miss, cycles_per_miss : float
        Second-level TLB hits, walks, entries read in a walk, time of a walk. [-, -, -, cycles]
    last_share : float
        Share of the walks' time that goes into their last reference: the host's leaf entry of the data's page.
    dram_share : float
        Share of the references that memory answers.
    cycles_per_visit : float
        Walks and look-ups in the second level. [cycles]
    overhead : float
        The same ÷ useful time.
    """

    l2_hits_per_visit: float
    misses_per_visit: float
    references_per_miss: float
    cycles_per_miss: float
    last_share: float
    dram_share: float
    cycles_per_visit: float
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
        TLBs, caches and their latencies.
    law_alpha : float
        Exponent of the popularity law: it says where active memory lies. The law is fitted to minutes; taken down to
        single references, an exponent above 1 would put most of them on one page, so `steepest_alpha` bounds it there.
    seed : int
        Root seed; same arguments, same bytes.
    assumptions : StreamAssumptions, optional
        How VMs reference memory; None for `HOST_STREAM`.

    Notes
    -----
    Cached; about a second of CPU the first time. The arrays are read-only.
    """
    bench = build_bench(cpu, law_alpha, seed, assumptions or HOST_STREAM, TABLE_EFFORT)
    rows = [[m.overhead for m in _measure_size(bench, 1 << log2, SMALL_FRACTIONS)] for log2 in ACTIVE_LOG2_BYTES]
    arrays = OverheadTable(np.array(ACTIVE_LOG2_BYTES, np.float64), np.array(SMALL_FRACTIONS), np.array(rows))
    for array in arrays:
        array.setflags(write=False)
    return TranslationTable(cpu.name, bench.alpha, arrays)


def measure_nested(
    cpu: CpuSpec, active_bytes: int, small_fraction: float, assumptions: StreamAssumptions, effort: Effort
) -> Measured:
    """Measure one point: a VM with `active_bytes` of active memory, `small_fraction` of it in 4 KiB host pages."""
    bench = build_bench(cpu, assumptions.steepest_alpha, 0, assumptions, effort)
    return _measure_size(bench, active_bytes, (small_fraction,))[0]


def measure_native(cpu: CpuSpec, active_bytes: int, assumptions: StreamAssumptions, effort: Effort) -> Measured:
    """Measure the same streams without virtualization: the guest's table alone. Shadow paging walks the same way."""
    bench = build_bench(cpu, assumptions.steepest_alpha, 0, assumptions, effort)
    counts = np.zeros(N_COUNTS, np.int64)
    for pattern in patterns(effort):
        (addresses,) = draw_stream(bench, active_bytes, pattern, 1)
        map_guest(bench, np.unique(addresses // PAGE_BYTES), pattern)
        out = np.zeros((addresses.size, N_RUN_COLUMNS), np.int64)
        flush_tlb(bench.tlb)
        flush_walker(bench.walker)
        run_native(bench.guest, bench.tlb, bench.walker, addresses, out)
        counts += count_run(out[-effort.n_measured :])
    return price_counts(counts, bench.cpu, assumptions)


def _measure_size(bench: Bench, active_bytes: int, small_fractions: tuple[float, ...]) -> list[Measured]:
    """Measure one active size for ascending small fractions."""
    counts = sum(count_pattern(bench, active_bytes, small_fractions, pattern) for pattern in patterns(bench.effort))
    return [price_counts(row, bench.cpu, bench.assumptions) for row in np.asarray(counts)]


def count_pattern(bench: Bench, active_bytes: int, small_fractions: tuple[float, ...], pattern: Pattern) -> np.ndarray:
    """Return the counts of `count_run`, a row per fraction, breaking more large host pages from one to the next.

    What breaks empties the TLB; page-walk caches and data caches stay as they are, as on the machine.
    """
    streams = draw_stream(bench, active_bytes, pattern, len(small_fractions))
    pages = np.unique(np.concatenate(streams) // PAGE_BYTES)
    map_guest(bench, pages, pattern)
    blocks = map_host(bench, np.unique(pages // PAGES_PER_LARGE_PAGE))
    space = NestedSpace(bench.guest.entries, bench.guest.base, bench.guest.levels, bench.host)
    breaks_at = spread(blocks, HOST_STEP, pattern.host_shift, bench.seed)
    counts = np.zeros((len(small_fractions), N_COUNTS), np.int64)
    flush_walker(bench.walker)
    broken_up_to = 0.0
    for row, (fraction, addresses) in enumerate(zip(small_fractions, streams, strict=True)):
        to_break = blocks[(breaks_at >= broken_up_to) & (breaks_at < fraction)]
        check_status(split_pages(bench.host, to_break * LARGE_PAGE_BYTES)[1])
        broken_up_to = fraction
        flush_tlb(bench.tlb)
        out = np.zeros((addresses.size, N_RUN_COLUMNS), np.int64)
        run_nested(space, bench.tlb, bench.walker, addresses, out)
        counts[row] = count_run(out[-bench.effort.n_measured :])
    return counts


VISITS, L2_HITS, MISSES, WALKS = 0, 1, 2, 3
"""Columns of `count_run`; from `WALKS` on the sums of `Walker.tally`."""

N_COUNTS = WALKS + N_TALLY


def count_run(out: np.ndarray) -> np.ndarray:
    """Sum up a run (int64 array, shape (n_visits, N_RUN_COLUMNS)): see `VISITS`.

    Raises
    ------
    InvariantError
        A page of the stream is not mapped.
    """
    outcome = out[:, OUTCOME]
    if (outcome == FAULT).any():
        raise InvariantError("a sampled page is not mapped")
    hits = (outcome.size, (outcome == HIT_L2).sum(), (outcome == MISS).sum())
    return np.concatenate([hits, out[:, TALLY:].sum(axis=0)])


def price_counts(counts: np.ndarray, cpu: CpuSpec, assumptions: StreamAssumptions) -> Measured:
    """Turn the counts of `count_run` into what `Measured` says."""
    visits, l2_hits, misses = (int(count) for count in counts[:WALKS])
    tally = counts[WALKS:]
    # A miss has looked in the second level, too, before its walk starts.
    cycles = (l2_hits + misses) * cpu.tlb.l2_hit_cycles + int(tally[CYCLES])
    return Measured(
        l2_hits_per_visit=l2_hits / visits,
        misses_per_visit=misses / visits,
        references_per_miss=int(tally[REFERENCES]) / max(misses, 1),
        cycles_per_miss=int(tally[CYCLES]) / max(misses, 1),
        last_share=int(tally[LAST_CYCLES]) / max(int(tally[CYCLES]), 1),
        dram_share=int(tally[FROM_L1 + 3]) / max(int(tally[REFERENCES]), 1),
        cycles_per_visit=cycles / visits,
        overhead=cycles / visits / assumptions.useful_cycles_per_visit,
    )
