"""Placement strategies, one per file, behind one Protocol and registry."""

from planner.placement.base import (
    HostCapacities,
    Placement,
    PlacementLimits,
    PlacementRequest,
    PlacementStrategy,
    Verdict,
)
from planner.placement.forecast import DemandRecord, Forecast
from planner.placement.registry import load_strategy, strategy_names
from planner.placement.rules import NO_RULES, NamedSet, PlacementRules, RunOn

__all__ = [
    "NO_RULES",
    "DemandRecord",
    "Forecast",
    "HostCapacities",
    "NamedSet",
    "Placement",
    "PlacementLimits",
    "PlacementRequest",
    "PlacementRules",
    "PlacementStrategy",
    "RunOn",
    "Verdict",
    "load_strategy",
    "strategy_names",
]
