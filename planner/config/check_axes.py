"""Rules of the further axes of a sweep: their paths, their values, and every config that the values make together.

Each scenario's config goes through all the rules of `check.py`, as if it were written out; up to `MAX_COMBINATIONS` of
them, chosen so that every value is in one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, islice, product

from planner.config.axes import AxisGroup, Setting, axis_groups, is_within, zip_place
from planner.config.override import find_path_problem, override_config
from planner.config.paths import format_path
from planner.config.spec import PlannerConfig
from planner.config.sweep import SweepSpec
from planner.errors import ConfigError, Issue
from planner.units import format_value

MAX_COMBINATIONS = 256
_SWEEP_KEYS = ("overcommit_ratio", "placement", "replicates")
_NOT_AXES = {
    "sweep": "use overcommit_ratio, placement and replicates of the sweep itself",
    "seed": "use sweep.replicates: every replicate draws anew",
    "schema_version": "leave it out",
    "horizon": "run a second sweep: scenarios must share their demand",
    "tick": "run a second sweep: scenarios must share their demand",
    "question": "run a second sweep: a report answers one question",
    "fleet.vms": "run a second sweep: scenarios must share their VMs",
    "slo.hosts_affected": "run a second sweep: it judges finished runs, by one standard for all scenarios of a report",
    "slo.preset": "sweep the objectives that it stands for: they are written out when the config is read",
    "slo.confidence": "run a second sweep: it judges finished runs, by one standard for all scenarios of a report",
}

_Choice = tuple[tuple[int, int], ...]
"""Pairs of (group, option), by their positions."""


def check_axis_values(config: PlannerConfig) -> list[Issue]:
    """Check that every axis is a path of the config, and each of its values is valid there by itself."""
    issues = []
    for group in axis_groups(config.sweep):
        sound: dict[str, Issue | None] = {path: _path_problem(config, path) for path in group.paths}
        for path, problem in sound.items():
            if problem is not None:
                issues.append(problem._replace(path=_place_of(group, path)))
        issues += [
            issue
            for option in group.options
            for setting in option
            if sound[setting.path] is None and (issue := _shape_problem(config, setting)) is not None
        ]
    for path, values in config.sweep.axes.items():
        place = format_path(("sweep", "axes", path))
        issues += repeated(values, place, "value") if values else _empty_axis(config, path, place)
    return issues


def check_zip(config: PlannerConfig) -> list[Issue]:
    """Check that the axes of each block of `sweep.zip` have the same number of values, and no row comes twice."""
    issues = []
    for number, block in enumerate(config.sweep.zip):
        place = f"sweep.zip[{number}]"
        lengths = {path: len(values) for path, values in block.items()}
        empty = [path for path, length in lengths.items() if length == 0]
        if empty:
            issues += [issue for path in empty for issue in _empty_axis(config, path, zip_place(number, path))]
        elif not block:
            issues.append(Issue(place, "has no axes", "write config paths and their values, or leave the block out"))
        elif len(set(lengths.values())) > 1:
            counted = ", ".join(f"{path} has {length}" for path, length in lengths.items())
            hint = "axes of one block move together: give each as many values as the others"
            issues.append(Issue(place, f"the axes have different numbers of values: {counted}", hint))
        else:
            rows = [", ".join(format_value(value) for value in row) for row in zip(*block.values(), strict=True)]
            issues += repeated(rows, place, "row")
    return issues


def check_axes_apart(config: PlannerConfig) -> list[Issue]:
    """Check that no axis sets what another axis sets, too: the order would decide."""
    return [
        Issue(
            place,
            f'sets a part of the axis "{outer}"' if inner != outer else "is set in two places",
            "keep one of the two",
        )
        for place, inner, outer in _overlaps(axis_groups(config.sweep))
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
    groups = axis_groups(config.sweep)
    changed = _ChangedConfigs(config, frozenset((issue.path, issue.message) for issue in known), check)
    found: dict[tuple[_Choice, Issue], None] = {}
    for choice in _choices(_usable_options(config, groups)):
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
    """The config with some axes set, and what is wrong with it only then."""

    def __init__(
        self, config: PlannerConfig, known: frozenset[tuple[str, str]], check: Callable[[PlannerConfig], list[Issue]]
    ) -> None:
        self._groups = axis_groups(config.sweep)
        plain = SweepSpec(
            overcommit_ratio=config.sweep.overcommit_ratio,
            placement=config.sweep.placement,
            replicates=config.sweep.replicates,
        )
        self._plain = config.model_copy(update={"sweep": plain})
        self._known = known
        self._check = check
        self._issues: dict[_Choice, list[Issue]] = {}

    def issues(self, choice: _Choice) -> list[Issue]:
        """Find what a choice makes wrong that is right in the config itself."""
        if choice not in self._issues:
            changes = {setting.path: setting.value for setting in self._settings(choice)}
            try:
                changed = override_config(self._plain, changes)
                found = [*_other_standard(self._plain, changed), *self._check(changed)]
            except ConfigError as error:
                found = list(error.issues)
            self._issues[choice] = [issue for issue in found if (issue.path, issue.message) not in self._known]
        return self._issues[choice]

    def cause(self, choice: _Choice, issue: Issue) -> _Choice:
        """Find the option or the pair of options of a choice that makes the issue; else the whole choice."""
        parts = (part for size in (1, 2) for part in combinations(choice, size))
        return next((part for part in parts if issue in self.issues(part)), choice)

    def explain(self, cause: _Choice, issue: Issue) -> Issue:
        """Move an issue to the axis value that causes it, and name what its words leave out."""
        *others, last = sorted(self._settings(cause), key=lambda setting: setting.path == issue.path)
        given = [f"{setting.path} = {format_value(setting.value)}" for setting in others]
        message = issue.message
        if last.path != issue.path:
            given = [format_value(last.value), *given]
            message = f"{issue.path}: {message}"
        words = f"with {' and '.join(given)}, {message}" if given else message
        return issue._replace(path=last.place, message=words)

    def _settings(self, choice: _Choice) -> list[Setting]:
        return [setting for group, option in choice for setting in self._groups[group].options[option]]


def _other_standard(config: PlannerConfig, changed: PlannerConfig) -> list[Issue]:
    """Report that a whole `slo` as an axis value sets what judges all scenarios of a report alike."""
    hint = 'sweep the objectives instead, e.g. "slo.active_peak", or give the config the same values'
    moved = [
        f"{name} would be {100 * new:g} % instead of {100 * old:g} %"
        for name in ("hosts_affected", "confidence")
        if (new := getattr(changed.slo, name)) != (old := getattr(config.slo, name))
    ]
    return [Issue("slo", f"{', '.join(moved)}, for these scenarios alone", hint)] if moved else []


def _without_echoes(found: Iterable[tuple[_Choice, Issue]]) -> list[tuple[_Choice, Issue]]:
    """Leave out what fewer of the same values make wrong at the same place, in other numbers perhaps."""
    listed = list(found)
    return [
        (cause, issue)
        for cause, issue in listed
        if not any(other.path == issue.path and set(fewer) < set(cause) for fewer, other in listed)
    ]


def _choices(usable: dict[int, list[int]]) -> Iterator[_Choice]:
    """Choose an option of every group: first so that each is met, then all others up to the limit."""
    if not usable:
        return
    groups = tuple(usable)
    first = tuple(options[0] for options in usable.values())
    one_changed = [
        (*first[:at], option, *first[at + 1 :]) for at, group in enumerate(groups) for option in usable[group]
    ]
    everything = islice(product(*usable.values()), MAX_COMBINATIONS)
    for options in dict.fromkeys((*one_changed, *everything)):
        yield tuple(zip(groups, options, strict=True))


def _usable_options(config: PlannerConfig, groups: Sequence[AxisGroup]) -> dict[int, list[int]]:
    """List the options of each group with which nothing is wrong so far."""
    nested = {place for place, _, _ in _overlaps(groups)}
    usable = {}
    for number, group in enumerate(groups):
        sound = {path: _path_problem(config, path) is None for path in group.paths}
        usable[number] = [
            position
            for position, option in enumerate(group.options)
            if option
            and not any(_place_of(group, setting.path) in nested or setting.place in nested for setting in option)
            and all(sound[setting.path] and _shape_problem(config, setting) is None for setting in option)
        ]
    return {number: options for number, options in usable.items() if options}


def _path_problem(config: PlannerConfig, path: str) -> Issue | None:
    reason = _reason_against_axis(path)
    if reason is not None:
        return Issue(path, "cannot be swept", reason)
    return find_path_problem(config, path)


def _shape_problem(config: PlannerConfig, setting: Setting) -> Issue | None:
    try:
        override_config(config, {setting.path: setting.value})
    except ConfigError as error:
        return error.issues[0]._replace(path=setting.place)
    return None


def _reason_against_axis(path: str) -> str | None:
    if path in _SWEEP_KEYS:
        return f"it has a key of its own: sweep.{path}"
    return next((reason for name, reason in _NOT_AXES.items() if is_within(path, name)), None)


def _empty_axis(config: PlannerConfig, path: str, place: str) -> list[Issue]:
    problem = _path_problem(config, path)
    if problem is not None:
        return [problem._replace(path=place)]
    return [Issue(place, "has no values", "list at least one, e.g. [true, false]")]


def _place_of(group: AxisGroup, path: str) -> str:
    """Name the place of an axis: of its list of values, or in `sweep.scenarios` of the first entry that sets it."""
    place = next(setting.place for option in group.options for setting in option if setting.path == path)
    return place if group.place == "sweep.scenarios" else place[: place.rindex("[")]


def _overlaps(groups: Sequence[AxisGroup]) -> list[tuple[str, str, str]]:
    """List the axes that another sets, too, or sets a part of: (place, path, path of the other), each once.

    Options of one group exclude each other, so only settings of one option can meet there.
    """
    found: dict[tuple[str, str, str], None] = {}
    for at, group in enumerate(groups):
        for option in group.options:
            for inner, outer in ((a, b) for a in option for b in option if a is not b):
                if is_within(inner.path, outer.path):
                    place = inner.place if group.place == "sweep.scenarios" else _place_of(group, inner.path)
                    found[place, inner.path, outer.path] = None
        others = [(number, path) for number, other in enumerate(groups) if number != at for path in other.paths]
        for path in group.paths:
            for number, other in others:
                # The same path in two groups is reported once, at the later one.
                if is_within(path, other) and (path != other or at > number):
                    found[_place_of(group, path), path, other] = None
    return list(found)


AXIS_CHECKS = (check_axis_values, check_zip, check_axes_apart)
