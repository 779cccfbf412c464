"""One summary per scenario: density, swap risk with its bounds, where the bytes are, slowdown.

Sums over the fleet are taken per replicate and then averaged. A replicate in which a host failed has no fleet sum
and is left out of them; the risk counts such a host as unknown (see `risk.py`). Unknown values are None, never zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from planner.analysis.figures import mean_bounds, slowdown_bounds
from planner.analysis.objectives import count_broken
from planner.analysis.risk import HostRuns, RiskEstimate, estimate_risk
from planner.analysis.slowdown import slowdown_quantile
from planner.config.slo import SloSpec
from planner.schema import N_SLOWDOWN_BINS

AxisValue = bool | float | str

SUMMARY_COLUMNS = (
    *("scenario_id", "replicate", "host", "status", "vms", "configured_bytes", "usable_bytes"),
    *("granted_bytes_max", "granted_bytes_mean", "active_bytes_max", "ballooned_bytes_mean", "swapped_bytes_mean"),
    *("shared_saved_bytes_mean", "compressed_saved_bytes_mean", "denied_bytes", "killed_vms", "refused_vms_max"),
    *("swap_in_bytes_per_s_mean", "swap_in_bytes_per_s_p99", "slo_is_broken", "slo_broken_by"),
    *("translation_overhead_mean", "slowdown_histogram"),
)
"""Columns of the host rows that a summary is made of."""

_BOUNDED_MEANS = ("swap_in_bytes_per_s_p99", "ballooned_bytes_mean", "swapped_bytes_mean")


@dataclass(frozen=True)
class ScenarioSummary:
    """What the planner says about one scenario; the fields are the keys of `summary.json`.

    Attributes
    ----------
    overcommit_ratio, overcommit_ratio_mean : float
        Limit asked for; configured ÷ usable memory of the used hosts that was reached.
    hosts_used, hosts_used_mean : int, float
        Hosts that hold VMs at some time; mean over ticks of those that do.
    vms_placed : int
        Most VMs on hosts at once.
    effective_host_runs, effective_host_runs_at_target : float
        Independent host runs that would tell as much (see `risk.py`).
    hosts_bound, hosts_gap_fraction : int, float, or None
        The fewest hosts that any placement of all VMs could use, proven; (hosts used - bound) ÷ bound. None where
        nothing is proven, or some VM has no host.
    swap_risk, swap_risk_low, swap_risk_high : float
        Probability that a host breaks the objective in the horizon, and its interval (see `risk.py`). Host runs that
        failed count as unbroken in the lower end and as broken in the upper one.
    swap_risk_low_of_finished, swap_risk_high_of_finished : float
        The interval without the host runs that failed: what it would be if those were like the others.
    swap_in_bytes_per_s_p99 : float
        Mean over replicates of the worst host's 99th percentile over ticks. [bytes/s]
    *_bytes_mean : float
        Sums over the fleet, mean over ticks and replicates. [bytes]
    slowdown_p50, slowdown_p95, slowdown_p99 : float
        Over all VM-ticks; 1.0 = none.
    *_low, *_high : float
        Two-sided interval at the confidence of the objective; None where the replicates show no spread.
    broken_by : dict
        Host runs that broke each objective; one that broke several counts for each.
    feasible : bool
        Whether every VM found a host.
    """

    scenario_id: int
    role: str
    overcommit_ratio: float
    overcommit_ratio_mean: float | None
    placement: str
    tail: str
    axes: dict[str, AxisValue]
    hosts_used: int
    hosts_used_mean: float
    hosts_bound: int | None
    hosts_gap_fraction: float | None
    vms_placed: int
    vms_per_host: float | None
    swap_risk: float | None
    swap_risk_low: float
    swap_risk_high: float
    swap_risk_low_of_finished: float
    swap_risk_high_of_finished: float
    replicates: int
    host_runs: int
    broken_host_runs: int
    denied_host_runs: int
    refused_host_runs: int
    killed_host_runs: int
    broken_by: dict[str, int]
    failed_hosts: int
    effective_host_runs: float
    effective_host_runs_at_target: float
    swap_in_bytes_per_s_p99: float | None
    swap_in_bytes_per_s_p99_low: float | None
    swap_in_bytes_per_s_p99_high: float | None
    swap_in_bytes_per_s_mean: float | None
    granted_bytes_mean: float | None
    ballooned_bytes_mean: float | None
    ballooned_bytes_mean_low: float | None
    ballooned_bytes_mean_high: float | None
    shared_saved_bytes_mean: float | None
    compressed_saved_bytes_mean: float | None
    swapped_bytes_mean: float | None
    swapped_bytes_mean_low: float | None
    swapped_bytes_mean_high: float | None
    denied_bytes_mean: float | None
    slowdown_p50: float | None
    slowdown_p95: float | None
    slowdown_p99: float | None
    slowdown_p99_low: float | None
    slowdown_p99_high: float | None
    translation_overhead_mean: float | None
    unplaced_vms: int
    feasible: bool


def summarize_scenarios(
    hosts: pd.DataFrame,
    scenarios: Sequence[Mapping[str, Any]],
    slo: SloSpec,
    independent_replicates: int | None = None,
) -> list[ScenarioSummary]:
    """Summarise every scenario from the host rows.

    Parameters
    ----------
    hosts : DataFrame, a row per scenario, replicate and host
        Columns `planner.schema.HOST_COLUMNS`, any order of rows.
    scenarios : sequence of mappings
        The manifest's list: id, overcommit_ratio, placement, tail, axes, role, unplaced_vms, hosts_used,
        hosts_used_mean, vms_placed.
    slo : SloSpec
        The objective that the risk is estimated for.
    independent_replicates : int or None
        Number of replicates after which demand repeats; None where it never does.
    """
    rows_of = {int(str(key)): rows for key, rows in hosts.groupby("scenario_id", sort=True)}
    nothing = hosts.iloc[:0]
    return [
        summarize_scenario(rows_of.get(int(item["id"]), nothing), item, slo, independent_replicates)
        for item in scenarios
    ]


def summarize_scenario(
    rows: pd.DataFrame, scenario: Mapping[str, Any], slo: SloSpec, independent_replicates: int | None = None
) -> ScenarioSummary:
    """Summarise one scenario from its host rows, with `SUMMARY_COLUMNS` at least; else as `summarize_scenarios`."""
    occupied = rows[rows["vms"] > 0].sort_values(["replicate", "host"], kind="stable")
    judged = with_confidence(slo, scenario.get("bound_confidence"))
    risk = estimate_risk(host_runs(occupied, independent_replicates), judged)
    bounds = _bounds(occupied, slo.confidence, independent_replicates)
    return _summarize(occupied, scenario, _risk_fields(risk) | bounds)


def with_confidence(slo: SloSpec, confidence: float | None) -> SloSpec:
    """Return the objective with another confidence of the bounds; None: its own."""
    return slo if confidence is None else slo.model_copy(update={"confidence": confidence})


def host_runs(rows: pd.DataFrame, independent_replicates: int | None = None) -> HostRuns:
    """Take from the host rows of one scenario what the risk is estimated from.

    Replicates that live through the same demand count as one: their hosts are as dependent as those of one replicate.
    """
    replicate = rows["replicate"].to_numpy(dtype=np.int64)
    known = (rows["status"] == "ok").to_numpy(dtype=bool)
    broken = np.zeros(len(rows), dtype=bool)
    broken[known] = rows["slo_is_broken"].to_numpy()[known].astype(bool)
    peaks = rows[["granted_bytes_max", "active_bytes_max"]].to_numpy(dtype=np.float64)
    margins = peaks / rows[["usable_bytes"]].to_numpy(dtype=np.float64)
    return HostRuns(
        replicate=replicate if independent_replicates is None else replicate % independent_replicates,
        host=rows["host"].to_numpy(dtype=object),
        is_broken=broken,
        is_known=known,
        margins=np.where(known[:, None], margins, np.nan),
    )


def fleet_mean(rows: pd.DataFrame, column: str) -> float | None:
    """Sum a column over the hosts of each replicate and average over the replicates in which every host finished."""
    complete = complete_replicates(rows)
    if complete.empty:
        return None
    return float(complete.groupby("replicate", sort=True)[column].sum().mean())


def complete_replicates(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of replicates in which every host finished."""
    failed = rows.loc[rows["status"] != "ok", "replicate"].unique()
    return rows[~rows["replicate"].isin(failed)]


def summed_histogram(rows: pd.DataFrame) -> np.ndarray:
    """Add up the slowdown histograms of the finished host runs: int64 array, shape (N_SLOWDOWN_BINS,)."""
    total = np.zeros(N_SLOWDOWN_BINS, dtype=np.int64)
    for counts in rows.loc[rows["status"] == "ok", "slowdown_histogram"]:
        total += np.asarray(counts, dtype=np.int64)
    return total


def _summarize(rows: pd.DataFrame, scenario: Mapping[str, Any], estimated: Mapping[str, Any]) -> ScenarioSummary:
    histogram = summed_histogram(rows)
    finished = rows[rows["status"] == "ok"]
    hosts_used, bound = int(scenario["hosts_used"]), _bound(scenario)
    vms_placed = int(scenario["vms_placed"])
    return ScenarioSummary(
        scenario_id=int(scenario["id"]),
        role=str(scenario["role"]),
        overcommit_ratio=float(scenario["overcommit_ratio"]),
        overcommit_ratio_mean=_ratio(rows["configured_bytes"].sum(), rows["usable_bytes"].sum()),
        placement=str(scenario["placement"]),
        tail=str(scenario["tail"]),
        axes=dict(scenario["axes"]),
        hosts_used=hosts_used,
        hosts_used_mean=float(scenario["hosts_used_mean"]),
        hosts_bound=bound,
        hosts_gap_fraction=None if bound is None else (hosts_used - bound) / bound,
        vms_placed=vms_placed,
        vms_per_host=_ratio(vms_placed, hosts_used),
        **estimated,
        denied_host_runs=int((finished["denied_bytes"] > 0).sum()),
        refused_host_runs=int((finished["refused_vms_max"] > 0).sum()),
        killed_host_runs=int((finished["killed_vms"] > 0).sum()),
        broken_by=count_broken(finished["slo_broken_by"]),
        swap_in_bytes_per_s_p99=_worst_host_mean(finished, "swap_in_bytes_per_s_p99"),
        swap_in_bytes_per_s_mean=fleet_mean(rows, "swap_in_bytes_per_s_mean"),
        granted_bytes_mean=fleet_mean(rows, "granted_bytes_mean"),
        ballooned_bytes_mean=fleet_mean(rows, "ballooned_bytes_mean"),
        shared_saved_bytes_mean=fleet_mean(rows, "shared_saved_bytes_mean"),
        compressed_saved_bytes_mean=fleet_mean(rows, "compressed_saved_bytes_mean"),
        swapped_bytes_mean=fleet_mean(rows, "swapped_bytes_mean"),
        denied_bytes_mean=fleet_mean(rows, "denied_bytes"),
        slowdown_p50=slowdown_quantile(histogram, 0.50),
        slowdown_p95=slowdown_quantile(histogram, 0.95),
        slowdown_p99=slowdown_quantile(histogram, 0.99),
        translation_overhead_mean=_weighted(finished, "translation_overhead_mean"),
        unplaced_vms=int(scenario["unplaced_vms"]),
        feasible=int(scenario["unplaced_vms"]) == 0,
    )


def _bound(scenario: Mapping[str, Any]) -> int | None:
    """Take the proven bound where every VM has a host; without some VMs fewer hosts may do."""
    bound = scenario.get("hosts_bound")
    return int(bound) if bound and not scenario["unplaced_vms"] else None


def _bounds(rows: pd.DataFrame, confidence: float, independent_replicates: int | None) -> dict[str, float | None]:
    found = {name: mean_bounds(rows, name, confidence, independent_replicates) for name in _BOUNDED_MEANS}
    found["slowdown_p99"] = slowdown_bounds(rows, 0.99, confidence, independent_replicates)
    return {f"{name}_{end}": getattr(bounds, end) for name, bounds in found.items() for end in bounds._fields}


def _risk_fields(risk: RiskEstimate) -> dict[str, Any]:
    return {
        "swap_risk": risk.risk,
        "swap_risk_low": risk.low,
        "swap_risk_high": risk.high,
        "swap_risk_low_of_finished": risk.low_of_finished,
        "swap_risk_high_of_finished": risk.high_of_finished,
        "replicates": risk.replicates,
        "host_runs": risk.host_runs,
        "broken_host_runs": risk.broken_runs,
        "failed_hosts": risk.failed_runs,
        "effective_host_runs": risk.effective_runs,
        "effective_host_runs_at_target": risk.effective_runs_at_target,
    }


def _ratio(part: float, whole: float) -> float | None:
    return float(part) / float(whole) if whole else None


def _worst_host_mean(finished: pd.DataFrame, column: str) -> float | None:
    if finished.empty:
        return None
    return float(finished.groupby("replicate", sort=True)[column].max().mean())


def _weighted(finished: pd.DataFrame, column: str) -> float | None:
    """Mean over the hosts that have a value, each weighted by its VMs."""
    valued = finished[finished[column].notna()]
    weights = valued["vms"].to_numpy(dtype=np.float64)
    return _ratio(float((weights * valued[column].to_numpy(dtype=np.float64)).sum()), float(weights.sum()))
