"""Figures of the page of a what-if: differences with their intervals, and risk by month or by variant."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from planner.report.figures import axis, base_layout
from planner.report.theme import ACCENT, NEUTRAL, WARM
from planner.units import GIB

_ROW_PX = 34


def differences_figure(cases: Sequence[Mapping[str, Any]], metric: str, scale: float, title: str) -> go.Figure:
    """Draw one figure's difference for every case: a dot, its paired interval, and in grey the unpaired one.

    Parameters
    ----------
    metric : str
        Name of the row in a case's `differences`.
    scale : float
        What a value is multiplied with to be shown.
    title : str
        Of the axis, with the unit.
    """
    figure = go.Figure(layout=base_layout(120 + _ROW_PX * len(cases)))
    shown = [(case["name"], row) for case in reversed(cases) for row in case["differences"] if row["metric"] == metric]
    for name, row in shown:
        _add_interval(figure, name, (row["unpaired_low"], row["unpaired_high"]), scale, (NEUTRAL, 2))
    for name, row in shown:
        _add_interval(figure, name, (row["low"], row["high"]), scale, (ACCENT, 5))
    figure.add_scatter(
        x=[row["difference"] * scale for _, row in shown], y=[name for name, _ in shown], mode="markers",
        marker={"size": 10, "color": [_dot_color(row) for _, row in shown]}, showlegend=False,
        hovertemplate="%{y}: %{x:.3g}<extra></extra>",
    )  # fmt: skip
    figure.add_vline(x=0, line={"width": 1, "color": NEUTRAL, "dash": "dot"})
    ends = [row[name] for _, row in shown for name in ("low", "high", "difference") if row[name] is not None]
    least, most = min([0.0, *ends]) * scale, max([0.0, *ends]) * scale
    room = 0.06 * (most - least) or 1.0
    figure.update_xaxes(axis(title, range=[least - room, most + room]))
    names = [case["name"] for case in reversed(cases)]
    figure.update_yaxes(fixedrange=True, automargin=True, type="category", categoryorder="array", categoryarray=names)
    return figure


def variants_figure(variants: Sequence[Mapping[str, Any]], allowed: float, title: str) -> go.Figure:
    """Draw the swap risk of every variant of a case, with its bounds, and the share that the objective allows."""
    figure = go.Figure(layout=base_layout(320, showlegend=False))
    labels = [str(item["label"]) for item in variants]
    known = [item["swap_risk"] is not None for item in variants]
    risk = [100 * (item["swap_risk"] if is_known else 1.0) for item, is_known in zip(variants, known, strict=True)]
    figure.add_scatter(
        x=labels, y=risk, mode="markers",
        marker={"size": 9, "color": [ACCENT if item["meets_objective"] else WARM[2] for item in variants]},
        error_y={
            "type": "data", "symmetric": False, "thickness": 1.4, "width": 4, "color": NEUTRAL,
            "array": [100 * item["swap_risk_high"] - value for item, value in zip(variants, risk, strict=True)],
            "arrayminus": [value - 100 * item["swap_risk_low"] for item, value in zip(variants, risk, strict=True)],
        },
        hovertemplate="%{x}: %{y:.3g} % of hosts<extra></extra>",
    )  # fmt: skip
    figure.add_hline(y=100 * allowed, line={"width": 1.2, "color": NEUTRAL, "dash": "dash"})
    figure.update_yaxes(axis("hosts that break the objective (%)", rangemode="tozero"))
    figure.update_xaxes(axis(title, type="category", showgrid=False))
    return figure


def _add_interval(
    figure: go.Figure, name: str, ends: tuple[float | None, float | None], scale: float, style: tuple[str, int]
) -> None:
    low, high = ends
    if low is None or high is None:
        return
    color, width = style
    figure.add_scatter(
        x=[low * scale, high * scale], y=[name, name], mode="lines", line={"width": width, "color": color},
        opacity=0.65, showlegend=False, hovertemplate="%{y}: %{x:.3g}<extra></extra>",
    )  # fmt: skip


def _dot_color(row: Mapping[str, Any]) -> str:
    if row["is_worse"] is None:
        return NEUTRAL
    return WARM[2] if row["is_worse"] else ACCENT


BYTES_SCALE = 1.0 / GIB
"""From bytes to what the axis of memory shows: GiB."""
PERCENT_SCALE = 100.0
"""From a fraction to percentage points."""
