"""The further axes of a sweep as groups of options: every scenario takes one option of each group.

An axis of `sweep.axes` is a group, its values are the options; a block of `sweep.zip` is a group whose options set
several paths; `sweep.scenarios` is one group. Knows nothing of what is right: rules are in `check_axes.py`.
"""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any, NamedTuple

from planner.config.override import override_config
from planner.config.paths import Loc, format_path, get_value, parse_path
from planner.config.spec import PlannerConfig
from planner.config.sweep import AxisValue, SweepSpec

_LISTED = "sweep.scenarios"
OWN_KEYS = ("overcommit_ratio", "placement")
"""Keys of a listed scenario that are no config paths."""


class Setting(NamedTuple):
    """One value of one axis, and where it is written."""

    path: str
    value: AxisValue
    place: str


class AxisGroup(NamedTuple):
    """Options of which a scenario takes one; an option is a tuple of settings, empty where it changes nothing."""

    place: str
    options: tuple[tuple[Setting, ...], ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths that some option sets, each once."""
        return tuple(dict.fromkeys(setting.path for option in self.options for setting in option))


def axis_groups(sweep: SweepSpec) -> tuple[AxisGroup, ...]:
    """List the groups in the order axes, zip, scenarios. A block of `zip` is as long as its shortest axis."""
    groups = [_axis(path, values, format_path(("sweep", "axes", path))) for path, values in sweep.axes.items()]
    for number, block in enumerate(sweep.zip):
        place = f"sweep.zip[{number}]"
        axes = [_axis(path, values, zip_place(number, path)) for path, values in block.items()]
        rows = zip(*(axis.options for axis in axes), strict=False)
        groups.append(AxisGroup(place, tuple(tuple(setting for (setting,) in row) for row in rows)))
    if sweep.scenarios:
        groups.append(AxisGroup(_LISTED, tuple(_listed(sweep, number) for number in range(len(sweep.scenarios)))))
    return tuple(groups)


def zip_place(number: int, path: str) -> str:
    """Name the place of an axis in a block of `sweep.zip`."""
    return format_path(("sweep", "zip", number, path))


def swept_paths(sweep: SweepSpec) -> frozenset[str]:
    """List every config path that some scenario sets."""
    return frozenset(path for group in axis_groups(sweep) for path in group.paths)


def is_within(path: str, outer: str) -> bool:
    """Whether one path is another, or a part of it; False where either is no path."""
    loc, outer_loc = path_loc(path), path_loc(outer)
    return bool(loc) and bool(outer_loc) and loc[: len(outer_loc)] == outer_loc


def path_loc(path: str) -> Loc:
    """Read a path; empty when it is none, which `find_path_problem` explains."""
    try:
        return parse_path(path)
    except ValueError:
        return ()


def _axis(path: str, values: tuple[AxisValue, ...], place: str) -> AxisGroup:
    return AxisGroup(place, tuple((Setting(path, value, f"{place}[{at}]"),) for at, value in enumerate(values)))


def _listed(sweep: SweepSpec, number: int) -> tuple[Setting, ...]:
    return tuple(
        Setting(path, value, format_path(("sweep", "scenarios", number, path)))
        for path, value in sweep.scenarios[number].items()
        if path not in OWN_KEYS
    )


class SweepPoint(NamedTuple):
    """One combination of the swept knobs: ratio, placement, and values of the further axes by path."""

    overcommit_ratio: float
    placement: str
    axes: dict[str, AxisValue]

    def identity(self) -> tuple[object, ...]:
        """Return what is equal for equal points, whatever the order of their axes."""
        axes = sorted((path, type(value) is bool, str(value), value) for path, value in self.axes.items())
        return (self.overcommit_ratio, self.placement, tuple(axes))


def sweep_points(config: PlannerConfig) -> list[SweepPoint]:
    """Expand a sweep: ratio x placement x further axes, the ratio slowest; a point that is met twice counts once."""
    found: dict[tuple[object, ...], SweepPoint] = {}
    for entry in entry_points(config):
        for point in entry:
            found.setdefault(point.identity(), point)
    return list(found.values())


def entry_points(config: PlannerConfig) -> list[list[SweepPoint]]:
    """Expand each entry of `sweep.scenarios` with what it leaves out; where there is none, the whole sweep at once."""
    sweep = config.sweep
    groups = [group for group in axis_groups(sweep) if group.place != _LISTED]
    combos = [
        {setting.path: setting.value for option in options for setting in option}
        for options in product(*(group.options for group in groups))
    ]
    own = _own_values(config)
    return [
        [
            SweepPoint(ratio, placement, {**combo, **_listed_axes(entry, own)})
            for ratio in _given(entry, "overcommit_ratio", sweep.overcommit_ratio)
            for placement in _given(entry, "placement", sweep.placement)
            for combo in combos
        ]
        for entry in (sweep.scenarios or ({},))
    ]


def base_axes(config: PlannerConfig) -> dict[str, AxisValue]:
    """Choose the axis values that the recommendation is made for: the config's own, else the first ones listed.

    The other values of an axis are comparisons. Taking the best of them instead would recommend the most favourable
    assumption whenever an assumption is swept.
    """
    chosen: dict[str, AxisValue] = {}
    for group in axis_groups(config.sweep):
        options = [{setting.path: setting.value for setting in option} for option in group.options]
        chosen |= next((option for option in options if override_config(config, option) == config), options[0])
    own = _own_values(config)
    return {**chosen, **{path: value for path, value in own.items() if path not in chosen and not _meets(path, chosen)}}


def _own_values(config: PlannerConfig) -> dict[str, AxisValue]:
    """Take from the config the plain values at the paths that some listed scenario sets."""
    values = config.model_dump(mode="json")
    paths = dict.fromkeys(path for entry in config.sweep.scenarios for path in entry if path not in OWN_KEYS)
    own = {path: get_value(values, path_loc(path)) for path in paths if path_loc(path)}
    return {path: value for path, value in own.items() if isinstance(value, bool | int | float | str)}


def _listed_axes(entry: Mapping[str, AxisValue], own: Mapping[str, AxisValue]) -> dict[str, AxisValue]:
    """Give the axes of a listed scenario: what it sets, and the config's own values at what only others set."""
    axes = {path: value for path, value in entry.items() if path not in OWN_KEYS}
    return {**{path: value for path, value in own.items() if not _meets(path, axes)}, **axes}


def _meets(path: str, axes: Iterable[str]) -> bool:
    return any(is_within(path, other) or is_within(other, path) for other in axes)


def _given(entry: Mapping[str, AxisValue], key: str, otherwise: tuple[Any, ...]) -> tuple[Any, ...]:
    return (entry[key],) if key in entry else tuple(dict.fromkeys(otherwise))
