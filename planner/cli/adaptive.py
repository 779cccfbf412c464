"""Drives adaptive searches: simulates the looks that they ask for, all lines of a round at once, and judges them.

Every ratio is placed before the first host is simulated, so the full grid is known: a look takes its host problems from
that plan, and a search can never simulate one that the grid has not. Decisions follow complete rounds only, so they do
not depend on the executor.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from planner.analysis.looks import Judged, Look, judge_look
from planner.analysis.risk import HostRuns
from planner.analysis.scenarios import SUMMARY_COLUMNS, host_runs
from planner.cli.stages import Stage, simulate_plan, summarize_stages
from planner.config.slo import SloSpec
from planner.config.spec import PlannerConfig
from planner.fleet.base import Executor, SimFactory
from planner.results.outcomes import KnownOutcomes
from planner.sweep.adaptive import LineSearch, Request, Verdict
from planner.sweep.expand import Scenario, expand_tails
from planner.sweep.placing import SweepPlanner
from planner.sweep.plan import PlacedScenario, Plan, take_runs

Judge = Callable[[HostRuns, tuple[Look, ...], int, SloSpec], Judged]


class SearchTools(NamedTuple):
    """What every search of a command shares.

    Attributes
    ----------
    looks : tuple of Look
    independent : int or None
        Replicates after which demand repeats; None where it never does.
    known : KnownOutcomes
        Outcomes so far; grows.
    judge : callable
        Says what a look has shown; see `judge_look`.
    """

    config: PlannerConfig
    executor: Executor
    sim_factory: SimFactory
    known: KnownOutcomes
    looks: tuple[Look, ...]
    independent: int | None
    judge: Judge = judge_look


class Searched(NamedTuple):
    """Stages of a search, and the summary with what it did under "adaptive"."""

    stages: list[Stage]
    summary: dict[str, Any]


@dataclass
class LineResult:
    """One line of a search: its scenarios with ratios ascending, the state of its search, and every step taken."""

    placed: tuple[PlacedScenario, ...]
    search: LineSearch
    looks: tuple[Look, ...]
    steps: list[dict[str, Any]] = field(default_factory=list)
    latest: dict[int, int] = field(default_factory=dict)

    @property
    def answer(self) -> float | None:
        """Largest ratio that meets the objective; None when there is none."""
        position = self.search.found().answer
        return None if position is None else self.placed[position].scenario.overcommit_ratio

    def replicates(self, position: int) -> int:
        """Replicates simulated of a ratio so far."""
        look = self.latest.get(position)
        return 0 if look is None else self.looks[look].replicates

    def entry(self) -> dict[str, Any]:
        """Describe the search for the summary."""
        first = self.placed[0].scenario
        violations = [self.placed[at].scenario.overcommit_ratio for at in self.search.found().violations]
        no_room = [
            item.scenario.overcommit_ratio
            for at, item in enumerate(self.placed)
            if self.search.verdict(at) is Verdict.NO_ROOM
        ]
        given_up = [self.placed[at].scenario.overcommit_ratio for at in self.search.given_up()]
        return {
            "placement": first.placement,
            "tail": first.tail,
            "axes": dict(first.axes),
            "overcommit_ratio": self.answer,
            "ratios_past_a_failure": violations,
            "ratios_without_room": no_room,
            "ratios_given_up": given_up,
            "steps": self.steps,
        }


def search_stages(job_config: PlannerConfig, planner: SweepPlanner, plan: Plan, tools: SearchTools) -> Searched:
    """Search every line of a sweep, then the recommended one under each other tail.

    Parameters
    ----------
    job_config : PlannerConfig
        As written; `plan` is the full grid that its search replaces.
    """
    lines = lines_of(plan, tools.looks)
    budget = grid_problems(plan, job_config)
    run_searches(tools, plan, lines, "search", budget)
    simulated = len(tools.known)
    stages = [final_stage(tools, plan, lines, 0)]
    summary = summarize_stages(stages, job_config)
    ratios = sorted({item.scenario.overcommit_ratio for item in plan.placed})
    tail_lines: list[LineResult] = []
    others = expand_tails(job_config, ratios, summary["recommendation"])
    if others:
        tail_plan = planner.plan(others)
        ratio = summary["recommendation"]["overcommit_ratio"]
        tail_lines = lines_of(tail_plan, tools.looks, ratios[0] if ratio is None else ratio)
        run_searches(tools, tail_plan, tail_lines, "other tails")
        stages.append(final_stage(tools, tail_plan, tail_lines, len(stages[0].plan.placed)))
        summary = summarize_stages(stages, job_config)
    summary["adaptive"] = {
        "ratios": ratios,
        "replicates_max": tools.looks[-1].replicates,
        "looks": [look._asdict() for look in tools.looks],
        "grid_host_problems": budget,
        "host_problems": simulated,
        "lines": [line.entry() for line in lines],
        "tails": [line.entry() for line in tail_lines],
    }
    return Searched(stages, summary)


def grid_problems(plan: Plan, config: PlannerConfig) -> int:
    """Count the host problems of the grid that a search replaces: all its ratios with `sweep.replicates` replicates."""
    return sum(problem.replicate < config.sweep.replicates for problem in plan.problems)


def lines_of(plan: Plan, looks: tuple[Look, ...], start_ratio: float | None = None) -> list[LineResult]:
    """Group the scenarios of a plan into lines that differ in nothing but the ratio.

    Parameters
    ----------
    start_ratio : float, optional
        Where the answers are expected.
    """
    groups: dict[tuple[object, ...], list[PlacedScenario]] = {}
    for item in plan.placed:
        scenario = item.scenario
        key = (scenario.placement, scenario.tail, tuple(sorted((k, str(v)) for k, v in scenario.axes.items())))
        groups.setdefault(key, []).append(item)
    lines = []
    for items in groups.values():
        placed = tuple(sorted(items, key=lambda item: item.scenario.overcommit_ratio))
        ratios = [item.scenario.overcommit_ratio for item in placed]
        start = None if start_ratio is None else ratios.index(min(ratios, key=lambda ratio: abs(ratio - start_ratio)))
        lines.append(LineResult(placed, LineSearch([not item.unplaced for item in placed], len(looks), start), looks))
    return lines


def run_searches(
    tools: SearchTools, plan: Plan, lines: Sequence[LineResult], label: str, budget: int | None = None
) -> None:
    """Run the searches of some lines of a plan to their end, in rounds. Changes `lines` and `tools.known`.

    Parameters
    ----------
    budget : int, optional
        Most host problems to simulate; a look that would need more is not taken.
    """
    before, number = len(tools.known), 0
    while True:
        left = None if budget is None else budget - (len(tools.known) - before)
        wanted = _next_round(tools, plan, lines, left)
        if not wanted:
            return
        number += 1
        _take_round(tools, plan, wanted, (label, number))


def _take_round(
    tools: SearchTools, plan: Plan, wanted: Sequence[tuple[LineResult, Request]], named: tuple[str, int]
) -> None:
    """Simulate the looks of one round together and tell each search what its own has shown."""
    label, number = named
    scenarios = [line.placed[request.ratio].scenario for line, request in wanted]
    counts = [tools.looks[request.look].replicates for _, request in wanted]
    part = take_runs(plan, {item.id: (item, count) for item, count in zip(scenarios, counts, strict=True)})
    stage = simulate_plan(part, tools.executor, tools.sim_factory, f"{label}, round {number}", tools.known)
    for line, request in wanted:
        item = line.placed[request.ratio]
        rows = stage.rows_of(item.scenario.id, SUMMARY_COLUMNS)
        judged = tools.judge(
            host_runs(rows[rows["vms"] > 0], tools.independent), tools.looks, request.look, item.config.slo
        )
        line.search.record(request, judged.verdict)
        line.latest[request.ratio] = request.look
        line.steps.append(_step(line, request, judged, number))


def final_plan(plan: Plan, lines: Sequence[LineResult], first_id: int) -> Plan:
    """Take what the searches have simulated, with roles, bounds and numbers as the result tables have them.

    Ratios that were left unsettled because they were no longer needed get the role "probe". So do the smallest ratio
    and 1.0, simulated or not: hosts saved are counted against them. Ratios at which VMs find no host, below the first
    that has room for all, are left out.
    """
    found: dict[int, tuple[Scenario, int]] = {}
    for line in lines:
        for position, item in enumerate(line.placed):
            if _is_kept(line, position):
                found[item.scenario.id] = (_as_judged(line, position), line.replicates(position))
    numbered = {
        old: (replace(scenario, id=first_id + number), count)
        for number, (old, (scenario, count)) in enumerate(
            (item.scenario.id, found[item.scenario.id]) for item in plan.placed if item.scenario.id in found
        )
    }
    return take_runs(plan, numbered)


def final_stage(tools: SearchTools, plan: Plan, lines: Sequence[LineResult], first_id: int) -> Stage:
    """Make the tables of what the searches have simulated; nothing is simulated again."""
    return simulate_plan(final_plan(plan, lines, first_id), tools.executor, tools.sim_factory, "tables", tools.known)


def _next_round(
    tools: SearchTools, plan: Plan, lines: Sequence[LineResult], left: int | None
) -> list[tuple[LineResult, Request]]:
    wanted = []
    for line in lines:
        while (request := line.search.next_request()) is not None:
            cost = 0 if left is None else _new_problems(tools, plan, line, request)
            if left is not None and cost > left:
                line.search.give_up(request)
                continue
            left = None if left is None else left - cost
            wanted.append((line, request))
            break
    return wanted


def _new_problems(tools: SearchTools, plan: Plan, line: LineResult, request: Request) -> int:
    scenario = line.placed[request.ratio].scenario
    part = take_runs(plan, {scenario.id: (scenario, tools.looks[request.look].replicates)})
    return sum(not tools.known.is_asked(tools.known.key(plan.source, problem)) for problem in part.problems)


def _step(line: LineResult, request: Request, judged: Judged, number: int) -> dict[str, Any]:
    look = line.looks[request.look]
    return {
        "round": number,
        "overcommit_ratio": line.placed[request.ratio].scenario.overcommit_ratio,
        "replicates": look.replicates,
        "host_runs": judged.host_runs,
        "broken_host_runs": judged.broken_runs,
        "swap_risk": judged.risk,
        "swap_risk_low": judged.low,
        "swap_risk_high": judged.high,
        "bound_confidence": look.upper_confidence,
        "verdict": str(line.search.verdict(request.ratio)),
        "reason": request.reason,
    }


def _is_kept(line: LineResult, position: int) -> bool:
    has_room = [line.search.verdict(at) is not Verdict.NO_ROOM for at in range(len(line.placed))]
    if not has_room[position]:
        return any(has_room[:position]) or (not any(has_room) and position == len(has_room) - 1)
    is_reference = position == has_room.index(True) or line.placed[position].scenario.overcommit_ratio == 1.0
    return position in line.latest or is_reference


def _as_judged(line: LineResult, position: int) -> Scenario:
    """Give a scenario its role, and the confidence of its bounds: that of the look where a bound was decisive."""
    scenario, look, verdict = line.placed[position].scenario, line.latest.get(position), line.search.verdict(position)
    if look is None:
        return scenario if verdict is Verdict.NO_ROOM else replace(scenario, role="probe")
    planned = line.looks[look]
    # Only a bound that was judged at a look's own confidence may show that a ratio meets the objective.
    confidence = max(planned.upper_confidence, planned.lower_confidence)
    if verdict in (Verdict.MET, Verdict.BROKEN):
        confidence = planned.upper_confidence if verdict is Verdict.MET else planned.lower_confidence
    role = scenario.role if line.search.is_settled(position) else "probe"
    return replace(scenario, bound_confidence=confidence, role=role)
