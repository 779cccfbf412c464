"""Axes -> scenarios. Knows nothing of VMs; which VM goes where is `plan.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from planner.config.override import override_config
from planner.config.spec import PlannerConfig

TAIL_PATH = "workload.tail"
TAILS: tuple[Literal["low", "middle", "high"], ...] = ("low", "middle", "high")

AxisValue = bool | float | str


@dataclass(frozen=True)
class Scenario:
    """One combination of the swept knobs.

    Attributes
    ----------
    id : int
        Position in the manifest's list.
    overcommit_ratio : float
        Limit on configured ÷ usable memory of a host.
    placement : str
        Name of the strategy.
    tail : str
        Assumption about rarely touched pages: "low", "middle" or "high".
    axes : mapping
        Values of the further axes by config path.
    role : str
        "sweep", or "sensitivity": the recommended placement again under another tail.
    """

    id: int
    overcommit_ratio: float
    placement: str
    tail: str
    axes: Mapping[str, AxisValue]
    role: Literal["sweep", "sensitivity"] = "sweep"


def expand_scenarios(config: PlannerConfig) -> list[Scenario]:
    """Expand the sweep: ratio x placement x further axes, the ratio slowest; a value listed twice counts once.

    Raises
    ------
    ConfigError
        An axis names a path that does not exist, or a value that does not validate there.
    """
    paths = tuple(config.sweep.axes)
    values = (dict.fromkeys(config.sweep.axes[path]) for path in paths)
    combinations = [dict(zip(paths, combination, strict=True)) for combination in product(*values)]
    for axes in combinations:
        override_config(config, axes)
    ratios, placements = dict.fromkeys(config.sweep.overcommit_ratio), dict.fromkeys(config.sweep.placement)
    return [
        Scenario(number, ratio, placement, str(axes.get(TAIL_PATH, config.workload.tail)), axes)
        for number, (ratio, placement, axes) in enumerate(product(ratios, placements, combinations))
    ]


def expand_sensitivity(config: PlannerConfig, recommendation: Mapping[str, Any], first_id: int) -> list[Scenario]:
    """Expand the second stage: the recommended placement and axes over all ratios, under each other tail.

    Parameters
    ----------
    recommendation : mapping
        Of the first stage's summary: `placement` and `axes` are used.
    first_id : int
        Number of the first scenario.

    Returns
    -------
    list of Scenario
        Empty where the tail is an axis of the sweep itself.
    """
    if TAIL_PATH in config.sweep.axes:
        return []
    others = [tail for tail in TAILS if tail != config.workload.tail]
    pairs = product(others, dict.fromkeys(config.sweep.overcommit_ratio))
    placement, axes = str(recommendation["placement"]), dict(recommendation["axes"])
    return [
        Scenario(number, ratio, placement, tail, axes, "sensitivity")
        for number, (tail, ratio) in enumerate(pairs, start=first_id)
    ]


def scenario_config(config: PlannerConfig, scenario: Scenario) -> PlannerConfig:
    """Return the config as this scenario sees it: axes applied, then the tail."""
    changed = override_config(config, scenario.axes) if scenario.axes else config
    workload = changed.workload.model_copy(update={"tail": scenario.tail})
    return changed.model_copy(update={"workload": workload})
