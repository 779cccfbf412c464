"""Intervals of a scenario's headline figures, by replicate: what a planner signs besides the risk.

A fleet's mean is the mean over replicates; its interval is that of a mean of independent values, which may be skewed. A
percentile of the slowdown is taken over the VM-ticks of all replicates together; its interval comes from leaving out
one replicate at a time, on a logarithmic scale. Coverage of both is measured in docs/model/risk.md.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from planner.analysis.by_replicate import values_by_replicate
from planner.analysis.intervals import mean_interval
from planner.analysis.slowdown import slowdown_edges, slowdown_quantile

_LEAST_EXCESS = float(slowdown_edges()[0])
"""Slowdown - 1 below which the histogram does not look."""


class Bounds(NamedTuple):
    """Two-sided interval of a figure; None where replicates show no spread, so that nothing is known of rarer ones."""

    low: float | None
    high: float | None


def mean_bounds(
    rows: pd.DataFrame, metric: str, confidence: float, independent_replicates: int | None = None
) -> Bounds:
    """Find the interval of a figure that is averaged over replicates and cannot be negative.

    Parameters
    ----------
    rows : DataFrame
        Host rows of one scenario.
    metric : str
        One of `planner.analysis.by_replicate.METRICS`.
    confidence : float
        Chance that the interval holds the true mean.
    independent_replicates : int or None
        Number of replicates after which demand repeats.
    """
    values = values_by_replicate(rows, metric, independent_replicates).to_numpy(dtype=np.float64)
    found = mean_interval(values, confidence)
    return Bounds(None, None) if found is None else Bounds(max(0.0, found[0]), found[1])


def slowdown_bounds(
    rows: pd.DataFrame, quantile: float, confidence: float, independent_replicates: int | None = None
) -> Bounds:
    """Find the interval of a percentile of the slowdown over all VM-ticks; parameters as in `mean_bounds`.

    Notes
    -----
    Jackknife over replicates of log(slowdown - 1): pseudo-values n log(all) - (n - 1) log(all but one), moved so that
    their mean is log(all).
    """
    finished = rows[rows["status"] == "ok"]
    if finished.empty:
        return Bounds(None, None)
    replicate = finished["replicate"].to_numpy(dtype=np.int64)
    if independent_replicates is not None:
        replicate = replicate % independent_replicates
    names, group = np.unique(replicate, return_inverse=True)
    histograms = np.stack([np.asarray(counts, dtype=np.int64) for counts in finished["slowdown_histogram"]])
    by_replicate = np.zeros((names.size, histograms.shape[1]), dtype=np.int64)
    np.add.at(by_replicate, group, histograms)
    whole = by_replicate.sum(axis=0)
    every = _log_excess(whole, quantile)
    without = np.array([_log_excess(whole - counts, quantile) for counts in by_replicate])
    pseudo = every - (names.size - 1) * (without - without.mean())
    found = mean_interval(pseudo, confidence)
    if found is None:
        return Bounds(None, None)
    return Bounds(1.0 + math.exp(found[0]), 1.0 + math.exp(found[1]))


def _log_excess(counts: np.ndarray, quantile: float) -> float:
    slowdown = slowdown_quantile(counts, quantile)
    return math.log(max(_LEAST_EXCESS, (slowdown or 1.0) - 1.0))
