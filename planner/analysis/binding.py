"""What stops the recommendation from going further: why the next larger ratio is not recommended."""

import math
from dataclasses import dataclass

from planner.analysis.objectives import SUSTAINED, objective_words
from planner.analysis.risk import runs_needed
from planner.analysis.scenarios import ScenarioSummary
from planner.analysis.wording import format_count, format_percent, format_ratio
from planner.config.slo import SloSpec

MOST_REPLICATES = 10_000


@dataclass(frozen=True)
class BindingConstraint:
    """The constraint that binds next.

    Attributes
    ----------
    kind : str
        The objective that most host runs break, by its key under `slo` ("swap_in", "pressed", "slowdown_p99", "class
        db-*", ...), "denied_memory", "killed_vms", "refused_vms", "too_few_replicates", "hosts_run_out",
        "failed_hosts", or "sweep_ended".
    text : str
        One sentence.
    overcommit_ratio : float or None
        The ratio that fails; None when the sweep ended before anything failed.
    swap_risk, swap_risk_high : float or None
        Its risk and upper bound.
    replicates_needed : int or None
        Replicates that would settle it if the observed share stays as it is; None where more draws would not help.
    """

    kind: str
    text: str
    overcommit_ratio: float | None = None
    swap_risk: float | None = None
    swap_risk_high: float | None = None
    replicates_needed: int | None = None


def explain_failure(item: ScenarioSummary, slo: SloSpec) -> BindingConstraint:
    """Say why a scenario does not meet the objective."""
    needed = replicates_needed(item, slo) if item.feasible else None
    if not item.feasible:
        kind, text = "hosts_run_out", _hosts_run_out(item)
    elif item.swap_risk is None:
        kind, text = "failed_hosts", f"{_at(item)} no host simulation finished"
    elif item.swap_risk <= slo.hosts_affected and item.failed_hosts:
        kind, text = "failed_hosts", _failed_hosts(item, slo)
    elif needed is not None:
        kind, text = "too_few_replicates", _bound_too_wide(item, slo, needed)
    else:
        kind, text = _objective_broken(item, slo)
    return BindingConstraint(
        kind=kind,
        text=text[0].upper() + text[1:] + ".",
        overcommit_ratio=item.overcommit_ratio,
        swap_risk=item.swap_risk,
        swap_risk_high=item.swap_risk_high,
        replicates_needed=needed,
    )


def no_ratio(binding: BindingConstraint) -> str:
    """Say that no ratio is recommended: not shown to meet the objective is less than shown to break it."""
    is_unsure = binding.kind in ("too_few_replicates", "failed_hosts")
    return "No ratio swept is shown to meet the objective" if is_unsure else "No ratio swept meets the objective"


def sweep_ended(item: ScenarioSummary) -> BindingConstraint:
    """Say that the largest ratio swept still meets the objective."""
    ratio = format_ratio(item.overcommit_ratio)
    text = (
        f"Nothing yet: {ratio} is the largest ratio swept for {item.placement}; sweep larger ratios to find the limit."
    )
    return BindingConstraint(kind="sweep_ended", text=text)


def replicates_needed(item: ScenarioSummary, slo: SloSpec) -> int | None:
    """Replicates after which the bound would be within the objective, if the observed share of hosts stays.

    Returns
    -------
    int or None
        None when more than `MOST_REPLICATES` would be needed.
    """
    if item.swap_risk is None or not item.replicates or item.effective_host_runs_at_target <= 0:
        return None
    runs_per_replicate = item.effective_host_runs_at_target / item.replicates
    runs = runs_needed(item.swap_risk, slo.hosts_affected, slo.confidence, MOST_REPLICATES * runs_per_replicate)
    return None if runs is None else max(item.replicates + 1, math.ceil(runs / runs_per_replicate))


def _hosts_run_out(item: ScenarioSummary) -> str:
    unplaced = format_count(item.unplaced_vms, "VM")
    return f"the hosts run out: {_at(item)} {unplaced} found no host"


def _objective_broken(item: ScenarioSummary, slo: SloSpec) -> tuple[str, str]:
    hosts = f"{_at(item)} {format_percent(item.swap_risk)} of hosts (at most {format_percent(item.swap_risk_high)})"
    allowed = f"allowed are {format_percent(slo.hosts_affected)}, bound included"
    if 2 * item.refused_host_runs > item.broken_host_runs:
        return "refused_vms", f"{hosts} do not let VMs on, for want of memory or swap space; {allowed}"
    if 2 * item.killed_host_runs > item.broken_host_runs:
        return "killed_vms", f"{hosts} run out of memory and kill VMs; {allowed}"
    if 2 * item.denied_host_runs > item.broken_host_runs:
        return "denied_memory", f"{hosts} run out of memory to give, with nothing left to reclaim; {allowed}"
    name = next(iter(item.broken_by), None)
    if name is None:
        return "denied_memory", f"{hosts} run out of memory to give; {allowed}"
    sustained = " for too long" if name in SUSTAINED else ""
    return name, f"{hosts} {objective_words(name, slo)}{sustained}; {allowed}"


def _failed_hosts(item: ScenarioSummary, slo: SloSpec) -> str:
    failed = format_count(item.failed_hosts, "host simulation")
    return (
        f"{_at(item)} {failed} failed and must be counted as broken: "
        f"the bound is {format_percent(item.swap_risk_high)}, above {format_percent(slo.hosts_affected)}"
    )


def _bound_too_wide(item: ScenarioSummary, slo: SloSpec, needed: int) -> str:
    broken = "none" if item.broken_host_runs == 0 else f"{item.broken_host_runs:,}"
    return (
        f"too few replicates: {_at(item)} {broken} of {item.host_runs:,} host runs broke the objective, but the upper "
        f"bound is {format_percent(item.swap_risk_high)}, above {format_percent(slo.hosts_affected)}; "
        f"about {needed:,} replicates instead of {item.replicates:,} would settle it"
    )


def _at(item: ScenarioSummary) -> str:
    return f"at ratio {format_ratio(item.overcommit_ratio)},"
