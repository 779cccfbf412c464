"""What a benchmark measures: figures with a unit, a goal and a reference that was measured in the same process.

A figure alone says little on a machine that others use, too; its ratio to the reference says more, and can be compared
between machines.
"""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

SIZES = ("tiny", "usual", "full")
"""`tiny` only shows that a benchmark works, `usual` is what `make bench` measures, `full` takes the time it needs."""


class Reference(NamedTuple):
    """What a figure is set against, in the figure's own unit or in another one that is named."""

    name: str
    value: float
    unit: str


class Figure(NamedTuple):
    """One measured figure.

    Attributes
    ----------
    at_least, at_most : float or None
        The goal, where there is one.
    """

    name: str
    value: float
    unit: str
    reference: Reference | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most

    def entry(self) -> dict[str, Any]:
        """Return the figure as it is written to JSON."""
        ratio = None if self.reference is None else self.value / self.reference.value
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "at_least": self.at_least,
            "at_most": self.at_most,
            "is_met": self.is_met,
            "reference": None if self.reference is None else self.reference._asdict(),
            "ratio_to_reference": ratio,
        }


class Measured(NamedTuple):
    """Figures of a benchmark, and what else it found, JSON-ready."""

    figures: list[Figure]
    details: dict[str, Any]


def run_benchmark(measure: Callable[[str], Measured], about: str | None) -> None:
    """Run a benchmark from its command line: `--size`; prints one JSON object."""
    parser = argparse.ArgumentParser(description=(about or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--size", choices=SIZES, default="usual")
    print_measured(measure(parser.parse_args().size))


def print_measured(found: Measured) -> None:
    """Print what was measured as one JSON object: what `python -m benchmarks` reads."""
    entry = {"figures": [figure.entry() for figure in found.figures], "details": found.details}
    sys.stdout.write(json.dumps(entry, indent=1) + "\n")
