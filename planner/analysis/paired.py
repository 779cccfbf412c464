"""Paired differences: scenarios meet the same demand, so they are compared replicate by replicate.

Common random numbers make the difference of two scenarios far more certain than either value. The interval is that of
the mean of the replicates' differences. Without a spread they say nothing of rarer differences: the bound is
then the one for an event that none of n replicates has shown. Method and coverage: docs/model/risk.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from planner.analysis.by_replicate import BYTES, HOSTS_USED, RISK, values_by_replicate
from planner.analysis.intervals import difference_interval, mean_interval


@dataclass(frozen=True)
class PairedDifference:
    """Difference of a figure between two scenarios, left less right.

    Attributes
    ----------
    mean : float
        Over the replicates that both have.
    low, high : float or None
        Two-sided interval of the mean, paired; None where nothing bounds it (one replicate, or no spread seen of a
        figure without a largest value).
    replicates, differing : int
        Pairs compared, and those of them whose difference is not zero.
    unpaired_low, unpaired_high : float or None
        What the interval would be without pairing (Welch's); None with one replicate or without any spread.
    is_clear : bool
        Whether zero lies outside the paired interval.
    """

    mean: float
    low: float | None
    high: float | None
    replicates: int
    differing: int
    unpaired_low: float | None
    unpaired_high: float | None
    is_clear: bool


def paired_difference(
    left: np.ndarray, right: np.ndarray, confidence: float, largest: float | None = None
) -> PairedDifference:
    """Compare two scenarios that met the same demand.

    Parameters
    ----------
    left, right : float64 array, shape (n_replicates,)
        A figure by independent replicate, in the same order; NaN where unknown.
    confidence : float
        Chance that the interval holds the true difference.
    largest : float or None
        Largest difference that a replicate can show, either way (1 for a share); None where there is none.

    Raises
    ------
    ValueError
        The shapes differ, or no replicate is known on both sides.
    """
    if left.shape != right.shape:
        raise ValueError(f"left has shape {left.shape}, right has {right.shape}; expected one value per replicate")
    differences = (left - right)[np.isfinite(left - right)]
    if differences.size == 0:
        raise ValueError("no replicate is known on both sides")
    mean = float(differences.mean())
    low, high = mean_interval(differences, confidence) or _nothing_seen(mean, differences.size, confidence, largest)
    unpaired = difference_interval(left[np.isfinite(left)], right[np.isfinite(right)], confidence) or (None, None)
    return PairedDifference(
        mean=mean,
        low=low,
        high=high,
        replicates=int(differences.size),
        differing=int((differences != 0).sum()),
        unpaired_low=unpaired[0],
        unpaired_high=unpaired[1],
        is_clear=low is not None and high is not None and (low > 0 or high < 0),
    )


def scenario_difference(
    left: pd.DataFrame, right: pd.DataFrame, metric: str, confidence: float, independent_replicates: int | None = None
) -> PairedDifference | None:
    """Compare a figure between two scenarios from their host rows.

    Parameters
    ----------
    left, right : DataFrame
        Host rows of one scenario each, columns `planner.schema.HOST_COLUMNS`.
    metric : str
        One of `planner.analysis.by_replicate.METRICS`.
    confidence : float
        Chance that the interval holds the true difference.
    independent_replicates : int or None
        Number of replicates after which demand repeats: those that share demand are merged before anything else.

    Returns
    -------
    PairedDifference or None
        None without a replicate that finished in both. Hosts used are chosen, not drawn: their difference is exact.
    """
    values = pd.concat(
        [values_by_replicate(rows, metric, independent_replicates) for rows in (left, right)], axis=1, sort=True
    ).to_numpy(dtype=np.float64)
    if not np.isfinite(values).all(axis=1).any():
        return None
    if metric == HOSTS_USED:
        return _exact(values[np.isfinite(values).all(axis=1)])
    return paired_difference(values[:, 0], values[:, 1], confidence, _largest(left, right, metric))


def paired_differences(
    hosts: pd.DataFrame, frame: pd.DataFrame, confidence: float, independent_replicates: int | None = None
) -> pd.DataFrame:
    """Compare the swap risk of every two placements at equal ratio, tail and axes.

    Parameters
    ----------
    hosts : DataFrame
        Host rows.
    frame : DataFrame
        `planner.analysis.tables.scenario_frame`.
    confidence : float
        Chance that the interval holds.
    independent_replicates : int or None
        Number of replicates after which demand repeats.

    Returns
    -------
    DataFrame, a row per pair and ratio
        `overcommit_ratio`, `placement`, `other`, `axes_key`, `difference` (risk of `placement` less that of `other`),
        `low`, `high`, `replicates` compared, `hosts_difference` (hosts used, likewise), `is_clear` (0 outside the
        interval). No row without a common finished replicate.
    """
    swept = frame[(frame["role"] == "sweep") & frame["feasible"]]
    rows_of = {int(str(key)): rows for key, rows in hosts.groupby("scenario_id", sort=True)}
    nothing = hosts.iloc[:0]
    found = []
    for left, right in _pairs(swept):
        sides = [rows_of.get(int(side["scenario_id"]), nothing) for side in (left, right)]
        difference = scenario_difference(sides[0], sides[1], RISK, confidence, independent_replicates)
        if difference is not None:
            found.append(_risk_row(left, right, difference))
    columns = ["overcommit_ratio", "placement", "other", "axes_key", "difference", "low", "high", "replicates"]
    return pd.DataFrame(found, columns=[*columns, "hosts_difference", "is_clear"])


def _nothing_seen(
    mean: float, n: int, confidence: float, largest: float | None
) -> tuple[float, float] | tuple[None, None]:
    """Bound the mean where all n differences are alike: rarer ones have at most the share that n would not show."""
    if largest is None:
        return None, None
    unseen = 1.0 - (1.0 - confidence) ** (1.0 / n)
    return mean - unseen * (largest + mean), mean + unseen * (largest - mean)


def _exact(values: np.ndarray) -> PairedDifference:
    differences = values[:, 0] - values[:, 1]
    mean = float(differences.mean())
    n, differing = int(differences.size), int((differences != 0).sum())
    return PairedDifference(mean, mean, mean, n, differing, mean, mean, mean != 0)


def _largest(left: pd.DataFrame, right: pd.DataFrame, metric: str) -> float | None:
    """Return what a replicate's difference cannot pass: all hosts for a share, all configured memory for bytes."""
    if metric == RISK:
        return 1.0
    if metric not in BYTES:
        return None
    return max(float(rows.groupby("replicate")["configured_bytes"].sum().max()) for rows in (left, right))


def _pairs(swept: pd.DataFrame) -> Iterator[tuple[pd.Series, pd.Series]]:
    for _, group in swept.groupby(["axes_key", "tail", "overcommit_ratio"], sort=True):
        rows = [row for _, row in group.sort_values("placement", kind="stable").iterrows()]
        yield from combinations(rows, 2)


def _risk_row(left: pd.Series, right: pd.Series, difference: PairedDifference) -> dict[str, object]:
    """Make a row. Where no replicate shows a spread, the hosts' own bounds may tell more than the replicates do."""
    low, high = difference.low, difference.high
    apart = (left["swap_risk_low"] - right["swap_risk_high"], left["swap_risk_high"] - right["swap_risk_low"])
    if difference.differing == 0 or low is None or high is None:
        low, high = apart
    return {
        "overcommit_ratio": left["overcommit_ratio"],
        "placement": left["placement"],
        "other": right["placement"],
        "axes_key": left["axes_key"],
        "difference": difference.mean,
        "low": max(-1.0, float(low)),
        "high": min(1.0, float(high)),
        "replicates": difference.replicates,
        "hosts_difference": int(left["hosts_used"] - right["hosts_used"]),
        "is_clear": bool(low > 0 or high < 0),
    }
