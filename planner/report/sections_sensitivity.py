"""The section on sensitivity: a tornado chart of the assumptions, every end, and pairs of the strongest."""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from planner.analysis.wording import format_percent, format_ratio
from planner.report.blocks import Cell, FigureBlock, Section, TableBlock, figure_text, number_cell
from planner.report.figures import axis, base_layout
from planner.report.theme import ACCENT, WARM

_ROW_PX = 34
_MEASURES = {
    "overcommit_ratio": "largest overcommit ratio",
    "swap_risk_at_ratio": "share of hosts broken at {ratio}",
    "swap_risk_at_next": "share of hosts broken at {next_ratio}",
}


def sensitivity_section(found: Mapping[str, Any] | None) -> Section | None:
    """Make the section; None where no assumption was varied.

    Parameters
    ----------
    found : mapping or None
        `summary["sensitivity"]`.
    """
    if found is None:
        return None
    lead = (
        f"{found['sentence']} Judged by the share of hosts observed to break, not by its upper bound, so that few "
        f"replicates show the shift; line {found['placement']}, tail {found['tail']}."
    )
    pairs = (_pairs_table(found),) if found["pairs"] else ()
    title = "Which assumption matters"
    if not any(row["swing"] for row in found["ranking"]):
        return Section("sensitivity", title, lead, tables=(_ends_table(found), *pairs))
    measure = _measure(found)
    why = "" if found["shows"] == "overcommit_ratio" else " No end moves the ratio, so the chart shows a risk."
    figure = FigureBlock(
        id="tornado",
        title=f"What moves the {measure}",
        alt=f"Bars from the low to the high end of each assumption, widest first. {found['sentence']}",
        caption=(
            f"Upright line: as configured. Bars: the {measure} at the ends of each assumption's range, one at a time, "
            f"on the same demand, {found['replicates']} replicates at most.{why}"
        ),
        figure_json=figure_text(tornado_figure(found)),
        table=_ends_table(found),
    )
    return Section("sensitivity", title, lead, figures=(figure,), tables=pairs)


def tornado_figure(found: Mapping[str, Any]) -> go.Figure:
    """Draw a bar per assumption from the value at its low end to that at its high end, the widest on top."""
    shows, ranking = found["shows"], list(found["ranking"])[::-1]
    base = _plain(found["base"][shows])
    figure = go.Figure(layout=base_layout(90 + _ROW_PX * max(1, len(ranking)), barmode="overlay", bargap=0.35))
    for side, color in (("low", ACCENT), ("high", WARM[1])):
        values = [_plain(row[side]) for row in ranking]
        figure.add_bar(
            y=[row["assumption"] for row in ranking], x=[value - base for value in values], base=base, orientation="h",
            name=f"at the {side} end", marker={"color": color, "opacity": 0.85},
            customdata=[_shown(row[side], shows) for row in ranking],
            hovertemplate=f"%{{y}}, {side} end: %{{customdata}}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=base, line={"color": "#8a94a3", "width": 2})
    figure.update_xaxes(axis(_measure(found), range=_range(found, base)))
    if shows != "overcommit_ratio":
        figure.update_xaxes(tickformat=".1~%")
    figure.update_yaxes(axis("", showgrid=False))
    return figure


def _range(found: Mapping[str, Any], base: float) -> list[float]:
    values = [base, *(_plain(row[side]) for row in found["ranking"] for side in ("low", "high"))]
    room = max(0.1 * (max(values) - min(values)), 0.02)
    # Neither a ratio nor a share is below zero: the axis names no such values.
    return [max(min(values) - room, -0.1 * room), max(values) + room]


def _ends_table(found: Mapping[str, Any]) -> TableBlock:
    order = [row["assumption"] for row in found["ranking"]]
    ends = sorted(found["ends"], key=lambda end: (order.index(end["assumption"]), end["side"] != "low"))
    rows = (_row(found["base"], found), *(_row(end, found) for end in ends))
    return TableBlock(
        "sensitivity-ends", "Every end of every assumption", _columns(found, "source"), rows, text_columns=4
    )


def _pairs_table(found: Mapping[str, Any]) -> TableBlock:
    rows = tuple(_row(pair, found, has_source=False) for pair in found["pairs"])
    caption = "The strongest assumptions two by two: their worse ends together, their better ends together"
    return TableBlock("sensitivity-pairs", caption, _columns(found), rows, text_columns=3)


def _shares(found: Mapping[str, Any]) -> dict[str, str]:
    """Name the columns of broken hosts: at the answer and at the next ratio, which at the end of a sweep are one."""
    ratios = {"swap_risk_at_ratio": found["ratio"], "swap_risk_at_next": found["next_ratio"]}
    at_end = found["ratio"] == found["next_ratio"]
    return {key: f"broken at {format_ratio(ratio)}" for key, ratio in list(ratios.items())[: 1 if at_end else 2]}


def _columns(found: Mapping[str, Any], *more: str) -> tuple[str, ...]:
    return ("assumption", "end", "value", *more, "largest ratio", *_shares(found).values())


def _row(end: Mapping[str, Any], found: Mapping[str, Any], has_source: bool = True) -> tuple[Cell, ...]:
    ratio = end["overcommit_ratio"]
    shares = (end[key] for key in _shares(found))
    return (
        Cell(end["assumption"]),
        Cell(end["side"]),
        Cell(end["value"]),
        *([Cell(end["source"])] if has_source else []),
        number_cell(_shown(ratio, "overcommit_ratio"), ratio),
        *(number_cell(_share(value), value) for value in shares),
    )


def _share(value: float | None) -> str:
    return "none seen" if value == 0 else format_percent(value)


def _measure(found: Mapping[str, Any]) -> str:
    ratios = {key: format_ratio(found[key]) for key in ("ratio", "next_ratio")}
    return _MEASURES[found["shows"]].format(**ratios)


def _shown(value: float | None, shows: str) -> str:
    if shows == "overcommit_ratio":
        return "none" if value is None else format_ratio(value)
    return format_percent(value)


def _plain(value: float | None) -> float:
    return 0.0 if value is None else float(value)
