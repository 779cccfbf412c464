"""Names of placement strategies. Others add theirs by an entry point in the group `planner.placement`.

An entry point's name is the name used in configs; it points at a class (or callable) that, called without arguments,
gives an object with `name` and `place` as in `planner.placement.base.PlacementStrategy`.
"""

from importlib import import_module
from importlib.metadata import entry_points

from planner.errors import ConfigError, Issue
from planner.placement.base import PlacementStrategy

ENTRY_POINT_GROUP = "planner.placement"

_BUILT_IN = {
    "as-is": "as_is.AsIs",
    "best-fit": "best_fit.BestFit",
    "dot-product": "dot_product.DotProduct",
    "first-fit": "first_fit.FirstFit",
    "first-fit-decreasing": "first_fit_decreasing.FirstFitDecreasing",
    "group-spreading": "group_spreading.GroupSpreading",
    "peak-aware": "peak_aware.PeakAware",
    "random": "random_fit.RandomFit",
    "sharing-aware": "sharing_aware.SharingAware",
    "solver": "solver.Solver",
    "spread": "worst_fit.WorstFit",
    "worst-fit": "worst_fit.WorstFit",
    "worst-fit-percent": "worst_fit_percent.WorstFitPercent",
}
"""Module and class of each, imported when it is used: most commands need the names alone, and packing loads numba."""


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
        module, _, attribute = _BUILT_IN[name].partition(".")
        built_in: PlacementStrategy = getattr(import_module(f"planner.placement.{module}"), attribute)()
        return built_in
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
