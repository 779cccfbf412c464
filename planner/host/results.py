"""From what the kernels filled to result columns: bytes, seconds, percentiles. Names and units are in `schema.py`."""

from typing import Any, NamedTuple

import numpy as np

from planner.config.slo import SloSpec
from planner.host.slowdown import pressure_columns, slowdown_columns, slowdown_parts
from planner.kernels import account
from planner.kernels.account import Costs, Out, percentile_edges
from planner.kernels.stalls import N_STALLS
from planner.schema import (
    N_SLOWDOWN_BINS,
    PAGES_UNIT,
    SLOWDOWN_BIN_EDGES_PER_DECADE,
    SLOWDOWN_DECADES,
    TIMELINE_COLUMNS,
    Column,
)

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


def slowdown_edges() -> np.ndarray:
    """Return the ascending edges of the slowdown bins, of slowdown - 1: float64 array, shape (N_SLOWDOWN_BINS - 1,)."""
    low, high = SLOWDOWN_DECADES
    edges: np.ndarray = 10.0 ** np.linspace(low, high, SLOWDOWN_BIN_EDGES_PER_DECADE * (high - low) + 1)
    return edges


def timeline_bytes(out: Out, costs: Costs) -> np.ndarray:
    """Return the timeline in the units of its columns: bytes, 4 KiB pages, ns.

    Returns
    -------
    int64 array, shape (n_ticks, len(TIMELINE_COLUMNS))
    """
    scale = [_column_scale(column, costs) for column in TIMELINE_COLUMNS]
    timeline: np.ndarray = out.timeline * np.array(scale, dtype=np.int64)
    return timeline


def _column_scale(column: Column, costs: Costs) -> int:
    if column.name in _BY_PAGE or column.unit == PAGES_UNIT:
        return costs.page_scale
    return int(costs.page_bytes) if column.unit == "bytes" else 1


def timeline_column(timeline: np.ndarray, name: str) -> np.ndarray:
    """Return one column of a time line by its name in `planner.schema.TIMELINE_COLUMNS`."""
    values: np.ndarray = timeline[:, _AT[name]]
    return values


class RunOfHost(NamedTuple):
    """What the judged ticks of a run come to.

    Attributes
    ----------
    timeline : int64 array, shape (n_judged_ticks, len(TIMELINE_COLUMNS))
        In bytes.
    tick_s : float
        Length of a tick. [s]
    slowdown_counts : int64 array, shape (n_vms, N_SLOWDOWN_BINS)
        VM-ticks by slowdown.
    vm_sums : int64 array, shape (n_vms, account.N_VM_SUMS)
    """

    timeline: np.ndarray
    tick_s: float
    slowdown_counts: np.ndarray
    vm_sums: np.ndarray


def judged_run(out: Out, costs: Costs) -> RunOfHost:
    """Cut what a run filled to its judged ticks."""
    timeline = timeline_bytes(out, costs)[costs.first_judged_tick :]
    return RunOfHost(timeline, costs.tick_s, out.slowdown_counts, out.vm_sums)


class BrokenTicks(NamedTuple):
    """Ticks in runs that break the objective by swap-in and by guest paging: bool arrays, shape (n_ticks,)."""

    swap_in: np.ndarray
    guest_paging: np.ndarray


def slo_broken_ticks(timeline: np.ndarray, tick_s: float, slo: SloSpec) -> BrokenTicks:
    """Mark the ticks of runs in which a rate stays above the objective for longer than it allows.

    Parameters
    ----------
    timeline : int64 array, shape (n_ticks, len(TIMELINE_COLUMNS))
        In bytes.
    tick_s : float
        Length of a tick. [s]
    slo : SloSpec
        Without a limit on a rate none of its ticks is marked.
    """
    limits = {"swap_in": slo.swap_in, "guest_paging": slo.guest_paging}
    is_over = {
        name: timeline_column(timeline, f"{name}_bytes") / tick_s > (np.inf if most is None else most)
        for name, most in limits.items()
    }
    return BrokenTicks(**{name: _long_runs(over, tick_s, slo.for_more_than) for name, over in is_over.items()})


def _long_runs(is_over: np.ndarray, tick_s: float, for_more_than_s: float) -> np.ndarray:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], is_over, [False]))))
    broken = np.zeros(is_over.size, dtype=bool)
    for first, end in edges.reshape(-1, 2):
        if (end - first) * tick_s > for_more_than_s:
            broken[first:end] = True
    return broken


def host_row(out: Out, costs: Costs, timeline: np.ndarray) -> dict[str, Any]:
    """Compute what was measured of one row of `hosts.parquet`; `timeline` has the judged ticks, in bytes.

    `objective.py` judges it.
    """

    def column(name: str) -> np.ndarray:
        return timeline_column(timeline, name)

    row: dict[str, Any] = {f"{name}_bytes_mean": float(column(f"{name}_bytes").mean()) for name in _BYTES_BY_TICK}
    for name in ("granted", "active"):
        row[f"{name}_bytes_mean"] = float(column(f"{name}_bytes").mean())
        row[f"{name}_bytes_max"] = int(column(f"{name}_bytes").max())
    row["consumed_bytes_mean"] = float(column("consumed_bytes").mean())
    row["free_bytes_min"] = int(column("free_bytes").min())
    row["swapped_bytes_max"] = int(column("swapped_bytes").max())
    compressed_saved = column("compressed_bytes") - column("compressed_held_bytes")
    row["compressed_saved_bytes_mean"] = float(compressed_saved.mean())
    row |= _rates(column("swap_in_bytes"), costs.tick_s)
    row["swap_out_bytes_per_s_mean"] = float(column("swap_out_bytes").mean() / costs.tick_s)
    row["guest_paging_bytes_per_s_mean"] = float(column("guest_paging_bytes").mean() / costs.tick_s)
    row["guest_write_bytes_per_s_mean"] = float(column("guest_write_bytes").mean() / costs.tick_s)
    row["cow_break_bytes_per_s_mean"] = float(column("cow_break_bytes").mean() / costs.tick_s)
    row |= {f"{name}_mean": float(column(name).mean()) for name in _SHARING_MEANS}
    row |= {name: int(column(name)[-1]) for name in _SHARING_LAST}
    row["scanner_cores_mean"] = float(column("scanner_cpu_ns").mean() / (costs.tick_s * 1e9))
    row["denied_bytes"] = int(column("denied_bytes").sum())
    row |= outage_columns(timeline)
    row |= pressure_columns(timeline, costs.tick_s)
    row |= slowdown_columns(out, costs)
    for number, name in enumerate(_STATES):
        row[f"state_{name}_s"] = float((column("state") == number).sum() * costs.tick_s)
    granted = column("granted_bytes").sum()
    row["small_mapped_fraction_mean"] = float(column("small_mapped_bytes").sum() / granted) if granted else 0.0
    on_ticks = np.maximum(out.vm_sums[:, account.SUM_ON_TICKS], 1)
    overheads = out.vm_times[:, account.TIME_OVERHEAD] / on_ticks
    row["translation_overhead_mean"] = float(overheads.mean()) if overheads.size else 0.0
    row["slowdown_histogram"] = out.slowdown_counts.sum(axis=0).tolist()
    return row


def outage_columns(timeline: np.ndarray) -> dict[str, int]:
    """Count the VMs killed and refused: columns of `hosts.parquet`."""
    return {
        "killed_vms": int(timeline_column(timeline, "killed").sum()),
        "refused_vms_max": int(timeline_column(timeline, "refused").max()),
    }


def _rates(swap_in_bytes: np.ndarray, tick_s: float) -> dict[str, float]:
    rates = swap_in_bytes / tick_s
    return {
        "swap_in_bytes_per_s_mean": float(rates.mean()),
        "swap_in_bytes_per_s_p99": float(np.quantile(rates, 0.99)),
        "swap_in_bytes_per_s_max": float(rates.max()),
    }


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
        edges = [percentile_edges(out.slowdown_edges, counts, fraction) for counts in out.slowdown_counts]
        rows[name] = 1.0 + np.array(edges)
    for part, name in enumerate(_STALLS):
        rows[f"stall_{name}_s"] = times[:, part].copy()
    rows["killed_count"] = sums[:, account.SUM_KILLED].copy()
    rows["refused_s"] = sums[:, account.SUM_REFUSED] * costs.tick_s
    return rows
