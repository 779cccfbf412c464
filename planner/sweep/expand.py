"""Axes -> scenarios. Knows nothing of VMs; which VM goes where is `plan.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from planner.config.axes import sweep_points, swept_paths
from planner.config.override import override_config
from planner.config.spec import PlannerConfig
from planner.config.sweep import AxisValue

TAIL_PATH = "workload.tail"
TAILS: tuple[Literal["low", "middle", "high"], ...] = ("low", "middle", "high")


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
        "sweep"; "sensitivity": the recommended placement again under another tail; "probe": met on the way of an
        adaptive search and left when it was no longer needed; "assumption": the recommended placement with an
        assumption at one end of its range; "whatif": base or case of a what-if.
    bound_confidence : float or None
        Confidence that the bounds of its risk need, because it was looked at more than once; None: the objective's.
    """

    id: int
    overcommit_ratio: float
    placement: str
    tail: str
    axes: Mapping[str, AxisValue]
    role: Literal["sweep", "sensitivity", "probe", "assumption", "whatif"] = "sweep"
    bound_confidence: float | None = None


def expand_scenarios(config: PlannerConfig) -> list[Scenario]:
    """Expand the sweep: ratio x placement x further axes, the ratio slowest; listed scenarios in their order.

    Raises
    ------
    ConfigError
        An axis names a path that does not exist, or a value that does not validate there.
    """
    points = sweep_points(config)
    for axes in {tuple(point.axes.items()): point.axes for point in points}.values():
        override_config(config, axes)
    return [
        Scenario(
            number,
            point.overcommit_ratio,
            point.placement,
            str(point.axes.get(TAIL_PATH, config.workload.tail)),
            point.axes,
        )
        for number, point in enumerate(points)
    ]


def expand_sensitivity(config: PlannerConfig, summary: Mapping[str, Any], first_id: int) -> list[Scenario]:
    """Expand what is still to be simulated to know the answer under each other tail: around it, not the whole axis.

    First the recommended ratio and the next larger one; then, one at a time, smaller ratios while the smallest
    simulated one fails, and larger ones while the largest meets the objective.

    Parameters
    ----------
    summary : mapping
        Of everything simulated so far.
    first_id : int
        Number of the first scenario.

    Returns
    -------
    list of Scenario
        Empty when nothing is missing, and where the tail is an axis of the sweep itself.
    """
    if TAIL_PATH in swept_paths(config.sweep):
        return []
    recommendation = summary["recommendation"]
    placement, axes = str(recommendation["placement"]), dict(recommendation["axes"])
    ratios = sorted(
        {
            point.overcommit_ratio
            for point in sweep_points(config)
            if point.placement == placement and point.axes == axes
        }
    )
    start = ratios.index(recommendation["overcommit_ratio"] or ratios[0])
    wanted = [
        (tail, ratio)
        for tail in TAILS
        if tail != config.workload.tail
        for ratio in _missing_ratios(ratios, start, _met_by_ratio(summary, tail, config.slo.hosts_affected))
    ]
    return [
        Scenario(number, ratio, placement, tail, axes, "sensitivity")
        for number, (tail, ratio) in enumerate(wanted, start=first_id)
    ]


def expand_tails(config: PlannerConfig, ratios: Sequence[float], recommendation: Mapping[str, Any]) -> list[Scenario]:
    """Expand the recommended line under each other tail, over all ratios; empty where the tail is swept itself."""
    if TAIL_PATH in swept_paths(config.sweep):
        return []
    placement, axes = str(recommendation["placement"]), dict(recommendation["axes"])
    others = [tail for tail in TAILS if tail != config.workload.tail]
    return [
        Scenario(number, ratio, placement, tail, axes, "sensitivity")
        for number, (tail, ratio) in enumerate(product(others, ratios))
    ]


def _met_by_ratio(summary: Mapping[str, Any], tail: str, hosts_affected: float) -> dict[float, bool]:
    return {
        entry["overcommit_ratio"]: bool(
            entry["feasible"] and entry["swap_risk"] is not None and entry["swap_risk_high"] <= hosts_affected
        )
        for entry in summary["scenarios"]
        if entry["role"] == "sensitivity" and entry["tail"] == tail
    }


def _missing_ratios(ratios: list[float], start: int, is_met: Mapping[float, bool]) -> list[float]:
    if not is_met:
        return ratios[start : start + 2]
    lowest, highest = ratios.index(min(is_met)), ratios.index(max(is_met))
    if not is_met[ratios[lowest]]:
        return ratios[max(0, lowest - 1) : lowest]
    return ratios[highest + 1 : highest + 2] if is_met[ratios[highest]] else []


def scenario_config(config: PlannerConfig, scenario: Scenario) -> PlannerConfig:
    """Return the config as this scenario sees it: axes applied, then the tail."""
    changed = override_config(config, scenario.axes) if scenario.axes else config
    workload = changed.workload.model_copy(update={"tail": scenario.tail})
    return changed.model_copy(update={"workload": workload})
