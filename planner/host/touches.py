"""The touches of a replicate's VMs, drawn when first asked for and kept for the next host that holds the VM."""

from collections import OrderedDict
from typing import NamedTuple, Protocol

import numpy as np

from planner.kernels.draws import build_exponential_table
from planner.kernels.state import N_AGE_BUCKETS, DemandPlan, TouchProcess, TouchScratch
from planner.kernels.touches import draw_touches
from planner.workload.touch import TouchSchedule

KEPT_BYTES = 1 << 30
"""Touches kept in memory by one process, in all. A fleet of 450 VMs over two weeks takes about 120 MB."""


class VmTouches(NamedTuple):
    """Touches of one VM: `page` int32, by tick `start[t] : start[t + 1]`."""

    page: np.ndarray
    start: np.ndarray


class CalmTicks(NamedTuple):
    """Translation overhead and slowdown bin of VM-ticks without stalls, all memory mapped large; by VM and tick."""

    overhead: np.ndarray
    bin: np.ndarray


class TouchSource(Protocol):
    """Where a host gets the demand of its VMs from."""

    def plan(self, vm_idx: np.ndarray, is_quiet: bool) -> DemandPlan:
        """Return the demand of the VMs `vm_idx` (int array) for one host; a quiet host needs no touches."""
        ...


class TouchStore:
    """Touches of the VMs of one replicate under one popularity law.

    Parameters
    ----------
    schedule : TouchSchedule
    keys : uint32 array, shape (n_vms,)
        Draw key of each VM.
    drift_per_tick : float
        Share of granted pages that get a new popularity rank in a tick.
    calm : CalmTicks
        What VM-ticks without stalls come to.
    """

    def __init__(self, schedule: TouchSchedule, keys: np.ndarray, drift_per_tick: float, calm: CalmTicks) -> None:
        self._schedule = schedule
        self._keys = keys
        self._drift_per_tick = drift_per_tick
        self._calm = calm
        self._exponential = build_exponential_table()
        self._kept: OrderedDict[int, VmTouches] = OrderedDict()
        self._kept_bytes = 0

    def plan(self, vm_idx: np.ndarray, is_quiet: bool) -> DemandPlan:
        """Return the demand of the VMs `vm_idx` (int array) for one host; a quiet host needs no touches."""
        schedule = self._schedule
        n_ticks = schedule.clock.shape[1]
        start = np.zeros((vm_idx.size, n_ticks + 1), dtype=np.int64)
        pages = []
        offset = 0
        for row, v in enumerate(vm_idx if not is_quiet else ()):
            touches = self._touches(int(v))
            start[row] = touches.start + offset
            offset += touches.page.size
            pages.append(touches.page)
        return DemandPlan(
            granted=schedule.granted_pages[vm_idx],
            active=schedule.active_pages[vm_idx],
            touched_page=np.concatenate(pages) if pages else np.zeros(0, dtype=np.int32),
            touched_start=start,
            age_bucket=age_buckets(n_ticks),
            calm_overhead=self._calm.overhead[vm_idx],
            calm_bin=self._calm.bin[vm_idx],
        )

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
        schedule = self._schedule
        n_pages, n_ticks = int(schedule.n_pages[v]), schedule.clock.shape[1]
        process = TouchProcess(schedule.gap, self._exponential, schedule.clock_unit[v], self._drift_per_tick)
        scratch = TouchScratch(np.zeros(n_pages, dtype=np.uint32), np.zeros(n_pages, dtype=np.int32))
        start = np.zeros(n_ticks + 1, dtype=np.int64)
        capacity = int(1.2 * schedule.active_pages[v].sum()) + 4 * n_pages + n_ticks
        while True:
            page = np.empty(capacity, dtype=np.int32)
            clock, granted = schedule.clock[v], schedule.granted_pages[v]
            if draw_touches(self._keys[v], clock, granted, process, scratch, page, start):
                return VmTouches(page[: start[-1]].copy(), start)
            capacity *= 2


def age_buckets(n_ticks: int) -> np.ndarray:
    """Return the bucket of each age in ticks: uint8 array, shape (n_ticks + 1,). Buckets double: 0, 1, 2-3, 4-7, ..."""
    bits = np.array([age.bit_length() for age in range(n_ticks + 1)])
    buckets: np.ndarray = np.minimum(bits, N_AGE_BUCKETS - 1).astype(np.uint8)
    return buckets
