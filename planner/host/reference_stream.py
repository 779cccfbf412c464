"""A VM's sampled reference stream, and the page tables of what it visits: the bench on which translation is measured.

Only visited pages (and whole 2 MiB leaves around them) are mapped: a walk reads only the entries on the path to its own
page. docs/model/translation.md has the assumptions and their sources.
"""

from math import gcd
from typing import NamedTuple

import numpy as np

from planner.config.cpu import CpuSpec
from planner.errors import InvariantError
from planner.host.hardware import tlb_geometry, walker_geometry
from planner.host.layout import Layout, build_layout, first_active, place_pages
from planner.kernels.radix import DONE, LEAF_2M, LEAF_4K, USED, Radix, build_radix, clear_radix, map_pages
from planner.kernels.tlb import Tlb, build_tlb
from planner.kernels.visits import build_head_weights, draw_visits, place_visits
from planner.kernels.walk_caches import Walker, build_walker
from planner.streams import stable_hash32
from planner.units import LARGE_PAGE_BYTES, PAGE_BYTES, PAGES_PER_LARGE_PAGE

_PURPOSE_VISIT, _PURPOSE_LINE = 8, 30
DATA_GPA = 1 << 40
_HOST_TABLE_HPA = 1 << 46
# The R2 sequence (powers of 1 / plastic number): its fractional parts fill the square evenly, so every run of
# neighbouring blocks has its right share of large guest and large host pages, independently of each other.
HOST_STEP, GUEST_STEP = 0.7548776662466927, 0.5698402909980532


N_FRACTIONS = 3
"""Most mappings that one stream runs on."""


class StreamAssumptions(NamedTuple):
    """How a VM references memory. Sources and doubts: docs/model/translation.md.

    Attributes
    ----------
    guest_large_fraction : float
        Share of the active memory that the guest OS maps with 2 MiB pages. Assumption.
    useful_cycles_per_visit : float
        Cycles of useful work from one page visit to the next. Calibrated.
    steepest_alpha : float
        Upper bound of the exponent of the law of page visits.
    guest_levels, host_levels : int
        Levels of the guest's and of the host's table, 4 or 5.
    active_share : float
        Active ÷ granted memory: how far apart active pages lie. 1: all memory is active, as of one program.
    is_scattered : bool
        Whether popular pages lie anywhere in memory, or next to one another by popularity.
    """

    guest_large_fraction: float = 0.5
    useful_cycles_per_visit: float = 2725.0
    steepest_alpha: float = 0.99
    guest_levels: int = 4
    host_levels: int = 4
    active_share: float = 1.0
    is_scattered: bool = False


HOST_STREAM = StreamAssumptions(active_share=0.05)
"""Of VMs on hosts. The median VM of a managed-hosting fleet touches 5 % of its granted memory within five minutes."""


class Effort(NamedTuple):
    """How long is measured.

    Attributes
    ----------
    n_guest_patterns, n_host_patterns : int
        Which blocks are large in guest and host is tried in all combinations.
    n_past : int
        Visits that only set the first contents of TLB and caches.
    n_warm_up, n_again, n_measured : int
        Visits that run unmeasured on the first mappings and on each further one, visits measured on each.
    reach : float
        Pages of the past that are replayed ÷ second-level TLB entries.
    has_whole_llc : bool
        Whether the core has the last-level cache to itself.
    """

    n_guest_patterns: int
    n_host_patterns: int
    n_past: int
    n_warm_up: int
    n_again: int
    n_measured: int
    reach: float
    has_whole_llc: bool


class Pattern(NamedTuple):
    """Shifts of which blocks are large in the guest and broken in the host; own visits, too."""

    number: int
    guest_shift: float
    host_shift: float


class Bench(NamedTuple):
    """What one measurement needs: CPU, stream, and tables that are cleared and used again."""

    cpu: CpuSpec
    alpha: float
    seed: int
    assumptions: StreamAssumptions
    effort: Effort
    layout: Layout
    guest: Radix
    host: Radix
    tlb: Tlb
    walker: Walker


def build_bench(cpu: CpuSpec, law_alpha: float, seed: int, assumptions: StreamAssumptions, effort: Effort) -> Bench:
    """Build the bench of one CPU; for visits `law_alpha` is bounded by `assumptions.steepest_alpha`."""
    # Each sampled page adds at most three nodes; memory that is never taken is never backed.
    n_visits = int(effort.reach * cpu.tlb.l2[0]) + cpu.tlb.l2[0] + _n_visits(effort, N_FRACTIONS)
    n_nodes = 3 * n_visits + PAGES_PER_LARGE_PAGE
    guest = build_radix(assumptions.guest_levels, 0, n_nodes)
    host = build_radix(assumptions.host_levels, _HOST_TABLE_HPA, n_nodes)
    alpha = min(law_alpha, assumptions.steepest_alpha)
    walker = build_walker(walker_geometry(cpu, effort.has_whole_llc))
    layout = build_layout(law_alpha, assumptions.active_share)
    return Bench(cpu, alpha, seed, assumptions, effort, layout, guest, host, build_tlb(tlb_geometry(cpu)), walker)


def _n_visits(effort: Effort, n_mappings: int) -> int:
    return effort.n_warm_up + effort.n_measured + (n_mappings - 1) * (effort.n_again + effort.n_measured)


def patterns(effort: Effort) -> tuple[Pattern, ...]:
    """List the combinations of which blocks are large."""
    n_guest, n_host = effort.n_guest_patterns, effort.n_host_patterns
    return tuple(Pattern(g * n_host + h, g / n_guest, h / n_host) for g in range(n_guest) for h in range(n_host))


def draw_stream(bench: Bench, active_bytes: int, pattern: Pattern, n_mappings: int) -> list[np.ndarray]:
    """Return the addresses visited under each of the mappings.

    The last `n_measured` of each are the ones to measure.
    """
    effort = bench.effort
    n_pages = max(active_bytes // PAGE_BYTES, 1)
    head = build_head_weights(bench.alpha, n_pages)
    visits = np.zeros(effort.n_past + _n_visits(effort, n_mappings), np.int64)
    key = np.uint32(stable_hash32(f"translation/{bench.seed}/{pattern.number}"))
    draw_visits(key, _PURPOSE_VISIT, head, bench.alpha, n_pages, visits)
    past = _recency_order(visits[: effort.n_past], n_pages, bench)
    ranks = np.concatenate([past, visits[effort.n_past :]])
    if bench.assumptions.is_scattered:
        ranks = ranks * _scatter_step(n_pages) % n_pages
    addresses = place_pages(bench.layout, ranks, n_pages)
    place_visits(key, _PURPOSE_LINE, addresses)
    first_end = past.size + effort.n_warm_up + effort.n_measured
    ends = first_end + (effort.n_again + effort.n_measured) * np.arange(n_mappings - 1)
    return np.split(addresses, ends)


def _scatter_step(n_pages: int) -> int:
    """Return a step near the golden section of the pages: multiples of it visit each page once, far from the last."""
    step = int(n_pages * 0.618) | 1
    while gcd(step, n_pages) != 1:
        step += 2
    return step


def _recency_order(past: np.ndarray, n_pages: int, bench: Bench) -> np.ndarray:
    """Return the ranks of the pages that fill TLB and caches as the past visits leave them, least recent first.

    LRU remembers the order of last visits only, so a long past costs little. Pages and blocks that it did not reach
    are taken as older, the less popular the older.
    """
    _, from_end = np.unique(past[::-1], return_index=True)
    visited = past[np.sort(past.size - 1 - from_end)]
    l2_entries = bench.cpu.tlb.l2[0]
    wanted = int(l2_entries * bench.effort.reach)
    older = np.setdiff1d(np.arange(min(n_pages, wanted)), visited)[::-1]
    ranks = np.concatenate([older, visited])[-wanted:]
    last_place = place_pages(bench.layout, np.array([n_pages - 1]), n_pages)[0]
    n_blocks = min(int(last_place) // PAGES_PER_LARGE_PAGE + 1, l2_entries)
    reached = place_pages(bench.layout, ranks, n_pages) // PAGES_PER_LARGE_PAGE
    blocks = np.setdiff1d(np.arange(n_blocks), reached)[::-1]
    return np.concatenate([first_active(bench.layout, blocks * PAGES_PER_LARGE_PAGE, n_pages), ranks])


def map_guest(bench: Bench, pages: np.ndarray, pattern: Pattern) -> None:
    """Map the given pages only, with 2 MiB or 4 KiB by block: no other entry is ever read, so counts stay exact."""
    fills_at = spread(pages // PAGES_PER_LARGE_PAGE, GUEST_STEP, pattern.guest_shift, bench.seed)
    is_large = fills_at < bench.assumptions.guest_large_fraction
    large = np.unique(pages[is_large] // PAGES_PER_LARGE_PAGE) * LARGE_PAGE_BYTES
    small = pages[~is_large] * PAGE_BYTES
    clear_radix(bench.guest)
    check_status(map_pages(bench.guest, large, large + DATA_GPA, LEAF_2M)[1])
    check_status(map_pages(bench.guest, small, small + DATA_GPA, LEAF_4K)[1])


def map_host(bench: Bench, data_blocks: np.ndarray) -> np.ndarray:
    """Back the guest's table and data with 2 MiB host pages; return their guest-physical block numbers.

    The host maps each address to itself, so the guest's table from address 0 on is machine memory as it stands.
    """
    n_table_blocks = -(-int(bench.guest.state[USED]) // PAGES_PER_LARGE_PAGE)
    blocks = np.concatenate([np.arange(n_table_blocks), data_blocks + DATA_GPA // LARGE_PAGE_BYTES])
    clear_radix(bench.host)
    check_status(map_pages(bench.host, blocks * LARGE_PAGE_BYTES, blocks * LARGE_PAGE_BYTES, LEAF_2M)[1])
    return blocks


def check_status(status: int) -> None:
    """Refuse any result of a table operation but `DONE`.

    Raises
    ------
    InvariantError
        The bench was laid out wrongly.
    """
    if status != DONE:
        raise InvariantError(f"a sampled page table did not come out as planned (status {status})")


def spread(numbers: np.ndarray, step: float, shift: float, seed: int) -> np.ndarray:
    """Return for each number a value in [0, 1): evenly filled by any run of numbers, moved by shift and seed."""
    start = stable_hash32(f"translation/{seed}/{step}") / 2**32
    values: np.ndarray = (numbers * step + start + shift) % 1.0
    return values
