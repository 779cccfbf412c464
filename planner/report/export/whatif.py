"""The tables of a what-if: cases, differences from the base with intervals, variants, hosts and VMs that carry it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from planner.analysis.whatif_summary import WHATIF_VERSION
from planner.report.export.sheets import Head, Row, Sheet, columns_sheet, heads_of, row_of
from planner.report.export.sweep import FACTS, origin_rows, provenance_rows, shared_sheets
from planner.results.whatif_store import StoredWhatif, read_whatif
from planner.schema import Column

_CASE = Column("case", "string", "", "Name of the case")
_CASES = (
    Column("name", "string", "", "Name of the case"),
    Column("what", "string", "", "What it changes"),
    Column("status", "string", "", "Whether the objective is shown to hold"),
    Column("sentence", "string", "", "The answer in a sentence"),
    Column("hosts_used_base", "int64", "", "Hosts with VMs in the base"),
    Column("hosts_used", "int64", "", "Hosts with VMs in the case"),
    Column("unplaced_vms", "int64", "", "VMs that find no host"),
    Column("swap_risk", "float64", "", "Share of host runs that break the objective; empty: no run was finished"),
    Column("swap_risk_high", "float64", "", "... upper end of the interval"),
    Column("binding", "string", "", "What keeps the objective from being shown"),
)
_VARIANTS = (
    Column("label", "string", "", "Which host is lost, or which month it is"),
    Column("hosts_used", "int64", "", "Hosts with VMs"),
    Column("vms_placed", "int64", "", "VMs that found a host"),
    Column("unplaced_vms", "int64", "", "VMs that did not"),
    Column("swap_risk", "float64", "", "Share of host runs that break the objective"),
    Column("swap_risk_low", "float64", "", "... lower end of the interval"),
    Column("swap_risk_high", "float64", "", "... upper end of the interval"),
    Column("swap_in_bytes_per_s_p99", "float64", "bytes/s", "Swap-in, 99th percentile over ticks and hosts"),
    Column("slowdown_p99", "float64", "", "Slowdown, 99th percentile of VM-ticks"),
    Column("meets_objective", "bool", "", "Whether the objective is shown to hold"),
)
_HOSTS = (
    Column("host", "string", "", "Name of the host"),
    Column("vms_base", "float64", "", "VMs in the base; empty: the host is new"),
    Column("vms_changed", "float64", "", "VMs in the case; empty: the host is lost"),
    Column("broken_share", "float64", "", "Share of its runs that break the objective"),
    Column("broken_share_difference", "float64", "", "... less that of the base"),
    Column("headroom_bytes", "float64", "bytes", "Memory left without reclaim; below zero, some must be reclaimed"),
    Column("headroom_bytes_difference", "float64", "bytes", "... less that of the base"),
    Column("ballooned_bytes", "float64", "bytes", "Guest memory in balloons"),
    Column("ballooned_bytes_difference", "float64", "bytes", "... less that of the base"),
    Column("swapped_bytes", "float64", "bytes", "Guest memory on the swap device"),
    Column("swapped_bytes_difference", "float64", "bytes", "... less that of the base"),
    Column("swap_in_bytes_per_s_p99", "float64", "bytes/s", "Swap-in, 99th percentile over ticks"),
    Column("swap_in_bytes_per_s_p99_difference", "float64", "bytes/s", "... less that of the base"),
    Column("peak_granted_ratio", "float64", "", "Guest memory at the peak ÷ usable memory"),
)
_VMS = (
    Column("vm", "string", "", "Name of the VM"),
    Column("host_base", "string", "", "Its host in the base"),
    Column("host_changed", "string", "", "Its host in the case"),
    Column("configured_bytes", "int64", "bytes", "Configured memory"),
    Column("slowdown_p99", "float64", "", "Slowdown, 99th percentile over ticks"),
    Column("slowdown_p99_difference", "float64", "", "... less that of the base"),
    Column("stall_s_difference", "float64", "s", "Time stalled on memory less that of the base"),
    Column("reclaimed_bytes_difference", "float64", "bytes", "Memory reclaimed from it less that of the base"),
)
_DIFFERENCE = (
    Column("label", "string", "", "Figure"),
    Column("unit", "string", "", "Unit of the numbers of this row"),
    Column("base", "float64", "", "In the base, in the row's unit"),
    Column("changed", "float64", "", "In the case"),
    Column("difference", "float64", "", "Case less base, replicate by replicate"),
    Column("low", "float64", "", "... lower end of the paired interval; empty: not known"),
    Column("high", "float64", "", "... upper end"),
    Column("unpaired_low", "float64", "", "... lower end if the two were not paired"),
    Column("unpaired_high", "float64", "", "... upper end"),
    Column("replicates", "int64", "", "Replicates that are compared"),
    Column("is_worse", "bool", "", "TRUE: clearly worse, FALSE: clearly better, empty: not clear"),
)
_NUMBERS = ("base", "changed", "difference", "low", "high", "unpaired_low", "unpaired_high")


def whatif_sheets(folder: Path) -> list[Sheet]:
    """Make the tables of a stored what-if.

    Raises
    ------
    InputError
        The directory is missing or broken, or another version of the planner wrote it.
    """
    stored = read_whatif(folder, WHATIF_VERSION)
    cases = stored.summary["cases"]
    sheets = [
        Sheet("Summary", "What was asked", FACTS, _facts(stored)),
        Sheet("Cases", "Every case against the base", heads_of(_CASES), [row_of(case, _CASES) for case in cases]),
        _by_case("Differences", "Paired differences from the base", _DIFFERENCE, cases, "differences"),
        _by_case("Variants", "Which host is lost, which month it is", _VARIANTS, cases, "variants"),
        _by_case("Hosts", "Hosts that carry it, most changed first", _HOSTS, cases, "hosts"),
        _by_case("VMs", "VMs that carry it, most changed first", _VMS, cases, "vms"),
        *shared_sheets(stored.config, stored.manifest),
    ]
    return [*sheets, columns_sheet(sheets)]


def _facts(stored: StoredWhatif) -> list[Row]:
    summary, base = stored.summary, stored.summary["base"]
    rows: list[Row] = [
        ("objective", summary["objective"]),
        ("confidence", summary["confidence"]),
        ("base, overcommit ratio", base["overcommit_ratio"]),
        ("base, placement", base["placement"]),
        ("base, hosts used", base["hosts_used"]),
        ("base, swap risk", base["swap_risk"]),
        ("base, swap risk, upper end", base["swap_risk_high"]),
        ("base, objective", summary["base_status"]),
        ("what is missing", summary.get("missing") or "nothing"),
        ("replicates", stored.manifest["replicate_meaning"]),
    ]
    return rows + origin_rows(stored.manifest) + provenance_rows(stored.manifest)


def _by_case(name: str, about: str, columns: Sequence[Column], cases: Sequence[Mapping[str, Any]], key: str) -> Sheet:
    def rows() -> Iterator[Row]:
        for case in cases:
            for item in case[key]:
                entry = _in_larger_units(item) if key == "differences" else item
                yield (str(case["name"]), *row_of(entry, columns))

    heads = (Head("case", "", _CASE.meaning), *heads_of(columns))
    return Sheet(name, about, heads, rows())


def _in_larger_units(item: Mapping[str, Any]) -> dict[str, Any]:
    """Give a difference in the units of the other tables; its row says which."""
    unit, factor = {"bytes": ("GiB", 2.0**-30), "bytes/s": ("MiB/s", 2.0**-20)}.get(item["unit"], (item["unit"], 1.0))
    scaled = {name: None if item[name] is None else item[name] * factor for name in _NUMBERS}
    return {**item, **scaled, "unit": unit}
