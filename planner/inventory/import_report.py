"""The report of an import, as data and as text: what was read, left out, unknown, doubtful and assumed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from planner.inventory.found import Found, Note, Power
from planner.inventory.reconcile import Balance, reconcile
from planner.inventory.summary import summarize_fleet
from planner.units import format_bytes, format_seconds
from planner.workload.fleet_records import FleetFiles, VmRecord

MOST_PLACES = 3
MOST_READ = 6
MOST_LINES = 12
"""Balances that do not agree, and kinds of notes, shown in the text; the page has more."""
_ALLOWED = "times the memory of a host, by the manager's allocation ratio"
_KNOWABLE = {
    "host": "host it runs on, among those in the config",
    "vcpus": "vCPUs",
    "consumed_bytes": "consumed memory",
    "active_bytes": "active memory",
    "ballooned_bytes": "ballooned memory",
    "swapped_bytes": "swapped memory",
    "reservation_bytes": "reservation",
    "shares": "shares",
    "has_balloon_driver": "balloon driver",
}


@dataclass(frozen=True)
class Told:
    """Notes of one text together."""

    text: str
    count: int
    places: tuple[str, ...]
    remedy: str


@dataclass(frozen=True)
class ImportReport:
    """What happened in an import.

    Attributes
    ----------
    facts : tuple of (what, value, note)
        The figures that come first.
    read : tuple of (name, rows)
    unknown : tuple of (what, VMs of which it is unknown)
    n_running : int
        VMs that `unknown` is counted over.
    """

    source: str
    facts: tuple[tuple[str, str, str], ...]
    read: tuple[tuple[str, int], ...]
    balances: tuple[Balance, ...]
    skipped: tuple[Told, ...]
    doubts: tuple[Told, ...]
    unknown: tuple[tuple[str, int], ...]
    n_running: int
    assumptions: tuple[str, ...]
    configs: tuple[str, ...]
    acknowledgement: str = ""


def make_report(found: Found, vms: Sequence[VmRecord], configs: tuple[str, ...]) -> ImportReport:
    """Sum up an import."""
    running = [vm for vm in vms if vm.is_on is not False]
    unknown = [(what, sum(getattr(vm, name) is None for vm in running)) for name, what in _KNOWABLE.items()]
    return ImportReport(
        source=found.source,
        facts=_facts(found, vms, running),
        read=tuple(found.read.items()),
        balances=tuple(reconcile(found)),
        skipped=_together(found.skipped),
        doubts=_together(found.doubts),
        unknown=tuple((what, count) for what, count in unknown if count),
        n_running=len(running),
        assumptions=tuple(found.assumptions),
        configs=configs,
    )


def trace_report(fleet: FleetFiles, found: Found, configs: tuple[str, ...]) -> ImportReport:
    """Sum up an import of traces: what VMs take over time, and whether units and sizes were read right."""
    told = summarize_fleet(fleet)
    days = told.n_ticks * told.tick_s / 86_400
    last_s = told.first_time_s + (told.n_ticks - 1) * told.tick_s
    span = f"{days:.4g} day{'' if days == 1 else 's'}"
    unknown = [("vCPUs", sum(vm.vcpus is None for vm in fleet.vms)), ("host it runs on", len(fleet.vms))]
    unknown += [] if fleet.cpu_busy_vcpus is not None else [("CPU use", len(fleet.vms))]
    return ImportReport(
        source=fleet.info.source,
        facts=(
            ("VMs", f"{told.n_vms}", f"{format_bytes(told.configured_bytes)} configured"),
            ("time", f"{_utc(told.first_time_s)} to {_utc(last_s)}", f"{span}, tick {format_seconds(told.tick_s)}"),
            ("granted", f"{told.granted_fraction:.1%} of configured", _peaks_note(told.granted_peaks_ratio)),
            ("active", f"{told.active_fraction:.1%} of configured", _peaks_note(told.active_peaks_ratio)),
        ),
        read=tuple(found.read.items()),
        balances=(),
        skipped=(),
        doubts=_together(found.doubts),
        unknown=tuple((what, count) for what, count in unknown if count),
        n_running=told.n_vms,
        assumptions=tuple(found.assumptions),
        configs=configs,
        acknowledgement=fleet.info.acknowledgement,
    )


def _peaks_note(ratio: float) -> str:
    return f"on average; sum of peaks \u00f7 peak of sum {ratio:.2f}"


def _utc(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _facts(found: Found, vms: Sequence[VmRecord], running: Sequence[VmRecord]) -> tuple[tuple[str, str, str], ...]:
    memory = [host.memory_bytes for host in found.hosts]
    known = sum(part for part in memory if part is not None)
    off = len(vms) - len(running)
    configured = sum(vm.configured_bytes for vm in running)
    hosts_note = f"{memory.count(None)} of unknown memory" if None in memory else f"{format_bytes(known)} of memory"
    facts = [
        ("hosts", f"{len(found.hosts)}", hosts_note),
        ("VMs that run", f"{len(running)}", f"{format_bytes(configured)} configured"),
    ]
    if off:
        facts.append(("VMs that are off", f"{off}", "kept apart: fleet.vms.powered_off lets them run"))
    if known and None not in memory:
        facts.append(("configured ÷ host memory", f"{configured / known:.2f}", "today, running VMs"))
    ratios = sorted({host.overcommit_ratio for host in found.hosts if host.overcommit_ratio is not None})
    if ratios:
        facts.append(("placed up to", " to ".join(f"{ratio:g}" for ratio in {ratios[0]: 0, ratios[-1]: 0}), _ALLOWED))
    facts += [
        _sum_fact("consumed", [vm.consumed_bytes for vm in running], configured),
        _sum_fact("active", [vm.active_bytes for vm in running], configured),
    ]
    on = [vm for vm in found.vms if vm.power is not Power.OFF]
    for what, parts in (
        ("shared by the host", [vm.shared_bytes for vm in on]),
        ("overhead of VMs", [vm.overhead_bytes for vm in on]),
    ):
        if any(part is not None for part in parts):
            facts.append(_sum_fact(what, parts, configured))
    return tuple(facts)


def _sum_fact(what: str, parts: list[int | None], configured: int) -> tuple[str, str, str]:
    known = [part for part in parts if part is not None]
    if not known:
        return (what, "unknown", "of no VM")
    note = f"{sum(known) / configured:.1%} of configured" if len(known) == len(parts) else f"known of {len(known)} VMs"
    return (what, format_bytes(sum(known)), note)


def _together(notes: Sequence[Note]) -> tuple[Told, ...]:
    """Put notes of one text together, in the order they first came; the remedy is the first one's where they differ."""
    same: dict[str, list[Note]] = {}
    for note in notes:
        same.setdefault(note.text, []).append(note)
    told = []
    for text, found in same.items():
        remedy = found[0].remedy + (" (and the like)" if len({note.remedy for note in found}) > 1 else "")
        told.append(Told(text, len(found), tuple(note.place for note in found[:MOST_PLACES]), remedy))
    return tuple(told)


def report_lines(report: ImportReport) -> list[str]:
    """Write the report as lines of text."""
    lines = [f"Imported from {report.source}"]
    lines += [f"  {what:<26}{value}" + (f"  ({note})" if note else "") for what, value, note in report.facts]
    if report.read:
        lines.append(f"  {'read':<26}{_read_text(report.read)}")
    apart = [item for item in report.balances if not item.agrees]
    if report.balances:
        agree = len(report.balances) - len(apart)
        lines += ["", f"Sums over VMs against the hosts' own figures: {agree} of {len(report.balances)} agree"]
        lines += [f"  {_balance_text(item)}" for item in apart[:MOST_LINES]]
        if len(apart) > MOST_LINES:
            lines.append(f"  and {len(apart) - MOST_LINES} more, in import-report.html")
    for title, told in (("Left out", report.skipped), ("Doubtful", report.doubts)):
        if told:
            lines += ["", title, *(f"  {told_text(item)}" for item in told[:MOST_LINES])]
            if len(told) > MOST_LINES:
                lines.append(f"  and {len(told) - MOST_LINES} more kinds, in import-report.html")
    if report.unknown:
        lines += ["", f"Unknown, of {report.n_running} VMs that run"]
        lines += [f"  {what}: of {'all' if count == report.n_running else count}" for what, count in report.unknown]
    if report.assumptions:
        lines += ["", "Assumed", *(f"  {text}" for text in report.assumptions)]
    if report.acknowledgement:
        lines += ["", "Please cite", f"  {report.acknowledgement}"]
    return lines


def _read_text(read: Sequence[tuple[str, int]]) -> str:
    if len(read) > MOST_READ:
        return f"{sum(rows for _, rows in read)} rows of {len(read)} files or parts"
    return ", ".join(f"{name}: {rows} row{'' if rows == 1 else 's'}" for name, rows in read)


def told_text(item: Told) -> str:
    """Write notes of one text as a line."""
    more = f" and {item.count - len(item.places)} more" if item.count > len(item.places) else ""
    where = f"{', '.join(item.places)}{more}"
    return f"{item.text}: {where}" + (f"; {item.remedy}" if item.remedy else "")


def figure_text(value: int, is_bytes: bool) -> str:
    """Write one side of a balance."""
    return format_bytes(value) if is_bytes else f"{value}"


def _balance_text(item: Balance) -> str:
    mine, own = figure_text(item.from_vms, item.is_bytes), figure_text(item.own, item.is_bytes)
    return f"{item.host}: {item.what} {mine} by its VMs, {own} by its own account"
