"""The sections for the engineer: hosts over time, slowdown, translation, who is at risk, paired comparisons."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from planner.analysis.tables import thin_timeline
from planner.analysis.wording import format_percent, format_ratio
from planner.report.blocks import Cell, FigureBlock, Section, TableBlock, cap_rows, figure_text, number_cell
from planner.report.figures_detail import slowdown_figure, timeline_figure, translation_figure
from planner.report.sections import bytes_cell, percent_cell
from planner.report.theme import STATES
from planner.units import format_bytes, format_seconds

_MOST_TIMELINE_POINTS = 504
_MOST_TIMELINES = 6

STATE_KEY = tuple((f"state {name}", color, "") for name, color in STATES)
"""Legend of memory states."""


def time_section(timelines: Mapping[str, pd.DataFrame], titles: Mapping[str, str], tick_s: float) -> Section | None:
    """Make the section with chosen hosts over time; None if no timeline was kept.

    Parameters
    ----------
    timelines : mapping of name to DataFrame
        Columns `planner.schema.TIMELINE_COLUMNS`.
    titles : mapping of name to str
        What each timeline shows; a name without a title shows itself.
    tick_s : float
        Length of a tick. [s]
    """
    if not timelines:
        return None
    names = sorted(timelines)[:_MOST_TIMELINES]
    figures = tuple(
        timeline_block(f"time-{idx}", titles.get(name, name), timelines[name], tick_s) for idx, name in enumerate(names)
    )
    lead = "The hosts under most pressure at the ratio described above and at the next one, replicate 0."
    return Section("time", "Host memory over time", lead, figures=figures, key=STATE_KEY)


def timeline_block(block_id: str, title: str, timeline: pd.DataFrame, tick_s: float) -> FigureBlock:
    """Make the figure of one host over time; columns `planner.schema.TIMELINE_COLUMNS`."""
    thinned = thin_timeline(timeline, _MOST_TIMELINE_POINTS)
    width = -(-len(timeline) // max(1, len(thinned)))
    return FigureBlock(
        id=block_id,
        title=title,
        alt=_timeline_alt(timeline, tick_s),
        caption=(
            f"One point is {format_seconds(width * tick_s)}: amounts are its mean, state and swap-in its worst tick."
        ),
        figure_json=figure_text(timeline_figure(thinned, tick_s)),
        table=_state_table(f"{block_id}-table", timeline, tick_s),
    )


def slowdown_section(table: pd.DataFrame, summary: dict[str, Any], frame: pd.DataFrame) -> Section | None:
    """Make the section with the distribution of slowdown; None without a finished host."""
    if table.empty:
        return None
    line = frame[frame["is_line"]].dropna(subset=["slowdown_p99"])
    rows = tuple(
        (
            Cell(format_ratio(row["overcommit_ratio"])),
            *(_slowdown_cell(row[f"slowdown_{q}"]) for q in ("p50", "p95", "p99")),
        )
        for _, row in line.iterrows()
    )
    parts = "; ".join(
        f"at {format_ratio(row['overcommit_ratio'])} the 99th percentile is {slowdown_text(row['slowdown_p99'])}"
        for _, row in line.iterrows()
    )
    figure = FigureBlock(
        id="slowdown",
        title="Share of VM-ticks slowed down by more than …",
        alt=f"Distribution of slowdown over VM-ticks by overcommit ratio: {parts}.",
        caption=(
            "Slowdown: time needed ÷ time needed without memory stalls, per VM and tick. Dotted: ratios below the "
            "recommended one. Both axes are logarithmic."
        ),
        figure_json=figure_text(slowdown_figure(table, summary["recommendation"]["overcommit_ratio"])),
        table=TableBlock("slowdown-table", "Slowdown by ratio", ("ratio", "median", "95th", "99th percentile"), rows),
    )
    return Section(
        "slowdown", "What the guests feel", "The number that users notice, for every VM and tick.", (figure,)
    )


def translation_section(table: pd.DataFrame) -> Section | None:
    """Make the section with the cost of address translation; None without a finished host."""
    if table.empty:
        return None
    first, last = table.iloc[0], table.iloc[-1]
    rows = tuple(
        (Cell(format_ratio(row["overcommit_ratio"])), percent_cell(row["overhead"]), percent_cell(row["small_mapped"]))
        for _, row in table.iterrows()
    )
    lead = (
        "Sharing, ballooning and swapping break 2 MiB mappings; what is left in 4 KiB mappings costs TLB reach. "
        f"The overhead is {format_percent(first['overhead'])} at {format_ratio(first['overcommit_ratio'])} and "
        f"{format_percent(last['overhead'])} at {format_ratio(last['overcommit_ratio'])}."
    )
    figure = FigureBlock(
        id="translation",
        title="Nested page walks and broken large pages",
        alt=lead,
        caption=(
            "Above: time for nested page walks ÷ useful CPU time, mean over VMs. "
            "Below: share of granted memory in 4 KiB mappings."
        ),
        figure_json=figure_text(translation_figure(table)),
        table=TableBlock("translation-table", "Translation", ("ratio", "overhead", "in 4 KiB mappings"), rows),
    )
    return Section("translation", "What translation costs", lead, (figure,))


def hosts_table(table: pd.DataFrame, ratio: float) -> TableBlock:
    """Make the table of hosts nearest to breaking the objective."""
    rows, left_out = cap_rows((_host_row(row) for _, row in table.iterrows()), len(table))
    columns = (
        "host", "VMs", "configured ÷ usable", "peak granted ÷ usable", "replicates broken", "swap-in, 99th percentile",
        "swapped, mean", "ballooned, mean", "time in soft or worse", "failed runs",
    )  # fmt: skip
    return TableBlock(
        id=f"hosts-{ratio:g}".replace(".", "-"),
        caption=f"Hosts at ratio {format_ratio(ratio)}",
        columns=columns, rows=rows, left_out=left_out, is_sortable=True,
    )  # fmt: skip


def vms_table(table: pd.DataFrame, ratio: float) -> TableBlock:
    """Make the table of VMs that are slowed down most."""
    rows, left_out = cap_rows((vm_row(row) for _, row in table.iterrows()), len(table))
    return TableBlock(
        id=f"vms-{ratio:g}".replace(".", "-"),
        caption=f"VMs at ratio {format_ratio(ratio)}",
        columns=vm_columns(), rows=rows, left_out=left_out, text_columns=3, is_sortable=True,
    )  # fmt: skip


def comparison_section(differences: pd.DataFrame, ablation: pd.DataFrame, confidence: float) -> Section | None:
    """Make the section with paired differences and with the further axes; None when nothing was compared."""
    tables = []
    if len(differences):
        tables.append(_paired_table(differences))
    if len(ablation):
        tables.append(_axes_table(ablation))
    if not tables:
        return None
    lead = (
        "Every scenario meets the same demand, so differences are taken replicate by replicate. "
        f"Each interval holds the difference with {format_percent(confidence)} confidence."
    )
    return Section("compare", "Compared on the same demand", lead, tables=tuple(tables))


def _paired_table(differences: pd.DataFrame) -> TableBlock:
    rows, left_out = cap_rows((_difference_row(row) for _, row in differences.iterrows()), len(differences))
    columns: tuple[str, ...] = (
        "placements",
        "verdict",
        "ratio",
        "difference in swap risk",
        "from",
        "to",
        "hosts",
        "further axes",
    )
    if (differences["axes_key"] == "{}").all():
        rows, columns = tuple(row[:-1] for row in rows), columns[:-1]
    caption = "Swap risk of the first placement less that of the second"
    return TableBlock("paired", caption, columns, rows, text_columns=2, left_out=left_out, is_sortable=True)


def _axes_table(ablation: pd.DataFrame) -> TableBlock:
    rows, left_out = cap_rows((_ablation_row(row) for _, row in ablation.iterrows()), len(ablation))
    columns = (
        "further axes",
        "placement",
        "largest ratio that meets the objective",
        "hosts",
        "first ratio with a break",
    )
    caption = "How far each combination of the further axes goes"
    return TableBlock("axes", caption, columns, rows, text_columns=2, left_out=left_out, is_sortable=True)


def _timeline_alt(timeline: pd.DataFrame, tick_s: float) -> str:
    peak = timeline["granted_bytes"].max()
    swap_in = timeline["swap_in_bytes"].max() / tick_s
    return (
        f"Guest memory by class over time. Granted peaks at {format_bytes(peak)}, swapped at "
        f"{format_bytes(timeline['swapped_bytes'].max())}, swap-in at {format_bytes(swap_in)}/s."
    )


def _state_table(table_id: str, timeline: pd.DataFrame, tick_s: float) -> TableBlock:
    counts = timeline["state"].value_counts()
    rows = tuple(
        (
            Cell(name),
            Cell(f"{counts.get(idx, 0) * tick_s / 3600:.1f} h"),
            percent_cell(counts.get(idx, 0) / len(timeline)),
        )
        for idx, (name, _) in enumerate(STATES)
    )
    return TableBlock(table_id, "Time in each memory state", ("state", "time", "share"), rows)


def slowdown_text(value: float) -> str:
    """Write a slowdown: +3 %, ×12, none."""
    if value >= 2:
        return f"×{value:.3g}"
    return "none" if value <= 1 else f"+{format_percent(value - 1)}"


def _slowdown_cell(value: float) -> Cell:
    return number_cell(slowdown_text(value) if value == value else "not known", value)


def _host_row(row: pd.Series) -> tuple[Cell, ...]:
    swap_in = row["swap_in_bytes_per_s_p99"]
    pressed = row["pressed_s"]
    return (
        Cell(row["host"]),
        number_cell(f"{row['vms']:,}", row["vms"]),
        number_cell(f"{row['overcommit_ratio']:.2f}", row["overcommit_ratio"]),
        percent_cell(row["peak_granted_ratio"]),
        percent_cell(row["broken_share"]),
        number_cell(f"{format_bytes(swap_in)}/s" if swap_in == swap_in else "not known", swap_in),
        bytes_cell(row["swapped_bytes_mean"]),
        bytes_cell(row["ballooned_bytes_mean"]),
        number_cell(f"{pressed / 3600:.1f} h" if pressed == pressed else "not known", pressed),
        number_cell(f"{row['failed_runs']:,}", row["failed_runs"]),
    )


def vm_columns() -> tuple[str, ...]:
    """Name the columns of `vm_row`."""
    return (
        "VM", "host", "stalled most by (share of stalls)", "slowdown, 99th percentile", "slowdown, mean", "configured",
        "granted, mean", "ballooned, mean", "swapped, mean",
    )  # fmt: skip


def vm_row(row: pd.Series) -> tuple[Cell, ...]:
    """Make the cells of one VM, a row of `planner.analysis.at_risk.vms_at_risk`."""
    why = f"{row['why']} ({format_percent(row['why_share'])})" if row["why"] else "no stalls"
    return (
        Cell(row["vm"]),
        Cell(row["host"]),
        Cell(why),
        _slowdown_cell(row["slowdown_p99"]),
        _slowdown_cell(row["slowdown_mean"]),
        bytes_cell(row["configured_bytes"]),
        bytes_cell(row["granted_bytes_mean"]),
        bytes_cell(row["ballooned_bytes_mean"]),
        bytes_cell(row["swapped_bytes_mean"]),
    )


def _difference_row(row: pd.Series) -> tuple[Cell, ...]:
    if row["is_clear"]:
        verdict = f"{row['placement'] if row['difference'] < 0 else row['other']} is safer"
    else:
        verdict = "no clear difference"
    hosts = row["hosts_difference"]
    return (
        Cell(f"{row['placement']} – {row['other']}"),
        Cell(verdict),
        number_cell(format_ratio(row["overcommit_ratio"]), row["overcommit_ratio"]),
        number_cell(_points(row["difference"]), row["difference"]),
        number_cell(_points(row["low"]), row["low"]),
        number_cell(_points(row["high"]), row["high"]),
        number_cell("same" if hosts == 0 else f"{hosts:+,}", hosts),
        Cell(", ".join(_axis(path, value) for path, value in json.loads(row["axes_key"]).items())),
    )


def _axis(path: str, value: bool | float | str) -> str:
    shown = ("on" if value else "off") if isinstance(value, bool) else str(value)
    return f"{path.removeprefix('hypervisor.').removesuffix('.enabled').replace('_', ' ')} {shown}"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f} points" if abs(difference) >= 5e-4 else "0 points"


def _ablation_row(row: pd.Series) -> tuple[Cell, ...]:
    axes = ", ".join(_axis(path, value) for path, value in row["axes"].items())
    largest, first = row["largest_ratio"], row["first_broken_ratio"]
    return (
        Cell(axes + (" (as configured)" if row["is_base"] else "")),
        Cell(row["placement"]),
        number_cell(format_ratio(largest) if largest is not None else "none", largest),
        number_cell(f"{row['hosts_used']:,}" if row["hosts_used"] is not None else "–", row["hosts_used"]),
        number_cell(format_ratio(first) if first is not None else "none seen", first),
    )
