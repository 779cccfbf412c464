"""Figures of the page of one host: what moves per second, and what its slowdown is made of."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from planner.analysis.tables import TICK_FLOWS
from planner.report.figures import axis, base_layout
from planner.report.theme import ACCENT, BYTE_CLASSES, WARM
from planner.units import MIB

_SECONDS_PER_DAY = 86_400.0
_COLORS = {
    "swap_in_bytes": BYTE_CLASSES["swapped"].color,
    "swap_out_bytes": WARM[0],
    "guest_paging_bytes": BYTE_CLASSES["ballooned"].color,
    "cow_break_bytes": BYTE_CLASSES["shared"].color,
    "denied_bytes": WARM[-1],
}


def rates_figure(timeline: pd.DataFrame, tick_s: float) -> go.Figure:
    """Draw what moves per second, a line per kind that moves at all.

    Parameters
    ----------
    timeline : DataFrame
        Columns `planner.schema.TIMELINE_COLUMNS`, thinned or not.
    tick_s : float
        Length of a tick. [s]
    """
    figure = go.Figure(layout=base_layout(340))
    days = timeline["tick"].to_numpy(dtype=np.float64) * tick_s / _SECONDS_PER_DAY
    for name in TICK_FLOWS:
        rates = timeline[name].to_numpy(dtype=np.float64) / tick_s / MIB
        if not rates.any():
            continue
        label = flow_label(name)
        figure.add_scatter(
            x=days, y=np.round(rates, 4).astype(np.float32), name=label, mode="lines",
            line={"width": 1.4, "color": _COLORS.get(name, ACCENT)},
            hovertemplate=f"{label} %{{y:.3f}} MiB/s, day %{{x:.2f}}<extra></extra>",
        )  # fmt: skip
    figure.update_yaxes(axis("MiB/s", rangemode="tozero"))
    figure.update_xaxes(axis("time (days)", showgrid=False))
    return figure


def parts_figure(parts: Mapping[str, float]) -> go.Figure:
    """Draw the parts of the mean slowdown as bars, in percent of useful CPU time."""
    figure = go.Figure(layout=base_layout(300, showlegend=False))
    names = list(parts)[::-1]
    figure.add_bar(
        y=names, x=[100 * parts[name] for name in names], orientation="h", marker={"color": ACCENT},
        hovertemplate="%{y}: %{x:.3~g} %<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(axis("added to the time needed (%)", rangemode="tozero"))
    figure.update_yaxes(fixedrange=True, automargin=True)
    return figure


def flow_label(name: str) -> str:
    """Name a flow of the time line for people."""
    return name.removesuffix("_bytes").replace("_", " ").replace("swap ", "swap-")
