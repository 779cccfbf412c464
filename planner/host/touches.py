"""The touches of one host's VMs: drawn for the whole horizon, to be kept for the next host, or piece by piece.

Both give the same touches: which pages a VM touches depends on the VM alone.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from planner.kernels.draws import build_exponential_table
from planner.kernels.state import N_AGE_BUCKETS, DemandPlan, TouchProcess, TouchScratch, VmDemand
from planner.kernels.touches import draw_touches
from planner.workload.fleet import Demand
from planner.workload.popularity import PopularityLaw
from planner.workload.touch import DemandPages, build_touch_clock, stratum_gaps

PIECE_TOUCHES = 1 << 24
"""Touches drawn at once for a host whose touches are not kept: 64 MiB of page numbers."""

_DRAWS_AT_ONCE = 512
_SECONDS_PER_DAY = 86_400.0


class VmTouches(NamedTuple):
    """Touches of one VM: `page` int32, by tick `start[t] : start[t + 1]`."""

    page: np.ndarray
    start: np.ndarray


class CalmTicks(NamedTuple):
    """Translation overhead and slowdown bin of VM-ticks without stalls, all memory mapped large; by VM and tick."""

    overhead: np.ndarray
    bin: np.ndarray


class Piece(NamedTuple):
    """A run of ticks, from the first to before the end, and the demand plan that holds the touches in it."""

    ticks: tuple[int, int]
    plan: DemandPlan


class TouchLaw(NamedTuple):
    """What the touches of a host's VMs are drawn from.

    Attributes
    ----------
    demand : Demand
        Of the host's VMs.
    pages : DemandPages
        The same in sampled pages.
    keys : uint32 array, shape (n_vms,)
        Draw key of each VM.
    law : PopularityLaw
    """

    demand: Demand
    pages: DemandPages
    keys: np.ndarray
    law: PopularityLaw


def draw_vm(law: TouchLaw, row: int) -> VmTouches:
    """Draw the touches of the VM in a row over the whole horizon."""
    process, n_ticks = VmProcess(law, row), law.demand.n_ticks
    start = np.zeros(n_ticks + 1, dtype=np.int64)
    expected = int(law.pages.active[row].sum())
    page = process.draw((0, n_ticks), 0, np.empty(_capacity(expected, process.n_pages), np.int32), start)
    return VmTouches(page[: start[-1]].copy(), start)


def whole_horizon(plan: DemandPlan, touches: list[VmTouches]) -> Iterator[Piece]:
    """Give the touches of all VMs in one piece."""
    offset = 0
    for row, vm in enumerate(touches):
        np.add(vm.start, offset, out=plan.touched_start[row])
        offset += vm.page.size
    pages = np.concatenate([vm.page for vm in touches]) if touches else plan.touched_page
    yield Piece((0, plan.granted.shape[1]), plan._replace(touched_page=pages))


def piece_by_piece(plan: DemandPlan, law: TouchLaw, piece_touches: int = PIECE_TOUCHES) -> Iterator[Piece]:
    """Draw the horizon a piece at a time, in order; a piece is overwritten by the next one.

    Parameters
    ----------
    plan : DemandPlan
        Without touches.
    law : TouchLaw
    piece_touches : int
        Touches to expect in a piece. Its size changes nothing but memory and time.
    """
    processes = [VmProcess(law, row) for row in range(len(law.keys))]
    most_pages = max((process.n_pages for process in processes), default=0)
    page = np.empty(_capacity(piece_touches, most_pages), dtype=np.int32)
    for ticks in _split(law.pages.active.sum(axis=0), piece_touches):
        count = 0
        for row, process in enumerate(processes):
            page = process.draw(ticks, count, page, plan.touched_start[row])
            count = int(plan.touched_start[row, ticks[1]])
        yield Piece(ticks, plan._replace(touched_page=page))


class VmProcess:
    """The touches of one VM under way: what is drawn next follows on what was drawn before.

    Parameters
    ----------
    law : TouchLaw
    row : int
        The VM's row in it.
    """

    def __init__(self, law: TouchLaw, row: int) -> None:
        alpha, drift_per_day = law.law.alpha, law.law.drift_per_day
        clock = build_touch_clock(law.demand, law.pages, row, alpha)
        self.n_pages = int(law.pages.n_pages[row])
        self.demand = VmDemand(law.keys[row], clock.clock, law.pages.granted[row])
        drift_per_tick = drift_per_day * law.demand.tick_s / _SECONDS_PER_DAY
        self._process = TouchProcess(stratum_gaps(alpha), build_exponential_table(), clock.unit, drift_per_tick)
        self.scratch = TouchScratch(
            due=np.empty(self.n_pages, dtype=np.uint32),
            stratum=np.empty(self.n_pages, dtype=np.uint16),
            draws=np.empty(_DRAWS_AT_ONCE, dtype=np.uint32),
        )

    def draw(self, ticks: tuple[int, int], count: int, page: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Append the touches of a run of ticks to `page`, from `count` on, and fill `start`.

        Parameters are those of `planner.kernels.touches.draw_touches`. Returns `page`, or a longer one where that was
        too short.
        """
        first, end = ticks
        while True:
            first = draw_touches(self.demand, (first, end), self._process, self.scratch, count, page, start)
            if first == end:
                return page
            count = int(start[first])
            longer = np.empty(2 * page.size + self.n_pages, dtype=np.int32)
            longer[:count] = page[:count]
            page = longer


def untouched_plan(pages: DemandPages, calm: CalmTicks) -> DemandPlan:
    """Return the demand of a host's VMs for its stack, still without touches."""
    n_vms, n_ticks = pages.granted.shape
    return DemandPlan(
        granted=pages.granted,
        active=pages.active,
        touched_page=np.zeros(0, dtype=np.int32),
        touched_start=np.zeros((n_vms, n_ticks + 1), dtype=np.int64),
        age_bucket=age_buckets(n_ticks),
        calm_overhead=calm.overhead,
        calm_bin=calm.bin,
    )


def _capacity(expected: int, n_pages: int) -> int:
    # Memory that is never written is never backed, so room to spare costs nothing.
    return int(1.2 * expected) + 4 * n_pages + 1024


def _split(expected: np.ndarray, piece_touches: int) -> Iterator[tuple[int, int]]:
    """Split ticks into runs with about so many expected touches, at least a tick each."""
    first, total = 0, 0.0
    for tick, touches in enumerate(expected):
        if tick > first and total + touches > piece_touches:
            yield first, tick
            first, total = tick, 0.0
        total += float(touches)
    yield first, len(expected)


def age_buckets(n_ticks: int) -> np.ndarray:
    """Return the bucket of each age in ticks: uint8 array, shape (n_ticks + 1,). Buckets double: 0, 1, 2-3, 4-7, ..."""
    bits = np.frexp(np.arange(n_ticks + 1))[1]
    buckets: np.ndarray = np.minimum(bits, N_AGE_BUCKETS - 1).astype(np.uint8)
    return buckets
