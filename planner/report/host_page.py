"""The page of one host: one offline HTML file from finished tables, in the look of the sweep's report."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from planner.analysis.at_risk import vms_at_risk
from planner.analysis.tables import TICK_FLOWS, thin_timeline
from planner.analysis.wording import format_percent, format_ratio, over_ticks_words
from planner.report.blocks import Cell, FigureBlock, Section, TableBlock, cap_rows, figure_text, number_cell
from planner.report.host_figures import flow_label, parts_figure, rates_figure
from planner.report.html import render_template
from planner.report.sections import bytes_cell, percent_cell
from planner.report.sections_detail import STATE_KEY, slowdown_text, timeline_block, vm_columns, vm_row
from planner.report.theme import BYTE_CLASSES
from planner.schema import HOST_COLUMNS, Column
from planner.units import format_bytes

_MOST_POINTS = 504


@dataclass(frozen=True)
class HostView:
    """What the page of a host shows.

    Attributes
    ----------
    title : str
        Which host of which scenario.
    fidelity : tuple of (str, str)
        How it was simulated: what, and value.
    summary : mapping
        Of `planner.analysis.one_host.summarize_host`.
    host, vms, timeline : DataFrame
        One row of `HOST_COLUMNS`; `VM_COLUMNS`; `TIMELINE_COLUMNS`.
    tick_s : float
        Length of a tick. [s]
    """

    title: str
    fidelity: tuple[tuple[str, str], ...]
    summary: Mapping[str, Any]
    host: pd.DataFrame
    vms: pd.DataFrame
    timeline: pd.DataFrame
    tick_s: float


def render_host_page(view: HostView) -> str:
    """Render the page as text; its bytes are a function of the view alone."""
    return render_template(
        "host.html",
        host=view.summary["host"],
        scenario=view.title,
        is_met=not view.summary["slo_is_broken"],
        binding=view.summary["what_binds"],
        facts=_facts(view.summary),
        sections=[_time_section(view), _bytes_section(view), _slowdown_section(view), _vm_section(view), *_ends(view)],
    )


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    ratio = summary["overcommit_ratio"]
    slowdown = summary["slowdown"]
    return [
        ("VMs", f"{summary['vms']:,}", f"{summary['vcpus']:,} vCPUs, {format_bytes(summary['configured_bytes'])}"),
        (
            "Configured ÷ usable",
            "unknown" if ratio is None else format_ratio(ratio),
            f"usable {format_bytes(summary['usable_bytes'])}",
        ),
        (
            "Granted at its peak",
            format_bytes(summary["granted_bytes_max"]),
            f"{format_bytes(summary['free_bytes_min'])} free at least",
        ),
        ("Swap-in, 99th percentile", f"{format_bytes(summary['swap_in_bytes_per_s_p99'])}/s", "over ticks"),
        *((name[0].upper() + name[1:], value, known) for name, value, known in over_ticks_words(summary["over_ticks"])),
        (
            "Slowdown, 99th percentile",
            "unknown" if slowdown["p99"] is None else slowdown_text(slowdown["p99"]),
            "over VMs and ticks",
        ),
        (
            "Address translation",
            format_percent(summary["translation_overhead_mean"]),
            f"{format_percent(summary['small_mapped_fraction_mean'])} of granted in 4 KiB mappings",
        ),
    ]


def _time_section(view: HostView) -> Section:
    thinned = thin_timeline(view.timeline, _MOST_POINTS)
    peaks = {name: float(view.timeline[name].max()) / view.tick_s for name in TICK_FLOWS}
    moving = [f"{flow_label(name)} {format_bytes(peak)}/s" for name, peak in peaks.items() if peak > 0]
    rates = FigureBlock(
        id="rates",
        title="What moves",
        alt=f"Rates over time, at most: {', '.join(moving) or 'nothing moves'}.",
        caption="Read and written by the host and its guests to get memory back; each point is its worst tick.",
        figure_json=figure_text(rates_figure(thinned, view.tick_s)),
        table=TableBlock(
            "rates-table",
            "Largest in a tick",
            ("what", "rate"),
            tuple(
                (Cell(flow_label(name)), number_cell(f"{format_bytes(peak)}/s", peak)) for name, peak in peaks.items()
            ),
        ),
    )
    figures = (timeline_block("time", "Guest memory, state, swap-in", view.timeline, view.tick_s), rates)
    return Section("over-time", "Over time", "All ticks, those before judging starts included.", figures, key=STATE_KEY)


def _bytes_section(view: HostView) -> Section:
    configured = view.summary["configured_bytes"]
    rows = tuple(
        (Cell(BYTE_CLASSES[name].label), bytes_cell(value), percent_cell(value / configured if configured else 0.0))
        for name, value in view.summary["bytes"].items()
    )
    saved = tuple((Cell(name), bytes_cell(value)) for name, value in view.summary["saved_bytes"].items())
    return Section(
        "bytes",
        "Where the bytes are",
        "Configured memory of the VMs by where it is, mean over judged ticks.",
        tables=(
            TableBlock("bytes-table", "Guest memory", ("class", "mean", "of configured"), rows),
            TableBlock("saved-table", "Host memory saved by", ("mechanism", "mean"), saved),
        ),
    )


def _slowdown_section(view: HostView) -> Section:
    parts = view.summary["slowdown_parts"]
    quantiles = "; ".join(
        f"{name} {slowdown_text(value)}" for name, value in view.summary["slowdown"].items() if value is not None
    )
    rows = tuple((Cell(name), percent_cell(value)) for name, value in parts.items())
    figure = FigureBlock(
        id="parts",
        title="What slows the VMs down",
        alt="Parts of the mean slowdown: "
        + ", ".join(f"{name} {format_percent(part)}" for name, part in parts.items()),
        caption="Added to the time that work needs, mean over VMs and judged ticks.",
        figure_json=figure_text(parts_figure(parts)),
        table=TableBlock("parts-table", "Parts of the mean slowdown", ("part", "added"), rows),
    )
    return Section("slowdown", "What the guests feel", f"Slowdown over VMs and ticks: {quantiles}.", (figure,))


def _vm_section(view: HostView) -> Section:
    ranked = vms_at_risk(view.vms, int(view.host["scenario_id"].iloc[0]))
    rows, left_out = cap_rows((vm_row(row) for _, row in ranked.iterrows()), len(ranked))
    table = TableBlock("vms-table", "VMs", vm_columns(), rows, left_out=left_out, text_columns=3, is_sortable=True)
    return Section("vms", "The VMs", "Most slowed down first, means over judged ticks.", tables=(table,))


def _ends(view: HostView) -> Iterator[Section]:
    row = view.host.iloc[0]
    numbers = tuple(
        (Cell(column.name), Cell(column.meaning), _value_cell(row[column.name], column))
        for column in HOST_COLUMNS
        if column.simulated and not column.dtype.startswith("list")
    )
    table = TableBlock(
        "numbers-table", "Columns of host.parquet", ("column", "meaning", "value"), numbers, text_columns=2
    )
    yield Section("numbers", "All numbers, by mechanism", "Over judged ticks.", tables=(table,))
    facts = tuple((Cell(name), Cell(value)) for name, value in view.fidelity)
    table = TableBlock("fidelity-table", "Fidelity and provenance", ("what", "value"), facts, text_columns=2)
    yield Section(
        "fidelity", "Fidelity and provenance", "The same config and seed give the same page.", tables=(table,)
    )


def _value_cell(value: Any, column: Column) -> Cell:
    if column.dtype == "bool":
        return Cell("yes" if value else "no")
    if column.dtype == "string":
        return Cell(str(value) or "none")
    number = float(value)
    if column.unit in ("bytes", "bytes/s"):
        return number_cell(format_bytes(number) + column.unit.removeprefix("bytes"), number)
    return number_cell(f"{number / 3600:.1f} h" if column.unit == "s" else f"{number:.4g}", number)
