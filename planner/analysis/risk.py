"""Swap risk: the probability that a host breaks the objective in the horizon, with bounds that hold.

Hosts of one replicate share its demand, so they are not independent observations: they count as the number of host runs
that would tell as much if they were independent. Method, assumptions and coverage by simulation: docs/model/risk.md.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from planner.analysis.dependence import exceedance_correlation, within_replicate_correlation
from planner.analysis.intervals import midp_at_most, probability_interval
from planner.config.slo import SloSpec

MIN_REPLICATES_FOR_CORRELATION = 4
"""Below this the correlation between hosts cannot be estimated; hosts of a replicate then count as one."""


@dataclass(frozen=True)
class HostRuns:
    """The host runs of one scenario: one entry per host and replicate, hosts without VMs left out.

    Attributes
    ----------
    replicate : int64 array, shape (n_runs,)
        Replicate of each run.
    host : object array, shape (n_runs,)
        Name of the host.
    is_broken : bool array, shape (n_runs,)
        Whether the host broke the objective; False where unknown.
    is_known : bool array, shape (n_runs,)
        Whether the simulation of this host finished.
    margins : float64 array, shape (n_runs, n_margins)
        Continuous measures of pressure, the closest to breaking first: peak granted, then peak active memory ÷ usable
        memory; NaN where unknown. The first that varies between replicates is used.
    """

    replicate: np.ndarray
    host: np.ndarray
    is_broken: np.ndarray
    is_known: np.ndarray
    margins: np.ndarray


@dataclass(frozen=True)
class RiskEstimate:
    """Swap risk of one scenario.

    Attributes
    ----------
    risk : float or None
        Share of finished host runs that broke the objective; None when none finished.
    low, high : float
        Two-sided interval, which holds with the stated confidence. So does `high` by itself, whatever the number of
        events: it is what a recommendation is judged by.
    low_of_finished, high_of_finished : float
        The interval of the finished runs alone; the same where none failed.
    host_runs, broken_runs, failed_runs, replicates : int
        Counts behind it. Runs that failed count as unbroken in `low` and as broken in `high`.
    effective_runs : float
        Number of independent host runs that would tell as much, at the probability `high`.
    effective_runs_at_target : float
        The same at the probability that the objective allows, for planning more replicates.
    """

    risk: float | None
    low: float
    high: float
    low_of_finished: float
    high_of_finished: float
    host_runs: int
    broken_runs: int
    failed_runs: int
    replicates: int
    effective_runs: float
    effective_runs_at_target: float


def estimate_risk(runs: HostRuns, slo: SloSpec) -> RiskEstimate:
    """Estimate the swap risk of one scenario from its host runs.

    Parameters
    ----------
    runs : HostRuns
        Arrays of shape (n_runs,).
    slo : SloSpec
        The confidence, and the share of hosts that is allowed.
    """
    confidence = slo.confidence
    n_runs = len(runs.is_known)
    n_known = int(runs.is_known.sum())
    n_broken = int((runs.is_broken & runs.is_known).sum())
    replicates = len(np.unique(runs.replicate))
    if n_known == 0:
        return RiskEstimate(None, 0.0, 1.0, 0.0, 1.0, n_runs, 0, n_runs, replicates, 0.0, 0.0)
    dependence = _measure_dependence(runs)
    low, high = (
        probability_interval(float(worst.mean()), dependence.effective_runs, confidence)
        for worst in (runs.is_broken, runs.is_broken | ~runs.is_known)
    )
    finished = low[0], high[1]
    if n_known < n_runs:
        of_finished = _measure_dependence(_finished(runs))
        finished = probability_interval(n_broken / n_known, of_finished.effective_runs, confidence)
    return RiskEstimate(
        risk=n_broken / n_known,
        low=low[0],
        high=high[1],
        low_of_finished=finished[0],
        high_of_finished=finished[1],
        host_runs=n_runs,
        broken_runs=n_broken,
        failed_runs=n_runs - n_known,
        replicates=replicates,
        effective_runs=dependence.effective_runs(high[1]),
        effective_runs_at_target=dependence.effective_runs(slo.hosts_affected),
    )


def _finished(runs: HostRuns) -> HostRuns:
    known = runs.is_known
    return HostRuns(
        runs.replicate[known], runs.host[known], runs.is_broken[known], runs.is_known[known], runs.margins[known]
    )


def runs_needed(risk: float, target: float, confidence: float, most_runs: float) -> float | None:
    """Find the smallest effective number of host runs whose upper bound at this observed risk is within the target.

    Returns
    -------
    float or None
        None when even `most_runs` would not do, as always when the risk is above the target.
    """
    tail = (1.0 - confidence) / 2.0
    if risk > target or midp_at_most(risk * most_runs, most_runs, target) > tail:
        return None
    low, high = 0.0, most_runs
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        if midp_at_most(risk * middle, middle, target) > tail:
            low = middle
        else:
            high = middle
    return high


class _Dependence(NamedTuple):
    """What the effective number of runs follows from; `of_margin` is 1 where nothing can be known.

    A host that meets the same demand twice is one of `n_distinct`, whatever the correlations say.
    """

    n_runs: int
    n_distinct: int
    hosts_per_replicate: float
    of_flag: float
    of_margin: float

    def effective_runs(self, probability: float) -> float:
        """Count the independent runs that tell as much, if hosts break with this probability."""
        correlation = max(self.of_flag, exceedance_correlation(self.of_margin, probability))
        counted = self.n_runs / (1.0 + (self.hosts_per_replicate - 1.0) * min(1.0, correlation))
        return min(counted, float(self.n_distinct))


def _measure_dependence(runs: HostRuns) -> _Dependence:
    n_runs = len(runs.is_known)
    n_distinct = len(set(zip(runs.replicate.tolist(), runs.host.tolist(), strict=True)))
    _, per_replicate = np.unique(runs.replicate, return_counts=True)
    # Unequal replicates: the larger ones hold more of the runs, so the mean is taken over runs.
    hosts_per_replicate = float((per_replicate**2).sum() / n_runs)
    if len(per_replicate) < MIN_REPLICATES_FOR_CORRELATION:
        return _Dependence(n_runs, n_distinct, hosts_per_replicate, 1.0, 1.0)
    known = runs.is_known
    flag, *margins = (
        within_replicate_correlation(values[known], runs.replicate[known], runs.host[known])
        for values in (runs.is_broken.astype(np.float64), *runs.margins.T)
    )
    unknown = 1.0 if flag is None else 0.0
    of_margin = next((value for value in margins if value is not None), unknown)
    return _Dependence(n_runs, n_distinct, hosts_per_replicate, max(0.0, flag or 0.0), max(0.0, of_margin))
