"""Rules of the further axes of a sweep: their paths, their values, and every config that the values make together.

Each scenario's config goes through all the rules of `check.py`, as if it were written out; up to `MAX_COMBINATIONS` of
them, chosen so that every value is in one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, islice, product

from planner.config.override import find_path_problem, override_config
from planner.config.paths import Loc, format_path, parse_path
from planner.config.spec import PlannerConfig
from planner.errors import ConfigError, Issue
from planner.units import format_value

MAX_COMBINATIONS = 256
_OWN_KEYS = ("overcommit_ratio", "placement", "replicates")
_NOT_AXES = {
    "sweep": "use overcommit_ratio, placement and replicates of the sweep itself",
    "seed": "use sweep.replicates: every replicate draws anew",
    "schema_version": "leave it out",
    "horizon": "run a second sweep: scenarios must share their demand",
    "tick": "run a second sweep: scenarios must share their demand",
    "question": "run a second sweep: a report answers one question",
    "fleet.vms": "run a second sweep: scenarios must share their VMs",
    "slo.hosts_affected": "run a second sweep: it judges finished runs, by one standard for all scenarios of a report",
    "slo.confidence": "run a second sweep: it judges finished runs, by one standard for all scenarios of a report",
}

_Choice = tuple[tuple[str, int], ...]


def check_axis_values(config: PlannerConfig) -> list[Issue]:
    """Check that every axis is a path of the config, and each of its values is valid there by itself."""
    issues = []
    for path, values in config.sweep.axes.items():
        here = _place(path)
        problem = _path_problem(config, path)
        if problem is not None:
            issues.append(problem)
        elif not values:
            issues.append(Issue(here, "has no values", "list at least one, e.g. [true, false]"))
        else:
            shapes = (_shape_problem(config, path, position) for position in range(len(values)))
            issues += [issue for issue in shapes if issue is not None]
            issues += repeated(values, here, "value")
    return issues


def check_axes_apart(config: PlannerConfig) -> list[Issue]:
    """Check that no axis sets what another axis sets, too: the order would decide."""
    return [
        Issue(_place(inner), f'sets a part of the axis "{outer}"', "keep one of the two")
        for inner, outer in _nested_axes(config)
    ]


def check_axis_configs(
    config: PlannerConfig, known: Iterable[Issue], check: Callable[[PlannerConfig], list[Issue]]
) -> list[Issue]:
    """Check the configs that the axis values make by the rules for any config.

    Parameters
    ----------
    known : iterable of Issue
        What is wrong with the config itself; not reported again.
    check : callable
        Finds what is wrong with a config without axes.

    Returns
    -------
    list of Issue
        Each once, at the value that causes it or, where several only do so together, at the last of them.
    """
    usable = _usable_positions(config)
    changed = _ChangedConfigs(config, frozenset((issue.path, issue.message) for issue in known), check)
    found: dict[tuple[_Choice, Issue], None] = {}
    for choice in _choices(usable):
        for issue in changed.issues(choice):
            found[changed.cause(choice, issue), issue] = None
    return [changed.explain(cause, issue) for cause, issue in _without_echoes(found)]


def repeated(values: Sequence[object], path: str, kind: str) -> list[Issue]:
    """Report values that are listed more than once."""
    counts = Counter((type(value) is bool, value) for value in values)
    return [
        Issue(path, f"the {kind} {value} is listed {count} times", "list it once")
        for (_, value), count in counts.items()
        if count > 1
    ]


class _ChangedConfigs:
    """The config with some axes set, and what is wrong with it only then. A choice is pairs of (path, position)."""

    def __init__(
        self, config: PlannerConfig, known: frozenset[tuple[str, str]], check: Callable[[PlannerConfig], list[Issue]]
    ) -> None:
        self._values = config.sweep.axes
        self._plain = config.model_copy(update={"sweep": config.sweep.model_copy(update={"axes": {}})})
        self._known = known
        self._check = check
        self._issues: dict[_Choice, list[Issue]] = {}

    def issues(self, choice: _Choice) -> list[Issue]:
        """Find what a choice makes wrong that is right in the config itself."""
        if choice not in self._issues:
            changes = {path: self._values[path][position] for path, position in choice}
            try:
                found = self._check(override_config(self._plain, changes))
            except ConfigError as error:
                found = list(error.issues)
            self._issues[choice] = [issue for issue in found if (issue.path, issue.message) not in self._known]
        return self._issues[choice]

    def cause(self, choice: _Choice, issue: Issue) -> _Choice:
        """Find the value or the pair of values of a choice that makes the issue; else the whole choice."""
        parts = (part for size in (1, 2) for part in combinations(choice, size))
        return next((part for part in parts if issue in self.issues(part)), choice)

    def explain(self, cause: _Choice, issue: Issue) -> Issue:
        """Move an issue to the axis value that causes it, and name what its words leave out."""
        *others, (path, position) = sorted(cause, key=lambda pair: pair[0] == issue.path)
        given = [f"{other} = {format_value(self._values[other][at])}" for other, at in others]
        message = issue.message
        if path != issue.path:
            given = [format_value(self._values[path][position]), *given]
            message = f"{issue.path}: {message}"
        words = f"with {' and '.join(given)}, {message}" if given else message
        return issue._replace(path=f"{_place(path)}[{position}]", message=words)


def _without_echoes(found: Iterable[tuple[_Choice, Issue]]) -> list[tuple[_Choice, Issue]]:
    """Leave out what fewer of the same values make wrong at the same place, in other numbers perhaps."""
    listed = list(found)
    return [
        (cause, issue)
        for cause, issue in listed
        if not any(other.path == issue.path and set(fewer) < set(cause) for fewer, other in listed)
    ]


def _choices(usable: dict[str, list[int]]) -> Iterator[_Choice]:
    """Choose a value of every axis: first so that each value is met, then all others up to the limit."""
    if not usable:
        return
    paths = tuple(usable)
    first = tuple(positions[0] for positions in usable.values())
    one_changed = [
        (*first[:axis], position, *first[axis + 1 :]) for axis, path in enumerate(paths) for position in usable[path]
    ]
    everything = islice(product(*usable.values()), MAX_COMBINATIONS)
    for positions in dict.fromkeys((*one_changed, *everything)):
        yield tuple(zip(paths, positions, strict=True))


def _usable_positions(config: PlannerConfig) -> dict[str, list[int]]:
    """List the values of each axis with which nothing is wrong so far."""
    nested = {inner for inner, _ in _nested_axes(config)}
    usable = {
        path: [position for position in range(len(values)) if _shape_problem(config, path, position) is None]
        for path, values in config.sweep.axes.items()
        if path not in nested and _path_problem(config, path) is None
    }
    return {path: positions for path, positions in usable.items() if positions}


def _path_problem(config: PlannerConfig, path: str) -> Issue | None:
    here = _place(path)
    reason = _reason_against_axis(path)
    if reason is not None:
        return Issue(here, "cannot be swept", reason)
    problem = find_path_problem(config, path)
    return None if problem is None else problem._replace(path=here)


def _shape_problem(config: PlannerConfig, path: str, position: int) -> Issue | None:
    try:
        override_config(config, {path: config.sweep.axes[path][position]})
    except ConfigError as error:
        return error.issues[0]._replace(path=f"{_place(path)}[{position}]")
    return None


def _reason_against_axis(path: str) -> str | None:
    if path in _OWN_KEYS:
        return f"it has a key of its own: sweep.{path}"
    loc = _loc(path)
    return next((reason for name, reason in _NOT_AXES.items() if _is_within(loc, parse_path(name))), None)


def _nested_axes(config: PlannerConfig) -> list[tuple[str, str]]:
    """Pair each axis with every other that it is a part of."""
    locs = {path: loc for path in config.sweep.axes if (loc := _loc(path))}
    return [
        (inner, outer)
        for inner, inner_loc in locs.items()
        for outer, outer_loc in locs.items()
        if inner != outer and _is_within(inner_loc, outer_loc)
    ]


def _is_within(loc: Loc, outer: Loc) -> bool:
    return loc[: len(outer)] == outer


def _loc(path: str) -> Loc:
    """Read a path; empty when it is none, which `find_path_problem` explains."""
    try:
        return parse_path(path)
    except ValueError:
        return ()


def _place(path: str) -> str:
    return format_path(("sweep", "axes", path))


AXIS_CHECKS = (check_axis_values, check_axes_apart)
