"""Slowdown by its parts, and memory pressure as Linux shows it: what a run's stalls come to."""

import math
from functools import cache

import numpy as np

from planner.kernels import account, timeline
from planner.kernels.account import Costs, Out
from planner.kernels.columns import fill_averages
from planner.kernels.stalls import N_STALLS
from planner.schema import SLOWDOWN_BIN_EDGES_PER_DECADE, SLOWDOWN_DECADES

PARTS = ("swap_in", "decompress", "guest_paging", "cow", "denied", "direct_reclaim", "translation")
"""Parts of slowdown - 1, in the order of the stalls of `kernels.stalls`; translation is no stall and comes last."""

WINDOWS_S = (10, 60, 300)
_PRESSURE_COLUMNS = (
    "pressure_some_mean",
    "pressure_some_max",
    "pressure_full_mean",
    "pressure_full_max",
    *(f"pressure_full_avg{window_s}_max" for window_s in WINDOWS_S),
    "pressure_over_limit_s",
)
OOMD_LIMIT = 0.6
OOMD_DURATION_S = 30.0
"""systemd-oomd acts when full avg10 stays above 60 % for 30 s: oomd.conf, DefaultMemoryPressureLimit."""


@cache
def slowdown_edges() -> np.ndarray:
    """Return the ascending edges of the slowdown bins, of slowdown - 1: float64 array, shape (N_SLOWDOWN_BINS - 1,)."""
    low, high = SLOWDOWN_DECADES
    edges: np.ndarray = 10.0 ** np.linspace(low, high, SLOWDOWN_BIN_EDGES_PER_DECADE * (high - low) + 1)
    edges.setflags(write=False)
    return edges


def slowdown_parts(out: Out, costs: Costs) -> np.ndarray:
    """Return what each part adds to the slowdown of each VM, mean over its ticks.

    Returns
    -------
    float64 array, shape (n_vms, len(PARTS))
        Time lost ÷ useful CPU time. 0 for a VM that was never on.
    """
    on_ticks = np.maximum(out.vm_sums[:, account.SUM_ON_TICKS], 1)[:, None]
    stalls = out.vm_times[:, :N_STALLS] / (out.busy_vcpus[:, None] * costs.tick_s)
    overhead = out.vm_times[:, account.TIME_OVERHEAD][:, None]
    parts: np.ndarray = np.concatenate([stalls, overhead], axis=1) / on_ticks
    return parts


def slowdown_columns(out: Out, costs: Costs) -> dict[str, float]:
    """Compute slowdown and its parts, means over VMs that were on: columns of `hosts.parquet`."""
    was_on = out.vm_sums[:, account.SUM_ON_TICKS] > 0
    means = slowdown_parts(out, costs)[was_on].mean(axis=0) if was_on.any() else np.zeros(len(PARTS))
    row = {f"slowdown_{name}_mean": float(mean) for name, mean in zip(PARTS, means, strict=True)}
    return {"slowdown_mean": 1.0 + math.fsum(row.values())} | row


def pressure_columns(rows: np.ndarray, tick_s: float) -> dict[str, float]:
    """Compute the pressure of a host over its ticks: columns of `hosts.parquet`.

    Parameters
    ----------
    rows : int64 array, shape (n_ticks, n_columns)
        Timeline of the judged ticks.
    tick_s : float
        Length of a tick. [s]
    """
    if not rows[:, timeline.PRESSURE_SOME].any():
        return dict.fromkeys(_PRESSURE_COLUMNS, 0.0)
    some = rows[:, timeline.PRESSURE_SOME] / account.PER_MILLION
    full = rows[:, timeline.PRESSURE_FULL] / account.PER_MILLION
    columns = {
        "pressure_some_mean": float(some.mean()),
        "pressure_some_max": float(some.max()),
        "pressure_full_mean": float(full.mean()),
        "pressure_full_max": float(full.max()),
    }
    for window_s in WINDOWS_S:
        columns[f"pressure_full_avg{window_s}_max"] = float(running_averages(full, tick_s, window_s).max())
    return columns | {"pressure_over_limit_s": over_limit_s(full, tick_s)}


def running_averages(shares: np.ndarray, tick_s: float, window_s: float) -> np.ndarray:
    """Return the kernel's running average at the end of each tick: float64 array, shape (n_ticks,).

    Notes
    -----
    Linux, kernel/sched/loadavg.c and psi.c: every 2 s the average moves by 1 - exp(-2 / window) towards the share of
    the last 2 s. A tick's share is taken to be spread evenly over it.
    """
    averages = np.empty(shares.size)
    fill_averages(shares, math.exp(-tick_s / window_s), averages)
    return averages


def over_limit_s(shares: np.ndarray, tick_s: float) -> float:
    """Return the time that the average over 10 s stays above systemd-oomd's limit, in runs of at least 30 s. [s]."""
    if not (shares > OOMD_LIMIT).any():
        return 0.0  # An average of shares is never above all of them.
    runs_s = [0.0]
    average = 0.0
    for share in shares.tolist():
        before, average = average, share + (average - share) * math.exp(-tick_s / WINDOWS_S[0])
        is_over = average > OOMD_LIMIT
        if before > OOMD_LIMIT:
            runs_s[-1] += tick_s if is_over else _crossing_s(before, share)
        elif is_over:
            runs_s.append(tick_s - _crossing_s(before, share))
    return sum(run_s for run_s in runs_s if run_s >= OOMD_DURATION_S)


def _crossing_s(before: float, share: float) -> float:
    """Return when the average over 10 s, on its way from `before` to `share`, is at the limit between them. [s]."""
    return WINDOWS_S[0] * math.log((before - share) / (OOMD_LIMIT - share))
