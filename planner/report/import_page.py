"""The page of an import: one offline HTML file, in the look of the other reports."""

from collections.abc import Sequence

from planner.inventory.import_report import ImportReport, Told, figure_text
from planner.report.blocks import Cell, Section, TableBlock, cap_rows, number_cell
from planner.report.html import render_template


def render_import_page(report: ImportReport) -> str:
    """Render the page as text; its bytes are a function of the report alone."""
    apart = sum(not item.agrees for item in report.balances)
    return render_template(
        "import.html",
        source=report.source,
        status=_status(report, apart),
        is_sound=not apart and not report.doubts,
        facts=report.facts,
        configs=[f"planner sweep {name}" for name in report.configs],
        sections=[section for section in _sections(report) if section is not None],
    )


def _status(report: ImportReport, apart: int) -> str:
    if apart:
        return f"{apart} of {len(report.balances)} sums differ"
    if report.doubts:
        return "read, with doubts"
    return "read, and it adds up" if report.balances else "read"


def _sections(report: ImportReport) -> list[Section | None]:
    return [
        _balances(report),
        _told("doubts", "Doubtful", "What looks wrong in the source, and what was made of it.", report.doubts),
        _told("skipped", "Left out", "What the source holds and the fleet does not.", report.skipped),
        _unknown(report),
        _assumed(report),
        _read(report),
        Section("cite", "Please cite", report.acknowledgement) if report.acknowledgement else None,
    ]


def _balances(report: ImportReport) -> Section | None:
    if not report.balances:
        return None
    order = sorted(report.balances, key=lambda item: item.agrees)
    rows = [
        (
            Cell(item.host),
            Cell(item.what),
            number_cell(figure_text(item.from_vms, item.is_bytes), item.from_vms),
            number_cell(figure_text(item.own, item.is_bytes), item.own),
            Cell("agrees" if item.agrees else "differs", "", "" if item.agrees else "bad"),
        )
        for item in order
    ]
    kept, left_out = cap_rows(rows, len(rows))
    table = TableBlock(
        "balances",
        "Sums over VMs, and the hosts\u2019 own figures",
        ("host", "what", "its VMs", "its own", ""),
        kept,
        2,
        left_out,
        True,
    )
    lead = (
        "Each host says how many VMs it has and what they take. Where that is not what its VMs add up to, some were "
        "not exported, or were taken at another moment."
    )
    return Section("balance", "Does it add up?", lead, tables=(table,))


def _told(name: str, title: str, lead: str, told: Sequence[Told]) -> Section | None:
    if not told:
        return None
    rows = [
        (Cell(item.text), Cell(_places(item)), Cell(item.remedy), number_cell(f"{item.count}", item.count))
        for item in told
    ]
    kept, left_out = cap_rows(rows, len(rows))
    table = TableBlock(f"{name}-table", title, ("what", "where", "remedy", "times"), kept, 3, left_out)
    return Section(name, title, lead, tables=(table,))


def _places(item: Told) -> str:
    more = item.count - len(item.places)
    return ", ".join(item.places) + (f" and {more} more" if more > 0 else "")


def _unknown(report: ImportReport) -> Section | None:
    if not report.unknown:
        return None
    rows = tuple((Cell(what), number_cell(f"{count}", count)) for what, count in report.unknown)
    table = TableBlock("unknown-table", f"Of {report.n_running} VMs that run", ("what", "unknown of VMs"), rows)
    lead = "What the source does not tell is drawn from the model or takes a default. It is never taken as zero."
    return Section("unknown", "Unknown", lead, tables=(table,))


def _assumed(report: ImportReport) -> Section | None:
    if not report.assumptions:
        return None
    rows = tuple((Cell(text),) for text in report.assumptions)
    table = TableBlock("assumed-table", "What fills the gaps", ("assumption",), rows)
    lead = "Each of these is in the answer of a sweep over this fleet. Change what you know better in the config."
    return Section("assumed", "Assumed", lead, tables=(table,))


def _read(report: ImportReport) -> Section | None:
    if not report.read:
        return None
    rows = tuple((Cell(name), number_cell(f"{count}", count)) for name, count in report.read)
    table = TableBlock("read-table", "What was read", ("part", "rows"), rows)
    return Section("read", "Read", "Every part of the source that was looked at.", tables=(table,))
