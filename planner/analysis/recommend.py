"""The recommendation: the largest overcommit ratio whose swap-risk upper bound meets the objective."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from planner.analysis.binding import BindingConstraint, explain_failure, no_ratio, sweep_ended
from planner.analysis.lines import PROBE, SWEEP, Line, build_lines, without_tail
from planner.analysis.objectives import slo_sentence
from planner.analysis.scenarios import AxisValue, ScenarioSummary
from planner.analysis.wording import format_count, format_ratio, format_risk
from planner.config.axes import base_axes
from planner.config.spec import PlannerConfig
from planner.errors import InputError

TAILS = ("low", "middle", "high")


@dataclass(frozen=True)
class TailResult:
    """How far the recommended placement may go under one assumption about rarely touched memory.

    Attributes
    ----------
    status : str
        "met", "none" (not even the smallest ratio meets the objective) or "not run".
    overcommit_ratio : float or None
        Largest ratio that meets the objective; None unless `status` is "met".
    risk_at_recommended_high : float or None
        Upper bound of the swap risk at the recommended ratio under this tail; None if that was not run.
    """

    tail: str
    status: str
    overcommit_ratio: float | None = None
    hosts_used: int | None = None
    vms_placed: int | None = None
    swap_risk: float | None = None
    swap_risk_high: float | None = None
    risk_at_recommended: float | None = None
    risk_at_recommended_high: float | None = None


@dataclass(frozen=True)
class Baseline:
    """What savings are counted against: ratio 1.0, or the smallest feasible one swept, with the placement best there.

    That placement need not be the recommended one: a placement that spreads VMs must not take the credit for hosts
    that another would never have used.
    """

    overcommit_ratio: float
    placement: str
    hosts_used: int
    vms_placed: int
    text: str


@dataclass(frozen=True)
class Recommendation:
    """The answer. Where `meets_slo` is false no ratio is recommended and the other fields describe the safest one.

    Attributes
    ----------
    overcommit_ratio : float or None
        Recommended limit; None when not even the smallest ratio swept meets the objective.
    scenario_id, next_scenario_id : int or None
        The scenario that the fields describe, and the one that shows what happens beyond it: the next larger ratio, or,
        where `meets_slo` is false, the first larger one at which a host broke.
    hosts_saved, vms_gained : int
        Against the baseline; the first answers "consolidate", the second "grow".
    by_tail : dict
        Largest ratio for each tail; None where there is none or it was not run (`tails` says which).
    """

    meets_slo: bool
    overcommit_ratio: float | None
    placement: str
    axes: dict[str, AxisValue]
    tail: str
    scenario_id: int
    next_scenario_id: int | None
    hosts_used: int
    hosts_saved: int
    vms_placed: int
    vms_gained: int
    vms_per_host: float | None
    baseline: Baseline
    swap_risk: float | None
    swap_risk_low: float
    swap_risk_high: float
    slo: dict[str, Any]
    confidence: float
    binding_constraint: BindingConstraint
    by_tail: dict[str, float | None]
    tails: tuple[TailResult, ...]
    ratios_past_a_failure: tuple[float, ...]
    headline: str
    sentence: str


def recommend(summaries: Sequence[ScenarioSummary], config: PlannerConfig) -> Recommendation:
    """Choose the largest ratio that meets the objective, and say what it gives and what binds next.

    Parameters
    ----------
    summaries : sequence of ScenarioSummary
        All scenarios, with at least one of role "sweep".
    config : PlannerConfig
        The objective, the question and the axes.

    Raises
    ------
    InputError
        No scenario of role "sweep" has the axis values that the config names.

    Notes
    -----
    A ratio counts only if all smaller ones of its placement meet the objective, too; those at which the hosts do not
    hold all VMs are no evidence against it. Between placements, each at its largest ratio, what was asked decides:
    fewest hosts (consolidate) or most VMs (grow); then the larger ratio, the lower upper bound, the name. A placement
    that reaches a larger ratio on more hosts has reached nothing.
    """
    lines = build_lines(summaries, config.slo)
    axes = base_axes(config)
    candidates = [line for line in lines if line.role == SWEEP and line.axes == axes]
    if not candidates:
        raise InputError(
            "manifest.json", f"no scenario was swept with the config's own axes {axes}", "run the sweep again"
        )
    line = min(candidates, key=lambda line: _preference(line, config.question))
    chosen = line.best or line.first
    following = line.following
    binding = explain_failure(following, config.slo) if following else sweep_ended(chosen)
    probes = [item for item in summaries if item.role == PROBE and item.axes == axes and item.tail == line.tail]
    baseline = _baseline(line, [*probes, *(item for rival in candidates for item in rival.scenarios)])
    tails = tuple(_tail_result(tail, line, chosen, lines) for tail in TAILS)
    return Recommendation(
        meets_slo=line.best is not None,
        overcommit_ratio=line.best.overcommit_ratio if line.best else None,
        placement=line.placement,
        axes=line.axes,
        tail=line.tail,
        scenario_id=chosen.scenario_id,
        next_scenario_id=_next_id(line, chosen),
        hosts_used=chosen.hosts_used,
        hosts_saved=baseline.hosts_used - chosen.hosts_used,
        vms_placed=chosen.vms_placed,
        vms_gained=chosen.vms_placed - baseline.vms_placed,
        vms_per_host=chosen.vms_per_host,
        baseline=baseline,
        swap_risk=chosen.swap_risk,
        swap_risk_low=chosen.swap_risk_low,
        swap_risk_high=chosen.swap_risk_high,
        slo=_slo_fields(config),
        confidence=config.slo.confidence,
        binding_constraint=binding,
        by_tail={item.tail: item.overcommit_ratio for item in tails},
        tails=tails,
        ratios_past_a_failure=line.ratios_past_a_failure,
        headline=_headline(line, chosen, baseline, binding, config),
        sentence=_sentence(line, chosen, baseline, binding, config),
    )


def recommendation_as_dict(recommendation: Recommendation) -> dict[str, Any]:
    """Turn the recommendation into plain values for JSON."""
    return asdict(recommendation)


def _next_id(line: Line, chosen: ScenarioSummary) -> int | None:
    larger = [item for item in line.scenarios if item.overcommit_ratio > chosen.overcommit_ratio]
    if line.best is None:
        larger = [item for item in larger if item.broken_host_runs] or larger
    return larger[0].scenario_id if larger else None


def _preference(line: Line, question: str) -> tuple[float, float, int, float, str]:
    best = line.best
    if best is None:
        first = line.first
        return (float("inf"), 0.0, 0, first.swap_risk_high if first.feasible else 2.0, line.placement)
    gained = -best.vms_placed if question == "grow" else best.hosts_used
    return (gained, -best.overcommit_ratio, best.hosts_used, best.swap_risk_high, line.placement)


def _baseline(line: Line, candidates: Sequence[ScenarioSummary]) -> Baseline:
    """Choose among the scenarios of all placements; that a search has not settled one does not matter for its hosts."""
    placed = [item for item in candidates if item.placement == line.placement and item.feasible]
    own = sorted(placed, key=lambda item: item.overcommit_ratio) or list(line.scenarios)
    ratio = 1.0 if any(item.overcommit_ratio == 1.0 for item in own) else own[0].overcommit_ratio
    reason = "no overcommit" if ratio == 1.0 else "the smallest ratio swept at which every VM finds a host"
    rivals = [other for other in candidates if other.feasible or other in own]
    best = min(
        (other for other in rivals if other.overcommit_ratio == ratio),
        key=lambda other: (
            -other.vms_placed,
            other.hosts_used,
            other.placement != line.placement,
            other.placement,
        ),
    )
    text = f"{best.placement} at {format_ratio(ratio)} ({reason})"
    return Baseline(ratio, best.placement, best.hosts_used, best.vms_placed, text)


def _tail_result(tail: str, line: Line, chosen: ScenarioSummary, lines: list[Line]) -> TailResult:
    same = [
        other
        for other in lines
        if other.tail == tail
        and other.placement == line.placement
        and without_tail(other.axes) == without_tail(line.axes)
    ]
    if not same:
        return TailResult(tail, "not run")
    other = line if line in same else same[0]
    here = [item for item in other.scenarios if item.overcommit_ratio == chosen.overcommit_ratio]
    at_recommended = here[0] if here else None
    best = other.best
    return TailResult(
        tail=tail,
        status="met" if best else "none",
        overcommit_ratio=best.overcommit_ratio if best else None,
        hosts_used=best.hosts_used if best else None,
        vms_placed=best.vms_placed if best else None,
        swap_risk=best.swap_risk if best else None,
        swap_risk_high=best.swap_risk_high if best else None,
        risk_at_recommended=at_recommended.swap_risk if at_recommended else None,
        risk_at_recommended_high=at_recommended.swap_risk_high if at_recommended else None,
    )


def _slo_fields(config: PlannerConfig) -> dict[str, Any]:
    slo = config.slo
    return {
        "sentence": slo_sentence(slo, config.horizon),
        "objectives": list(slo.objectives),
        "swap_in_bytes_per_s": slo.swap_in,
        "for_more_than_s": slo.for_more_than,
        "hosts_affected_fraction": slo.hosts_affected,
        "confidence": slo.confidence,
        "horizon_s": config.horizon,
    }


def _sentence(
    line: Line, chosen: ScenarioSummary, baseline: Baseline, binding: BindingConstraint, config: PlannerConfig
) -> str:
    risk = format_risk(chosen.swap_risk, chosen.swap_risk_high, config.slo.confidence)
    ratio = format_ratio(chosen.overcommit_ratio)
    if line.best is None:
        return (
            f"{no_ratio(binding)}. At {ratio} with {line.placement} placement the swap risk is {risk}. {binding.text}"
        )
    mean = chosen.overcommit_ratio_mean
    reached = f" (hosts reach {format_ratio(round(mean, 2))} on average)" if mean is not None else ""
    if chosen.overcommit_ratio == 1.0:
        held = f"{format_count(chosen.hosts_used, 'host')} for {format_count(chosen.vms_placed, 'VM')}"
        return f"Do not overcommit: with {line.placement} placement at 1.0, {held}; the swap risk is {risk}."
    return (
        f"Overcommit by up to {ratio} with {line.placement} placement{reached}: {_gain(chosen, baseline, config)}; "
        f"the swap risk is {risk}."
    )


def _headline(
    line: Line, chosen: ScenarioSummary, baseline: Baseline, binding: BindingConstraint, config: PlannerConfig
) -> str:
    if line.best is None:
        return no_ratio(binding)
    hosts, base = format_count(chosen.hosts_used, "host"), format_ratio(baseline.overcommit_ratio)
    if config.question == "grow":
        return f"{chosen.vms_placed - baseline.vms_placed:,} more VMs than at {base}, on {hosts}"
    saved = baseline.hosts_used - chosen.hosts_used
    if saved > 0:
        return f"{format_count(saved, 'host')} saved: {hosts} instead of {baseline.hosts_used:,}"
    return f"{hosts}, no fewer than at {base}"


def _gain(chosen: ScenarioSummary, baseline: Baseline, config: PlannerConfig) -> str:
    hosts = format_count(chosen.hosts_used, "host")
    against = f"at {format_ratio(baseline.overcommit_ratio)}"
    if baseline.placement != chosen.placement:
        against += f" with {baseline.placement}"
    if config.question == "grow":
        gained = chosen.vms_placed - baseline.vms_placed
        return f"{hosts} hold {format_count(chosen.vms_placed, 'VM')}, {gained:,} more than {against}"
    saved = baseline.hosts_used - chosen.hosts_used
    change = f"{saved:,} fewer than" if saved > 0 else f"{-saved:,} more than" if saved < 0 else "as many as"
    return f"{hosts} for {format_count(chosen.vms_placed, 'VM')}, {change} {against}"
