"""The first figures of the page, from finished tables: density against risk, and where the bytes go."""

from html import escape
from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from planner.analysis.tables import GUEST_CLASSES
from planner.analysis.wording import format_percent, format_ratio
from planner.report.theme import ACCENT, BYTE_CLASSES, DASHES, NEUTRAL, SYMBOLS, WARM
from planner.units import GIB

_TIB = 1024 * GIB
_NUDGE = 0.06


def base_layout(height: int, **changes: object) -> go.Layout:
    """Make the layout that all figures share: no background, room for labels, legend above, one hover style."""
    layout = go.Layout(
        template=go.layout.Template(),
        height=height,
        margin={"l": 64, "r": 16, "t": 12, "b": 52},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13, "color": "#444c56"},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left", "traceorder": "normal"},
        hoverlabel={"bgcolor": "#1d2530", "bordercolor": "#1d2530", "font": {"color": "#ffffff", "size": 12}},
        hovermode="closest",
    )
    return layout.update(changes)


def axis(title: str, **changes: object) -> dict[str, object]:
    """Make an axis with a title, a light grid and no zero line."""
    shared: dict[str, object] = {"gridcolor": "#d5dae1", "zeroline": False, "automargin": True, "fixedrange": True}
    return {
        "title": {"text": title, "standoff": 8, "font": {"size": 12}},
        "tickfont": {"size": 12},
        **shared,
        **changes,
    }


def frontier_figure(points: pd.DataFrame, allowed: float) -> go.Figure:
    """Draw swap risk against the overcommit ratio and the density it gives, a line per placement and tail.

    Parameters
    ----------
    points : DataFrame, a row per scenario that is feasible
        `line` (legend), `is_line` (the recommended line), `role`, `overcommit_ratio`, `vms_per_host`, `swap_risk`,
        `swap_risk_low`, `swap_risk_high`, `is_recommended`.
    allowed : float
        Share of hosts that the objective allows.
    """
    floor = _floor(points, allowed)
    ratios = sorted(float(value) for value in points["overcommit_ratio"].unique())
    gaps = [after - before for before, after in pairwise(ratios)]
    step = min([*gaps, (ratios[-1] - ratios[0]) / 5]) if gaps else 0.0
    figure = go.Figure(layout=base_layout(440))
    lines = [(str(name), part) for name, part in points.groupby("line", sort=False)]
    # Drawn last lies on top: the recommended line.
    for position, (name, part) in sorted(enumerate(lines), key=lambda item: bool(item[1][1]["is_line"].any())):
        if part["role"].iloc[0] != "sweep":
            _add_tail(figure, name, part, position)
        else:
            nudge = 0.0 if bool(part["is_line"].any()) else _NUDGE * step * (1 + position)
            _add_line(figure, name, part, (floor, nudge, position))
    recommended = points[points["is_recommended"]]
    if len(recommended):
        _mark_recommended(figure, recommended.iloc[0])
    figure.add_hline(y=allowed, line={"color": WARM[2], "width": 1.5, "dash": "dash"})
    figure.add_annotation(
        x=0, xref="paper", xanchor="left", y=np.log10(allowed), yanchor="bottom", showarrow=False,
        text=f"objective: {format_percent(allowed)} of hosts", font={"size": 12},
    )  # fmt: skip
    ticks = [value for value in (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0) if value >= floor]
    figure.update_yaxes(axis("swap risk (share of hosts)", type="log", range=[np.log10(floor), np.log10(1.15)]))
    figure.update_yaxes(tickvals=ticks, ticktext=[format_percent(value) for value in ticks])
    figure.update_xaxes(axis("overcommit ratio, and VMs per host", tickvals=ratios, showgrid=False))
    figure.update_xaxes(ticktext=[_ratio_tick(points, ratio) for ratio in ratios])
    return figure


def bytes_figure(table: pd.DataFrame) -> go.Figure:
    """Draw where the guests' configured memory is, by ratio, against the memory that the hosts have.

    Parameters
    ----------
    table : DataFrame
        `planner.analysis.tables.byte_classes`.
    """
    figure = go.Figure(layout=base_layout(430, barmode="stack", bargap=0.35))
    labels = [format_ratio(value) for value in table["overcommit_ratio"]]
    unit, scale = _unit(table["configured"])
    for name in (name for name in GUEST_CLASSES if table[name].any()):
        _add_bars(figure, labels, table[name] / scale, name, unit)
    markers = (
        ("usable", "usable host memory", "line-ew-open", 3),
        ("granted", "granted", "diamond-open", 2),
        ("active", "active", "circle-open", 2),
    )
    for column, label, symbol, width in markers:
        figure.add_scatter(
            x=labels, y=table[column] / scale, name=label, mode="markers+lines" if column == "active" else "markers",
            line={"width": 1, "dash": "dot", "color": "#1d2530"},
            marker={"symbol": symbol, "size": 34 if column == "usable" else 9, "color": "#1d2530",
                    "line": {"width": width, "color": "#1d2530"}},
            hovertemplate=f"{label} at %{{x}}: %{{y:.2f}} {unit}<extra></extra>", meta="ink",
        )  # fmt: skip
    figure.update_yaxes(axis(f"memory of the fleet ({unit})", range=_bytes_range(table, scale)))
    figure.update_xaxes(axis("overcommit ratio", type="category", showgrid=False))
    return figure


def host_bytes_figure(table: pd.DataFrame) -> go.Figure:
    """Draw what the used hosts' memory holds, by ratio: consumed and free.

    Parameters
    ----------
    table : DataFrame
        `planner.analysis.tables.byte_classes`.
    """
    figure = go.Figure(layout=base_layout(430, barmode="stack", bargap=0.35))
    labels = [format_ratio(value) for value in table["overcommit_ratio"]]
    unit, scale = _unit(table["configured"])
    for name in ("consumed", "free"):
        _add_bars(figure, labels, table[name] / scale, name, unit)
    figure.update_yaxes(axis(f"memory of the used hosts ({unit})", range=_bytes_range(table, scale)))
    figure.update_xaxes(axis("overcommit ratio", type="category", showgrid=False))
    return figure


def _add_bars(figure: go.Figure, labels: list[str], values: pd.Series, name: str, unit: str) -> None:
    kind = BYTE_CLASSES[name]
    figure.add_bar(
        x=labels, y=values, name=kind.label, marker={"color": kind.color},
        hovertemplate=f"{kind.label} at %{{x}}: %{{y:.2f}} {unit}<extra></extra>",
    )  # fmt: skip


def _floor(points: pd.DataFrame, allowed: float) -> float:
    """Pick the bottom of the risk axis: the decade below everything that is to be seen, but not under 0.1 %."""
    seen = [allowed / 4, *points["swap_risk_high"]]
    seen += [value for value in points["swap_risk"] if value > 0]
    return float(max(1e-3, min(seen) / 2))


def _add_line(figure: go.Figure, name: str, part: pd.DataFrame, place: tuple[float, float, int]) -> None:
    """Draw the estimates of one placement with their intervals; the bound stands in where no host broke."""
    floor, nudge, position = place
    is_line = bool(part["is_line"].any())
    color = ACCENT if is_line else NEUTRAL
    none_seen = (part["swap_risk"] == 0).to_numpy(dtype=bool)
    drawn = part["swap_risk_high"].where(none_seen, part["swap_risk"]).to_numpy(dtype=np.float64)
    low = np.maximum(floor, np.where(none_seen, floor, part["swap_risk_low"]))
    symbol = SYMBOLS[position % len(SYMBOLS)]
    x = part["overcommit_ratio"] + nudge
    figure.add_scatter(
        x=x, y=drawn, name=escape(name), mode="lines", legendgroup=name, hoverinfo="skip",
        line={"color": color, "width": 2.5 if is_line else 1.4, "dash": "solid" if is_line else "dash"},
        legendrank=1 if is_line else 2,
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=drawn, mode="markers", legendgroup=name, showlegend=False,
        marker={"size": 10 if is_line else 8, "color": color,
                "symbol": ["triangle-down-open" if unseen else symbol for unseen in none_seen]},
        error_y={"type": "data", "symmetric": False, "array": part["swap_risk_high"] - drawn,
                 "arrayminus": np.maximum(0.0, drawn - low), "color": color, "thickness": 1.5, "width": 4},
        text=[_hover(row) for _, row in part.iterrows()], hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _add_tail(figure: go.Figure, name: str, part: pd.DataFrame, position: int) -> None:
    """Draw the upper bounds under another tail: what decides, without a second set of bars."""
    figure.add_scatter(
        x=part["overcommit_ratio"], y=part["swap_risk_high"], name=f"{escape(name)} (upper bound)", mode="lines",
        line={"color": ACCENT, "width": 1.4, "dash": DASHES[2 + position % 2]}, opacity=0.8, legendrank=3,
        text=[_hover(row) for _, row in part.iterrows()], hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _ratio_tick(points: pd.DataFrame, ratio: float) -> str:
    """Label a ratio with the density that the recommended line, or else the first, reaches at it."""
    here = points[points["overcommit_ratio"] == ratio].sort_values("is_line", ascending=False, kind="stable")
    return f"{format_ratio(ratio)}<br>{here['vms_per_host'].iloc[0]:.3g}"


def _hover(row: pd.Series) -> str:
    risk = "none seen" if row["swap_risk"] == 0 else format_percent(row["swap_risk"])
    return (
        f"{escape(str(row['line']))}, ratio {format_ratio(row['overcommit_ratio'])}<br>"
        f"{row['vms_per_host']:.3g} VMs per host, {row['hosts_used']} hosts<br>"
        f"swap risk {risk}, at most {format_percent(row['swap_risk_high'])}"
    )


def _mark_recommended(figure: go.Figure, row: pd.Series) -> None:
    y = row["swap_risk_high"] if row["swap_risk"] == 0 else row["swap_risk"]
    text = f"<b>{format_ratio(row['overcommit_ratio'])}</b> recommended"
    figure.add_annotation(
        x=row["overcommit_ratio"], y=np.log10(y), text=text, bgcolor="#ffffff", borderpad=2,
        showarrow=True, arrowhead=0, arrowwidth=1.5, arrowcolor=ACCENT, ax=-70, ay=44, font={"size": 13},
    )  # fmt: skip


def _bytes_range(table: pd.DataFrame, scale: float) -> list[float]:
    """Give the two bytes figures one scale, so that they can be compared by eye."""
    return [0.0, 1.06 * float(table[["configured", "usable"]].to_numpy().max(initial=scale)) / scale]


def _unit(values: pd.Series) -> tuple[str, float]:
    return ("TiB", float(_TIB)) if len(values) and float(values.max()) >= _TIB else ("GiB", float(GIB))
