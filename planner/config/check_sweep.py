"""Cross-field rules of the sweep: ratios and placements; further axes are in `check_axes.py`."""

from planner.config.axes import axis_groups, entry_points
from planner.config.check_axes import repeated
from planner.config.spec import PlannerConfig
from planner.config.suggest import name_problem
from planner.errors import Issue

LARGEST_RATIO = 20.0
MOST_RATIOS = 400
_LARGEST = f"write a ratio of at most {LARGEST_RATIO:g}, e.g. 1.5"


def check_ratios(config: PlannerConfig) -> list[Issue]:
    """Check that ratios are positive, different, and not percentages."""
    given: list[tuple[str, object]] = [
        (f"sweep.overcommit_ratio[{position}]", ratio) for position, ratio in enumerate(config.sweep.overcommit_ratio)
    ]
    given += [
        (f"sweep.scenarios[{number}].overcommit_ratio", entry["overcommit_ratio"])
        for number, entry in enumerate(config.sweep.scenarios)
        if "overcommit_ratio" in entry
    ]
    issues = [issue for path, ratio in given if (issue := _ratio_problem(path, ratio)) is not None]
    return issues + repeated(config.sweep.overcommit_ratio, "sweep.overcommit_ratio", "ratio")


def check_placement_repeats(config: PlannerConfig) -> list[Issue]:
    """Check that no placement is listed twice."""
    return repeated(config.sweep.placement, "sweep.placement", "placement")


def check_placement_names(config: PlannerConfig, known: tuple[str, ...]) -> list[Issue]:
    """Check that every placement strategy is one that is registered."""
    given = [(f"sweep.placement[{position}]", name) for position, name in enumerate(config.sweep.placement)]
    given += [
        (f"sweep.scenarios[{number}].placement", str(entry["placement"]))
        for number, entry in enumerate(config.sweep.scenarios)
        if "placement" in entry
    ]
    return [Issue(path, *name_problem("placement", name, known)) for path, name in given if name not in known]


def check_listed_scenarios(config: PlannerConfig) -> list[Issue]:
    """Check that no listed scenario makes one that an earlier entry has made already."""
    if not config.sweep.scenarios or any(not group.options for group in axis_groups(config.sweep)):
        return []
    issues: list[Issue] = []
    made_by: dict[tuple[object, ...], int] = {}
    for number, points in enumerate(entry_points(config)):
        earlier = [made_by[key] for point in points if (key := point.identity()) in made_by]
        if earlier:
            which = "the same as" if len(points) == len(earlier) else "in part the same as"
            message = f"is {which} sweep.scenarios[{earlier[0]}], with what it leaves out"
            issues.append(Issue(f"sweep.scenarios[{number}]", message, "leave one out, or give them different values"))
        for point in points:
            made_by.setdefault(point.identity(), number)
    return issues


def check_adaptive(config: PlannerConfig) -> list[Issue]:
    """Check that a search has ratios to choose from, and is the only one that chooses them."""
    spec = config.sweep.adaptive
    if spec is None:
        return []
    hint = "leave it out, or leave out sweep.adaptive"
    issues = [
        Issue(f"sweep.scenarios[{number}].overcommit_ratio", "is chosen by the search", hint)
        for number, entry in enumerate(config.sweep.scenarios)
        if "overcommit_ratio" in entry
    ]
    low = min(config.sweep.overcommit_ratio) if spec.min is None else spec.min
    high = max(config.sweep.overcommit_ratio) if spec.max is None else spec.max
    if high < low:
        issues.append(Issue("sweep.adaptive.max", f"{high:g} is below the smallest ratio, {low:g}", "use a larger one"))
    elif high == low:
        hint = "give sweep.overcommit_ratio its smallest and its largest, or set min and max"
        issues.append(Issue("sweep.adaptive", f"has one ratio to choose from, {low:g}", hint))
    elif high - low < spec.resolution:
        message = f"{spec.resolution:g} is more than there is between {low:g} and {high:g}"
        issues.append(Issue("sweep.adaptive.resolution", message, "use a smaller step, e.g. 0.05"))
    elif (high - low) / spec.resolution > MOST_RATIOS:
        message = f"{spec.resolution:g} makes more than {MOST_RATIOS} ratios between {low:g} and {high:g}"
        issues.append(Issue("sweep.adaptive.resolution", message, "use a larger step, e.g. 0.05"))
    return issues


def _ratio_problem(path: str, ratio: object) -> Issue | None:
    if isinstance(ratio, bool) or not isinstance(ratio, int | float):
        return Issue(path, f"{ratio} is not a number", "1.0 is no overcommit, 1.5 is half as much again")
    if ratio <= 0:
        return Issue(path, f"{ratio:g} is not positive", "1.0 is no overcommit, 1.5 is half as much again")
    if ratio > LARGEST_RATIO:
        hint = f"a ratio, not percent: write {ratio / 100:g}?" if 1.0 <= ratio / 100 <= LARGEST_RATIO else _LARGEST
        return Issue(path, f"{ratio:g} is not plausible", hint)
    return None


SWEEP_CHECKS = (check_ratios, check_placement_repeats, check_listed_scenarios, check_adaptive)
