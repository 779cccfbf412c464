"""The section that says which host runs failed, and what that does to the answer."""

from collections.abc import Mapping
from typing import Any

from planner.analysis.missing import interval_words
from planner.analysis.wording import format_ratio
from planner.report.blocks import Cell, Section, TableBlock, cap_rows, number_cell

_WIDER = ("ratio", "placement", "missing", "host runs", "risk, missing ones at their worst", "finished ones alone")
_FAILED = ("host", "scenario", "replicate", "seed", "why", "simulate it again with")


def missing_section(summary: Mapping[str, Any], manifest: Mapping[str, Any]) -> Section | None:
    """Make the section on failed host runs; None where none failed."""
    missing = summary.get("missing")
    if missing is None:
        return None
    lacking = [item for item in summary["scenarios"] if item["failed_hosts"]]
    rows, left_out = cap_rows((_wider_row(item) for item in lacking), len(lacking))
    wider = TableBlock("missing-scenarios", "Scenarios that lack host runs", _WIDER, rows, 2, left_out)
    failures = manifest.get("failures", [])
    failed, failed_left_out = cap_rows((_failed_row(item) for item in failures), len(failures))
    tables = (wider, TableBlock("missing-runs", "Host runs that failed", _FAILED, failed, 1, failed_left_out))
    lead = f"{missing['sentence']} Sums over the fleet and paired comparisons leave out replicates that lack a host."
    return Section("missing", "What is missing", lead, tables=tables)


def _wider_row(item: Mapping[str, Any]) -> tuple[Cell, ...]:
    return (
        number_cell(format_ratio(item["overcommit_ratio"]), item["overcommit_ratio"]),
        Cell(f"{item['placement']}, tail {item['tail']}"),
        number_cell(f"{item['failed_hosts']:,}", item["failed_hosts"]),
        number_cell(f"{item['host_runs']:,}", item["host_runs"]),
        Cell(interval_words(item, "")),
        Cell(interval_words(item, "_of_finished")),
    )


def _failed_row(item: Mapping[str, Any]) -> tuple[Cell, ...]:
    return (
        Cell(str(item["host"])),
        number_cell(str(item["scenario_id"]), item["scenario_id"]),
        number_cell(str(item["replicate"]), item["replicate"]),
        number_cell(str(item.get("seed", "")), item.get("seed")),
        Cell(str(item["message"])),
        Cell(str(item.get("replay", ""))),
    )
