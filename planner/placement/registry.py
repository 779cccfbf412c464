"""Names of placement strategies. Others add theirs by an entry point in the group `planner.placement`.

An entry point's name is the name used in configs; it points at a class (or callable) that, called without arguments,
gives an object with `name` and `place` as in `planner.placement.base.PlacementStrategy`.
"""

from collections.abc import Callable
from importlib.metadata import entry_points

from planner.errors import ConfigError, Issue
from planner.placement.as_is import AsIs
from planner.placement.base import PlacementStrategy
from planner.placement.best_fit import BestFit
from planner.placement.dot_product import DotProduct
from planner.placement.first_fit import FirstFit
from planner.placement.first_fit_decreasing import FirstFitDecreasing
from planner.placement.group_spreading import GroupSpreading
from planner.placement.peak_aware import PeakAware
from planner.placement.random_fit import RandomFit
from planner.placement.sharing_aware import SharingAware
from planner.placement.solver import Solver
from planner.placement.worst_fit import WorstFit
from planner.placement.worst_fit_percent import WorstFitPercent

ENTRY_POINT_GROUP = "planner.placement"

_BUILT_IN: dict[str, Callable[[], PlacementStrategy]] = {
    "as-is": AsIs,
    "best-fit": BestFit,
    "dot-product": DotProduct,
    "first-fit": FirstFit,
    "first-fit-decreasing": FirstFitDecreasing,
    "group-spreading": GroupSpreading,
    "peak-aware": PeakAware,
    "random": RandomFit,
    "sharing-aware": SharingAware,
    "solver": Solver,
    "spread": WorstFit,
    "worst-fit": WorstFit,
    "worst-fit-percent": WorstFitPercent,
}


def strategy_names() -> tuple[str, ...]:
    """Return every name that a config may use, sorted."""
    return tuple(sorted({*_BUILT_IN, *entry_points(group=ENTRY_POINT_GROUP).names}))


def load_strategy(name: str) -> PlacementStrategy:
    """Return the strategy of that name. A built-in name cannot be taken over by an entry point.

    Raises
    ------
    ConfigError
        No strategy has that name, or its entry point cannot be loaded.
    """
    if name in _BUILT_IN:
        return _BUILT_IN[name]()
    found = entry_points(group=ENTRY_POINT_GROUP, name=name)
    if not found:
        hint = f"use one of {', '.join(strategy_names())}"
        raise ConfigError((Issue("sweep.placement", f'"{name}" is not a placement strategy', hint),))
    point = next(iter(found))
    try:
        strategy: PlacementStrategy = point.load()()
    except Exception as error:  # whatever a third party's module raises is the user's to see, with its place
        message = f'strategy "{name}" ({point.value}) cannot be loaded: {error}'
        raise ConfigError((Issue("sweep.placement", message, "repair or uninstall that package"),)) from error
    return strategy
