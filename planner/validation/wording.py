"""Words and numbers of validation, the same on the terminal and on the page."""

from collections.abc import Sequence

from planner.validation.base import Expected
from planner.validation.run import Row, count_rows

_MOST_NAMED = 3
_GROUP_WORDS = {
    "evidence": "predicted",
    "calibrated": "calibrated (fitted, no evidence)",
    "shown": "quoted from memory (not counted)",
}


def describe_value(value: float) -> str:
    """Write a value with as many digits as it takes to tell it from its neighbours."""
    if float(value).is_integer() and abs(value) < 1e12:
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def describe_tolerance(expected: Expected) -> str:
    """Write a tolerance: "exact", "± 2 %", "± 0.03", or "± 0.02, 5 %" where either is enough."""
    parts = []
    if expected.absolute:
        parts.append(f"{expected.absolute:.3g}")
    if expected.relative:
        parts.append(f"{expected.relative * 100:g} %")
    return f"± {', '.join(parts)}" if parts else "exact"


def summary_lines(rows: Sequence[Row]) -> list[str]:
    """Word how many rows passed, a line per group."""
    lines = []
    for group, kinds in count_rows(rows).items():
        passed, total = (sum(counts[n] for counts in kinds.values()) for n in (0, 1))
        parts = ", ".join(f"{kind} {count[0]}/{count[1]}" for kind, count in kinds.items())
        lines.append(f"{_GROUP_WORDS[group]}: {passed} of {total} within tolerance ({parts})")
    return lines


def missed_line(rows: Sequence[Row]) -> str:
    """Word how many rows are missed, and how many of these are known misses; empty if none is."""
    missed = [row for row in rows if row.counts_as_missed]
    known = sum(row.is_known_miss for row in missed)
    if not missed:
        return ""
    if not known:
        return f"{len(missed)} missed"
    return f"{len(missed)} missed, of these {known if known < len(missed) else 'all'} known misses"


def remarks(rows: Sequence[Row]) -> list[str]:
    """List what is said of rows that are not missed, each remark once; of some rows only with their names."""
    by_note: dict[str, list[str]] = {}
    for row in rows:
        if row.note and not row.counts_as_missed:
            by_note.setdefault(row.note, []).append(row.quantity)
    return [
        f"{', '.join(names)}: {note}" if len(names) <= _MOST_NAMED and len(names) < len(rows) else note
        for note, names in by_note.items()
    ]


def outdated_lines(rows: Sequence[Row]) -> list[str]:
    """Name the rows that are met though they are marked as known misses."""
    return [
        f"met, though marked as known miss: {row.target.name}: {row.quantity}"
        for row in rows
        if row.passed and row.expected.is_known_miss
    ]
