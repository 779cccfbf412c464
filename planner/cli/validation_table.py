"""The validation on the terminal: a row per quantity, misses last before the summary so that they are seen."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from planner.validation.base import Target
from planner.validation.run import Outcome, Row, count_rows
from planner.validation.wording import describe_tolerance, describe_value

_WIDE_COLUMNS = 110
_MARKS = {True: ("pass", "green"), False: ("MISS", "bold red")}
_GROUP_WORDS = {
    "evidence": "predicted",
    "calibrated": "calibrated (fitted, no evidence)",
    "shown": "quoted from memory (not counted)",
}


def print_validation(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print a table per kind of target, what was missed with its reason, and a summary line per group."""
    kinds = dict.fromkeys(outcome.target.kind for outcome in outcomes)
    for kind in kinds:
        console.print(Text(kind.capitalize(), style="bold underline"))
        console.print(_table([outcome for outcome in outcomes if outcome.target.kind == kind], console))
        console.print()
    rows = [row for outcome in outcomes for row in outcome.rows]
    missed = [row for row in rows if not row.passed and row.group != "shown"]
    for row in missed:
        reason = f": {row.note}" if row.note else ""
        text = f"missed: {row.target.name} {row.quantity}{reason}"
        console.print(Text(text, style="red"), soft_wrap=True)
    for line in summary_lines(rows):
        console.print(line, markup=False, highlight=False)


def summary_lines(rows: Sequence[Row]) -> list[str]:
    """Word how many rows passed, a line per group."""
    lines = []
    for group, kinds in count_rows(rows).items():
        passed, total = (sum(counts[n] for counts in kinds.values()) for n in (0, 1))
        parts = ", ".join(f"{kind} {count[0]}/{count[1]}" for kind, count in kinds.items())
        lines.append(f"{_GROUP_WORDS[group]}: {passed} of {total} within tolerance ({parts})")
    return lines


def print_targets(targets: Sequence[Target], console: Console) -> None:
    """Print the names of targets, what they are about and which check they use; nothing is run."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("target", "kind", "check", "about"):
        table.add_column(title, overflow="fold")
    for target in targets:
        table.add_row(*(Text(text) for text in (target.name, target.kind, target.check, target.title)))
    console.print(table)


def _table(outcomes: Sequence[Outcome], console: Console) -> Table:
    is_wide = console.width >= _WIDE_COLUMNS
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    table.add_column("target, quantity", overflow="fold")
    for title in ("expected", "ours", "tolerance"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    if is_wide:
        table.add_column("source", overflow="fold", max_width=36)
    for outcome in outcomes:
        source = Text(outcome.target.source, style="dim")
        table.add_row(Text(outcome.target.name, style="bold"), *[""] * 4, *([source] if is_wide else []))
        if not is_wide:
            table.add_row(source, *[""] * 4)
        for row in outcome.rows:
            table.add_row(*_cells(row), *([""] if is_wide else []))
    return table


def _cells(row: Row) -> list[Text]:
    mark, style = _MARKS[row.passed]
    if row.group == "shown" and not row.passed:
        mark, style = "off", "dim"
    if row.expected.is_calibrated:
        mark += " (calibrated)"
    unit = f" {row.expected.unit}" if row.expected.unit else ""
    ours = "failed" if row.actual is None else describe_value(row.actual)
    return [
        Text(f"  {row.quantity}"),
        Text(describe_value(row.expected.value) + unit),
        Text(ours, style="" if row.passed else style),
        Text(describe_tolerance(row.expected)),
        Text(mark, style=style),
    ]
