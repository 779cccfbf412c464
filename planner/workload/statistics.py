"""Statistics of a fleet's demand by which a generator is fitted and judged. Pure numpy; knows no files."""

import itertools

import numpy as np

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LAGS_MIN = (5, 15, 60, 360, 1440)
"""Lags of the autocorrelation. [min]"""


def summarize_demand(
    configured_bytes: np.ndarray,
    active_fraction: np.ndarray,
    granted_fraction: np.ndarray,
    groups: tuple[str | None, ...],
    tick_s: float,
) -> dict[str, float | list[float]]:
    """Summarize a window of demand.

    Parameters
    ----------
    configured_bytes : array, shape (n_vms,)
        Configured memory. [bytes]
    active_fraction, granted_fraction : array, shape (n_vms, n_ticks)
        As in `Demand`; NaN while a VM is off. Every VM has at least one number.
    groups : tuple of (str or None)
        Tenant group of each VM.
    tick_s : float
        Length of a tick. [s]

    Returns
    -------
    dict
        Numbers, or lists over `QUANTILES` (across VMs) or `LAGS_MIN`.
    """
    active = active_fraction.astype(float)
    mean = np.nanmean(active, axis=1)
    centred = np.where(np.isnan(active), 0.0, active - mean[:, None])
    weight = configured_bytes / configured_bytes.sum()
    fleet = np.nansum(active * weight[:, None], axis=0)
    acf = [_autocorrelation(centred, round(60 * lag / tick_s)) for lag in LAGS_MIN]
    return {
        "active_fleet_mean": float(fleet.mean()),
        "active_fleet_peak": float(fleet.max()),
        "active_multiplexing": _multiplexing(active, weight),
        "active_mean_quantiles": _quantiles(mean),
        "active_p95_quantiles": _quantiles(np.nanquantile(active, 0.95, axis=1)),
        "active_peak_quantiles": _quantiles(np.nanmax(active, axis=1)),
        "autocorrelation_mean": [float(np.nanmean(values)) for values in acf],
        "autocorrelation_median": [float(np.nanmedian(values)) for values in acf],
        "granted_fleet_mean": float(np.nansum(np.nanmean(granted_fraction.astype(float), axis=1) * weight)),
        "granted_multiplexing": _multiplexing(granted_fraction.astype(float), weight),
        "granted_mean_quantiles": _quantiles(np.nanmean(granted_fraction.astype(float), axis=1)),
        "pairwise_correlation": pairwise_correlation(centred),
        "group_correlation": group_correlation(centred, groups),
        "effective_correlation": effective_correlation(centred * weight[:, None]),
    }


def effective_correlation(centred: np.ndarray) -> float:
    """Correlation that, the same for all pairs, gives the variance of the sum. `centred`: shape (n_vms, n_ticks)."""
    deviation = centred.std(axis=1)
    own = float((deviation**2).sum())
    return float((centred.sum(axis=0).var() - own) / (deviation.sum() ** 2 - own))


def pairwise_correlation(centred: np.ndarray) -> float:
    """Mean correlation over pairs of rows; rows that never change are left out."""
    deviation = centred.std(axis=1)
    moving = centred[deviation > 0] / deviation[deviation > 0, None]
    return effective_correlation(moving) if len(moving) > 1 else float("nan")


def group_correlation(centred: np.ndarray, groups: tuple[str | None, ...]) -> float:
    """Mean over tenant groups of the mean pairwise correlation within the group; NaN without groups."""
    rows = sorted((name, row) for row, name in enumerate(groups) if name is not None)
    members = [[row for _, row in pair] for _, pair in itertools.groupby(rows, key=lambda entry: entry[0])]
    values = [pairwise_correlation(centred[idx]) for idx in members if len(idx) > 1]
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _quantiles(values: np.ndarray) -> list[float]:
    return [float(value) for value in np.quantile(values, QUANTILES)]


def _multiplexing(fraction: np.ndarray, weight: np.ndarray) -> float:
    """Sum of the VMs' peaks ÷ peak of the sum."""
    demand = fraction * weight[:, None]
    return float(np.nanmax(demand, axis=1).sum() / np.nansum(demand, axis=0).max())


def _autocorrelation(centred: np.ndarray, lag_ticks: int) -> np.ndarray:
    if not 0 < lag_ticks < centred.shape[1]:
        return np.full(len(centred), np.nan)
    variance = centred.var(axis=1)
    product = (centred[:, :-lag_ticks] * centred[:, lag_ticks:]).mean(axis=1)
    return np.asarray(np.divide(product, variance, out=np.full(len(centred), np.nan), where=variance > 0))
