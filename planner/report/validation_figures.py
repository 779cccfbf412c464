"""Figures of the validation page: measured against modelled curves, or deviations where a target has no curve."""

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from planner.report.figures import axis, base_layout
from planner.report.theme import ACCENT, DASHES, NEUTRAL, SYMBOLS, WARM
from planner.validation.base import Computed
from planner.validation.run import Row

_MODEL_COLORS = (ACCENT, WARM[1], "#4fa39b", "#9a6fb5", WARM[3], NEUTRAL)
_REFERENCE_WORDS = ("measured", "published", "counted", "closed form", "theory", "paper", "expected")
_FARTHEST = 3.0
_MOST_SHOWN = 40
_ROW_HEIGHT = 20


def is_reference(name: str) -> bool:
    """Tell whether a curve is what the model is held against, by its name."""
    return any(word in name.lower() for word in _REFERENCE_WORDS)


def curves_figure(computed: Computed) -> go.Figure:
    """Draw all curves of a check: what was measured as points in the colour of the text, ours as coloured lines."""
    figure = go.Figure(layout=base_layout(380))
    n_references = n_models = 0
    for name, (x, y) in computed.curves.items():
        if is_reference(name):
            figure.add_scatter(
                x=x, y=y, name=escape(name), mode="lines+markers", meta="ink",
                line={"width": 1, "dash": "dot", "color": "#1d2530"},
                marker={"symbol": f"{SYMBOLS[n_references % len(SYMBOLS)]}-open", "size": 7, "color": "#1d2530"},
            )  # fmt: skip
            n_references += 1
        else:
            line = {
                "width": 2, "color": _MODEL_COLORS[n_models % len(_MODEL_COLORS)],
                "dash": DASHES[n_models // len(_MODEL_COLORS) % len(DASHES)],
            }  # fmt: skip
            mode = "lines" if len(x) > 1 else "markers"
            figure.add_scatter(x=x, y=y, name=escape(name), mode=mode, line=line, marker={"color": line["color"]})
            n_models += 1
    figure.update_xaxes(axis(escape(computed.axes[0])))
    figure.update_yaxes(axis(escape(computed.axes[1])))
    return figure


def deviation_figure(rows: Sequence[Row]) -> go.Figure:
    """Draw how far each value is from the expected one, in tolerances; off the scale is drawn at its end."""
    shown = rows[:_MOST_SHOWN]
    figure = go.Figure(layout=base_layout(110 + _ROW_HEIGHT * len(shown), showlegend=False))
    figure.add_vrect(x0=-1, x1=1, fillcolor=NEUTRAL, opacity=0.18, line_width=0)
    labels = [escape(row.quantity) for row in shown]
    for row, label in zip(shown, labels, strict=True):
        far = row.deviation
        place = _FARTHEST if far is None else max(-_FARTHEST, min(_FARTHEST, far))
        symbol = "x" if far is None else "circle-open" if row.expected.is_calibrated else "circle"
        figure.add_scatter(
            x=[place], y=[label], mode="markers", marker={"symbol": symbol, "size": 9, "color": _color(row)},
            hovertemplate=f"{label}: {_words(row)}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(axis("difference ÷ tolerance", range=[-1.05 * _FARTHEST, 1.05 * _FARTHEST]))
    figure.update_yaxes(axis("", type="category", autorange="reversed", showgrid=False, tickvals=labels))
    return figure


def _color(row: Row) -> str:
    return ACCENT if row.passed else WARM[2]


def _words(row: Row) -> str:
    ours = "failed" if row.actual is None else f"{row.actual:.6g}"
    return f"expected {row.expected.value:.6g}, ours {ours}"
