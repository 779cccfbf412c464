"""The first figures of the page, from finished tables: density against risk, and where the bytes go."""

from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from planner.analysis.tables import GUEST_CLASSES
from planner.analysis.wording import format_percent, format_ratio
from planner.report.theme import ACCENT, BYTE_CLASSES, DASHES, NEUTRAL, SYMBOLS, WARM
from planner.units import GIB

_TIB = 1024 * GIB
_NUDGE = 0.006


def base_layout(height: int, **changes: object) -> go.Layout:
    """Make the layout that all figures share: no background, room for labels, legend above, one hover style."""
    layout = go.Layout(
        template=go.layout.Template(),
        height=height,
        margin={"l": 64, "r": 16, "t": 12, "b": 52},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13, "color": "#444c56"},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left", "title": {"text": ""}},
        hoverlabel={"bgcolor": "#1d2530", "bordercolor": "#1d2530", "font": {"color": "#ffffff", "size": 12}},
        hovermode="closest",
    )
    return layout.update(changes)


def axis(title: str, **changes: object) -> dict[str, object]:
    """Make an axis with a title, a light grid and no zero line."""
    shared: dict[str, object] = {"gridcolor": "#d5dae1", "zeroline": False, "automargin": True, "fixedrange": True}
    return {"title": {"text": title, "standoff": 10}, **shared, **changes}


def frontier_figure(points: pd.DataFrame, allowed: float) -> go.Figure:
    """Draw swap risk against density, a line per placement and tail.

    Parameters
    ----------
    points : DataFrame, a row per scenario that is feasible
        `line` (legend), `is_line` (the recommended line), `role`, `overcommit_ratio`, `vms_per_host`, `swap_risk`,
        `swap_risk_low`, `swap_risk_high`, `is_recommended`.
    allowed : float
        Share of hosts that the objective allows.
    """
    floor = _floor(points, allowed)
    figure = go.Figure(layout=base_layout(430))
    span = max(1.0, float(points["vms_per_host"].max() - points["vms_per_host"].min())) if len(points) else 1.0
    lines = [(str(name), part) for name, part in points.groupby("line", sort=False)]
    # Drawn last lies on top: the recommended line.
    for position, (name, part) in sorted(enumerate(lines), key=lambda item: bool(item[1][1]["is_line"].any())):
        nudge = _NUDGE * span * (position - (len(lines) - 1) / 2)
        _add_line(figure, name, part, (floor, nudge, position))
    recommended = points[points["is_recommended"]]
    if len(recommended):
        _mark_recommended(figure, recommended.iloc[0], lines, span)
    figure.add_hline(y=allowed, line={"color": WARM[2], "width": 1.5, "dash": "dash"})
    figure.add_annotation(
        x=0, xref="paper", xanchor="left", y=np.log10(allowed), yanchor="bottom", showarrow=False,
        text=f"objective: {format_percent(allowed)} of hosts", font={"size": 12},
    )  # fmt: skip
    ticks = [value for value in (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0) if value >= floor]
    figure.update_yaxes(
        axis("swap risk (share of hosts)", type="log", range=[np.log10(floor), np.log10(1.15)], tickvals=ticks)
    )
    figure.update_yaxes(ticktext=[format_percent(value) for value in ticks])
    figure.update_xaxes(axis("density (VMs per host used)"))
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
    for name in GUEST_CLASSES:
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
    figure.update_yaxes(axis(f"memory of the fleet ({unit})", rangemode="tozero"))
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
    unit, scale = _unit(table["usable"])
    for name in ("consumed", "free"):
        _add_bars(figure, labels, table[name] / scale, name, unit)
    figure.update_yaxes(axis(f"memory of the used hosts ({unit})", rangemode="tozero"))
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
    floor, nudge, position = place
    is_line = bool(part["is_line"].any())
    is_quiet = part["role"].iloc[0] != "sweep"
    color = ACCENT if is_line or is_quiet else NEUTRAL
    none_seen = (part["swap_risk"] == 0).to_numpy(dtype=bool)
    drawn = part["swap_risk_high"].where(none_seen, part["swap_risk"]).to_numpy(dtype=np.float64)
    low = np.maximum(floor, np.where(none_seen, floor, part["swap_risk_low"]))
    symbol = SYMBOLS[position % len(SYMBOLS)]
    figure.add_scatter(
        x=part["vms_per_host"] + nudge, y=drawn, name=escape(name), mode="lines+markers",
        line={"color": color, "width": 2.5 if is_line else 1.2, "dash": DASHES[position % len(DASHES)]},
        opacity=0.65 if is_quiet else 1.0,
        marker={"size": 9 if is_line else 7, "color": color,
                "symbol": ["triangle-down-open" if unseen else symbol for unseen in none_seen]},
        error_y={"type": "data", "symmetric": False, "array": part["swap_risk_high"] - drawn,
                 "arrayminus": np.maximum(0.0, drawn - low), "color": color, "thickness": 1, "width": 3},
        text=[_hover(row) for _, row in part.iterrows()], hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _hover(row: pd.Series) -> str:
    risk = "none seen" if row["swap_risk"] == 0 else format_percent(row["swap_risk"])
    return (
        f"{escape(str(row['line']))}, ratio {format_ratio(row['overcommit_ratio'])}<br>"
        f"{row['vms_per_host']:.1f} VMs per host, {row['hosts_used']} hosts<br>"
        f"swap risk {risk}, at most {format_percent(row['swap_risk_high'])}"
    )


def _mark_recommended(figure: go.Figure, row: pd.Series, lines: list[tuple[str, pd.DataFrame]], span: float) -> None:
    names = [name for name, _ in lines]
    nudge = _NUDGE * span * (names.index(str(row["line"])) - (len(names) - 1) / 2)
    y = row["swap_risk_high"] if row["swap_risk"] == 0 else row["swap_risk"]
    text = f"<b>{format_ratio(row['overcommit_ratio'])}</b> recommended"
    figure.add_annotation(
        x=row["vms_per_host"] + nudge, y=np.log10(y), text=text,
        showarrow=True, arrowhead=0, arrowwidth=1.5, arrowcolor=ACCENT, ax=0, ay=54, font={"size": 13},
    )  # fmt: skip


def _unit(values: pd.Series) -> tuple[str, float]:
    return ("TiB", float(_TIB)) if float(values.max()) >= _TIB else ("GiB", float(GIB))
