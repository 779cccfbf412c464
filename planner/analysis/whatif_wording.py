"""The words of a what-if: differences with their interval, and a sentence for each case."""

from collections.abc import Mapping, Sequence
from typing import Any

from planner.analysis.by_replicate import HEADROOM, RISK
from planner.analysis.wording import UNKNOWN, format_count, format_percent, format_risk
from planner.units import format_bytes

HOLDS, NOT_SHOWN, BROKEN = "holds", "not shown", "does not hold"
"""What can be said of an objective."""

_VERDICTS = {
    HOLDS: "the objective holds",
    NOT_SHOWN: "the objective is not shown to hold",
    BROKEN: "the objective does not hold",
}


def format_figure(value: float | None, unit: str) -> str:
    """Write a figure of a metric in its unit."""
    if value is None or value != value:
        return UNKNOWN
    if unit == "fraction":
        return format_percent(value)
    if unit in ("bytes", "bytes/s"):
        return _bytes(value) + unit.removeprefix("bytes")
    if unit == "s":
        return (
            f"{value / 3600:.1f} h" if value >= 3600 else f"{value / 60:.3g} min" if value >= 60 else f"{value:.2g} s"
        )
    return f"{value:.4f}" if unit == "slowdown" else f"{value:.3g}"


def format_change(value: float | None, unit: str) -> str:
    """Write a difference with its sign; no difference is 0."""
    if value is None or value != value:
        return UNKNOWN
    if value == 0:
        return "0"
    sign = "+" if value > 0 else "\N{MINUS SIGN}"
    if unit == "fraction":
        return f"{sign}{abs(value) * 100:.3g} points"
    return sign + format_figure(abs(value), unit)


def difference_text(row: Mapping[str, Any] | None) -> str:
    """Write a row of differences as "+12 points (+8 to +16 points)"."""
    if row is None:
        return UNKNOWN
    change = format_change(row["difference"], str(row["unit"]))
    if row["low"] is None or row["high"] is None:
        why = "the same in all" if row["replicates"] > 1 else "no interval:"
        return f"{change} ({why} {format_count(row['replicates'], 'replicate')})"
    return change if row["low"] == row["high"] else f"{change} ({format_ends(row['low'], row['high'], row['unit'])})"


def format_ends(low: float | None, high: float | None, unit: str) -> str:
    """Write an interval of a difference, its unit once where both ends share it; "none" where there is none."""
    if low is None or high is None:
        return "none"
    first, last = format_change(low, unit), format_change(high, unit)
    number, _, word = first.partition(" ")
    return f"{number if word and last.endswith(f' {word}') else first} to {last}"


def plain_sentence(case: Mapping[str, Any], by_metric: Mapping[str, Mapping[str, Any]]) -> str:
    """Say what a case does to risk and memory, and whether the objective still holds."""
    risk = by_metric.get(RISK)
    parts = [f"{_worst(case)}{_VERDICTS[case['status']]}"]
    if risk is not None:
        parts.append(
            f"hosts that break the objective go from {format_percent(risk['base'])} to "
            f"{format_percent(risk['changed'])}, {_sureness(risk)}"
        )
    headroom = by_metric.get(HEADROOM)
    if headroom is not None and headroom["difference"]:
        word = "lost" if headroom["difference"] < 0 else "won"
        parts.append(f"{_bytes(abs(headroom['difference']))} {word} ({_ends(headroom)})")
    if case["unplaced_vms"]:
        parts.append(f"{format_count(case['unplaced_vms'], 'VM')} found no host")
    text = "; ".join(parts) + "."
    return text[0].upper() + text[1:]


def growth_sentence(case: Mapping[str, Any]) -> str:
    """Say how much time remains."""
    months, looked_at = case["months_remaining"], len(case["variants"])
    if months == looked_at:
        return f"The objective holds for all {format_count(looked_at, 'month')} looked at."
    if months == 0:
        return f"No time remains: after one month {_VERDICTS[case['status']]}. {case['binding']}"
    remaining = format_count(months, "month")
    remain = "remains" if months == 1 else "remain"
    return f"{remaining} {remain}; in month {months + 1} {_VERDICTS[case['status']]}. {case['binding']}"


def _worst(case: Mapping[str, Any]) -> str:
    n_variants = len(case["variants"])
    return f"worst of {n_variants} is {case['label']}: " if n_variants > 1 else ""


def status_of(is_met: bool, binding_kind: str) -> str:
    """Tell "holds" from "not shown" (too few replicates, or failed ones) and "does not hold"."""
    if is_met:
        return HOLDS
    return NOT_SHOWN if binding_kind in ("too_few_replicates", "failed_hosts") else BROKEN


def _sureness(row: Mapping[str, Any]) -> str:
    if row["is_clear"]:
        return f"a clear change ({_ends(row)})"
    if row["difference"] and row["differing"] == row["replicates"] > 1 and row["unpaired_low"] is None:
        return f"the same change in all {row['replicates']} replicates ({_ends(row)})"
    return f"no clear change ({_ends(row)})"


def _ends(row: Mapping[str, Any]) -> str:
    if row["low"] is None or row["high"] is None:
        return f"in {format_count(row['replicates'], 'replicate')} alike"
    return format_ends(row["low"], row["high"], str(row["unit"]))


def risk_cell(item: Mapping[str, Any], confidence: float) -> str:
    """Write the swap risk of a variant with its bound."""
    return format_risk(item["swap_risk"], item["swap_risk_high"], confidence)


def listed(names: Sequence[str], most: int = 6) -> str:
    """Write names in a row, the first ones only when there are many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _bytes(value: float) -> str:
    sign = "\N{MINUS SIGN}" if value < 0 else ""
    return sign + format_bytes(abs(value))
