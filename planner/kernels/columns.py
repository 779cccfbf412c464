"""What a run's time line and histograms come to: sums and extremes of columns, averages over time, quantiles."""

import math

from planner.kernels import timeline
from planner.kernels.compiled import kernel


@kernel
def sum_columns(rows, out_sum, out_least, out_most, out_state_ticks):
    """Fill sum, least and most of every column over all ticks, of which there is at least one.

    Parameters
    ----------
    rows : int64 array, shape (n_ticks, n_columns)
    out_sum, out_least, out_most : int64 array, shape (n_columns,)
    out_state_ticks : int64 array, shape (n_states,)
        Ticks in each memory state.
    """
    out_sum[:] = 0
    out_state_ticks[:] = 0
    for column in range(rows.shape[1]):
        out_least[column], out_most[column] = rows[0, column], rows[0, column]
    for tick in range(rows.shape[0]):
        for column in range(rows.shape[1]):
            value = rows[tick, column]
            out_sum[column] += value
            out_least[column] = min(out_least[column], value)
            out_most[column] = max(out_most[column], value)
        out_state_ticks[rows[tick, timeline.STATE]] += 1


@kernel
def fill_percentiles(edges, counts, fraction, out):
    """Fill the upper edge of the bin that holds the `fraction` quantile of each row of `counts`.

    Infinity in the last bin; NaN where there is nothing.
    """
    for v in range(counts.shape[0]):
        total = 0
        for k in range(counts.shape[1]):
            total += counts[v, k]
        out[v] = _percentile(edges, counts[v], fraction * total)


@kernel
def _percentile(edges, counts, wanted):
    seen = 0.0
    for k in range(counts.size):
        seen += counts[k]
        if seen >= wanted and seen > 0.0:
            return edges[k] if k < edges.size else math.inf
    return math.nan


@kernel
def fill_averages(shares, keep, out):
    """Fill the running average at the end of each tick; `keep` of its distance to the tick's share is left then."""
    average = 0.0
    for tick in range(shares.size):
        average = shares[tick] + (average - shares[tick]) * keep
        out[tick] = average
