"""Assumptions that no data pin down: which values to try, as changes of a config, and the scenarios that try them."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import product
from operator import attrgetter
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from planner.config.axes import is_within, swept_paths
from planner.config.catalog import load_swap_device, swap_device_names
from planner.config.check import check_guest_fractions
from planner.config.override import override_config
from planner.config.shipped import load_shipped
from planner.config.spec import PlannerConfig
from planner.config.sweep import AxisValue
from planner.sweep.expand import TAIL_PATH, TAILS, Scenario

Side = Literal["low", "high"]
SIDES: tuple[Side, Side] = ("low", "high")


class Assumption(BaseModel):
    """One assumption and its range.

    Attributes
    ----------
    path : str or None
        Config path; None for the swap device, which each kind of host has.
    low, high : value
        Ends of its range.
    source : str
        Where the range comes from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    path: str | None = None
    device: bool = False
    low: AxisValue
    high: AxisValue
    source: str = Field(min_length=1)


class End(NamedTuple):
    """One end of the range of an assumption, for a config.

    Attributes
    ----------
    value : str
        The value as the config would have it.
    changes : dict
        Config path -> value.
    """

    assumption: str
    side: Side
    value: str
    changes: dict[str, AxisValue]


@cache
def load_assumptions() -> tuple[Assumption, ...]:
    """Load the declared table of assumptions and their ranges."""
    entries = load_shipped("planner.sweep", "assumptions.yaml")
    return tuple(Assumption.model_validate(entry) for entry in entries)


def assumption_ends(config: PlannerConfig) -> list[End]:
    """List the ends that can be tried on a config, assumption by assumption, low before high.

    Left out are assumptions that the sweep varies itself, ends that the config's own value has reached or passed, and
    ends that contradict other values of the config.
    """
    swept = swept_paths(config.sweep)
    ends: list[End] = []
    for item in load_assumptions():
        found = _device_ends(config, item) if item.device else _value_ends(config, item)
        ends += [
            end
            for end in found
            if not _is_swept(end.changes, swept) and not check_guest_fractions(override_config(config, end.changes))
        ]
    return ends


def joined(ends: Iterable[End]) -> dict[str, AxisValue]:
    """Join the changes of several ends."""
    return {path: value for end in ends for path, value in end.changes.items()}


def expand_changes(
    line: Mapping[str, object], tail: str, changes: Sequence[Mapping[str, AxisValue]], ratios: Sequence[float]
) -> list[Scenario]:
    """Expand one line of a sweep under each set of changes, over all ratios, role "assumption".

    Parameters
    ----------
    line : mapping
        `placement` and `axes` of the line.
    tail : str
        Its tail, where the changes do not set one.
    """
    axes = dict(line["axes"])  # type: ignore[call-overload]
    return [
        Scenario(
            number, ratio, str(line["placement"]), str(change.get(TAIL_PATH, tail)), {**axes, **change}, "assumption"
        )
        for number, (change, ratio) in enumerate(product(changes, ratios))
    ]


def _is_swept(changes: Mapping[str, AxisValue], swept: Iterable[str]) -> bool:
    return any(is_within(path, other) or is_within(other, path) for path in changes for other in swept)


def _value_ends(config: PlannerConfig, item: Assumption) -> list[End]:
    path = str(item.path)
    own = attrgetter(path)(config)
    found = []
    for side, value in zip(SIDES, (item.low, item.high), strict=True):
        if _is_beyond(own, value, side):
            found.append(End(item.name, side, _written(value), {path: value}))
    return found


def _is_beyond(own: object, value: AxisValue, side: Side) -> bool:
    """Whether an end lies further out than the config's own value."""
    if isinstance(own, str):
        order = {tail: number for number, tail in enumerate(TAILS)}
        return order[str(value)] < order[own] if side == "low" else order[str(value)] > order[own]  # type: ignore[index]
    return float(value) < float(own) if side == "low" else float(value) > float(own)  # type: ignore[arg-type]


def _device_ends(config: PlannerConfig, item: Assumption) -> list[End]:
    """Give every kind of host the next faster and the next slower device; one that has none keeps its own."""
    devices = [load_swap_device(name) for name in swap_device_names()]
    plain = sorted((device.latency, device.name) for device in devices if not device.is_ram)
    found = []
    for side in SIDES:
        changes: dict[str, AxisValue] = {}
        for position, group in enumerate(config.fleet.hosts):
            own = group.swap_device
            if own.is_ram:
                continue
            # Of devices with the same latency the first by name.
            slower = [name for latency, name in plain if latency > own.latency]
            below = [latency for latency, _ in plain if latency < own.latency]
            faster = [name for latency, name in plain if below and latency == below[-1]]
            nearest = faster[:1] if side == "low" else slower[:1]
            changes |= {f"fleet.hosts[{position}].swap": name for name in nearest}
        if changes:
            found.append(End(item.name, side, ", ".join(dict.fromkeys(map(str, changes.values()))), changes))
    return found


def _written(value: AxisValue) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
