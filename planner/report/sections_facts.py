"""The sections that let a reader check the answer: assumptions, what is not modelled, fidelity and provenance."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from planner.analysis.sampling_error import describe_sampling_error
from planner.analysis.wording import format_percent
from planner.config.hypervisor import HypervisorSpec
from planner.config.shipped import load_shipped
from planner.config.spec import PlannerConfig, WorkloadSpec
from planner.report.blocks import Cell, Section, TableBlock, cap_rows
from planner.units import PAGE_BYTES, format_bytes, format_seconds
from planner.workload.popularity import load_law

_SHOWN = ("config_hash", "replicate_meaning", "fidelity", "versions")
"""Manifest entries on the page. Times, machines and worker counts differ from run to run; the page must not."""


def assumptions_section(config: PlannerConfig, manifest: Mapping[str, Any]) -> Section:
    """Make the table of every assumption that the traces leave open, and the list of what is not modelled.

    What the import of the VMs took for granted, or found doubtful, comes first.
    """
    texts = _texts()
    rows = [_assumption_row(name, config.workload, texts["workload"]) for name in WorkloadSpec.model_fields]
    workload = TableBlock(
        id="workload-table",
        caption="Workload",
        columns=("assumption", "value", "set by", "rests on"),
        rows=tuple(rows),
        text_columns=4,
    )
    policy = TableBlock(
        id="policy-table",
        caption=f"Hypervisor policy (preset {config.hypervisor.preset})",
        columns=("setting", "value", "meaning"),
        rows=tuple(_policy_rows(config.hypervisor)),
        text_columns=3,
    )
    lead = "What the data leave open is stated here with its value. Change it in the config and run again."
    tables = (*_origin_table(manifest.get("origin")), workload, policy)
    return Section("assumptions", "Assumptions", lead, tables=tables, notes=tuple(texts["not_modelled"]))


def _origin_table(origin: Mapping[str, Any] | None) -> tuple[TableBlock, ...]:
    """Make the table of what the import took for granted; none where VMs were not imported."""
    if origin is None:
        return ()
    rows = [(Cell("assumed"), Cell(text)) for text in origin["assumptions"]]
    rows += [(Cell("doubtful"), Cell(text)) for text in origin["warnings"]]
    if origin["acknowledgement"]:
        rows.append((Cell("please cite"), Cell(origin["acknowledgement"])))
    kept, left_out = cap_rows(rows, len(rows))
    caption = f"Import of the VMs ({origin['source']})"
    return (TableBlock("import-table", caption, ("kind", "what"), kept, 2, left_out),) if rows else ()


def _sampling(manifest: Mapping[str, Any], config: PlannerConfig) -> str:
    sizes = manifest["fidelity"]["bytes_per_sampled_page"]
    each = ", ".join(format_bytes(size) for size in sizes)
    rate = ", ".join(f"{format_bytes(size / config.tick)}/s" for size in sizes)
    return (
        f"about {config.fidelity.pages_per_vm:,} for a VM of mean size, each for {each} of memory; "
        f"one read in a tick counts as {rate}"
    )


def _sampling_error(manifest: Mapping[str, Any]) -> str:
    fidelity = manifest["fidelity"]
    scales = [size // PAGE_BYTES for size in fidelity["bytes_per_sampled_page"]]
    return "; ".join(describe_sampling_error(fidelity["pages_per_vm"], scale) for scale in scales)


def provenance_section(config: PlannerConfig, manifest: Mapping[str, Any], summary: Mapping[str, Any]) -> Section:
    """Make the table that says how finely was simulated, and from what."""
    rows = [
        ("seed", str(config.seed)),
        ("horizon", f"{format_seconds(config.horizon)} in ticks of {format_seconds(config.tick)}"),
        ("warm-up", f"first {format_seconds(config.warm_up)} simulated but not judged"),
        ("replicates", f"{config.sweep.replicates:,}"),
        ("scenarios", f"{len(summary['scenarios']):,}"),
        ("sampled pages", _sampling(manifest, config)),
        ("error of sampling", _sampling_error(manifest)),
        (
            "intervals",
            f"{format_percent(config.slo.confidence)}; hosts of a replicate count by how far they move together",
        ),
    ]
    rows += _flatten({key: manifest[key] for key in _SHOWN if key in manifest})
    table = TableBlock(
        id="provenance-table",
        caption="Fidelity and provenance",
        columns=("what", "value"),
        rows=tuple((Cell(label), Cell(value)) for label, value in rows),
        text_columns=2,
    )
    lead = "The same config and seed give the same tables and the same page, to the byte."
    return Section("provenance", "Fidelity and provenance", lead, tables=(table,))


def fleet_line(config: PlannerConfig, summary: Mapping[str, Any]) -> str:
    """Say in one line what was simulated."""
    hosts = ", ".join(
        f"{group.count:,} × {group.name} ({format_bytes(group.memory)}, {group.cores} cores)"
        for group in config.fleet.hosts
    )
    vms = f"{'up to ' if summary['question'] == 'grow' else ''}{summary['vms']:,} VMs"
    return (
        f"{vms}; hosts: {hosts}; {format_seconds(config.horizon)} in ticks of "
        f"{format_seconds(config.tick)}; hypervisor {config.hypervisor.preset}"
    )


@cache
def _texts() -> dict[str, Any]:
    loaded: dict[str, Any] = load_shipped("planner.report", "assumptions.yaml")
    return loaded


def _assumption_row(name: str, workload: WorkloadSpec, texts: Mapping[str, Any]) -> tuple[Cell, ...]:
    field = WorkloadSpec.model_fields[name]
    value = getattr(workload, name)
    known = texts.get(name, {})
    if name == "tail":
        law = load_law(value)
        shown = f"{value} (exponent {law.alpha:g}, {format_percent(law.drift_per_day)} of pages re-ranked a day)"
    else:
        shown = _setting(workload, name)
    return (
        Cell(known.get("name", name.replace("_", " "))),
        Cell(shown),
        Cell("default" if value == field.default else "config"),
        Cell(known.get("basis", field.description or "")),
    )


def _policy_rows(hypervisor: HypervisorSpec) -> list[tuple[Cell, ...]]:
    has_ksm = hypervisor.page_sharing.rules == "ksm"
    rows = _setting_rows(hypervisor, "")
    return [row for row in rows if row[0].text != "preset" and (has_ksm or "page_sharing.ksm." not in row[0].text)]


def _setting_rows(spec: BaseModel, prefix: str) -> list[tuple[Cell, ...]]:
    """Make a row for every setting, those of settings within settings by their paths."""
    rows: list[tuple[Cell, ...]] = []
    for name, field in type(spec).model_fields.items():
        value = getattr(spec, name)
        if isinstance(value, BaseModel):
            rows += _setting_rows(value, f"{prefix}{name}.")
        else:
            rows.append((Cell(f"{prefix}{name}"), Cell(_setting(spec, name)), Cell(field.description or "")))
    return rows


def _setting(spec: Any, name: str) -> str:
    """Write a setting as the config would: with its unit."""
    value = spec.model_dump(mode="json", include={name})[name]
    return _value(value)


def _value(value: Any) -> str:
    if value is None:
        return "by default rule"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return ", ".join(f"{item:g}" if isinstance(item, float) else str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _flatten(manifest: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """List the plain entries of the manifest, nested ones under a joined name."""
    found: list[tuple[str, str]] = []
    for key in sorted(manifest):
        value = manifest[key]
        label = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            found += _flatten(value, f"{label}: ")
        elif isinstance(value, (str, int, float)):
            found.append((label, str(value)))
    return found
