"""Quantiles and shares of the slowdown histogram that host rows carry. Bins are those of `planner.schema`.

The bins hold slowdown - 1. A quantile is read by interpolating on the logarithm within its bin, so it is right to one
bin (a factor of 1.33 in slowdown - 1). What fell below the first edge reads as a slowdown of exactly 1.
"""

import numpy as np

from planner.schema import N_SLOWDOWN_BINS, SLOWDOWN_BIN_EDGES_PER_DECADE, SLOWDOWN_DECADES


def slowdown_edges() -> np.ndarray:
    """Edges between the bins of slowdown - 1.

    Returns
    -------
    float64 array, shape (N_SLOWDOWN_BINS - 1,)
    """
    first, last = SLOWDOWN_DECADES
    return np.logspace(first, last, SLOWDOWN_BIN_EDGES_PER_DECADE * (last - first) + 1)


def slowdown_quantile(counts: np.ndarray, quantile: float) -> float | None:
    """Read a quantile of the slowdown from a histogram.

    Parameters
    ----------
    counts : int64 array, shape (N_SLOWDOWN_BINS,)
        VM-ticks per bin.
    quantile : float
        Between 0 and 1.

    Returns
    -------
    float or None
        Slowdown, 1.0 = none; None without any VM-tick. Above the last edge: that edge, a lower bound.
    """
    total = int(counts.sum())
    if total == 0:
        return None
    edges = slowdown_edges()
    cumulative = np.cumsum(counts)
    wanted = quantile * total
    bin_idx = int(np.searchsorted(cumulative, wanted, side="left"))
    if bin_idx == 0:
        return 1.0
    if bin_idx >= N_SLOWDOWN_BINS - 1:
        return float(1.0 + edges[-1])
    inside = (wanted - cumulative[bin_idx - 1]) / counts[bin_idx]
    return float(1.0 + edges[bin_idx - 1] * (edges[bin_idx] / edges[bin_idx - 1]) ** inside)


def share_slower(counts: np.ndarray) -> np.ndarray:
    """Share of VM-ticks whose slowdown - 1 is above each edge.

    Parameters
    ----------
    counts : int64 array, shape (N_SLOWDOWN_BINS,)
        VM-ticks per bin.

    Returns
    -------
    float64 array, shape (N_SLOWDOWN_BINS - 1,)
        NaN everywhere without any VM-tick.
    """
    total = int(counts.sum())
    above = np.cumsum(counts[::-1])[::-1][1:]
    return above / total if total else np.full(len(above), np.nan)
