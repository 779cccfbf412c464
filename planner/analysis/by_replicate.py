"""One value per replicate for each figure that is averaged over replicates: what intervals and paired differences need.

Hosts of a replicate share its demand, so a replicate counts as one observation of a fleet's figure. Replicates that
live through the same demand are merged. A replicate in which a host failed has no figure and is left out.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from planner.analysis.slowdown import slowdown_quantile

RISK = "swap_risk"
HOSTS_USED = "hosts_used"
BYTES = (
    "granted_bytes_mean",
    "active_bytes_mean",
    "consumed_bytes_mean",
    "ballooned_bytes_mean",
    "shared_saved_bytes_mean",
    "compressed_saved_bytes_mean",
    "swapped_bytes_mean",
)
BROKEN_HOSTS = "broken_hosts"
HEADROOM = "headroom_bytes"
PRESSED = "pressed_s"
PRESSED_STATES = ("state_soft_s", "state_hard_s", "state_low_s")
_RATES = ("swap_in_bytes_per_s_mean", "swap_out_bytes_per_s_mean", "guest_paging_bytes_per_s_mean", "denied_bytes")
_QUANTILES = {"slowdown_p50": 0.50, "slowdown_p95": 0.95, "slowdown_p99": 0.99}
_OVER_VMS = ("slowdown_mean", "translation_overhead_mean")
METRICS = (
    *(RISK, BROKEN_HOSTS, HOSTS_USED, HEADROOM, *BYTES, *_RATES),
    *("swap_in_bytes_per_s_p99", *_QUANTILES, *_OVER_VMS, PRESSED),
)
"""Figures of a scenario that have a value per replicate; names as in `summary.json`."""


def values_by_replicate(rows: pd.DataFrame, metric: str, independent_replicates: int | None = None) -> pd.Series:
    """Reduce the host rows of one scenario to one value of a figure per independent replicate.

    Parameters
    ----------
    rows : DataFrame
        Host rows of one scenario; hosts without VMs are ignored.
    metric : str
        One of `METRICS`.
    independent_replicates : int or None
        Number of replicates after which demand repeats; None where it never does.

    Returns
    -------
    Series of float64, index `replicate` ascending
        Share of broken hosts (`swap_risk`), hosts with VMs, sums over the fleet (bytes, rates), the worst host
        (`swap_in_bytes_per_s_p99`, `pressed_s`: time in state soft or worse), quantiles over all VM-ticks
        (`slowdown_p*`), mean over VMs (slowdown, translation). `headroom_bytes` is usable memory less granted memory
        that sharing does not save: what is left before anything must be reclaimed; negative, it has to be.
    """
    if metric not in METRICS:
        raise ValueError(f"{metric} has no value per replicate; expected one of {', '.join(METRICS)}")
    occupied = rows[rows["vms"] > 0]
    failed = occupied.loc[occupied["status"] != "ok", "replicate"].unique()
    complete = occupied[~occupied["replicate"].isin(failed)]
    reduce = _reducer(metric)
    values = pd.Series(
        {int(str(replicate)): reduce(part) for replicate, part in complete.groupby("replicate", sort=True)},
        dtype=np.float64,
    ).dropna()
    if independent_replicates is not None:
        values = values.groupby(values.index % independent_replicates, sort=True).mean()
    return values.rename_axis("replicate")


def _reducer(metric: str) -> Callable[[pd.DataFrame], float]:
    if metric == RISK:
        return lambda part: float(part["slo_is_broken"].astype("float64").mean())
    if metric in _OVER_VMS:
        return lambda part: _mean_over_vms(part, metric)
    if metric in _QUANTILES:
        return lambda part: _slowdown(part, _QUANTILES[metric])
    special: dict[str, Callable[[pd.DataFrame], float]] = {
        BROKEN_HOSTS: lambda part: float(part["slo_is_broken"].astype("float64").sum()),
        HOSTS_USED: lambda part: float(len(part)),
        HEADROOM: lambda part: float(headroom(part).sum()),
        PRESSED: lambda part: float(part[list(PRESSED_STATES)].astype("float64").sum(axis=1).max()),
        "swap_in_bytes_per_s_p99": lambda part: float(part["swap_in_bytes_per_s_p99"].max()),
    }
    return special.get(metric, lambda part: float(part[metric].sum()))


def headroom(rows: pd.DataFrame) -> pd.Series:
    """Return for each host row what is left of its usable memory before anything must be reclaimed. [bytes]."""
    left = rows["usable_bytes"] + rows["shared_saved_bytes_mean"] - rows["granted_bytes_mean"]
    return left.astype("float64")


def _mean_over_vms(part: pd.DataFrame, column: str) -> float:
    valued = part[part[column].notna()]
    vms = float(valued["vms"].sum())
    return float((valued["vms"] * valued[column]).sum()) / vms if vms else float("nan")


def _slowdown(part: pd.DataFrame, quantile: float) -> float:
    counts: Any = np.sum([np.asarray(row, dtype=np.int64) for row in part["slowdown_histogram"]], axis=0)
    found = slowdown_quantile(counts, quantile)
    return float("nan") if found is None else found
