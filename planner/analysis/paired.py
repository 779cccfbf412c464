"""Paired differences between placements: every placement meets the same demand, so replicates are compared one by one.

Common random numbers make the difference of two placements far more certain than either value. The interval is
Student's over the replicates' differences; where no replicate shows any difference it says nothing about rarer ones,
so the bounds of the two risks are combined instead.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from planner.analysis.intervals import student_t_quantile


def paired_differences(hosts: pd.DataFrame, frame: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Compare the swap risk of every two placements at equal ratio, tail and axes.

    Parameters
    ----------
    hosts : DataFrame
        Host rows.
    frame : DataFrame
        `planner.analysis.tables.scenario_frame`.
    confidence : float
        Chance that each end of the interval holds.

    Returns
    -------
    DataFrame, a row per pair and ratio
        `overcommit_ratio`, `placement`, `other`, `axes_key`, `difference` (risk of `placement` less that of `other`),
        `low`, `high`, `replicates` compared, `hosts_difference` (hosts used, likewise), `is_clear` (0 outside the
        interval). No row without a common finished replicate.
    """
    swept = frame[(frame["role"] == "sweep") & frame["feasible"]]
    share = _broken_share(hosts)
    rows = [_compare(left, right, share, confidence) for left, right in _pairs(swept)]
    columns = ["overcommit_ratio", "placement", "other", "axes_key", "difference", "low", "high", "replicates"]
    return pd.DataFrame([row for row in rows if row], columns=[*columns, "hosts_difference", "is_clear"])


def _pairs(swept: pd.DataFrame) -> Iterator[tuple[pd.Series, pd.Series]]:
    for _, group in swept.groupby(["axes_key", "tail", "overcommit_ratio"], sort=True):
        rows = [row for _, row in group.sort_values("placement", kind="stable").iterrows()]
        yield from combinations(rows, 2)


def _broken_share(hosts: pd.DataFrame) -> dict[int, pd.Series]:
    """Share of hosts that broke, by replicate, for each scenario; replicates with a failed host are left out."""
    occupied = hosts[hosts["vms"] > 0]
    flags = pd.DataFrame(
        {
            "scenario_id": occupied["scenario_id"],
            "replicate": occupied["replicate"],
            "broken": occupied["slo_is_broken"].astype("float64").where(occupied["status"] == "ok"),
        }
    )
    means = flags.groupby(["scenario_id", "replicate"], sort=True)["broken"].agg(
        lambda values: values.mean(skipna=False)
    )
    return {int(str(key)): part.droplevel(0).dropna() for key, part in means.groupby(level=0, sort=True)}


def _compare(
    left: pd.Series, right: pd.Series, share: dict[int, pd.Series], confidence: float
) -> dict[str, object] | None:
    nothing = pd.Series(dtype=np.float64)
    differences = (share.get(left["scenario_id"], nothing) - share.get(right["scenario_id"], nothing)).dropna()
    n = len(differences)
    if n == 0:
        return None
    mean = float(differences.mean())
    spread = float(differences.std()) if n > 1 else 0.0
    if spread > 0:
        half = student_t_quantile(confidence, n - 1) * spread / np.sqrt(n)
        low, high = mean - half, mean + half
    else:
        low = left["swap_risk_low"] - right["swap_risk_high"]
        high = left["swap_risk_high"] - right["swap_risk_low"]
    return {
        "overcommit_ratio": left["overcommit_ratio"],
        "placement": left["placement"],
        "other": right["placement"],
        "axes_key": left["axes_key"],
        "difference": mean,
        "low": max(-1.0, float(low)),
        "high": min(1.0, float(high)),
        "replicates": n,
        "hosts_difference": int(left["hosts_used"] - right["hosts_used"]),
        "is_clear": bool(low > 0 or high < 0),
    }
