"""Drives the sensitivity analysis: every assumption at both ends of its range, then pairs of the strongest."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

from planner.analysis.scenarios import SUMMARY_COLUMNS, host_runs
from planner.analysis.sensitivity import (
    EndResult,
    broken_share,
    is_worse,
    judge_share,
    share_looks,
    strongest,
    summarize_sensitivity,
)
from planner.cli.adaptive import LineResult, SearchTools, lines_of, run_searches
from planner.cli.progress import note
from planner.cli.stages import Stage, simulate_plan
from planner.config.sweep import AxisValue
from planner.sweep.placing import SweepPlanner
from planner.sweep.plan import Plan, take_runs
from planner.sweep.sensitivity import End, assumption_ends, expand_changes, joined, load_assumptions

STRONGEST = 3
"""Assumptions whose pairs are tried, too."""


class Line(NamedTuple):
    """The line that is varied: the recommended one, with the ratios that it may choose from."""

    placement: str
    axes: Mapping[str, AxisValue]
    tail: str
    ratios: tuple[float, ...]
    start: float


class _Tried(NamedTuple):
    """A set of changes with the name it has in the results."""

    assumption: str
    side: str
    value: str
    source: str
    changes: dict[str, AxisValue]


def analyse_sensitivity(
    tools: SearchTools, planner: SweepPlanner, line: Line, replicates: int, first_id: int
) -> tuple[list[Stage], dict[str, Any]]:
    """Vary the assumptions around a line; return the stages to store and the summary's part on it.

    Parameters
    ----------
    tools : SearchTools
        As of the sweep; outcomes that it knows are used again.
    line : Line
    replicates : int
        Most replicates of a ratio.
    first_id : int
        Number of the first scenario.
    """
    tools = tools._replace(looks=share_looks(replicates), judge=judge_share)
    ends = assumption_ends(tools.config)
    before = len(tools.known)
    base_lines, _ = _search(tools, planner, line, [_BASE], "sensitivity, base")
    here = base_lines[0].answer or line.ratios[0]
    around = _around(line.ratios, here)
    base = _results(tools, planner, line, [_BASE], (base_lines, around))[0]
    tried = [_single(end) for end in ends]
    lines, plan = _search(tools, planner, line._replace(start=here), tried, "sensitivity")
    results = _results(tools, planner, line, tried, (lines, around))
    stages = [_stage(tools, plan, lines, first_id)]
    pairs = _pairs(ends, results, base)
    paired: list[EndResult] = []
    if pairs:
        lines, plan = _search(tools, planner, line._replace(start=here), pairs, "sensitivity, pairs")
        paired = _results(tools, planner, line, pairs, (lines, around))
        stages.append(_stage(tools, plan, lines, first_id + len(stages[0].plan.placed)))
    facts = {
        "placement": line.placement,
        "axes": dict(line.axes),
        "tail": line.tail,
        "ratio": here,
        "next_ratio": around[-1],
        "replicates": replicates,
        "host_problems": len(tools.known) - before,
    }
    note(f"sensitivity: {len(tried)} ends and {len(pairs)} pairs took {facts['host_problems']} host simulations more")
    return stages, summarize_sensitivity(base, results, paired, facts)


_BASE = _Tried("as configured", "", "", "", {})


def _single(end: End) -> _Tried:
    source = next(item.source for item in load_assumptions() if item.name == end.assumption)
    return _Tried(end.assumption, end.side, end.value, " ".join(source.split()), end.changes)


def _pairs(ends: Sequence[End], results: Sequence[EndResult], base: EndResult) -> list[_Tried]:
    """Pair the strongest assumptions: their worse ends together, and their better ends together."""
    chosen = []
    for one, other in combinations(strongest(base, results, STRONGEST), 2):
        for wanted, side in ((True, "worse"), (False, "better")):
            both = [
                end
                for end, result in zip(ends, results, strict=True)
                if end.assumption in (one, other) and is_worse(result, base) == wanted
            ]
            if [end.assumption for end in both] in ([one, other], [other, one]):
                named = " and ".join(f"{end.assumption} {end.value}" for end in both)
                chosen.append(_Tried(f"{one} and {other}", side, named, "", joined(both)))
    return chosen


def _search(
    tools: SearchTools, planner: SweepPlanner, line: Line, tried: Sequence[_Tried], label: str
) -> tuple[list[LineResult], Plan]:
    """Search the ratio of each set of changes, in their order."""
    changes = [item.changes for item in tried]
    plan = planner.plan(expand_changes(line._asdict(), line.tail, changes, line.ratios))
    lines = lines_of(plan, tools.looks, line.start)
    run_searches(tools, plan, lines, label)
    return lines, plan


def _results(
    tools: SearchTools,
    planner: SweepPlanner,
    line: Line,
    tried: Sequence[_Tried],
    found: tuple[Sequence[LineResult], tuple[float, ...]],
) -> list[EndResult]:
    """Add the risks at the base's ratio and at the next one, on the first look's replicates: the same for all."""
    lines, around = found
    changes = [item.changes for item in tried]
    plan = planner.plan(expand_changes(line._asdict(), line.tail, changes, around))
    count = tools.looks[0].replicates
    part = take_runs(plan, {item.scenario.id: (item.scenario, count) for item in plan.placed if not item.unplaced})
    stage = simulate_plan(part, tools.executor, tools.sim_factory, "sensitivity, risk beside the answer", tools.known)
    results = []
    for number, (item, result) in enumerate(zip(tried, lines, strict=True)):
        ids = [plan.placed[number * len(around) + at].scenario.id for at in (0, len(around) - 1)]
        frames = [stage.rows_of(key, SUMMARY_COLUMNS) for key in ids]
        shares = [broken_share(host_runs(rows[rows["vms"] > 0], tools.independent)) for rows in frames]
        results.append(EndResult(item.assumption, item.side, item.value, item.source, result.answer, *shares))
    return results


def _around(ratios: Sequence[float], here: float) -> tuple[float, ...]:
    """Return the ratio and the next larger one, if there is one."""
    at = ratios.index(here)
    return tuple(ratios[at : at + 2])


def _stage(tools: SearchTools, plan: Plan, lines: Sequence[LineResult], first_id: int) -> Stage:
    """Make the tables of every ratio that was simulated of the lines, numbered on."""
    counts = {
        line.placed[position].scenario.id: line.replicates(position) for line in lines for position in line.latest
    }
    scenarios = [item.scenario for item in plan.placed if item.scenario.id in counts]
    wanted = {
        scenario.id: (replace(scenario, id=first_id + number), counts[scenario.id])
        for number, scenario in enumerate(scenarios)
    }
    return simulate_plan(take_runs(plan, wanted), tools.executor, tools.sim_factory, "tables", tools.known)
