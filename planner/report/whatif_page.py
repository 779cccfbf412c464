"""The page of a what-if: one offline HTML file from its summary, in the look of the sweep's report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from planner.analysis.by_replicate import HEADROOM, RISK
from planner.analysis.whatif_summary import GROWTH, WHATIF_VERSION
from planner.analysis.whatif_wording import format_change, format_ends, format_figure, risk_cell
from planner.analysis.wording import UNKNOWN, format_count, format_percent, format_ratio, format_risk
from planner.report.blocks import Cell, FigureBlock, Section, TableBlock, figure_text, number_cell
from planner.report.html import render_template, write_page
from planner.report.sections_detail import STATE_KEY, timeline_block
from planner.report.whatif_figures import BYTES_SCALE, PERCENT_SCALE, differences_figure, variants_figure
from planner.results.whatif_store import StoredWhatif, read_whatif
from planner.units import format_bytes, format_seconds

_PAIRED_KEY = "Thick bar: paired interval. Thin grey bar: what the interval would be if the two sides were not paired."


def render_whatif(folder: Path, out: Path) -> None:
    """Render the page of a stored what-if into one HTML file.

    Raises
    ------
    InputError
        The directory is missing or broken, or the page cannot be written.
    """
    write_page(render_whatif_page(read_whatif(folder, WHATIF_VERSION)), out)


def render_whatif_page(stored: StoredWhatif) -> str:
    """Render the page as text; its bytes are a function of what is stored alone."""
    summary = stored.summary
    base = summary["base"]
    sections = [_overview(summary), *(_case(case, stored) for case in summary["cases"])]
    return render_template(
        "whatif.html",
        scenario=f"ratio {format_ratio(base['overcommit_ratio'])}, {base['placement']}, tail {base['tail']}",
        objective=summary["objective"],
        is_met=summary["base_meets_objective"],
        base_status=summary["base_status"],
        facts=_facts(summary),
        answers=[(case["name"], case["sentence"], case["status"]) for case in summary["cases"]],
        sections=[*sections, _provenance(_provenance_facts(stored.manifest))],
    )


def _provenance_facts(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Take from the manifest how a what-if was simulated: what, and value."""
    fidelity = manifest["fidelity"]
    sizes = ", ".join(format_bytes(size) for size in fidelity["bytes_per_sampled_page"])
    events = [
        (f"judged from, {case['name']}", format_seconds(case["judged_from_s"]))
        for case in manifest["cases"]
        if case["at_s"] is not None
    ]
    return [
        ("simulated", "every 4 KiB page" if fidelity["is_exact"] else f"a sample, each page for {sizes} of memory"),
        ("seed", str(manifest["seed"])),
        ("replicates", str(manifest["replicate_meaning"])),
        *events,
        ("config hash", str(manifest["config_hash"])),
        *((f"version of {name}", str(version)) for name, version in manifest["versions"].items()),
    ]


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    base = summary["base"]
    return [
        ("Hosts in use", f"{base['hosts_used']:,}", f"{base['vms_placed']:,} VMs"),
        (
            "Swap risk of the base",
            UNKNOWN if base["swap_risk"] is None else format_percent(base["swap_risk"]),
            f"at most {format_percent(base['swap_risk_high'])}",
        ),
        ("Replicates", f"{base['replicates']:,}", f"confidence {format_percent(summary['confidence'])}"),
        ("Cases", f"{len(summary['cases']):,}", "each paired with the base"),
    ]


def _overview(summary: Mapping[str, Any]) -> Section:
    cases, confidence = summary["cases"], float(summary["confidence"])
    figures = tuple(
        FigureBlock(
            id=f"differences-{metric}",
            title=title,
            alt="; ".join(f"{case['name']}: {case[text]}" for case in cases),
            caption=f"{_PAIRED_KEY} {format_percent(confidence)} confidence.",
            figure_json=figure_text(differences_figure(cases, metric, scale, label)),
            table=TableBlock(
                f"differences-{metric}-table",
                title,
                ("case", "difference"),
                tuple((Cell(case["name"]), Cell(case[text])) for case in cases),
                text_columns=2,
            ),
        )
        for metric, title, scale, label, text in (
            (HEADROOM, "Memory lost and won", BYTES_SCALE, "changed by (GiB)", "memory_text"),
            (RISK, "Change of the swap risk", PERCENT_SCALE, "changed by (points)", "risk_text"),
        )
    )
    rows = tuple(
        (
            Cell(case["name"]),
            Cell(case["status"]),
            number_cell(format_risk(case["swap_risk"], case["swap_risk_high"], confidence), case["swap_risk"]),
            Cell(case["risk_text"]),
            Cell(case["memory_text"]),
            number_cell(f"{case['hosts_used']:,}", case["hosts_used"]),
        )
        for case in cases
    )
    columns = ("case", "objective", "swap risk", "change of risk", "memory lost or won", "hosts")
    table = TableBlock("cases-table", "All cases", columns, rows, text_columns=5)
    lead = (
        "Every case meets the same demand as the base, replicate by replicate. Memory left without reclaim is usable "
        "memory less what guests hold and sharing does not save: below zero, something must be reclaimed."
    )
    lead = " ".join(filter(None, (lead, summary.get("missing"))))
    return Section("cases", "All cases against the base", lead, figures, (table,))


def _case(case: Mapping[str, Any], stored: StoredWhatif) -> Section:
    summary = stored.summary
    anchor = f"case-{[item['name'] for item in summary['cases']].index(case['name'])}"
    tables = [_differences_table(case, anchor)]
    if case.get("above") is not None:
        tables.append(_above_table(case, anchor))
    if case["refused"]:
        tables.append(_refused_table(case, anchor))
    if case["recovery"]:
        tables.append(_recovery_table(case, anchor))
    tables += [_hosts_table(case, anchor), _vms_table(case, anchor)]
    figures = [_variants(case, anchor, summary)] if len(case["variants"]) > 1 else []
    timeline = stored.timelines.get(int(case["scenario_id"]))
    if timeline is not None:
        title = f"{case['timeline_host']} over time, replicate 0; the failure is at {format_seconds(case['at_s'])}"
        figures.append(timeline_block(f"{anchor}-time", title, timeline, stored.config.tick))
    lead = f"Changed: {case['what']}. {case['sentence']}"
    return Section(
        anchor, case["name"], lead, tuple(figures), tuple(tables), key=STATE_KEY if timeline is not None else ()
    )


def _variants(case: Mapping[str, Any], anchor: str, summary: Mapping[str, Any]) -> FigureBlock:
    is_growth = case["kind"] == GROWTH
    allowed = float(case["hosts_affected"])
    rows = tuple(
        (
            Cell(str(item["label"])),
            number_cell(risk_cell(item, float(summary["confidence"])), item["swap_risk"]),
            number_cell(f"{item['hosts_used']:,}", item["hosts_used"]),
            number_cell(f"{item['vms_placed']:,}", item["vms_placed"]),
            number_cell(f"{item['unplaced_vms']:,}", item["unplaced_vms"]),
        )
        for item in case["variants"]
    )
    first = "month" if is_growth else "lost"
    return FigureBlock(
        id=f"{anchor}-variants",
        title="Swap risk month by month" if is_growth else "Swap risk by the hosts that are lost",
        alt="; ".join(f"{row[0].text}: {row[1].text}" for row in rows),
        caption=f"Bars: bounds that each hold with {format_percent(float(summary['confidence']))} confidence. Dashed: "
        f"{format_percent(allowed)} of hosts, which the objective allows.",
        figure_json=figure_text(variants_figure(case["variants"], allowed, "month" if is_growth else "lost hosts")),
        table=TableBlock(
            f"{anchor}-variants-table", "Variants", (first, "swap risk", "hosts", "VMs", "VMs without a host"), rows
        ),
    )


def _differences_table(case: Mapping[str, Any], anchor: str) -> TableBlock:
    rows = tuple(
        (
            Cell(row["label"]),
            Cell(format_figure(row["base"], row["unit"])),
            Cell(format_figure(row["changed"], row["unit"])),
            Cell(format_change(row["difference"], row["unit"])),
            Cell(format_ends(row["low"], row["high"], row["unit"])),
            Cell(format_ends(row["unpaired_low"], row["unpaired_high"], row["unit"])),
            Cell({True: "worse", False: "better", None: "not clear"}[row["is_worse"]]),
        )
        for row in case["differences"]
    )
    columns = ("figure", "base", "changed", "difference", "interval, paired", "unpaired", "verdict")
    return TableBlock(f"{anchor}-differences", f"Differences, {case['label']}", columns, rows)


def _above_table(case: Mapping[str, Any], anchor: str) -> TableBlock:
    share = format_percent(float(case["warn_above"]))
    rows = tuple((Cell(row["host"]), Cell(format_percent(row["peak_granted_ratio"]))) for row in case["above"])
    caption = f"Hosts whose guests would hold more than {share} of the usable memory"
    return TableBlock(f"{anchor}-above", caption, ("host", "held at the peak"), rows or ((Cell("none"), Cell("")),))


def _refused_table(case: Mapping[str, Any], anchor: str) -> TableBlock:
    rows = tuple((Cell(sentence),) for sentence in case["refused"])
    left_out = max(0, case["unplaced_vms"] - len(rows))
    return TableBlock(f"{anchor}-refused", "VMs that find no host", ("why",), rows, left_out=left_out)


def _recovery_table(case: Mapping[str, Any], anchor: str) -> TableBlock:
    rows = tuple((Cell(name), Cell(value)) for name, value in case["recovery"])
    return TableBlock(f"{anchor}-recovery", "After the failure", ("what", "value"), rows, text_columns=2)


def _hosts_table(case: Mapping[str, Any], anchor: str) -> TableBlock:
    rows = tuple(
        (
            Cell(row["host"]),
            Cell(_vms(row["vms_base"], row["vms_changed"])),
            _change_cell(row["broken_share_difference"], "fraction"),
            _change_cell(row["headroom_bytes_difference"], "bytes"),
            _change_cell(row["ballooned_bytes_difference"], "bytes"),
            _change_cell(row["swapped_bytes_difference"], "bytes"),
            _change_cell(row["swap_in_bytes_per_s_p99_difference"], "bytes/s"),
            number_cell(
                UNKNOWN if row["peak_granted_ratio"] is None else format_percent(row["peak_granted_ratio"]),
                row["peak_granted_ratio"],
            ),
        )
        for row in case["hosts"]
    )
    columns = ("host", "VMs", "risk", "memory left", "ballooned", "swapped", "swap-in p99", "held at the peak")
    return TableBlock(
        f"{anchor}-hosts", "Hosts that carry it, most changed first", columns, rows, text_columns=2, is_sortable=True
    )


def _vms(before: float | None, after: float | None) -> str:
    if after is None:
        return f"{before:.0f}, lost"
    if before is None:
        return f"{after:.0f}, new"
    return f"{before:.0f}" if before == after else f"{before:.0f} \N{RIGHTWARDS ARROW} {after:.0f}"


def _vms_table(case: Mapping[str, Any], anchor: str) -> TableBlock:
    rows = tuple(
        (
            Cell(row["vm"]),
            Cell(_hosts_of(row)),
            number_cell(format_bytes(row["configured_bytes"]), row["configured_bytes"]),
            number_cell(format_figure(row["slowdown_p99"], "slowdown"), row["slowdown_p99"]),
            _change_cell(row["slowdown_p99_difference"], "slowdown"),
            _change_cell(row["stall_s_difference"], "s"),
            _change_cell(row["reclaimed_bytes_difference"], "bytes"),
        )
        for row in case["vms"]
    )
    columns = ("VM", "host", "configured", "slowdown p99", "change", "stalls", "reclaimed from it")
    return TableBlock(
        f"{anchor}-vms", "VMs that carry it, most changed first", columns, rows, text_columns=2, is_sortable=True
    )


def _hosts_of(row: Mapping[str, Any]) -> str:
    same = row["host_base"] == row["host_changed"]
    return str(row["host_base"]) if same else f"{row['host_base']} \N{RIGHTWARDS ARROW} {row['host_changed']}"


def _change_cell(value: float | None, unit: str) -> Cell:
    return number_cell(format_change(value, unit), value)


def _provenance(facts: Sequence[tuple[str, str]]) -> Section:
    rows = tuple((Cell(name), Cell(value)) for name, value in facts)
    table = TableBlock("provenance-table", "Fidelity and provenance", ("what", "value"), rows, text_columns=2)
    lead = f"The same config, changes and seed give the same page; {format_count(len(rows), 'fact')} on how."
    return Section("provenance", "Fidelity and provenance", lead, tables=(table,))
