"""From what the kernels filled to result columns: bytes, seconds, percentiles. Names and units are in `schema.py`."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from planner.config.slo import SloSpec
from planner.host.slowdown import pressure_columns, slowdown_columns, slowdown_edges, slowdown_parts
from planner.kernels import account
from planner.kernels.account import Costs, Out
from planner.kernels.columns import fill_percentiles, sum_columns
from planner.kernels.stalls import N_STALLS
from planner.schema import N_SLOWDOWN_BINS, PAGES_UNIT, TIMELINE_COLUMNS, Column

_AT = {column.name: n for n, column in enumerate(TIMELINE_COLUMNS)}
_SHARING_MEANS = (
    "pages_shared",
    "pages_sharing",
    "pages_unshared",
    "pages_volatile",
    "ksm_zero_pages",
    "stable_node_chains",
    "stable_node_dups",
    "general_profit_bytes",
    "sharing_metadata_bytes",
)
_SHARING_LAST = ("pages_skipped", "pages_scanned", "full_scans")
_BY_PAGE = ("stable_node_chains", "general_profit_bytes", "sharing_metadata_bytes")
"""Columns that the stack counts for each 4 KiB page that a sampled page stands for."""

_STALLS = ("swap_in", "decompress", "guest_paging", "cow", "denied", "direct_reclaim")
_STATES = ("high", "clear", "soft", "hard", "low")
_BYTES_BY_TICK = ("private", "shared", "shared_saved", "ballooned", "evicted", "compressed", "swapped")
_FEWEST_BUSY_VCPUS = 0.01
"""An idle VM still runs its timer and daemons; keeps the slowdown of a sleeping VM finite."""


def build_out(n_vms: int, n_ticks: int, busy_vcpus: np.ndarray) -> Out:
    """Allocate what a run of `n_vms` VMs over `n_ticks` fills."""
    return Out(
        timeline=np.zeros((n_ticks, len(TIMELINE_COLUMNS)), dtype=np.int64),
        vm_sums=np.zeros((n_vms, account.N_VM_SUMS), dtype=np.int64),
        vm_peaks=np.zeros((n_vms, account.N_VM_PEAKS), dtype=np.int64),
        vm_times=np.zeros((n_vms, account.N_VM_TIMES)),
        slowdown_counts=np.zeros((n_vms, N_SLOWDOWN_BINS), dtype=np.int64),
        slowdown_edges=slowdown_edges(),
        busy_vcpus=np.maximum(busy_vcpus, _FEWEST_BUSY_VCPUS),
        stalls=np.zeros((n_vms, N_STALLS)),
    )


def timeline_bytes(out: Out, costs: Costs) -> np.ndarray:
    """Return the timeline in the units of its columns: bytes, 4 KiB pages, ns.

    Returns
    -------
    int64 array, shape (n_ticks, len(TIMELINE_COLUMNS))
    """
    timeline: np.ndarray = out.timeline * _column_scales(costs.page_scale, costs.page_bytes)
    return timeline


@lru_cache(16)
def _column_scales(page_scale: int, page_bytes: float) -> np.ndarray:
    scales = [_column_scale(column, page_scale, page_bytes) for column in TIMELINE_COLUMNS]
    return np.array(scales, dtype=np.int64)


def _column_scale(column: Column, page_scale: int, page_bytes: float) -> int:
    if column.name in _BY_PAGE or column.unit == PAGES_UNIT:
        return page_scale
    return int(page_bytes) if column.unit == "bytes" else 1


@dataclass(frozen=True)
class RunOfHost:
    """What the judged ticks of a run come to. Columns are named as in `planner.schema.TIMELINE_COLUMNS`.

    Attributes
    ----------
    timeline : int64 array, shape (n_judged_ticks, len(TIMELINE_COLUMNS))
        As the kernels filled it.
    scale : int64 array, shape (len(TIMELINE_COLUMNS),)
        What each column is multiplied with to be in its unit.
    tick_s : float
        Length of a tick. [s]
    slowdown_counts : int64 array, shape (n_vms, N_SLOWDOWN_BINS)
        VM-ticks by slowdown.
    vm_sums : int64 array, shape (n_vms, account.N_VM_SUMS)
    """

    timeline: np.ndarray
    scale: np.ndarray
    tick_s: float
    slowdown_counts: np.ndarray
    vm_sums: np.ndarray

    @cached_property
    def _figures(self) -> tuple[list[int], list[int], list[int], list[int]]:
        """Sum, least and most of every column in its unit, and the ticks in each memory state."""
        n_columns = self.scale.size
        figures, ticks = np.empty((3, n_columns), dtype=np.int64), np.empty(len(_STATES), dtype=np.int64)
        sum_columns(self.timeline, figures[0], figures[1], figures[2], ticks)
        figures *= self.scale
        total, least, most = figures.tolist()
        return total, least, most, ticks.tolist()

    def column(self, name: str) -> np.ndarray:
        """Return one column in its unit: int64 array, shape (n_judged_ticks,)."""
        values: np.ndarray = self.timeline[:, _AT[name]] * self.scale[_AT[name]]
        return values

    def total(self, name: str) -> int:
        """Return the sum of a column."""
        return self._figures[0][_AT[name]]

    def mean(self, name: str) -> float:
        """Return the mean of a column."""
        return self.total(name) / len(self.timeline)

    def least(self, name: str) -> int:
        """Return the smallest value of a column."""
        return self._figures[1][_AT[name]]

    def most(self, name: str) -> int:
        """Return the largest value of a column."""
        return self._figures[2][_AT[name]]

    def state_s(self, number: int) -> float:
        """Return the time in a memory state. [s]."""
        return self._figures[3][number] * self.tick_s


def judged_run(out: Out, costs: Costs) -> RunOfHost:
    """Cut what a run filled to its judged ticks."""
    scale = _column_scales(costs.page_scale, costs.page_bytes)
    return RunOfHost(out.timeline[costs.first_judged_tick :], scale, costs.tick_s, out.slowdown_counts, out.vm_sums)


class BrokenTicks(NamedTuple):
    """Ticks in runs that break the objective by swap-in and by guest paging: bool arrays, shape (n_ticks,)."""

    swap_in: np.ndarray
    guest_paging: np.ndarray


def slo_broken_ticks(run: RunOfHost, slo: SloSpec) -> BrokenTicks:
    """Mark the ticks in which a rate stays above the objective for longer than it allows; without a limit, none."""
    limits = {"swap_in": slo.swap_in, "guest_paging": slo.guest_paging}
    return BrokenTicks(**{name: _ticks_over(run, f"{name}_bytes", most, slo) for name, most in limits.items()})


def _ticks_over(run: RunOfHost, name: str, most_per_s: float | None, slo: SloSpec) -> np.ndarray:
    if most_per_s is None or run.most(name) / run.tick_s <= most_per_s:
        return np.zeros(len(run.timeline), dtype=bool)
    return _long_runs(run.column(name) / run.tick_s > most_per_s, run.tick_s, slo.for_more_than)


def _long_runs(is_over: np.ndarray, tick_s: float, for_more_than_s: float) -> np.ndarray:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], is_over, [False]))))
    broken = np.zeros(is_over.size, dtype=bool)
    for first, end in edges.reshape(-1, 2):
        if (end - first) * tick_s > for_more_than_s:
            broken[first:end] = True
    return broken


def host_row(out: Out, costs: Costs, run: RunOfHost) -> dict[str, Any]:
    """Compute what was measured of one row of `hosts.parquet`; `objective.py` judges it."""
    row: dict[str, Any] = {f"{name}_bytes_mean": run.mean(f"{name}_bytes") for name in _BYTES_BY_TICK}
    for name in ("granted", "active"):
        row[f"{name}_bytes_mean"] = run.mean(f"{name}_bytes")
        row[f"{name}_bytes_max"] = run.most(f"{name}_bytes")
    row["consumed_bytes_mean"] = run.mean("consumed_bytes")
    row["free_bytes_min"] = run.least("free_bytes")
    row["swapped_bytes_max"] = run.most("swapped_bytes")
    compressed_saved = run.total("compressed_bytes") - run.total("compressed_held_bytes")
    row["compressed_saved_bytes_mean"] = compressed_saved / len(run.timeline)
    row |= _rates(run)
    for name in ("swap_out", "guest_paging", "guest_write", "cow_break"):
        row[f"{name}_bytes_per_s_mean"] = run.mean(f"{name}_bytes") / costs.tick_s
    row |= {f"{name}_mean": run.mean(name) for name in _SHARING_MEANS}
    row |= {name: int(run.column(name)[-1]) for name in _SHARING_LAST}
    row["scanner_cores_mean"] = run.mean("scanner_cpu_ns") / (costs.tick_s * 1e9)
    row["denied_bytes"] = run.total("denied_bytes")
    row["killed_vms"], row["refused_vms_max"] = run.total("killed"), run.most("refused")
    row |= pressure_columns(run.timeline, costs.tick_s)
    row |= slowdown_columns(out, costs)
    row |= {f"state_{name}_s": run.state_s(number) for number, name in enumerate(_STATES)}
    granted = run.total("granted_bytes")
    row["small_mapped_fraction_mean"] = run.total("small_mapped_bytes") / granted if granted else 0.0
    on_ticks = np.maximum(out.vm_sums[:, account.SUM_ON_TICKS], 1)
    overheads = out.vm_times[:, account.TIME_OVERHEAD] / on_ticks
    row["translation_overhead_mean"] = float(overheads.mean()) if overheads.size else 0.0
    row["slowdown_histogram"] = out.slowdown_counts.sum(axis=0).tolist()
    return row


def _rates(run: RunOfHost) -> dict[str, float]:
    """Compute the columns of `hosts.parquet` on swap-in; most hosts have none, and sorting zeros takes its time."""
    names = ("swap_in_bytes_per_s_mean", "swap_in_bytes_per_s_p99", "swap_in_bytes_per_s_max")
    if run.most("swap_in_bytes") == 0:
        return dict.fromkeys(names, 0.0)
    rates = run.column("swap_in_bytes") / run.tick_s
    return dict(zip(names, (float(rates.mean()), float(np.quantile(rates, 0.99)), float(rates.max())), strict=True))


def vm_rows(out: Out, costs: Costs, n_judged_ticks: int) -> dict[str, np.ndarray]:
    """Compute the simulated columns of `vms.parquet`: arrays of shape (n_vms,), means over judged ticks."""
    per_tick_bytes = costs.page_bytes / n_judged_ticks
    sums, peaks, times = out.vm_sums, out.vm_peaks, out.vm_times
    rows: dict[str, np.ndarray] = {}
    for name, column in (
        ("granted", account.SUM_GRANTED),
        ("ballooned", account.SUM_BALLOONED),
        ("swapped", account.SUM_SWAPPED),
        ("shared", account.SUM_SHARED),
        ("compressed", account.SUM_COMPRESSED),
    ):
        rows[f"{name}_bytes_mean"] = sums[:, column] * per_tick_bytes
    rows["on_s"] = sums[:, account.SUM_ON_TICKS] * costs.tick_s
    rows["active_bytes_mean"] = times[:, account.TIME_ACTIVE] * per_tick_bytes
    rows["ballooned_bytes_max"] = peaks[:, account.PEAK_BALLOONED] * int(costs.page_bytes)
    rows["swapped_bytes_max"] = peaks[:, account.PEAK_SWAPPED] * int(costs.page_bytes)
    rows["swap_in_bytes_per_s_mean"] = sums[:, account.SUM_SWAP_IN] * per_tick_bytes / costs.tick_s
    rows["swap_in_bytes_per_s_max"] = peaks[:, account.PEAK_SWAP_IN] * costs.page_bytes / costs.tick_s
    rows["guest_paging_bytes_per_s_mean"] = sums[:, account.SUM_GUEST_PAGING] * per_tick_bytes / costs.tick_s
    rows["small_mapped_fraction_mean"] = sums[:, account.SUM_SMALL] / np.maximum(sums[:, account.SUM_GRANTED], 1)
    on_ticks = np.maximum(sums[:, account.SUM_ON_TICKS], 1)
    rows["translation_overhead_mean"] = times[:, account.TIME_OVERHEAD] / on_ticks
    was_on = sums[:, account.SUM_ON_TICKS] > 0
    rows["slowdown_mean"] = np.where(was_on, 1.0 + slowdown_parts(out, costs).sum(axis=1), np.nan)
    for name, fraction in (("slowdown_p95", 0.95), ("slowdown_p99", 0.99)):
        edges = np.empty(len(sums))
        fill_percentiles(out.slowdown_edges, out.slowdown_counts, fraction, edges)
        rows[name] = 1.0 + edges
    for part, name in enumerate(_STALLS):
        rows[f"stall_{name}_s"] = times[:, part].copy()
    rows["killed_count"] = sums[:, account.SUM_KILLED].copy()
    rows["refused_s"] = sums[:, account.SUM_REFUSED] * costs.tick_s
    return rows
