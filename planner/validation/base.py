"""What validation is made of: a target (data), a check (code that computes what the model says), an outcome."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["closed form", "published", "real kernel", "memory only"]
"""`memory only`: the expected value is quoted from memory, no source was at hand. Shown, but no evidence."""

Check = Callable[[Mapping[str, Any]], "Computed"]
"""Takes a target's `config`, runs the model, returns what it says."""


@dataclass(frozen=True)
class Computed:
    """What the model says.

    Attributes
    ----------
    values : dict
        Quantity -> value, with the names under which a target's `expected` lists them.
    curves : dict
        Name of a curve -> (x, y) points, for the plot; measured and modelled ones alike.
    axes : tuple of str
        Titles of the plot's axes, with units.
    """

    values: Mapping[str, float]
    curves: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = field(default_factory=dict)
    axes: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Expected:
    """One expected quantity of a target.

    Attributes
    ----------
    value : float
    absolute, relative : float
        Tolerance: a value passes within either. Both 0: exact.
    unit : str
    is_calibrated : bool
        The model was fitted to it: no evidence for the model.
    note : str
        Why it is missed, or what it means. May be empty.
    """

    value: float
    absolute: float = 0.0
    relative: float = 0.0
    unit: str = ""
    is_calibrated: bool = False
    note: str = ""

    def is_met_by(self, actual: float) -> bool:
        """Tell whether `actual` lies within the tolerance. NaN never does."""
        return abs(actual - self.value) <= max(self.absolute, self.relative * abs(self.value))


@dataclass(frozen=True)
class Target:
    """One claim that the model can be held to.

    Attributes
    ----------
    name, title : str
        Short unique name; one line for people.
    kind : Kind
    source : str
        Public source of the expected values.
    check : str
        Name of the check in `checks`.
    config : dict
        What the check is given.
    expected : dict
        Quantity -> `Expected`.
    """

    name: str
    title: str
    kind: Kind
    source: str
    check: str
    config: Mapping[str, Any]
    expected: Mapping[str, Expected]
