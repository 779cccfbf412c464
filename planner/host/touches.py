"""The touches of VMs for hosts: drawn once and kept for the next host that holds the VM, or drawn piece by piece.

Both give the same touches: which pages a VM touches depends on the VM alone.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from planner.kernels.draws import build_exponential_table
from planner.kernels.state import N_AGE_BUCKETS, DemandPlan, TouchProcess, TouchScratch, VmDemand
from planner.kernels.touches import draw_touches
from planner.workload.touch import TouchSchedule

KEPT_BYTES = 1 << 30
"""Touches kept in memory by one process, in all. A fleet of 450 VMs over two weeks takes about 120 MB."""

PIECE_TOUCHES = 1 << 24
"""Touches drawn at once for a host whose touches are not kept: 64 MiB of page numbers."""

_DRAWS_AT_ONCE = 512


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


class TouchSource(Protocol):
    """Where a host gets the demand of its VMs from."""

    def plan(self, vm_idx: np.ndarray, is_quiet: bool, calm: CalmTicks) -> DemandPlan:
        """Return the demand of the VMs `vm_idx` (int array) for one host; a quiet host needs no touches."""
        ...


class TouchLaw(NamedTuple):
    """What the touches of a replicate's VMs are drawn from.

    Attributes
    ----------
    schedule : TouchSchedule
    keys : uint32 array, shape (n_vms,)
        Draw key of each VM.
    drift_per_tick : float
        Share of granted pages that get a new popularity rank in a tick.
    """

    schedule: TouchSchedule
    keys: np.ndarray
    drift_per_tick: float


class TouchStore:
    """Touches of the VMs of one replicate over the whole horizon, drawn when first asked for.

    Parameters
    ----------
    law : TouchLaw
    """

    def __init__(self, law: TouchLaw) -> None:
        self._law = law
        self._n_ticks = law.schedule.clock.shape[1]
        self._kept: OrderedDict[int, VmTouches] = OrderedDict()
        self._kept_bytes = 0

    def plan(self, vm_idx: np.ndarray, is_quiet: bool, calm: CalmTicks) -> DemandPlan:
        """Return the demand of the VMs `vm_idx` (int array) for one host; a quiet host needs no touches."""
        plan = _untouched_plan(self._law.schedule, vm_idx, calm)
        pages = []
        offset = 0
        for row, v in enumerate(vm_idx if not is_quiet else ()):
            touches = self._touches(int(v))
            plan.touched_start[row] = touches.start + offset
            offset += touches.page.size
            pages.append(touches.page)
        return plan._replace(touched_page=np.concatenate(pages)) if pages else plan

    def pieces(self, plan: DemandPlan, is_quiet: bool) -> Iterator[Piece]:
        """Return the whole horizon in one piece: `plan` has its touches."""
        yield Piece((0, self._n_ticks), plan)

    def _touches(self, v: int) -> VmTouches:
        if v in self._kept:
            self._kept.move_to_end(v)
            return self._kept[v]
        touches = self._draw(v)
        self._kept[v] = touches
        self._kept_bytes += touches.page.nbytes + touches.start.nbytes
        while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._kept_bytes -= dropped.page.nbytes + dropped.start.nbytes
        return touches

    def _draw(self, v: int) -> VmTouches:
        process = VmProcess(self._law, v)
        start = np.zeros(self._n_ticks + 1, dtype=np.int64)
        expected = int(self._law.schedule.active_pages[v].sum())
        page = process.draw((0, self._n_ticks), 0, np.empty(_capacity(expected, process.n_pages), np.int32), start)
        return VmTouches(page[: start[-1]].copy(), start)


class TouchStream:
    """Touches of one host's VMs, drawn a piece of the horizon at a time: for hosts with too many of them to keep.

    Parameters
    ----------
    law : TouchLaw
    vm_idx : int array, shape (n_vms_on_host,)
        VMs of the host.
    piece_touches : int
        Touches to expect in a piece. Its size changes nothing but memory and time.
    """

    def __init__(self, law: TouchLaw, vm_idx: np.ndarray, piece_touches: int = PIECE_TOUCHES) -> None:
        self._law = law
        self._vm_idx = vm_idx
        self._piece_touches = piece_touches

    def plan(self, vm_idx: np.ndarray, is_quiet: bool, calm: CalmTicks) -> DemandPlan:
        """Return the demand of the host's VMs without touches; `pieces` adds them."""
        return _untouched_plan(self._law.schedule, vm_idx, calm)

    def pieces(self, plan: DemandPlan, is_quiet: bool) -> Iterator[Piece]:
        """Draw the horizon piece by piece, in order; a piece is overwritten by the next one."""
        if is_quiet:
            yield Piece((0, plan.granted.shape[1]), plan)
            return
        processes = [VmProcess(self._law, int(v)) for v in self._vm_idx]
        expected = self._law.schedule.active_pages[self._vm_idx].sum(axis=0)
        most_pages = max((process.n_pages for process in processes), default=0)
        page = np.empty(_capacity(self._piece_touches, most_pages), dtype=np.int32)
        for ticks in _split(expected, self._piece_touches):
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
    v : int
        The VM.
    """

    def __init__(self, law: TouchLaw, v: int) -> None:
        schedule = law.schedule
        self.n_pages = int(schedule.n_pages[v])
        self._demand = VmDemand(law.keys[v], schedule.clock[v], schedule.granted_pages[v])
        self._process = TouchProcess(
            schedule.gap, build_exponential_table(), schedule.clock_unit[v], law.drift_per_tick
        )
        self._scratch = TouchScratch(
            due=np.empty(self.n_pages, dtype=np.uint32),
            rank=np.empty(self.n_pages, dtype=np.int32),
            draws=np.empty(_DRAWS_AT_ONCE, dtype=np.uint32),
        )

    def draw(self, ticks: tuple[int, int], count: int, page: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Append the touches of a run of ticks to `page`, from `count` on, and fill `start`.

        Parameters are those of `planner.kernels.touches.draw_touches`. Returns `page`, or a longer one where that was
        too short.
        """
        first, end = ticks
        while True:
            first = draw_touches(self._demand, (first, end), self._process, self._scratch, count, page, start)
            if first == end:
                return page
            count = int(start[first])
            longer = np.empty(2 * page.size + self.n_pages, dtype=np.int32)
            longer[:count] = page[:count]
            page = longer


def _untouched_plan(schedule: TouchSchedule, vm_idx: np.ndarray, calm: CalmTicks) -> DemandPlan:
    n_ticks = schedule.clock.shape[1]
    return DemandPlan(
        granted=schedule.granted_pages[vm_idx],
        active=schedule.active_pages[vm_idx],
        touched_page=np.zeros(0, dtype=np.int32),
        touched_start=np.zeros((vm_idx.size, n_ticks + 1), dtype=np.int64),
        age_bucket=age_buckets(n_ticks),
        calm_overhead=calm.overhead[vm_idx],
        calm_bin=calm.bin[vm_idx],
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
    bits = np.array([age.bit_length() for age in range(n_ticks + 1)])
    buckets: np.ndarray = np.minimum(bits, N_AGE_BUCKETS - 1).astype(np.uint8)
    return buckets
