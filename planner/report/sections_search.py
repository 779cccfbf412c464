"""The section that says what an adaptive search did."""

from collections.abc import Mapping
from typing import Any

from planner.analysis.search_words import line_name, search_sentence, seen_words, warnings_of
from planner.analysis.wording import format_percent, format_ratio
from planner.report.blocks import Cell, Section, TableBlock, cap_rows, number_cell

_COLUMNS = (
    "line", "why this ratio", "verdict", "ratio", "replicates", "host runs broken", "at least", "at most", "confidence",
)  # fmt: skip


def search_section(search: Mapping[str, Any] | None) -> Section | None:
    """Make the section with every look of an adaptive search; None where there was none.

    Parameters
    ----------
    search : mapping or None
        `summary["adaptive"]`.
    """
    if search is None:
        return None
    lines = [*search["lines"], *search["tails"]]
    steps = [(line, step) for line in lines for step in line["steps"]]
    rows, left_out = cap_rows((_row(line, step) for line, step in steps), len(steps))
    caption = "Looks in the order in which they were taken, line by line"
    table = TableBlock("search-steps", caption, _COLUMNS, rows, text_columns=3, left_out=left_out)
    lead = (
        f"{search_sentence(search)} Each look is judged at a confidence of its own: looking again does not "
        "make a wrong answer more likely."
    )
    warnings = " ".join(warnings_of(lines))
    return Section("search", "How the ratio was found", f"{lead} {warnings}".strip(), tables=(table,))


def _row(line: Mapping[str, Any], step: Mapping[str, Any]) -> tuple[Cell, ...]:
    return (
        Cell(line_name(line)),
        Cell(step["reason"]),
        Cell(step["verdict"]),
        number_cell(format_ratio(step["overcommit_ratio"]), step["overcommit_ratio"]),
        number_cell(f"{step['replicates']:,}", step["replicates"]),
        number_cell(seen_words(step), step["broken_host_runs"]),
        number_cell(format_percent(step["swap_risk_low"]), step["swap_risk_low"]),
        number_cell(format_percent(step["swap_risk_high"]), step["swap_risk_high"]),
        number_cell(f"{100 * step['bound_confidence']:.2f} %", step["bound_confidence"]),
    )
