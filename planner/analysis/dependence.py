"""How much the hosts of one replicate move together, and what that does to rare events.

Covers two estimates from the rows (of a flag, of a continuous margin) and the step from the second to the correlation
of exceedances. Dependence is taken to be that of a Gaussian copula: a shock that hits every host, but that no replicate
has shown yet, is not seen by it.
"""

import math
from statistics import NormalDist

import numpy as np

_GRID = np.linspace(-8.0, 8.0, 321)
_WEIGHTS = np.exp(-(_GRID**2) / 2) / math.sqrt(2 * math.pi) * (_GRID[1] - _GRID[0])
_NORMAL = NormalDist()


def within_replicate_correlation(values: np.ndarray, replicate: np.ndarray, host: np.ndarray) -> float | None:
    """Correlation of two hosts of one replicate, each about its host's own mean over replicates.

    Parameters
    ----------
    values : float64 array, shape (n_runs,)
    replicate, host : array, shape (n_runs,)
        Replicate and host of each value.

    Returns
    -------
    float or None
        Mean product of two hosts' deviations ÷ mean squared deviation, at most 1; None if nothing varies. 0.0 with one
        host per replicate, where it does not matter.
    """
    _, host_idx = np.unique(host.astype(str), return_inverse=True)
    host_mean = np.bincount(host_idx, values) / np.bincount(host_idx)
    deviation = values - host_mean[host_idx]
    squares = float((deviation**2).sum())
    # Equal values leave rounding noise of the mean behind, which must not pass for variation.
    if not squares > 1e-18 * float((values**2).sum()):
        return None
    _, replicate_idx = np.unique(replicate, return_inverse=True)
    counts = np.bincount(replicate_idx)
    pairs = float((counts * (counts - 1)).sum())
    if pairs == 0:
        return 0.0
    products = float((np.bincount(replicate_idx, deviation) ** 2).sum()) - squares
    return min(1.0, (products / pairs) / (squares / len(values)))


def exceedance_correlation(correlation: float, probability: float) -> float:
    """Correlation of two events of this probability whose causes are normal with this correlation.

    Parameters
    ----------
    correlation : float
        Of the causes; at or below 0 counts as 0, at or above 1 as 1.
    probability : float
        Of each event, 0 < probability < 1.

    Notes
    -----
    (P(X > z, Y > z) - p^2) / (p (1 - p)) with X, Y bivariate normal and P(X > z) = p; the joint probability by the
    one-factor integral on a grid of 0.05 standard deviations, good to 1e-6 up to a correlation of 0.99.
    """
    if correlation <= 0.0 or probability <= 0.0 or probability >= 1.0:
        return 0.0
    if correlation >= 0.99:
        return 1.0
    threshold = _NORMAL.inv_cdf(1.0 - probability)
    scaled = (threshold - math.sqrt(correlation) * _GRID) / math.sqrt(2.0 * (1.0 - correlation))
    exceeds = 0.5 * np.array([math.erfc(value) for value in scaled])
    joint = float((_WEIGHTS * exceeds**2).sum())
    return max(0.0, (joint - probability**2) / (probability * (1.0 - probability)))
