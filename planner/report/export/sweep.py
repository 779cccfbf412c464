"""The tables of a sweep: the answer, scenarios, hosts, VMs, what failed, what was assumed, the config."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from planner.analysis.summarize import SUMMARY_VERSION
from planner.errors import InputError
from planner.report.export.sheets import Head, Row, Sheet, columns_sheet, heads_of, row_of, rows_of
from planner.report.sections_facts import assumptions_section
from planner.results.read import RunTables, read_run, read_vms
from planner.schema import HOST_COLUMNS, VM_COLUMNS, Column

WhichVms = Literal["described", "all", "none"]
_LISTS = "list<int64>"
_SCENARIO = (
    Column("scenario_id", "int64", "", "Scenario; the tables of hosts and VMs name it"),
    Column("role", "string", "", "sweep, tail (another tail of touches), sensitivity"),
    Column("overcommit_ratio", "float64", "", "Ratio up to which hosts are filled: configured ÷ usable memory"),
    Column("overcommit_ratio_mean", "float64", "", "Ratio that hosts reach on average"),
    Column("placement", "string", "", "How VMs were placed"),
    Column("tail", "string", "", "Law of how seldom touched memory is touched"),
    Column("axes", "string", "", "Further settings that the sweep varies"),
    Column("feasible", "bool", "", "Whether all VMs found a host"),
    Column("hosts_used", "int64", "", "Hosts with VMs, most at once"),
    Column("hosts_bound", "int64", "", "No placement needs fewer hosts"),
    Column("vms_placed", "int64", "", "VMs that found a host"),
    Column("unplaced_vms", "int64", "", "VMs that did not"),
    Column("vms_per_host", "float64", "", "VMs for each host in use"),
    Column("swap_risk", "float64", "", "Share of host runs that break the objective; empty: no run was finished"),
    Column("swap_risk_low", "float64", "", "... lower end of the interval"),
    Column("swap_risk_high", "float64", "", "... upper end of the interval, which holds by itself, too"),
    Column("replicates", "int64", "", "Replicates"),
    Column("host_runs", "int64", "", "Runs of a host, replicates counted"),
    Column("broken_host_runs", "int64", "", "... that broke the objective"),
    Column("denied_host_runs", "int64", "", "... in which memory was denied"),
    Column("killed_host_runs", "int64", "", "... in which a VM was killed"),
    Column("refused_host_runs", "int64", "", "... in which a VM was not let on"),
    Column("failed_hosts", "int64", "", "Runs that failed; the intervals count them at their worst"),
    Column("effective_host_runs", "float64", "", "Independent host runs that tell as much"),
    Column("swap_in_bytes_per_s_p99", "float64", "bytes/s", "Swap-in of a host, 99th percentile over ticks and hosts"),
    Column("swap_in_bytes_per_s_p99_low", "float64", "bytes/s", "... lower end of the interval"),
    Column("swap_in_bytes_per_s_p99_high", "float64", "bytes/s", "... upper end of the interval"),
    Column("granted_bytes_mean", "float64", "bytes", "Guest memory touched since power-on, whole fleet"),
    Column("shared_saved_bytes_mean", "float64", "bytes", "Host memory that page sharing saves, whole fleet"),
    Column("ballooned_bytes_mean", "float64", "bytes", "Guest memory in balloons, whole fleet"),
    Column("compressed_saved_bytes_mean", "float64", "bytes", "Host memory that compression saves, whole fleet"),
    Column("swapped_bytes_mean", "float64", "bytes", "Guest memory on swap devices, whole fleet"),
    Column("denied_bytes_mean", "float64", "bytes", "Guest memory that could not be backed, whole fleet"),
    Column("slowdown_p50", "float64", "", "Time needed ÷ time needed without memory stalls: median VM-tick"),
    Column("slowdown_p95", "float64", "", "... 95th percentile of VM-ticks"),
    Column("slowdown_p99", "float64", "", "... 99th percentile of VM-ticks"),
    Column("slowdown_p99_low", "float64", "", "... 99th percentile, lower end of the interval"),
    Column("slowdown_p99_high", "float64", "", "... 99th percentile, upper end of the interval"),
    Column("translation_overhead_mean", "float64", "", "Time for nested page walks ÷ useful CPU time"),
)
FACTS = (Head("what", "", "Fact"), Head("value", "", "As written in the report"))


def sweep_sheets(run_dir: Path, vms: WhichVms) -> list[Sheet]:
    """Make the tables of a stored sweep.

    Parameters
    ----------
    vms : str
        VM rows: of the scenarios that the report describes (the recommended and the next), of all, of none.

    Raises
    ------
    InputError
        The run directory is missing or broken, or another version of the planner wrote its summary.
    """
    columns = tuple(column for column in HOST_COLUMNS if column.dtype != _LISTS)
    run = read_run(run_dir, [column.name for column in columns])
    if run.summary.get("summary_version") != SUMMARY_VERSION:
        found = run.summary.get("summary_version")
        raise InputError("summary.json", f"has version {found}; this planner reads {SUMMARY_VERSION}", "run it again")
    scenarios = [row_of(item, _SCENARIO) for item in run.summary["scenarios"]]
    sheets = [
        Sheet("Summary", "The answer", FACTS, _facts(run)),
        Sheet("Scenarios", "Density and risk of every scenario", heads_of(_SCENARIO), scenarios),
        Sheet("Hosts", "Every run of a host", heads_of(columns), rows_of(run.hosts, columns)),
    ]
    chosen = _scenarios_of(run, vms)
    if chosen:
        about = "VMs and the hosts they were placed on, by scenario and replicate"
        sheets.append(Sheet("VMs", about, heads_of(VM_COLUMNS), _vm_rows(run_dir, chosen)))
    sheets += [*_failures(run.manifest), *shared_sheets(run.config, run.manifest)]
    return [*sheets, columns_sheet(sheets)]


def _scenarios_of(run: RunTables, vms: WhichVms) -> list[int]:
    if vms == "none":
        return []
    if vms == "all":
        return [int(item["scenario_id"]) for item in run.summary["scenarios"]]
    item = run.summary["recommendation"]
    ids = (item["scenario_id"], item["next_scenario_id"])
    return [int(value) for value in ids if value is not None]


def _vm_rows(run_dir: Path, scenarios: list[int]) -> Iterator[Row]:
    """Read the rows of one scenario after the other: all at once may be more than memory holds."""
    names = [column.name for column in VM_COLUMNS]
    for scenario_id in scenarios:
        yield from rows_of(read_vms(run_dir, names, scenario_id), VM_COLUMNS)


def _facts(run: RunTables) -> list[Row]:
    item = run.summary["recommendation"]
    missing = run.summary.get("missing")
    rows: list[Row] = [
        ("answer", item["headline"]),
        *([("in a sentence", item["sentence"])] if item["meets_slo"] else []),
        ("objective", item["slo"]["sentence"]),
        ("objective is met", item["meets_slo"]),
        ("overcommit ratio", item["overcommit_ratio"] if item["meets_slo"] else None),
        ("placement", item["placement"] if item["meets_slo"] else None),
        ("hosts used", item["hosts_used"]),
        ("VMs placed", item["vms_placed"]),
        ("swap risk", item["swap_risk"]),
        ("swap risk, upper end", item["swap_risk_high"]),
        ("what binds", item["binding_constraint"]["text"]),
        ("described scenario", item["scenario_id"]),
        ("what is missing", "nothing" if missing is None else missing["sentence"]),
        ("replicates", run.manifest["replicate_meaning"]),
    ]
    return rows + origin_rows(run.manifest) + provenance_rows(run.manifest)


def origin_rows(manifest: Mapping[str, Any]) -> list[Row]:
    """Say where imported VMs come from; nothing of others."""
    origin = manifest.get("origin")
    if origin is None:
        return []
    cite = [("please cite", origin["acknowledgement"])] if origin["acknowledgement"] else []
    return [("VMs imported from", origin["source"]), *cite]


def provenance_rows(manifest: Mapping[str, Any]) -> list[Row]:
    """Say from what the results can be made again."""
    versions = [(f"version of {name}", str(version)) for name, version in manifest["versions"].items()]
    return [("seed", manifest["seed"]), ("config hash", manifest["config_hash"]), *versions]


def shared_sheets(config: Any, manifest: Mapping[str, Any]) -> list[Sheet]:
    """Make the tables that a sweep and a what-if have in common: what was assumed, and the config."""
    section = assumptions_section(config, manifest)
    assumed: list[Row] = [
        (table.caption, *(cell.text for cell in row), *("",) * (4 - len(row)))
        for table in section.tables
        for row in table.rows
    ]
    assumed += [("Not modelled", note, "", "", "") for note in section.notes]
    heads = tuple(
        Head(title, "", meaning)
        for title, meaning in (
            ("part", "Table of the report's section on assumptions"),
            ("what", "Assumption or setting"),
            ("value", "Its value"),
            ("note", "Who set it, or what it means"),
            ("rests on", "What the assumption rests on"),
        )
    )
    settings = list(_flat(config.model_dump(mode="json")))
    paths = (Head("path", "", "Path of a setting, as --set takes it"), Head("value", "", "Its value, in base units"))
    return [
        Sheet("Assumptions", "What the answer rests on", heads, assumed),
        Sheet("Settings", "The config in full, with every default", paths, settings),
    ]


def _flat(value: Any, path: str = "") -> Iterator[Row]:
    """List the leaves of a config by their paths."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        for number, item in enumerate(value):
            yield from _flat(item, f"{path}[{number}]")
    else:
        yield (path, ", ".join(map(str, value)) if isinstance(value, list) else value)


def _failures(manifest: Mapping[str, Any]) -> list[Sheet]:
    failures = manifest.get("failures", [])
    if not failures:
        return []
    names = ("scenario_id", "replicate", "host", "seed", "message", "replay")
    meanings = ("Scenario", "Replicate", "Host", "Seed of the run", "Why it failed", "Command that runs it again")
    heads = tuple(Head(name.replace("_", " "), "", text) for name, text in zip(names, meanings, strict=True))
    return [Sheet("Failed", "Host runs without a result", heads, [tuple(map(item.get, names)) for item in failures])]
