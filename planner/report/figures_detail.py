"""The further figures of the page, from finished tables: a host over time, slowdown, the cost of translation."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from planner.analysis.tables import GUEST_CLASSES
from planner.analysis.wording import format_ratio
from planner.report.figures import axis, base_layout
from planner.report.theme import ACCENT, BYTE_CLASSES, STATES, ratio_color
from planner.units import GIB, MIB

_SECONDS_PER_DAY = 86_400.0
_SLOWDOWN_TICKS = {
    1e-5: "+0.001 %",
    1e-4: "+0.01 %", 1e-3: "+0.1 %", 1e-2: "+1 %", 1e-1: "+10 %", 1.0: "×2", 10.0: "×11", 100.0: "×101",
}  # fmt: skip


def timeline_figure(timeline: pd.DataFrame, tick_s: float) -> go.Figure:
    """Draw one host over time: guest memory by class, memory state, swap-in.

    Parameters
    ----------
    timeline : DataFrame
        Columns `planner.schema.TIMELINE_COLUMNS`, thinned or not.
    tick_s : float
        Length of a tick. [s]
    """
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, row_heights=[0.62, 0.05, 0.33], vertical_spacing=0.04)
    figure.update_layout(base_layout(540))
    days = timeline["tick"].to_numpy(dtype=np.float64) * tick_s / _SECONDS_PER_DAY
    for name in GUEST_CLASSES[:-1]:
        values = _rounded(timeline[f"{name}_bytes"] / GIB)
        if not values.any():
            continue
        kind = BYTE_CLASSES[name]
        figure.add_scatter(
            x=days, y=values, name=kind.label, stackgroup="guest", mode="lines", line={"width": 0, "color": kind.color},
            fillcolor=kind.color, hovertemplate=f"{kind.label}: %{{y:.1f}} GiB, day %{{x:.2f}}<extra></extra>",
            row=1, col=1,
        )  # fmt: skip
    for column, label, dash in (("active_bytes", "active", "dot"), ("consumed_bytes", "host memory used", "solid")):
        figure.add_scatter(
            x=days, y=_rounded(timeline[column] / GIB), name=label, mode="lines", meta="ink",
            line={"width": 1.4, "color": "#1d2530", "dash": dash},
            hovertemplate=f"{label}: %{{y:.1f}} GiB, day %{{x:.2f}}<extra></extra>", row=1, col=1,
        )  # fmt: skip
    figure.add_heatmap(
        x=days, y=[""], z=[timeline["state"].to_numpy(dtype=np.int64)], zmin=-0.5, zmax=4.5, showscale=False,
        colorscale=_state_scale(), text=[[STATES[int(state)][0] for state in timeline["state"]]],
        hovertemplate="state %{text}, day %{x:.2f}<extra></extra>", row=2, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=days, y=_rounded(timeline["swap_in_bytes"] / tick_s / MIB), name="swap-in", mode="lines", showlegend=False,
        line={"width": 1, "color": BYTE_CLASSES["swapped"].color}, fill="tozeroy",
        hovertemplate="swap-in %{y:.2f} MiB/s, day %{x:.2f}<extra></extra>", row=3, col=1,
    )  # fmt: skip
    figure.update_yaxes(axis("guest memory (GiB)", rangemode="tozero"), row=1, col=1)
    figure.update_yaxes(axis("", showgrid=False, ticks=""), row=2, col=1)
    figure.update_yaxes(axis("swap-in (MiB/s)", rangemode="tozero"), row=3, col=1)
    figure.update_xaxes(fixedrange=True, showgrid=False, zeroline=False)
    figure.update_xaxes(axis("time (days)", showgrid=False), row=3, col=1)
    return figure


def slowdown_figure(table: pd.DataFrame, recommended_ratio: float | None) -> go.Figure:
    """Draw which share of VM-ticks is slowed down by more than so much, a line per ratio.

    Parameters
    ----------
    table : DataFrame
        `planner.analysis.tables.slowdown_by_ratio`.
    recommended_ratio : float or None
        Drawn with the accent.
    """
    figure = go.Figure(layout=base_layout(400))
    ratios = sorted(float(value) for value in table["overcommit_ratio"].unique())
    at = ratios.index(recommended_ratio) if recommended_ratio in ratios else None
    for position, ratio in enumerate(ratios):
        part = table[(table["overcommit_ratio"] == ratio) & (table["share"] > 0)]
        label = format_ratio(ratio)
        figure.add_scatter(
            x=part["slowdown_less_one"], y=100 * part["share"], name=label, mode="lines",
            line={"color": ratio_color(position, at, len(ratios)), "width": 3 if position == at else 1.6,
                  "dash": "solid" if at is None or position >= at else "dot"},
            hovertemplate=f"ratio {label}: %{{y:.3~g}} % of VM-ticks slower than +%{{x:.3~%}}<extra></extra>",
        )  # fmt: skip
    lowest = float(table.loc[table["share"] > 0, "share"].min()) if (table["share"] > 0).any() else 1e-4
    bottom = np.log10(max(100 * lowest, 1e-4)) - 0.1
    figure.update_yaxes(
        axis("share of VM-ticks slower", type="log", range=[bottom, 2.05], tickformat="~g", ticksuffix=" %", dtick=1)
    )
    figure.update_xaxes(
        axis("slowdown", type="log", tickvals=list(_SLOWDOWN_TICKS), ticktext=list(_SLOWDOWN_TICKS.values()))
    )
    return figure


def translation_figure(table: pd.DataFrame) -> go.Figure:
    """Draw the time for nested page walks and the share of memory in 4 KiB mappings, by ratio.

    Parameters
    ----------
    table : DataFrame
        `planner.analysis.tables.translation_by_ratio`.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.1)
    figure.update_layout(base_layout(460, showlegend=False))
    labels = [format_ratio(value) for value in table["overcommit_ratio"]]
    for row, column, text in ((1, "overhead", "translation overhead"), (2, "small_mapped", "in 4 KiB mappings")):
        figure.add_scatter(
            x=labels, y=100 * table[column], mode="lines+markers", name=text, line={"color": ACCENT, "width": 2.2},
            marker={"size": 7}, hovertemplate=f"{text} at %{{x}}: %{{y:.3~g}} %<extra></extra>", row=row, col=1,
        )  # fmt: skip
    figure.update_yaxes(axis("walk time ÷ CPU time", rangemode="tozero", ticksuffix=" %"), row=1, col=1)
    figure.update_yaxes(axis("granted in 4 KiB pages", range=[0, 105], ticksuffix=" %"), row=2, col=1)
    figure.update_xaxes(type="category", fixedrange=True, showgrid=False)
    figure.update_xaxes(axis("overcommit ratio", type="category", showgrid=False), row=2, col=1)
    return figure


def _state_scale() -> list[tuple[float, str]]:
    """Make a stepped colour scale: one flat colour per state."""
    n = len(STATES)
    return [(edge, color) for idx, (_, color) in enumerate(STATES) for edge in (idx / n, (idx + 1) / n)]


def _rounded(values: pd.Series) -> np.ndarray:
    """Round to what a screen can show, in 32 bits: half the bytes of the page."""
    return np.round(values.to_numpy(dtype=np.float64), 3).astype(np.float32)
