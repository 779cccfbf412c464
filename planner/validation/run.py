"""Run targets: each check once, each expected quantity a row. A check that fails is a failed row, the others go on."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from planner.errors import PlannerError
from planner.validation.base import Check, Computed, Expected, Target


@dataclass(frozen=True)
class Row:
    """One expected quantity, held against the model.

    Attributes
    ----------
    target : Target
    quantity : str
    expected : Expected
    actual : float or None
        What the model says; None if the check failed.
    error : str
        Why there is no value; empty otherwise.
    """

    target: Target
    quantity: str
    expected: Expected
    actual: float | None
    error: str = ""

    @property
    def passed(self) -> bool:
        """Whether the model's value lies within the tolerance."""
        return self.actual is not None and self.expected.is_met_by(self.actual)

    @property
    def tolerance(self) -> float:
        """Largest allowed difference, in the quantity's unit."""
        return max(self.expected.absolute, self.expected.relative * abs(self.expected.value))

    @property
    def deviation(self) -> float | None:
        """Difference from the expected value in tolerances; of an exact one 0 or infinite. None without a value."""
        if self.actual is None or self.actual != self.actual:
            return None
        difference = self.actual - self.expected.value
        if self.tolerance == 0:
            return 0.0 if difference == 0 else math.copysign(math.inf, difference)
        return difference / self.tolerance

    @property
    def group(self) -> str:
        """How it counts: "evidence", "calibrated" (the model was fitted to it) or "shown" (quoted from memory)."""
        if self.target.kind == "memory only":
            return "shown"
        return "calibrated" if self.expected.is_calibrated else "evidence"

    @property
    def counts_as_missed(self) -> bool:
        """Whether it is off and counts: values quoted from memory do not."""
        return not self.passed and self.group != "shown"

    @property
    def is_known_miss(self) -> bool:
        """Whether it is missed as its author expects. A check that fails is never expected."""
        return self.counts_as_missed and self.expected.is_known_miss and self.actual is not None

    @property
    def note(self) -> str:
        """The reason of a failure, else the note of the target's author."""
        return self.error or self.expected.note


@dataclass(frozen=True)
class Outcome:
    """What came of one target.

    Attributes
    ----------
    target : Target
    rows : tuple of Row
    computed : Computed
        Values and curves of the check; empty if it failed.
    """

    target: Target
    rows: tuple[Row, ...]
    computed: Computed = field(default_factory=lambda: Computed({}))


def run_targets(
    targets: Sequence[Target], checks: Mapping[str, Check], announce: Callable[[Target], None]
) -> list[Outcome]:
    """Run the checks of all targets, one after the other.

    Parameters
    ----------
    targets : sequence of Target
        Their checks must be in `checks`.
    checks : mapping
        Name -> check.
    announce : callable
        Told of each target before it is run.
    """
    outcomes = []
    for target in targets:
        announce(target)
        outcomes.append(run_target(target, checks[target.check]))
    return outcomes


def run_target(target: Target, check: Check) -> Outcome:
    """Run one target. Never raises for what the check does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # of values that no number holds: they are no result
            computed = check(target.config)
    except Exception as error:  # a check that fails is a row in the table, not the end of it
        message = _describe_failure(error, target.config)
        rows = (Row(target, name, expected, None, message) for name, expected in target.expected.items())
        return Outcome(target, tuple(rows))
    return Outcome(target, tuple(_row(target, name, computed) for name in target.expected), computed)


def count_rows(rows: Sequence[Row]) -> dict[str, dict[str, tuple[int, int]]]:
    """Count rows: group -> kind -> (passed, all), groups in the order evidence, calibrated, shown."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for group in ("evidence", "calibrated", "shown"):
        mine = [row for row in rows if row.group == group]
        kinds = dict.fromkeys(row.target.kind for row in mine)
        by_kind = {kind: [row.passed for row in mine if row.target.kind == kind] for kind in kinds}
        if by_kind:
            found[group] = {kind: (sum(passed), len(passed)) for kind, passed in by_kind.items()}
    return found


def row_entry(row: Row) -> dict[str, Any]:
    """Describe a row for `--json`; `actual` is null where the check failed or gave no number."""
    actual = row.actual if row.actual is not None and abs(row.actual) < float("inf") else None
    return {
        "target": row.target.name,
        "quantity": row.quantity,
        "kind": row.target.kind,
        "source": row.target.source,
        "expected": row.expected.value,
        "actual": actual,
        "tolerance": row.tolerance,
        "unit": row.expected.unit,
        "passed": row.passed,
        "calibrated": row.expected.is_calibrated,
        "known_miss": row.is_known_miss,
        "note": row.note,
    }


def _describe_failure(error: Exception, config: Mapping[str, Any]) -> str:
    if isinstance(error, PlannerError):
        return f"the check failed: {error}"
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], str) and error.args[0] not in config:
        return f"the check failed: there is no {error.args[0]} under config, or its value is not known"
    return f"the check failed: {type(error).__name__}: {error}"


def _row(target: Target, name: str, computed: Computed) -> Row:
    expected = target.expected[name]
    if name not in computed.values:
        return Row(target, name, expected, None, f"the check gives no {name}; it gives {_some(computed.values)}")
    return Row(target, name, expected, float(computed.values[name]))


def _some(values: Mapping[str, float], most: int = 8) -> str:
    names = list(values)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
