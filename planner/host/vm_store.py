"""What hosts need of their VMs, by VM: drawn when a host holds the VM, kept for the next host that does.

A sweep meets a VM many times, once per ratio and placement. Rows are kept up to a budget in bytes, the ones not asked
for the longest are dropped and made again when needed: memory does not grow with the fleet, results do not change.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from planner.host.touches import CalmTicks, TouchLaw, VmTouches, draw_vm
from planner.kernels.calm import CalmTable, fill_calm
from planner.workload.fleet import Demand, Presence, always_present
from planner.workload.kept import Kept
from planner.workload.source import DemandSource

KEPT_BYTES = 1 << 29
"""Rows kept in memory by one process, in all. A VM takes about 65 bytes a tick: 250 KB over two weeks of 5 minutes."""

_ROW_BYTES = 1 << 9
"""What a row takes beside its numbers: the objects that hold them."""

Row = TypeVar("Row", bound=tuple[object, ...])


class _DemandRow(NamedTuple):
    series: np.ndarray  # float32, shape (2, n_ticks): active and granted
    cpu_busy_vcpus: float
    is_whole: bool
    running_tick: int


class _CalmRow(NamedTuple):
    overhead: np.ndarray
    bin: np.ndarray


class VmStore:
    """Demand, calm ticks and touches of a fleet's VMs.

    Parameters
    ----------
    source : DemandSource
    budget_bytes : int
        Most bytes that are kept.
    """

    def __init__(self, source: DemandSource, budget_bytes: int = KEPT_BYTES) -> None:
        self._source = source
        self._kept: Kept[tuple[object, ...]] = Kept(budget_bytes)
        self._tick_s: float | None = None

    @property
    def held_bytes(self) -> int:
        """Bytes that are kept now."""
        return self._kept.held_bytes

    def demand(self, replicate: int, vm_idx: np.ndarray) -> Demand:
        """Return the demand of some VMs in one replicate, rows in the order of `vm_idx`, with their presence."""
        if self._tick_s is None or vm_idx.size == 0:
            # Nothing is known of the window yet, or no row would say how long it is.
            drawn = self._source.demand(replicate, vm_idx[:0])
            self._tick_s = drawn.tick_s
            if vm_idx.size == 0:
                return drawn
        rows = self._rows(("demand", replicate), vm_idx, lambda new: self._draw(replicate, vm_idx[new]))
        series = np.empty((2, len(rows), rows[0].series.shape[1]), dtype=np.float32)
        for position, row in enumerate(rows):
            series[:, position] = row.series
        return Demand(
            tick_s=self._tick_s,
            active_fraction=series[0],
            granted_fraction=series[1],
            cpu_busy_vcpus=np.array([row.cpu_busy_vcpus for row in rows]),
            presence=Presence(
                np.array([row.is_whole for row in rows]), np.array([row.running_tick for row in rows], dtype=np.int64)
            ),
        )

    def _draw(self, replicate: int, vm_idx: np.ndarray) -> list[_DemandRow]:
        drawn = self._source.demand(replicate, vm_idx)
        presence = drawn.presence or always_present(vm_idx.size)
        figures = zip(
            drawn.cpu_busy_vcpus.tolist(), presence.is_whole.tolist(), presence.running_tick.tolist(), strict=True
        )
        rows = []
        for row, of_vm in enumerate(figures):
            # Rows of their own: a view would keep all that was drawn with it.
            series = np.empty((2, drawn.n_ticks), dtype=np.float32)
            series[0], series[1] = drawn.active_fraction[row], drawn.granted_fraction[row]
            rows.append(_DemandRow(series, *of_vm))
        return rows

    def touches(self, key: Hashable, vm_idx: np.ndarray, law: TouchLaw) -> list[VmTouches]:
        """Return the touches of some VMs over the horizon; `key` names the law, whose rows are those of `vm_idx`."""
        return self._rows(("touches", key), vm_idx, lambda new: [draw_vm(law, row) for row in new])

    def calm(
        self, key: Hashable, vm_idx: np.ndarray, active_pages: np.ndarray, page_bytes: float, table: CalmTable
    ) -> CalmTicks:
        """Return what calm ticks of some VMs come to; `key` names what that depends on besides the VM.

        Parameters
        ----------
        active_pages : float64 array, shape (n_vms, n_ticks)
        page_bytes : float
            Size of a sampled page. [bytes]
        """

        def make(row: int) -> _CalmRow:
            calm = _CalmRow(np.empty(active_pages.shape[1]), np.empty(active_pages.shape[1], dtype=np.uint8))
            fill_calm(active_pages[row], page_bytes, table, calm.overhead, calm.bin)
            return calm

        rows = self._rows(("calm", key), vm_idx, lambda new: [make(row) for row in new])
        calm = CalmTicks(np.empty(active_pages.shape), np.empty(active_pages.shape, dtype=np.uint8))
        for row, kept in enumerate(rows):
            calm.overhead[row], calm.bin[row] = kept.overhead, kept.bin
        return calm

    def _rows(self, kind: Hashable, vm_idx: np.ndarray, make: Callable[[Sequence[int]], Sequence[Row]]) -> list[Row]:
        """Return a row per VM; `make` makes those at some positions of `vm_idx`."""
        keys = [(kind, v) for v in vm_idx.tolist()]
        found: list[Any] = [self._kept.get(key) for key in keys]
        new = [position for position, row in enumerate(found) if row is None]
        for position, row in zip(new, make(new) if new else (), strict=True):
            found[position] = row
            n_bytes = sum([part.nbytes for part in row if isinstance(part, np.ndarray)])
            self._kept.put(keys[position], row, n_bytes + _ROW_BYTES)
        return found
