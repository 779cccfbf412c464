"""From a Gaussian series to active memory: quantile curves, and what they do to correlations.

A VM's active fraction is x = Q(Phi(z)) with z a standard normal series. log Q is linear between a few normal scores
(`KNOT_SCORES`), constant outside. A monotone map shrinks correlations; `latent_correlation` inverts that with the
Hermite expansion of the map (the NORTA method: Cario and Nelson 1997).
"""

import numpy as np

BODY_PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
"""Probabilities of the inner knots; the last knot is the peak."""
KNOT_SCORES = np.array([-1.6449, -0.6745, 0.0, 0.6745, 1.6449, 2.3263, 3.0902, 3.85])
"""Normal scores of the knots. The peak is what one of 17,000 ticks (two months of 5 minutes) exceeds."""
_MEAN_STEPS = 12
_ORDERS = 40
_BLOCK_VMS = 1024
"""VMs fitted at a time: their values on the grid take 3 MB, not 320 MB for 100,000 VMs."""


def _interpolation(scores: np.ndarray) -> np.ndarray:
    """Weights, shape (n_scores, n_knots), that interpolate between the knots."""
    return np.stack([np.interp(scores, KNOT_SCORES, unit) for unit in np.eye(len(KNOT_SCORES))], axis=1)


_GRID = np.linspace(-5.0, 5.0, 401)
_GRID_WEIGHTS = np.exp(-(_GRID**2) / 2) / np.exp(-(_GRID**2) / 2).sum()
_GRID_INTERPOLATION = _interpolation(_GRID)


def fit_curves(body_log_ratio: np.ndarray, mean: np.ndarray, peak: np.ndarray) -> np.ndarray:
    """Build quantile curves of given shape, mean and peak.

    Parameters
    ----------
    body_log_ratio : float array, shape (n_vms, len(BODY_PROBABILITIES))
        Logarithm of the quantiles over the mean; shifted as a whole until the mean comes out.
    mean, peak : float array, shape (n_vms,)
        Mean and peak of the active fraction; 0 < mean < peak.

    Returns
    -------
    float array, shape (n_vms, len(KNOT_SCORES))
        Logarithm of the active fraction at the knots, ascending.
    """
    top = np.log(peak)[:, None]
    curves = np.empty((len(mean), len(KNOT_SCORES)))
    for start in range(0, len(mean), _BLOCK_VMS):
        rows = slice(start, start + _BLOCK_VMS)
        shift = np.log(mean[rows])[:, None]
        for _ in range(_MEAN_STEPS):
            curves[rows, :-1] = np.minimum(body_log_ratio[rows] + shift, top[rows])
            curves[rows, -1:] = top[rows]
            shift += np.log(mean[rows] / curve_means(curves[rows]))[:, None]
    return curves


def curve_means(log_knots: np.ndarray) -> np.ndarray:
    """Mean of exp(curve) under a standard normal score, shape (n_vms,)."""
    means: np.ndarray = np.exp(log_knots @ _GRID_INTERPOLATION.T) @ _GRID_WEIGHTS
    return means


def observed_correlation(log_knots: np.ndarray, latent: np.ndarray) -> np.ndarray:
    """Correlation of active memory that a correlation of the Gaussian series leads to.

    Parameters
    ----------
    log_knots : float array, shape (n_knots,)
        One curve; both series go through it.
    latent : float array
        Correlations of the Gaussian series.
    """
    values = np.exp(_GRID_INTERPOLATION @ log_knots)
    power = np.empty(_ORDERS)
    before, current = np.zeros_like(_GRID), np.ones_like(_GRID)
    for order in range(_ORDERS):  # normalised Hermite polynomials by their recurrence
        before, current = current, (_GRID * current - np.sqrt(order) * before) / np.sqrt(order + 1)
        power[order] = float((_GRID_WEIGHTS * values * current).sum()) ** 2
    orders = np.arange(1, _ORDERS + 1)
    weighted: np.ndarray = (np.asarray(latent)[..., None] ** orders * power).sum(axis=-1) / power.sum()
    return weighted


def latent_correlation(log_knots: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Correlation of the Gaussian series that gives an observed one; 0 for negative ones, at most 1."""
    latent = np.linspace(0.0, 1.0, 401)
    return np.asarray(np.interp(observed, observed_correlation(log_knots, latent), latent))
