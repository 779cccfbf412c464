"""Can the objective be shown with the replicates at hand? Asked before anything runs, at the best: no event seen.

The answer is a bound on what a sweep can show, not a forecast: hosts that move together and events that are seen take
more. What a finished sweep would still need is said by `planner.analysis.binding`.
"""

import math

from planner.analysis.risk import MIN_REPLICATES_FOR_CORRELATION
from planner.config.slo import SloSpec
from planner.errors import Issue


def runs_to_show(slo: SloSpec) -> int:
    """Count the independent host runs without an event after which the upper bound is within the objective.

    Notes
    -----
    (1 - hosts_affected)^n <= 1 - confidence: 59 for 5 % at 95 % confidence, 299 for 1 %.
    """
    if slo.hosts_affected >= 1.0:
        return 1
    return math.ceil(math.log(1.0 - slo.confidence) / math.log(1.0 - slo.hosts_affected) - 1e-9)


def most_runs(replicates: int, hosts: int, independent_replicates: int | None = None) -> int:
    """Count the independent host runs that a sweep can have at most: every host by itself, in every replicate.

    Parameters
    ----------
    replicates : int
        Replicates of the sweep.
    hosts : int
        Hosts that hold VMs.
    independent_replicates : int or None
        Number of replicates after which demand repeats; None where it never does.
    """
    distinct = replicates if independent_replicates is None else min(replicates, independent_replicates)
    # With so few replicates nobody can tell how far hosts move together, and those of a replicate count as one.
    return distinct if distinct < MIN_REPLICATES_FOR_CORRELATION else distinct * hosts


def replicates_to_show(slo: SloSpec, hosts: int) -> int:
    """Count the replicates after which the objective can be shown at best."""
    return max(MIN_REPLICATES_FOR_CORRELATION, math.ceil(runs_to_show(slo) / max(1, hosts)))


def power_warnings(slo: SloSpec, replicates: int, hosts: int, independent_replicates: int | None = None) -> list[Issue]:
    """Say that the objective cannot be shown with so few replicates, even if no host ever breaks it.

    Parameters
    ----------
    slo : SloSpec
        `hosts_affected` above 0.
    replicates, hosts : int
        Replicates of the sweep; hosts that hold VMs in the scenario with most of them.
    independent_replicates : int or None
        Number of replicates after which demand repeats.

    Returns
    -------
    list of Issue
        Empty where it can be shown.
    """
    needed, there = runs_to_show(slo), most_runs(replicates, hosts, independent_replicates)
    if there >= needed:
        return []
    share, confidence = f"{100 * slo.hosts_affected:g} %", f"{100 * slo.confidence:g} %"
    few = f" (below {MIN_REPLICATES_FOR_CORRELATION} replicates the hosts of one count as one)"
    message = (
        f"{share} of hosts cannot be shown at {confidence} confidence: it takes {needed:,} independent host runs "
        f"without an event, and {replicates:,} replicates of {hosts:,} hosts are {there:,} at most"
        f"{few if there < replicates * hosts and replicates < MIN_REPLICATES_FOR_CORRELATION else ''}"
    )
    wanted = replicates_to_show(slo, hosts)
    if independent_replicates is not None and wanted > independent_replicates:
        hint = (
            f"demand repeats after {independent_replicates:,} replicates: accept a larger share of hosts, a lower "
            "confidence, or import longer traces"
        )
    else:
        hint = f"use at least {wanted:,} replicates, or accept a larger share of hosts"
    return [Issue("sweep.replicates", message, hint)]
