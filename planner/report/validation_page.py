"""The page of a validation: what was met and missed, kinds told apart, a plot per target. Draws finished rows."""

import re
from collections.abc import Sequence
from pathlib import Path

from planner import __version__
from planner.report.blocks import Cell, FigureBlock, Section, TableBlock, figure_text, number_cell
from planner.report.html import render_template, write_page
from planner.report.validation_figures import curves_figure, deviation_figure, is_reference
from planner.validation.run import Outcome, Row, count_rows
from planner.validation.wording import describe_tolerance, describe_value, missed_line, remarks

_KINDS = {
    "closed form": ("Closed forms", "Algebra: the model must give what the formula gives."),
    "published": (
        "Published tables and figures",
        "What others measured; tolerances allow for reading it off.",
    ),
    "real kernel": (
        "A real kernel",
        "Measured on a running Linux, replayed from the run's description.",
    ),
    "sampled": ("Sampled against exact", "The engine on a sample of pages, against itself on all of them."),
    "memory only": ("Quoted from memory", "No source was at hand for these values: shown, but not counted."),
}
_VERDICTS = {True: ("met", "meets"), False: ("missed", "fails")}
_MOST_POINTS = 12
_KNOWN_VERDICT = ("missed, known", "fails")
_QUANTITY_COLUMNS = ("quantity", "verdict", "expected", "ours", "tolerance")


def render_validation(outcomes: Sequence[Outcome], out: Path, not_read: Sequence[str] = ()) -> None:
    """Write the page of a validation; `not_read` says what could not be judged, and why.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    write_page(render_validation_page(outcomes, not_read), out)


def render_validation_page(outcomes: Sequence[Outcome], not_read: Sequence[str] = ()) -> str:
    """Render the page as text. The bytes are a function of the arguments alone."""
    rows = [row for outcome in outcomes for row in outcome.rows]
    counts = count_rows(rows)
    passed, total = _sum(counts.get("evidence", {}))
    return render_template(
        "validation.html",
        version=f"planner {__version__}",
        score=f"{passed} of {total}",
        is_met=passed == total,
        facts=_facts(rows),
        not_read=not_read,
        missed=_missed_table([row for row in rows if row.counts_as_missed]),
        sections=[_section(kind, outcomes) for kind in _KINDS if any(item.target.kind == kind for item in outcomes)],
    )


def _facts(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """List what the first screen counts: evidence by kind, then what is no evidence."""
    counts = count_rows(rows)
    facts = [
        (_KINDS[kind][0], f"{passed} of {total}", "predicted, within tolerance")
        for kind, (passed, total) in counts.get("evidence", {}).items()
    ]
    for group, label, meaning in (
        ("calibrated", "Calibrated", "constants were fitted to these: no evidence"),
        ("shown", "Quoted from memory", "shown, not counted"),
    ):
        if group in counts:
            passed, total = _sum(counts[group])
            facts.append((label, f"{passed} of {total}", meaning))
    return facts


def _sum(counts: dict[str, tuple[int, int]]) -> tuple[int, int]:
    return sum(count[0] for count in counts.values()), sum(count[1] for count in counts.values())


def _missed_table(rows: Sequence[Row]) -> TableBlock:
    """List what was missed, a row per target and reason."""
    reasons: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        reasons.setdefault((row.target.name, row.note), []).append(row)
    return TableBlock(
        "table-missed",
        missed_line(rows),
        ("target", "missed", "why"),
        tuple(
            (Cell(name), Cell("; ".join(_missed_words(row) for row in found)), Cell(why or "not explained yet"))
            for (name, why), found in reasons.items()
        ),
        text_columns=3,
    )


def _missed_words(row: Row) -> str:
    expected, ours, tolerance = (cell.text for cell in _numbers(row))
    return f"{row.quantity} {ours} instead of {expected} {tolerance}"


def _section(kind: str, outcomes: Sequence[Outcome]) -> Section:
    title, lead = _KINDS[kind]
    mine = [outcome for outcome in outcomes if outcome.target.kind == kind]
    table = TableBlock(
        f"table-{_id(kind)}",
        "Targets",
        ("target", "within tolerance", "about", "source"),
        tuple(_target_cells(outcome) for outcome in mine),
        text_columns=4,
    )
    return Section(_id(kind), title, lead, tuple(item for outcome in mine for item in _figures(outcome)), (table,))


def _target_cells(outcome: Outcome) -> tuple[Cell, ...]:
    passed, total = sum(row.passed for row in outcome.rows), len(outcome.rows)
    is_fitted = any(row.expected.is_calibrated for row in outcome.rows)
    missed = [row for row in outcome.rows if row.counts_as_missed]
    words = [f"{passed} of {total}"]
    words += ["some calibrated"] if is_fitted else []
    words += ["misses known"] if missed and all(row.is_known_miss for row in missed) else []
    target = outcome.target
    verdict = number_cell(", ".join(words), passed / total, "meets" if passed == total else "fails")
    return Cell(target.name), verdict, Cell(target.title), Cell(target.source)


def _figures(outcome: Outcome) -> list[FigureBlock]:
    """Draw a target: measured curves with ours; where no curve was measured, the deviations, then our curves."""
    target, rows, computed = outcome.target, outcome.rows, outcome.computed
    has_reference = any(is_reference(name) for name in computed.curves)
    name, passed = _id(target.name), sum(row.passed for row in rows)
    how = "" if has_reference else " Drawn: difference from the expected value in tolerances."
    notes = "".join(f" Note: {note}." for note in remarks(rows))
    quantities = tuple(_row_cells(row) for row in rows)
    judged = FigureBlock(
        id=name,
        title=target.title,
        alt=f"{target.title}: {passed} of {len(rows)} values within tolerance",
        caption=f"{target.name}: {passed} of {len(rows)} within tolerance.{notes}{how} Source: {target.source}.",
        figure_json=figure_text(curves_figure(computed) if has_reference else deviation_figure(rows)),
        table=TableBlock(f"table-{name}", target.title, _QUANTITY_COLUMNS, quantities, text_columns=2),
    )
    return [judged] if has_reference or not computed.curves else [judged, _course(outcome)]


def _course(outcome: Outcome) -> FigureBlock:
    """Draw curves of ours for which nothing was measured: how the values came about."""
    name, title = f"{_id(outcome.target.name)}-course", f"{outcome.target.title}: ours"
    points = [
        (Cell(curve), number_cell(describe_value(x[n]), x[n]), number_cell(describe_value(y[n]), y[n]))
        for curve, (x, y) in outcome.computed.curves.items()
        for n in range(0, len(x), max(1, len(x) // _MOST_POINTS))
    ]
    return FigureBlock(
        id=name,
        title=title,
        alt=f"{title}, curves of the planner alone",
        caption=f"{outcome.target.name}: how ours comes about; no curve was published or measured to draw beside it.",
        figure_json=figure_text(curves_figure(outcome.computed)),
        table=TableBlock(f"table-{name}", title, ("curve", *outcome.computed.axes), tuple(points)),
    )


def _row_cells(row: Row) -> tuple[Cell, ...]:
    word, style = _KNOWN_VERDICT if row.is_known_miss else _VERDICTS[row.passed]
    calibrated = ", calibrated" if row.expected.is_calibrated else ""
    return Cell(row.quantity), Cell(word + calibrated, style=style), *_numbers(row)


def _numbers(row: Row) -> tuple[Cell, ...]:
    unit = f" {row.expected.unit}" if row.expected.unit else ""
    ours = "failed" if row.actual is None else describe_value(row.actual)
    return (
        number_cell(describe_value(row.expected.value) + unit, row.expected.value),
        number_cell(ours, row.actual),
        Cell(describe_tolerance(row.expected)),
    )


def _id(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
