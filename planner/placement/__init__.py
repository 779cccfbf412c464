"""Placement strategies, one per file, behind one Protocol and registry."""

from planner.placement.base import HostCapacities, Placement, PlacementLimits, PlacementStrategy, Verdict
from planner.placement.registry import load_strategy, strategy_names

__all__ = [
    "HostCapacities",
    "Placement",
    "PlacementLimits",
    "PlacementStrategy",
    "Verdict",
    "load_strategy",
    "strategy_names",
]
