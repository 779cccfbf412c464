"""The page: one offline HTML file from a stored run. Reads finished results, renders, computes no statistics.

The bytes of the page are a function of the run directory alone: no clock, no random ids, no set order.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from planner.analysis.at_risk import STALLS, hosts_at_risk, vms_at_risk
from planner.analysis.by_replicate import PRESSED_STATES
from planner.analysis.paired import paired_differences
from planner.analysis.summarize import SUMMARY_VERSION
from planner.analysis.tables import (
    GUEST_CLASSES,
    byte_classes,
    largest_ratio_by_axes,
    line_ids,
    scenario_frame,
    slowdown_by_ratio,
    translation_by_ratio,
)
from planner.analysis.wording import format_ratio
from planner.errors import InputError
from planner.report.blocks import Section
from planner.report.html import render_template, write_page
from planner.report.sections import answer, bytes_section, frontier_section, placement_section
from planner.report.sections_detail import (
    comparison_section,
    hosts_table,
    slowdown_section,
    time_section,
    translation_section,
    vms_table,
)
from planner.report.sections_facts import assumptions_section, fleet_line, provenance_section
from planner.report.sections_missing import missing_section
from planner.report.sections_search import search_section
from planner.report.sections_sensitivity import sensitivity_section
from planner.results.read import RunTables, read_run, read_vms

PAGE_COLUMNS = (
    *("scenario_id", "replicate", "host", "status", "vms", "configured_bytes", "usable_bytes"),
    *("granted_bytes_mean", "granted_bytes_max", "active_bytes_mean", "consumed_bytes_mean"),
    *("shared_saved_bytes_mean", *(f"{name}_bytes_mean" for name in GUEST_CLASSES[:-1])),
    *("swap_in_bytes_per_s_p99", "slo_is_broken", *PRESSED_STATES),
    *("small_mapped_fraction_mean", "slowdown_histogram"),
)
PAGE_VM_COLUMNS = (
    *("scenario_id", "replicate", "vm", "host", "configured_bytes", "on_s", "granted_bytes_mean"),
    *("ballooned_bytes_mean", "swapped_bytes_mean", "slowdown_mean", "slowdown_p99", *STALLS),
)
"""Columns of the rows of hosts and of VMs that the page is drawn from."""

VmsOf = Callable[[int], pd.DataFrame]


def render_report(run_dir: Path, out: Path) -> None:
    """Render the report of a run directory into one HTML file.

    Raises
    ------
    InputError
        The run directory is missing or broken, or the page cannot be written.
    """
    run = read_run(run_dir, PAGE_COLUMNS)
    write_page(render_page(run, partial(read_vms, run_dir, PAGE_VM_COLUMNS)), out)


def render_page(run: RunTables, vms_of: VmsOf) -> str:
    """Render the page as text.

    Parameters
    ----------
    run : RunTables
        `vms` is not looked at.
    vms_of : callable
        Returns the VM rows of a scenario, with `PAGE_VM_COLUMNS` at least.

    Raises
    ------
    InputError
        The summary was written by another version of the planner.
    """
    version = run.summary.get("summary_version")
    if version != SUMMARY_VERSION:
        message = f"has version {version}; this planner reads {SUMMARY_VERSION}"
        raise InputError("summary.json", message, "run the sweep again")
    frame = scenario_frame(run.summary)
    sections = _sections(run, vms_of, frame)
    return render_template(
        "page.html",
        answer=answer(run.summary, frame),
        frontier=frontier_section(run.summary, frame),
        sections=sections,
        fleet=fleet_line(run.config, run.summary),
    )


def _sections(run: RunTables, vms_of: VmsOf, frame: pd.DataFrame) -> list[Section]:
    ids = line_ids(frame)
    confidence = run.config.slo.confidence
    found = [
        bytes_section(byte_classes(run.hosts, frame, ids), run.summary),
        placement_section(frame, run.summary),
        time_section(run.timelines, _timeline_titles(run, frame), run.config.tick),
        slowdown_section(slowdown_by_ratio(run.hosts, frame, ids), run.summary, frame),
        translation_section(translation_by_ratio(run.hosts, frame, ids)),
        *_at_risk(run, vms_of, frame),
        sensitivity_section(run.summary.get("sensitivity")),
        search_section(run.summary.get("adaptive")),
        missing_section(run.summary, run.manifest),
        comparison_section(
            paired_differences(run.hosts, frame, confidence, run.manifest.get("independent_replicates")),
            largest_ratio_by_axes(frame),
            confidence,
        ),
        assumptions_section(run.config, run.manifest),
        provenance_section(run.config, run.manifest, run.summary),
    ]
    return [section for section in found if section is not None]


def _described(recommendation: Mapping[str, Any]) -> list[int]:
    """List the scenarios whose hosts and VMs are shown: at the described ratio, and at the next larger one."""
    ids = (recommendation["scenario_id"], recommendation["next_scenario_id"])
    return [int(value) for value in ids if value is not None]


def _timeline_titles(run: RunTables, frame: pd.DataFrame) -> dict[str, str]:
    """Name each timeline by its host and ratio, as the manifest knows them."""
    ratio_of = frame.set_index("scenario_id")["overcommit_ratio"]
    return {
        item[
            "name"
        ]: f"{item['host']} at ratio {format_ratio(ratio_of[item['scenario_id']])}, replicate {item['replicate']}"
        for item in run.manifest.get("timelines", [])
    }


def _at_risk(run: RunTables, vms_of: VmsOf, frame: pd.DataFrame) -> list[Section]:
    """List hosts and VMs at the described ratio and at the next larger one, where there is one."""
    ids = _described(run.summary["recommendation"])
    ratio_of = frame.set_index("scenario_id")["overcommit_ratio"]
    pairs = [(scenario_id, float(ratio_of[scenario_id])) for scenario_id in ids]
    return [
        Section(
            "hosts-at-risk",
            "Hosts at risk",
            "Nearest to breaking the objective first; means over replicates, the peak is the largest of them.",
            tables=tuple(hosts_table(hosts_at_risk(run.hosts, scenario_id), ratio) for scenario_id, ratio in pairs),
        ),
        Section(
            "vms-at-risk",
            "VMs at risk",
            "Most slowed down first; means over replicates. Why: the stall that takes most of the stalled time.",
            tables=tuple(
                vms_table(vms_at_risk(vms_of(scenario_id), scenario_id), ratio) for scenario_id, ratio in pairs
            ),
        ),
    ]
