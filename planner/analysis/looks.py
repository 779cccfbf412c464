"""Judging a ratio that is looked at more than once, with ever more replicates, without being fooled by chance.

Whoever looks again and again until a bound is within the objective finds it there too often. So the error that the
objective's confidence allows, 1 - confidence, is spent over the looks: look k, with the share t_k of the most
replicates, may be wrong with probability a (t_k^3 - t_{k-1}^3), and its upper bound has that much more confidence. By
Bonferroni's inequality the chance that any look of a ratio calls it met wrongly is then at most a, however the looks
depend on each other. The bounds of all looks hold together: they are repeated confidence intervals.

Stopping early because a ratio is broken or out of reach can only make the answer smaller, never wrong in the other
direction (non-binding futility); there the error is spread evenly over the looks.

References
----------
Lan, K. K. G. and DeMets, D. L. (1983). Discrete sequential boundaries for clinical trials. Biometrika 70, 659-663.
doi:10.1093/biomet/70.3.659
Kim, K. and DeMets, D. L. (1987). Design and analysis of group sequential tests based on the type I error spending rate
function. Biometrika 74, 149-154. doi:10.1093/biomet/74.1.149
Jennison, C. and Turnbull, B. W. (1989). Interim analyses: the repeated confidence interval approach. J. R. Stat. Soc. B
51, 305-334. doi:10.1111/j.2517-6161.1989.tb01433.x
"""

import math
from typing import NamedTuple

from planner.analysis.risk import MIN_REPLICATES_FOR_CORRELATION, HostRuns, estimate_risk, runs_needed
from planner.analysis.scenarios import with_confidence
from planner.config.slo import SloSpec
from planner.sweep.adaptive import Verdict

SPENDING_POWER = 3
"""Kim and DeMets' family a t^p; at 3 it is close to O'Brien and Fleming's: hardly anything early, the last look keeps
most of the error, so that its bound is nearly that of a sweep with as many replicates."""


class Look(NamedTuple):
    """One look: with how many replicates, and the confidence of its upper and its lower bound."""

    replicates: int
    upper_confidence: float
    lower_confidence: float


class Judged(NamedTuple):
    """What a look has shown; `needed` is the replicates that would settle it if the share of broken hosts stayed."""

    verdict: Verdict
    risk: float | None
    low: float
    high: float
    host_runs: int
    broken_runs: int
    needed: int | None


def plan_looks(replicates_max: int, confidence: float) -> tuple[Look, ...]:
    """Plan the looks at a ratio: the last with `replicates_max`, each before it with half as many, at least four.

    With fewer than four replicates the dependence between hosts cannot be estimated, and a look would be wasted.
    """
    counts = [replicates_max]
    while math.ceil(counts[0] / 2) >= MIN_REPLICATES_FOR_CORRELATION and counts[0] > 1:
        counts.insert(0, math.ceil(counts[0] / 2))
    error = 1.0 - confidence
    shares = [0.0, *((count / replicates_max) ** SPENDING_POWER for count in counts)]
    return tuple(
        Look(count, 1.0 - error * (spent - before), 1.0 - error / len(counts))
        for count, before, spent in zip(counts, shares[:-1], shares[1:], strict=True)
    )


def judge_look(runs: HostRuns, looks: tuple[Look, ...], number: int, slo: SloSpec) -> Judged:
    """Judge what is known of a ratio at one look.

    Parameters
    ----------
    runs : HostRuns
        All host runs so far: `looks[number].replicates` replicates.
    looks : tuple of Look
    number : int
        Which look it is, from 0.
    slo : SloSpec
        The objective.
    """
    look = looks[number]
    upper = estimate_risk(runs, with_confidence(slo, look.upper_confidence))
    lower = estimate_risk(runs, with_confidence(slo, look.lower_confidence))
    needed = _replicates_needed(upper.risk, upper.effective_runs_at_target / max(1, upper.replicates), looks, slo)
    found = Judged(Verdict.ABOVE, upper.risk, lower.low, upper.high, upper.host_runs, upper.broken_runs, needed)
    return found._replace(verdict=_verdict(found, looks, number, slo.hosts_affected))


def _verdict(found: Judged, looks: tuple[Look, ...], number: int, allowed: float) -> Verdict:
    if found.risk is not None and found.high <= allowed:
        return Verdict.MET
    if found.risk is None or found.low > allowed:
        return Verdict.BROKEN
    if number + 1 == len(looks):
        return Verdict.UNSETTLED if found.broken_runs else Verdict.TOO_FEW
    # One small look is not trusted to rule a ratio out; from the second on the trend is.
    if number > 0 and (found.needed is None or found.needed > looks[-1].replicates):
        return Verdict.OUT_OF_REACH
    return Verdict.WITHIN if found.risk <= allowed else Verdict.ABOVE


def _replicates_needed(
    risk: float | None, runs_per_replicate: float, looks: tuple[Look, ...], slo: SloSpec
) -> int | None:
    last = looks[-1]
    if risk is None or runs_per_replicate <= 0:
        return None
    most = 100.0 * last.replicates * runs_per_replicate
    runs = runs_needed(risk, slo.hosts_affected, last.upper_confidence, most)
    return None if runs is None else math.ceil(runs / runs_per_replicate)
