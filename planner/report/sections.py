"""The sections that answer the question: recommendation, frontier, bytes by ratio, placement by ratio."""

from typing import Any

import pandas as pd

from planner.analysis.tables import CELL_FAILS, CELL_INFEASIBLE, CELL_MEETS, CELL_UNSURE, GUEST_CLASSES
from planner.analysis.wording import format_bound, format_count, format_percent, format_ratio, format_risk
from planner.report.blocks import Cell, FigureBlock, Section, TableBlock, figure_text, number_cell
from planner.report.figures import bytes_figure, frontier_figure, host_bytes_figure
from planner.report.sections_figures import figures_table
from planner.report.theme import BYTE_CLASSES, TAIL_MEANING
from planner.units import format_bytes

_STATUS_WORDS = {
    CELL_MEETS: "meets the objective",
    CELL_UNSURE: "bound too wide",
    CELL_FAILS: "breaks the objective",
    CELL_INFEASIBLE: "VMs without a host",
}


def answer(summary: dict[str, Any], frame: pd.DataFrame) -> dict[str, Any]:
    """Make the texts of the first screen: the ratio, what it gives, its risk, the three tails, what binds next."""
    item = summary["recommendation"]
    row = frame[frame["scenario_id"] == item["scenario_id"]].iloc[0]
    is_met = item["meets_slo"]
    return {
        "is_met": is_met,
        "ratio": format_ratio(item["overcommit_ratio"]) if is_met else "none",
        "headline": item["headline"],
        "sentence": item["sentence"] if is_met else "",
        "slo": item["slo"]["sentence"],
        "facts": _facts(summary, row),
        "tails": [_tail_card(tail, item) for tail in item["tails"]],
        "binding_title": "What binds next" if is_met else "Why not",
        "binding": item["binding_constraint"]["text"],
        "notes": [*_notes(item), *([summary["missing"]["sentence"]] if summary.get("missing") else [])],
    }


def frontier_section(summary: dict[str, Any], frame: pd.DataFrame) -> Section:
    """Make the section with density against risk."""
    shown = frame[frame["is_base"] | (frame["role"] == "sensitivity")]
    points = shown[shown["feasible"] & shown["swap_risk"].notna() & shown["vms_per_host"].notna()].copy()
    points["line"] = [_line_name(row, summary) for _, row in points.iterrows()]
    allowed = summary["recommendation"]["slo"]["hosts_affected_fraction"]
    confidence = summary["recommendation"]["confidence"]
    figure = FigureBlock(
        id="frontier",
        title="Density against swap risk",
        alt=_frontier_alt(points, allowed),
        caption=(
            f"Bars: {format_percent(confidence)} intervals; the upper end holds by itself, too. An open triangle: "
            "no host broke the objective, the triangle is the upper bound. Placements are set a little apart."
        ),
        figure_json=figure_text(frontier_figure(points, allowed)),
        table=_frontier_table(points),
    )
    lead = "Each point is one overcommit ratio. A ratio is recommended only if its whole bar is under the dashed line."
    tables = (figures_table(frame, confidence),)
    return Section("frontier", "How dense, how risky", lead, figures=(figure,), tables=tables)


def bytes_section(table: pd.DataFrame, summary: dict[str, Any]) -> Section:
    """Make the section that says where the fleet's bytes are at each ratio."""
    placement = summary["recommendation"]["placement"]
    numbers = _bytes_table(table)
    guest = FigureBlock(
        id="bytes-guest",
        title="What the VMs were promised",
        alt=_bytes_alt(table),
        caption=(
            "Bars: configured memory by where it is. Wide dashes: memory that the used hosts have. "
            "Granted: touched since power-on. Active: touched within a tick."
        ),
        figure_json=figure_text(bytes_figure(table)),
        table=numbers,
    )
    host = FigureBlock(
        id="bytes-host",
        title="What the hosts hold",
        alt="Consumed and free memory of the used hosts, by overcommit ratio; the numbers are in the table.",
        caption="Free: usable less consumed, mean over time. It must absorb the peaks.",
        figure_json=figure_text(host_bytes_figure(table)),
        table=_host_bytes_table(table),
    )
    lead = f"{_bytes_lead(table)} Placement {placement}; sums over the fleet, mean over time and replicates."
    return Section("bytes", "Where the bytes go", lead, figures=(guest, host))


def placement_section(frame: pd.DataFrame, summary: dict[str, Any]) -> Section:
    """Make the placement by ratio map: swap risk, bound and hosts in every cell."""
    base = frame[frame["is_base"]]
    ratios = sorted(base["overcommit_ratio"].unique())
    rows = []
    for placement, line in base.groupby("placement", sort=True):
        by_ratio = {row["overcommit_ratio"]: row for _, row in line.iterrows()}
        cells = [_map_cell(by_ratio[ratio]) if ratio in by_ratio else Cell("not swept") for ratio in ratios]
        rows.append((Cell(str(placement)), *cells))
    table = TableBlock(
        id="placement-map",
        caption="Swap risk with its upper bound, and hosts used",
        columns=("placement", *(format_ratio(ratio) for ratio in ratios)),
        rows=tuple(rows),
    )
    allowed = format_percent(summary["recommendation"]["slo"]["hosts_affected_fraction"])
    key = tuple((words, "", style) for style, words in _STATUS_WORDS.items() if style in set(base["status"]))
    lead = f"A cell meets the objective when the upper bound of its swap risk is at most {allowed}."
    return Section("placement", "Placement by ratio", lead, tables=(table,), key=key, is_map=True)


def bytes_cell(value: float | None) -> Cell:
    """Make a table cell with an amount of memory."""
    is_known = value is not None and value == value
    return number_cell(format_bytes(value) if is_known and value is not None else "not known", value)


def percent_cell(value: float | None) -> Cell:
    """Make a table cell with a fraction as a percentage."""
    is_known = value is not None and value == value
    return number_cell(format_percent(value) if is_known else "not known", value)


def _facts(summary: dict[str, Any], row: pd.Series) -> list[tuple[str, str, str]]:
    item = summary["recommendation"]
    confidence = item["confidence"]
    runs = f"{row['broken_host_runs']:,} of {row['host_runs']:,} host runs broke it"
    risk = format_risk(item["swap_risk"], item["swap_risk_high"], confidence)
    head, _, tail = risk.partition(" with ")
    density = "not known" if item["vms_per_host"] is None else f"{item['vms_per_host']:.1f} VMs per host"
    ratio = row["overcommit_ratio_mean"]
    reached = "" if ratio is None or ratio != ratio else f"; ratio reached {format_ratio(round(ratio, 2))}"
    return [
        (
            f"Swap risk at {format_ratio(row['overcommit_ratio'])}",
            head,
            f"{'with ' + tail + '; ' if tail else ''}{runs}",
        ),
        (
            "Objective",
            f"at most {format_percent(item['slo']['hosts_affected_fraction'])}",
            "of hosts, by the upper bound",
        ),
        ("Density", density, f"{format_count(item['hosts_used'], 'host')}, {item['placement']}{reached}"),
        (
            "Evidence",
            format_count(row["replicates"], "replicate"),
            f"worth {row['effective_host_runs']:.0f} independent host runs",
        ),
    ]


def _tail_card(tail: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    if tail["status"] == "not run":
        value, note = "not run", "no scenario was swept with it"
    elif tail["status"] == "none":
        value, note = "none", "not even the smallest ratio is shown to meet the objective"
    else:
        value = format_ratio(tail["overcommit_ratio"])
        note = f"risk {format_risk(tail['swap_risk'], tail['swap_risk_high'], item['confidence']).split(' with ')[0]}"
    return {
        "name": tail["tail"],
        "meaning": TAIL_MEANING[tail["tail"]],
        "value": value,
        "note": note,
        "is_chosen": tail["tail"] == item["tail"],
    }


def _notes(item: dict[str, Any]) -> list[str]:
    notes = [f"Savings are counted against {item['baseline']['text']}."] if item["meets_slo"] else []
    if item["ratios_past_a_failure"]:
        ratios = ", ".join(format_ratio(value) for value in item["ratios_past_a_failure"])
        notes.append(
            f"Larger ratios ({ratios}) meet the objective although a smaller one does not; they are not recommended."
        )
    return notes


def _line_name(row: pd.Series, summary: dict[str, Any]) -> str:
    is_other_tail = row["tail"] != summary["recommendation"]["tail"]
    return (
        f"{row['placement']}, tail {row['tail']}" if is_other_tail or row["role"] != "sweep" else str(row["placement"])
    )


def _frontier_alt(points: pd.DataFrame, allowed: float) -> str:
    parts = []
    for name, part in points.groupby("line", sort=False):
        within = part[part["swap_risk_high"] <= allowed]
        largest = format_ratio(within["overcommit_ratio"].max()) if len(within) else "no ratio"
        parts.append(f"{name}: {largest} is the largest whose bound is within {format_percent(allowed)}")
    return "Swap risk against VMs per host. " + "; ".join(parts) + "."


def _frontier_table(points: pd.DataFrame) -> TableBlock:
    rows = tuple(
        (
            Cell(row["line"]),
            Cell(format_ratio(row["overcommit_ratio"])),
            Cell(f"{row['vms_per_host']:.1f}"),
            Cell(f"{row['hosts_used']:,}"),
            Cell(format_bound(row["hosts_used"], row.get("hosts_bound")) or "–"),
            Cell("none seen" if row["swap_risk"] == 0 else format_percent(row["swap_risk"])),
            Cell(format_percent(row["swap_risk_low"])),
            Cell(format_percent(row["swap_risk_high"])),
            Cell(f"{row['broken_host_runs']:,} of {row['host_runs']:,}"),
        )
        for _, row in points.iterrows()
    )
    columns = ("line", "ratio", "VMs per host", "hosts", "proven", "swap risk", "lower", "upper", "host runs broken")
    return TableBlock("frontier-table", "Density and swap risk", columns, rows)


def _bytes_table(table: pd.DataFrame) -> TableBlock:
    names = ("configured", "usable", "granted", "active", *GUEST_CLASSES)
    labels = [BYTE_CLASSES[name].label if name in BYTE_CLASSES else name for name in names]
    rows = tuple(
        (Cell(format_ratio(row["overcommit_ratio"])), *(bytes_cell(row[name]) for name in names))
        for _, row in table.iterrows()
    )
    return TableBlock("bytes-guest-table", "Guest memory by class", ("ratio", *labels), rows)


def _host_bytes_table(table: pd.DataFrame) -> TableBlock:
    names = ("usable", "consumed", "free", "shared_saved")
    rows = tuple(
        (Cell(format_ratio(row["overcommit_ratio"])), *(bytes_cell(row[name]) for name in names))
        for _, row in table.iterrows()
    )
    columns = ("ratio", "usable", "consumed", "free", "saved by page sharing")
    return TableBlock("bytes-host-table", "Host memory", columns, rows)


def _bytes_alt(table: pd.DataFrame) -> str:
    parts = [
        f"at {format_ratio(row['overcommit_ratio'])} the hosts have {format_bytes(row['usable'])} for "
        f"{format_bytes(row['configured'])} configured, {format_bytes(row['granted'])} granted"
        for _, row in table.iterrows()
    ]
    return "Configured memory by class, by overcommit ratio: " + "; ".join(parts) + "."


def _bytes_lead(table: pd.DataFrame) -> str:
    if table.empty:
        return "No scenario has a replicate in which every host finished, so there is no fleet sum to show."
    last = table.iloc[-1]
    untouched = format_percent(last["never_touched"] / last["configured"])
    given = format_percent(last["granted"] / last["configured"])
    reclaimed = sum(last[name] for name in ("ballooned", "compressed", "swapped"))
    return (
        f"Guests have touched {given} of what they were promised; {untouched} is never touched and costs nothing. "
        f"At {format_ratio(last['overcommit_ratio'])}, reclaim holds {format_bytes(reclaimed)} back."
    )


def _map_cell(row: pd.Series) -> Cell:
    hosts = format_count(row["hosts_used"], "host")
    bound = format_bound(row["hosts_used"], row.get("hosts_bound"))
    if row["status"] == CELL_INFEASIBLE:
        return Cell(f"{format_count(row['unplaced_vms'], 'VM')} without a host\n{hosts} used", style=CELL_INFEASIBLE)
    if row["swap_risk"] is None or row["swap_risk"] != row["swap_risk"]:
        risk = "not known"
    elif row["swap_risk"] == 0:
        risk = f"below {format_percent(row['swap_risk_high'])}"
    else:
        risk = f"{format_percent(row['swap_risk'])}\nat most {format_percent(row['swap_risk_high'])}"
    mark = " recommended" if row["is_recommended"] else ""
    hosts = f"{hosts}, {bound}" if bound else hosts
    return Cell(f"{risk}\n{hosts}\n{_STATUS_WORDS[row['status']]}", style=f"{row['status']}{mark}")
