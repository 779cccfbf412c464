"""Means over the ticks of one run: neighbouring ticks are alike, so they are never counted as independent.

The interval is that of the means of a few long batches. It is given only where the run is long for its own memory: with
too few effective ticks no method covers the truth, and more replicates are the only remedy. docs/model/risk.md has the
measured coverage.

References
----------
Geyer, C. J. (1992). Practical Markov chain Monte Carlo. Statistical Science 7, 473-483. doi:10.1214/ss/1177011137
(initial monotone sequence)
Schmeiser, B. (1982). Batch size effects in the analysis of simulation output. Operations Research 30, 556-568.
doi:10.1287/opre.30.3.556
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from planner.analysis.intervals import mean_interval

N_BATCHES = 8
LEAST_EFFECTIVE_TICKS = 20.0
"""Below this no interval is given: its coverage falls under 90 % on series of known truth (docs/model/risk.md)."""

_PRESSED_STATES = (3, 4)


class TickMean(NamedTuple):
    """Mean over ticks; the interval is None where the ticks are too few or too alike to tell."""

    mean: float
    low: float | None
    high: float | None
    effective_ticks: float


def mean_over_ticks(values: np.ndarray, confidence: float) -> TickMean:
    """Estimate the mean of a stationary series from one run of it.

    Parameters
    ----------
    values : float64 array, shape (n_ticks,)
        One value per tick, none negative; a share is the mean of zeros and ones.
    confidence : float
        Chance that the interval holds the mean.
    """
    mean, effective = float(values.mean()), effective_ticks(values)
    length = values.size // N_BATCHES
    if effective < LEAST_EFFECTIVE_TICKS or length == 0:
        return TickMean(mean, None, None, effective)
    # The first ticks are left over: the last ones are the farthest from the start.
    batches = values[values.size - N_BATCHES * length :].reshape(N_BATCHES, length).mean(axis=1)
    found = mean_interval(batches, confidence)
    if found is None:
        return TickMean(mean, None, None, effective)
    return TickMean(mean, max(0.0, min(mean, found[0])), max(mean, found[1]), effective)


def effective_ticks(values: np.ndarray) -> float:
    """Count the independent ticks that would tell as much of the mean; 0 where nothing varies.

    Notes
    -----
    n x variance ÷ (variance of the mean x n), the latter from the sums of neighbouring autocovariances as long as they
    are positive, made to fall (Geyer's initial monotone sequence).
    """
    n = values.size
    deviations = values - values.mean()
    variance = float((deviations**2).mean()) if n else 0.0
    if not variance > (1e-12 * float(np.abs(values).max(initial=0.0))) ** 2:
        return 0.0
    spectrum = np.fft.rfft(deviations, 2 * n)
    covariance = np.fft.irfft(spectrum * np.conj(spectrum), 2 * n)[:n] / n
    half = n // 2
    pairs = covariance[0 : 2 * half : 2] + covariance[1 : 2 * half : 2]
    negative = np.flatnonzero(pairs <= 0.0)
    pairs = np.minimum.accumulate(pairs[: negative[0] if negative.size else half])
    of_mean = max(2.0 * float(pairs.sum()) - variance, variance)
    return n * variance / of_mean


def host_means(timeline: pd.DataFrame, tick_s: float, confidence: float) -> Mapping[str, dict[str, Any]]:
    """Estimate what one host's run shows as means over ticks.

    Parameters
    ----------
    timeline : DataFrame
        Judged ticks of one host, columns `planner.schema.TIMELINE_COLUMNS`.
    tick_s : float
        Length of a tick. [s]
    confidence : float
        Chance that an interval holds.

    Returns
    -------
    mapping of str to dict
        `swap_in_bytes_per_s` and `hard_or_low_fraction` (share of the time in state hard or low), each with the fields
        of `TickMean`.
    """
    series = {
        "swap_in_bytes_per_s": timeline["swap_in_bytes"].to_numpy(dtype=np.float64) / tick_s,
        "hard_or_low_fraction": timeline["state"].isin(_PRESSED_STATES).to_numpy(dtype=np.float64),
    }
    return {name: mean_over_ticks(values, confidence)._asdict() for name, values in series.items()}
