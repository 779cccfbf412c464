"""Fit the profiles of a generator: classes of single VMs alike, and tenant groups. Used by fit_managed_hosting.py."""

import itertools
from collections import Counter
from typing import Any

import numpy as np
from recorded_fleet import Recorded

from planner.workload.curves import BODY_PROBABILITIES, fit_curves, latent_correlation, observed_correlation
from planner.workload.profiles import COMPONENT_TIMES_S, COMPONENTS, DAILY_TIME_S, PROFILE_QUANTILES
from planner.workload.statistics import pairwise_correlation

SIZE_EDGES_MIB = (512, 2048, 6144, 12_288, 24_576, 49_152)
"""Upper edges of the size classes; the last class is open."""
LEAST_LEAF_VMS = 5
"""A class of single VMs is split only if both parts keep so many."""
GRANTED_SPLIT_FRACTION = 0.9
TENANT_CORRELATION = 0.15
"""Groups whose sums correlate more than this in every month belong to one tenant."""
LAG_TICKS = (1, 2, 3, 6, 12, 36, 72, 144, 288, 432, 576, 2016)
MOST_COMMON = 0.99
"""Most of the latent variance that a group may have in common."""
LEAST_RATIO = 0.02
"""Floor of quantile ÷ mean: the counter reports zeros."""
QUARTER_HOUR = 3
WINDOW_TICKS = 4032
"""Autocorrelation is measured within two weeks: what drifts over months is not bursts."""
LEAST_SEEN_FRACTION = 0.8


def fit_profiles(fleet: Recorded) -> tuple[list[dict[str, Any]], float, dict[str, Any]]:
    """Fit all profiles; returns them, the weight of the fleet's common factor, and figures of the fit."""
    features = _Features(fleet)
    single_rows = np.array([row for row, group in enumerate(fleet.groups) if group is None])
    leaves = _split(features, single_rows)
    profiles = [features.profile(f"single-{number:02d}", leaf) for number, leaf in enumerate(leaves, start=1)]
    members: dict[str, list[int]] = {}
    for row, group in enumerate(fleet.groups):
        if group is not None:
            members.setdefault(group, []).append(row)
    tenants = _tenants(features, members)
    for name in sorted(set(tenants.values())):
        profiles += _tenant_profiles(
            features, name, {key: members[key] for key in sorted(members) if tenants[key] == name}
        )
    curves = np.concatenate([fit_curves(*features.curve_of(leaf)) for leaf in leaves])
    counts = np.array([len(leaf) for leaf in leaves])
    fleet_weight = fit_fleet_weight(curves, counts, pairwise_correlation(features.centred[single_rows]))
    linked_groups = {group: tenant for group, tenant in tenants.items() if group != tenant}
    evidence = {"single_classes": len(leaves), "tenant_groups": len(members), "groups_linked_to": linked_groups}
    return profiles, round(fleet_weight, 4), evidence


def _tenant_profiles(features: "_Features", tenant: str, members: dict[str, list[int]]) -> list[dict[str, Any]]:
    """Fit the groups of one tenant: what each has in common within, and how much of that with the other groups."""
    entries = [features.profile(f"group-{group[1:]}", np.array(rows)) for group, rows in members.items()]
    curves = [fit_curves(*features.curve_of(np.array(rows)))[0] for rows in members.values()]
    within = np.array(
        [
            latent_correlation(curve, np.array(pairwise_correlation(features.centred[rows])))
            for curve, rows in zip(curves, members.values(), strict=True)
        ]
    )
    across = np.array(
        [
            [_cross_correlation(features.centred, rows, others) for others in members.values()]
            for rows in members.values()
        ]
    )
    across = np.array([latent_correlation(curve, row) for curve, row in zip(curves, across, strict=True)])
    common = fit_loadings((across + across.T) / 2, within) ** 2 if len(members) > 1 else np.zeros(1)
    for entry, inside, shared in zip(entries, np.clip(within, 0.0, MOST_COMMON), common, strict=True):
        entry["tenant"] = f"tenant-{tenant[1:]}"
        entry["tenant_weight"] = round(float(min(shared, inside)), 4)
        entry["group_weight"] = round(float(max(inside - shared, 0.0)), 4)
    return entries


def fit_loadings(correlation: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Fit one factor: loadings whose products are nearest to the correlations between groups; squares up to `most`."""
    apart = correlation - np.diag(np.diag(correlation))
    loadings = np.sqrt(np.maximum(most, 0.0)) / 2
    for _ in range(500):
        for row in range(len(loadings)):
            others = np.delete(loadings, row)
            best = float(apart[row] @ loadings) / max(float(others @ others), 1e-9)
            loadings[row] = np.clip(best, 0.0, np.sqrt(max(most[row], 0.0)))
    return loadings


class _Features:
    """What is measured of each VM before VMs are pooled."""

    def __init__(self, fleet: Recorded) -> None:
        self.fleet = fleet
        self.mean = np.nanmean(fleet.active, axis=1)
        self.granted = np.nanmean(fleet.granted, axis=1)
        self.peak = np.nanmax(fleet.active, axis=1)
        self.centred = np.where(np.isnan(fleet.active), 0.0, fleet.active - self.mean[:, None])
        body = np.nanquantile(fleet.active, BODY_PROBABILITIES, axis=1).T
        mean = np.maximum(self.mean, 1e-5)[:, None]
        self.body_log_ratio = np.log(np.maximum(body / mean, LEAST_RATIO))
        self.autocorrelation = self._autocorrelations()

    def _autocorrelations(self) -> np.ndarray:
        """Autocorrelation within windows, shape (n_vms, n_lags), mean over the windows that were recorded."""
        windows = np.split(self.fleet.active, range(WINDOW_TICKS, self.fleet.active.shape[1], WINDOW_TICKS), axis=1)
        values = [_window_autocorrelation(window) for window in windows if window.shape[1] == WINDOW_TICKS]
        return np.asarray(np.nan_to_num(np.nanmean(values, axis=0)))

    def curve_of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Shape, mean and peak of the middle VM of a class, as `fit_curves` takes them."""
        mean = np.array([np.exp(np.log(np.maximum(self.mean[rows], 1e-5)).mean())])
        peak = np.maximum(np.array([np.median(self.peak[rows])]), 1.05 * mean)
        return self.body_log_ratio[rows].mean(axis=0)[None, :], mean, peak

    def profile(self, name: str, rows: np.ndarray) -> dict[str, Any]:
        """Pool VMs into one profile."""
        fleet = self.fleet
        sizes = Counter((int(fleet.configured_mib[row]), int(fleet.vcpus[row])) for row in rows)
        curve = fit_curves(*self.curve_of(rows))[0]
        spreads = {"granted": self.granted, "mean": self.mean, "peak": self.peak, "busy": fleet.busy_fraction}
        return {
            "name": name,
            "vms": len(rows),
            "sizes": [[mib, vcpus, count] for (mib, vcpus), count in sorted(sizes.items())],
            **{key: _rounded(np.quantile(values[rows], PROFILE_QUANTILES)) for key, values in spreads.items()},
            "body_log_ratio": _rounded(self.body_log_ratio[rows].mean(axis=0)),
            "weights": _rounded(fit_weights(latent_correlation(curve, self.autocorrelation[rows].mean(axis=0)))),
        }


def _window_autocorrelation(active: np.ndarray) -> np.ndarray:
    """Autocorrelation at `LAG_TICKS` over the pairs of ticks that were both recorded; NaN for VMs hardly seen."""
    known = np.isfinite(active)
    seen = known.mean(axis=1) > LEAST_SEEN_FRACTION
    mean = np.where(known, active, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    centred = np.where(known, active - mean[:, None], 0.0)
    variance = (centred**2).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    values = np.full((len(active), len(LAG_TICKS)), np.nan)
    usable = seen & (variance > 0)
    for column, lag in enumerate(LAG_TICKS):
        pairs = (known[:, lag:] & known[:, :-lag]).sum(axis=1)
        product = np.einsum("ij,ij->i", centred[:, lag:], centred[:, :-lag])
        values[usable, column] = product[usable] / pairs[usable] / variance[usable]
    return values


def fit_fleet_weight(curves: np.ndarray, counts: np.ndarray, observed: float) -> float:
    """Find the common latent variance that gives single VMs their mean pairwise correlation.

    To first order the correlation of two VMs is the latent one times the slopes of their curves.
    """
    slopes = [np.sqrt(float(observed_correlation(curve, np.array(0.01))) / 0.01) for curve in curves]
    return float(max(observed, 0.0) / np.average(slopes, weights=counts) ** 2)


def fit_weights(latent: np.ndarray) -> np.ndarray:
    """Find the mixture of components whose autocorrelation is nearest: non-negative least squares by projection."""
    lags_s = np.array(LAG_TICKS) * 300.0
    straddling = np.where(np.array(LAG_TICKS) == 1, 0.5, 0.0)
    columns = [np.zeros(len(lags_s)), straddling, *(np.exp(-lags_s / time_s) for time_s in COMPONENT_TIMES_S.values())]
    columns += [_hourly_correlation(), _daily_correlation(lags_s)]
    basis = np.stack(columns, axis=1)
    weights = np.full(len(COMPONENTS), 1.0 / len(COMPONENTS))
    step = 0.5 / np.linalg.norm(basis, 2) ** 2
    for _ in range(20_000):
        weights = _to_simplex(weights - step * basis.T @ (basis @ weights - latent))
    return weights


def _hourly_correlation() -> np.ndarray:
    """Autocorrelation of the profile of the hour: 12 independent slots less their mean."""
    return np.where(np.array(LAG_TICKS) % 12 == 0, 1.0, -1.0 / 11.0)


def _daily_correlation(lags_s: np.ndarray) -> np.ndarray:
    """Autocorrelation of the profile of the day (a periodic autoregression less its mean)."""
    slots = np.arange(288)
    decay = np.exp(-300.0 / DAILY_TIME_S)
    periodic = decay**slots + decay ** (288 - slots)
    centred = periodic - periodic.mean()
    return np.asarray(centred[(lags_s / 300.0).astype(int) % 288] / centred[0])


def _to_simplex(values: np.ndarray) -> np.ndarray:
    """Project on the weights that are not negative and sum to 1 (Duchi et al. 2008)."""
    ordered = np.sort(values)[::-1]
    excess = (np.cumsum(ordered) - 1.0) / np.arange(1, len(values) + 1)
    return np.maximum(values - excess[np.flatnonzero(ordered > excess)[-1]], 0.0)


def _split(features: _Features, rows: np.ndarray) -> list[np.ndarray]:
    """Split single VMs by size, granted level, persistence of bursts, mean and peak, as long as the parts are large."""
    size_class = np.searchsorted(SIZE_EDGES_MIB, features.fleet.configured_mib[rows])
    leaves = [rows[size_class == number] for number in range(len(SIZE_EDGES_MIB) + 1)]
    persistence = features.autocorrelation[:, LAG_TICKS.index(QUARTER_HOUR)]
    leaves = _halve(leaves, features.granted, GRANTED_SPLIT_FRACTION)
    for values in (persistence, features.mean, features.peak):
        leaves = _halve(leaves, values, None)
    return leaves


def _halve(leaves: list[np.ndarray], values: np.ndarray, edge: float | None) -> list[np.ndarray]:
    """Split each leaf at `edge`, or at its own median."""
    parts: list[np.ndarray] = []
    for leaf in leaves:
        at = np.median(values[leaf]) if edge is None else edge
        low, high = leaf[values[leaf] < at], leaf[values[leaf] >= at]
        parts += [low, high] if min(len(low), len(high)) >= LEAST_LEAF_VMS else [leaf]
    return parts


def _tenants(features: _Features, members: dict[str, list[int]]) -> dict[str, str]:
    """Give each group the name of its tenant: the first of the groups whose sums go together."""
    tenants = {group: group for group in sorted(members)}
    sums = {group: features.centred[rows].sum(axis=0) for group, rows in members.items()}
    starts = sorted(features.fleet.month_start.values())[1:]
    for first, second in itertools.combinations(sorted(members), 2):
        months = zip(np.split(sums[first], starts), np.split(sums[second], starts), strict=True)
        if min(_correlation(one, other) for one, other in months) > TENANT_CORRELATION:
            joined = tenants[first]
            tenants = {group: joined if tenant == tenants[second] else tenant for group, tenant in tenants.items()}
    return tenants


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation where both were recorded (the sums are 0 elsewhere); 0 when one never changes."""
    both = (first != 0) & (second != 0)
    if both.sum() < WINDOW_TICKS or first[both].std() == 0 or second[both].std() == 0:
        return 0.0
    return float(np.corrcoef(first[both], second[both])[0, 1])


def _cross_correlation(centred: np.ndarray, rows: list[int], others: list[int]) -> float:
    correlation = np.corrcoef(centred[[*rows, *others]])
    return float(np.nanmean(correlation[: len(rows), len(rows) :]))


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]
