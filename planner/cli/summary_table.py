"""The summary on the terminal: a row per scenario of the sweep, fewer columns where the terminal is narrow."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from planner.analysis.search_words import line_name, search_sentence, seen_words, warnings_of
from planner.analysis.wording import format_percent, format_ratio
from planner.units import format_bytes, format_value

_WIDE_COLUMNS = 100
_MISSING = "-"


class _Field(NamedTuple):
    title: str
    text: Callable[[Mapping[str, Any]], str]
    is_always_shown: bool = False


def print_summary(summary: Mapping[str, Any], console: Console) -> None:
    """Print the scenarios of role "sweep", then the recommendation in a sentence."""
    rows = [item for item in summary["scenarios"] if item["role"] == "sweep"]
    is_wide = console.width >= _WIDE_COLUMNS
    fields = [field for field in _FIELDS if field.is_always_shown or is_wide]
    if any(item["axes"] for item in rows):
        fields.insert(2, _Field("axes", _axes, is_always_shown=True))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, field in enumerate(fields):
        table.add_column(field.title, justify="left" if position in (1,) else "right", overflow="fold")
    recommended = summary["recommendation"]
    for item in rows:
        is_chosen = recommended["meets_slo"] and item["scenario_id"] == recommended["scenario_id"]
        table.add_row(*(field.text(item) for field in fields), style="bold" if is_chosen else None)
    console.print(table)
    console.print()
    if "adaptive" in summary:
        _print_search(summary["adaptive"], console)
    console.print(recommended["sentence"], markup=False, highlight=False, soft_wrap=True)
    if summary["missing"]:
        console.print(summary["missing"]["sentence"], markup=False, highlight=False, soft_wrap=True)
    if "sensitivity" in summary:
        console.print(summary["sensitivity"]["sentence"], markup=False, highlight=False, soft_wrap=True)


def _print_search(search: Mapping[str, Any], console: Console) -> None:
    """Print every look of an adaptive search, line by line, and what it cost."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("search", "ratio", "replicates", "hosts broken", "at most", "verdict", "why this ratio"):
        is_text = title in ("search", "verdict", "why this ratio")
        table.add_column(title, justify="left" if is_text else "right", overflow="fold")
    for line in search["lines"]:
        for number, step in enumerate(line["steps"]):
            table.add_row(
                "" if number else line_name(line), format_ratio(step["overcommit_ratio"]), str(step["replicates"]),
                seen_words(step), format_percent(step["swap_risk_high"]), step["verdict"], step["reason"],
            )  # fmt: skip
    console.print(table)
    console.print()
    for text in (search_sentence(search), *warnings_of(search["lines"])):
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    console.print()


def _axes(item: Mapping[str, Any]) -> str:
    """Write an axis a line: a table cell would break within a value."""
    return "\n".join(_axis(path, value) for path, value in item["axes"].items())


def _axis(path: str, value: bool | float | str) -> str:
    owner, _, name = path.rpartition(".")
    if name == "enabled":
        return f"{owner.rpartition('.')[-1]} {'on' if value else 'off'}"
    return f"{name}={format_value(value)}"


def _hosts(item: Mapping[str, Any]) -> str:
    if not item["feasible"]:
        return f"{item['hosts_used']} (+{item['unplaced_vms']} VMs left)"
    bound = item.get("hosts_bound")
    return f"{item['hosts_used']} (≥ {bound})" if bound and bound < item["hosts_used"] else str(item["hosts_used"])


def _risk(item: Mapping[str, Any]) -> str:
    if item["swap_risk"] is None:
        return _MISSING
    bound = format_percent(item["swap_risk_high"])
    return f"{format_percent(item['swap_risk'])} (at most {bound})" if item["swap_risk"] else f"below {bound}"


def _bytes(key: str, suffix: str = "") -> Callable[[Mapping[str, Any]], str]:
    def text(item: Mapping[str, Any]) -> str:
        return _MISSING if item[key] is None else format_bytes(item[key]) + suffix

    return text


def _number(key: str, form: str) -> Callable[[Mapping[str, Any]], str]:
    def text(item: Mapping[str, Any]) -> str:
        return _MISSING if item[key] is None else format(item[key], form)

    return text


_FIELDS = (
    _Field("ratio", _number("overcommit_ratio", "g"), is_always_shown=True),
    _Field("placement", lambda item: str(item["placement"]), is_always_shown=True),
    _Field("hosts", _hosts, is_always_shown=True),
    _Field("VMs/host", _number("vms_per_host", ".1f")),
    _Field("swap risk", _risk, is_always_shown=True),
    _Field("swap-in p99", _bytes("swap_in_bytes_per_s_p99", "/s")),
    _Field("shared", _bytes("shared_saved_bytes_mean")),
    _Field("ballooned", _bytes("ballooned_bytes_mean")),
    _Field("swapped", _bytes("swapped_bytes_mean")),
    _Field("slowdown p99", _number("slowdown_p99", ".3f")),
)
