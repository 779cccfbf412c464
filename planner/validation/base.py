"""What validation is made of: a target (data), a check (code that computes what the model says), an outcome.

A check is a function in the table `CHECKS` of a module in `checks/`; modules are found by themselves. Paths in a
target's `config` (keys `directory` and `file`) are relative to the file that names them and reach the check absolute.

Checks of measured runs, one per kind of run, replay a run from its files. What they are given, and the quantities that
`planner.validation.runs` takes from the measurement for them, by reading the same files:

=============  ==================================  ==============================================================
check          config                              quantities
=============  ==================================  ==============================================================
`ksm-run`      directory, run (name of the files)  `pages_shared`, `pages_sharing`, `pages_unshared`,
                                                   `ksm_zero_pages`, `stable_node_dups` (largest), `time_to_90_s`
`swap-run`     directory                           `miss_TAG` for each row of host_swap_miss.csv
`balloon-run`  directory, run                      `knee_mib`, `miss_LEVEL` for each level past the knee
`page-ids`     file                                `duplicates_COLUMN`, `duplicates_salted`, `duplicates_unsalted`,
                                                   `duplicates_2mib_salted`, `duplicates_2mib_unsalted`
=============  ==================================  ==============================================================
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["closed form", "published", "real kernel", "sampled", "memory only"]
"""Where the expected value comes from. `sampled`: the exact engine, for the sampled one. `memory only`: quoted from
memory, no source was at hand; shown, but no evidence."""

Curve = tuple[tuple[float, ...], tuple[float, ...]]
"""Points of a curve: all x, all y."""

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
    curves: Mapping[str, Curve] = field(default_factory=dict)
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
    is_known_miss : bool
        The model is known to miss it, and `note` says why.
    note : str
        Why it is missed, or what it means. May be empty.
    """

    value: float
    absolute: float = 0.0
    relative: float = 0.0
    unit: str = ""
    is_calibrated: bool = False
    is_known_miss: bool = False
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
    is_slow : bool
        Takes more than about two seconds; the fast tests leave it out.
    """

    name: str
    title: str
    kind: Kind
    source: str
    check: str
    config: Mapping[str, Any]
    expected: Mapping[str, Expected]
    is_slow: bool = False
