"""Cross-field rules of the sweep: ratios, placements and further axes."""

from collections import Counter
from collections.abc import Sequence

from planner.config.override import find_path_problem, override_config
from planner.config.paths import format_path, parse_path
from planner.config.spec import PlannerConfig
from planner.config.suggest import name_problem
from planner.errors import ConfigError, Issue

LARGEST_RATIO = 20.0
_NOT_AXES = {
    "sweep": "use overcommit_ratio, placement and replicates of the sweep itself",
    "seed": "use sweep.replicates: every replicate draws anew",
    "schema_version": "leave it out",
    "horizon": "run a second sweep: scenarios must share their demand",
    "tick": "run a second sweep: scenarios must share their demand",
    "question": "run a second sweep: a report answers one question",
}


def check_ratios(config: PlannerConfig) -> list[Issue]:
    """Check that ratios are positive, different, and not percentages."""
    issues = []
    for position, ratio in enumerate(config.sweep.overcommit_ratio):
        path = f"sweep.overcommit_ratio[{position}]"
        if ratio <= 0:
            issues.append(Issue(path, f"{ratio:g} is not positive", "1.0 is no overcommit, 1.5 is half as much again"))
        elif ratio > LARGEST_RATIO:
            issues.append(Issue(path, f"{ratio:g} is not plausible", f"a ratio, not percent: write {ratio / 100:g}?"))
    return issues + _repeated(config.sweep.overcommit_ratio, "sweep.overcommit_ratio", "ratio")


def check_placement_repeats(config: PlannerConfig) -> list[Issue]:
    """Check that no placement is listed twice."""
    return _repeated(config.sweep.placement, "sweep.placement", "placement")


def check_placement_names(config: PlannerConfig, known: tuple[str, ...]) -> list[Issue]:
    """Check that every placement strategy is one that is registered."""
    return [
        Issue(f"sweep.placement[{position}]", *name_problem("placement", name, known))
        for position, name in enumerate(config.sweep.placement)
        if name not in known
    ]


def check_axis_values(config: PlannerConfig) -> list[Issue]:
    """Check that every axis is a path of the config, and each of its values is valid there."""
    issues = []
    for path, values in config.sweep.axes.items():
        here = format_path(("sweep", "axes", path))
        reason = _reason_against_axis(path)
        if reason is not None:
            issues.append(Issue(here, "cannot be swept", reason))
        elif not values:
            issues.append(Issue(here, "has no values", "list at least one, e.g. [true, false]"))
        else:
            issues += _check_values(config, path, values, here)
            issues += _repeated(values, here, "value")
    return issues


def check_axes_apart(config: PlannerConfig) -> list[Issue]:
    """Check that no axis sets what another axis sets, too: the order would decide."""
    locs = {}
    for path in config.sweep.axes:
        try:
            locs[path] = parse_path(path)
        except ValueError:
            continue
    return [
        Issue(format_path(("sweep", "axes", inner)), f'sets a part of the axis "{outer}"', "keep one of the two")
        for inner, inner_loc in locs.items()
        for outer, outer_loc in locs.items()
        if inner != outer and inner_loc[: len(outer_loc)] == outer_loc
    ]


def _reason_against_axis(path: str) -> str | None:
    top = path.split(".")[0].split("[")[0]
    if path in ("overcommit_ratio", "placement", "replicates"):
        return f"it has a key of its own: sweep.{path}"
    if path.startswith("fleet.vms"):
        return "run a second sweep: scenarios must share their VMs"
    return _NOT_AXES.get(top)


def _check_values(config: PlannerConfig, path: str, values: Sequence[bool | float | str], here: str) -> list[Issue]:
    problem = find_path_problem(config, path)
    if problem is not None:
        return [problem._replace(path=here)]
    issues = []
    for position, value in enumerate(values):
        try:
            override_config(config, {path: value})
        except ConfigError as error:
            issues.append(error.issues[0]._replace(path=f"{here}[{position}]"))
    return issues


def _repeated(values: Sequence[object], path: str, kind: str) -> list[Issue]:
    counts = Counter((type(value) is bool, value) for value in values)
    return [
        Issue(path, f"the {kind} {value} is listed {count} times", "list it once")
        for (_, value), count in counts.items()
        if count > 1
    ]


SWEEP_CHECKS = (check_ratios, check_placement_repeats, check_axis_values, check_axes_apart)
