"""The validation on the terminal: a row per quantity, misses last before the summary so that they are seen."""

from collections.abc import Sequence
from typing import Literal

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from planner.validation.base import Target
from planner.validation.run import Outcome, Row
from planner.validation.wording import (
    describe_tolerance,
    describe_value,
    missed_line,
    outdated_lines,
    remarks,
    summary_lines,
)

_NARROWEST, _WIDEST = 18, 40
_SHORT_UNIT = 6
_WIDTHS = (15, 10, 13, 5, 6)
"""Least widths of the columns after the name: wider where a number needs it, so that none is folded."""
_JUSTIFY: tuple[Literal["left", "right"], ...] = ("right", "right", "right", "left", "left")
_GROUP_COLUMN = {"evidence": "", "calibrated": "fitted", "shown": "shown"}
_MARKS = {True: ("pass", "green"), False: ("MISS", "bold red")}
_KNOWN_MARK = ("known", "red")


def print_validation(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print a table per kind of target, what was missed with its reason, and a summary line per group."""
    widths = _widths([row for outcome in outcomes for row in outcome.rows])
    for kind in dict.fromkeys(outcome.target.kind for outcome in outcomes):
        head = "expected, ours, tolerance, verdict; fitted values are no evidence"
        console.print(Text(f"{kind.capitalize()}: {head}", style="underline"), soft_wrap=True)
        for outcome in outcomes:
            if outcome.target.kind == kind:
                _print_target(outcome, widths, console)
        console.print()
    rows = [row for outcome in outcomes for row in outcome.rows]
    for line in missed_lines(rows):
        console.print(Text(line, style="red"), soft_wrap=True)
    for line in (*outdated_lines(rows), *summary_lines(rows), missed_line(rows)):
        if line:
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def missed_lines(rows: Sequence[Row]) -> list[str]:
    """Word what was missed and why, a line per target and reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.counts_as_missed:
            reasons.setdefault((row.target.name, row.note), []).append(row.quantity)
    return [
        f"missed: {name}: {', '.join(quantities)}" + (f": {note}" if note else "")
        for (name, note), quantities in reasons.items()
    ]


def print_targets(targets: Sequence[Target], console: Console) -> None:
    """Print the names of targets, what they are about and which check they use; nothing is run."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("target", "kind", "check", "about"):
        table.add_column(title, overflow="fold")
    for target in targets:
        table.add_row(*(Text(text) for text in (target.name, target.kind, target.check, target.title)))
    console.print(table)


def _print_target(outcome: Outcome, widths: Sequence[int], console: Console) -> None:
    """Print one target: name and source over the whole width, then its quantities in columns of fixed width."""
    target = outcome.target
    console.print(Text(target.name, style="bold"), Text(target.source, style="dim"), soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    fixed = sum(widths) + 2 * (1 + len(widths))
    table.add_column(width=max(_NARROWEST, min(_WIDEST, console.width - fixed)), overflow="fold")
    for width, justify in zip(widths, _JUSTIFY, strict=True):
        table.add_column(width=width, justify=justify, overflow="fold")
    for row in outcome.rows:
        table.add_row(*_cells(row))
    console.print(table)
    for note in remarks(outcome.rows):
        console.print(Text(f"  {note}", style="dim"), soft_wrap=True)


def _widths(rows: Sequence[Row]) -> list[int]:
    """Widen the two columns of numbers to the longest number, with its unit if it is a short one."""
    expected = [len(describe_value(row.expected.value)) + 1 + min(len(row.expected.unit), _SHORT_UNIT) for row in rows]
    ours = [len(describe_value(row.actual)) for row in rows if row.actual is not None]
    return [max([_WIDTHS[0], *expected]), max([_WIDTHS[1], *ours]), *_WIDTHS[2:]]


def _cells(row: Row) -> list[RenderableType]:
    mark, style = _KNOWN_MARK if row.is_known_miss else _MARKS[row.passed]
    if row.group == "shown":
        mark, style = ("pass" if row.passed else "off"), "dim"
    unit = f" {row.expected.unit}" if row.expected.unit else ""
    ours = "failed" if row.actual is None else describe_value(row.actual)
    return [
        Padding(Text(row.quantity), (0, 0, 0, 2)),
        Text(describe_value(row.expected.value) + unit),
        Text(ours, style="" if row.passed else style),
        Text(describe_tolerance(row.expected)),
        Text(mark, style=style),
        Text(_GROUP_COLUMN[row.group], style="dim"),
    ]
