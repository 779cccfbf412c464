"""Cross-field rules of the sweep: ratios and placements; further axes are in `check_axes.py`."""

from planner.config.check_axes import repeated
from planner.config.spec import PlannerConfig
from planner.config.suggest import name_problem
from planner.errors import Issue

LARGEST_RATIO = 20.0
_LARGEST = f"write a ratio of at most {LARGEST_RATIO:g}, e.g. 1.5"


def check_ratios(config: PlannerConfig) -> list[Issue]:
    """Check that ratios are positive, different, and not percentages."""
    issues = []
    for position, ratio in enumerate(config.sweep.overcommit_ratio):
        path = f"sweep.overcommit_ratio[{position}]"
        if ratio <= 0:
            issues.append(Issue(path, f"{ratio:g} is not positive", "1.0 is no overcommit, 1.5 is half as much again"))
        elif ratio > LARGEST_RATIO:
            hint = f"a ratio, not percent: write {ratio / 100:g}?" if 1.0 <= ratio / 100 <= LARGEST_RATIO else _LARGEST
            issues.append(Issue(path, f"{ratio:g} is not plausible", hint))
    return issues + repeated(config.sweep.overcommit_ratio, "sweep.overcommit_ratio", "ratio")


def check_placement_repeats(config: PlannerConfig) -> list[Issue]:
    """Check that no placement is listed twice."""
    return repeated(config.sweep.placement, "sweep.placement", "placement")


def check_placement_names(config: PlannerConfig, known: tuple[str, ...]) -> list[Issue]:
    """Check that every placement strategy is one that is registered."""
    return [
        Issue(f"sweep.placement[{position}]", *name_problem("placement", name, known))
        for position, name in enumerate(config.sweep.placement)
        if name not in known
    ]


SWEEP_CHECKS = (check_ratios, check_placement_repeats)
