"""Numbers and rules as words, shared by the summary, the terminal and the page, so that all three say the same."""

from collections.abc import Callable, Mapping
from typing import Any

from planner.units import format_bytes

UNKNOWN = "not known"


def format_percent(fraction: float | None) -> str:
    """Write a fraction as a percentage with two significant digits: 0.0367 -> "3.7 %", 0.00004 -> "below 0.01 %"."""
    if fraction is None:
        return UNKNOWN
    percent = fraction * 100.0
    if 0.0 < abs(percent) < 0.01:
        return "below 0.01 %"
    if abs(percent) >= 99.95:
        return f"{percent:.0f} %"
    if abs(percent) >= 10.0:
        return f"{percent:.1f} %".replace(".0 %", " %")
    return f"{percent:.2g} %"


def format_ratio(ratio: float) -> str:
    """Write an overcommit ratio with at least one decimal: 1.0, 1.25."""
    text = f"{ratio:.3f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def format_count(count: float, noun: str) -> str:
    """Write a count with its noun in the right number, thousands apart: "1 host", "12,000 VMs"."""
    return f"{count:,.0f} {noun}{'' if count == 1 else 's'}"


def format_bound(hosts_used: float, bound: float | None) -> str:
    """Say how far from the fewest hosts a placement is; empty where no bound is known."""
    if bound is None or bound != bound:
        return ""
    return "the fewest" if hosts_used == bound else f"at least {bound:,.0f}"


def format_risk(risk: float | None, high: float, confidence: float) -> str:
    """Write a swap risk with its bound; no event seen is a bound, never a zero."""
    bound = f"{format_percent(high)} with {format_percent(confidence)} confidence"
    if risk is None:
        return f"{UNKNOWN}, at most {bound}"
    if risk == 0.0:
        return f"below {bound}"
    return f"{format_percent(risk)}, at most {bound}"


def over_ticks_words(means: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Write the means of `planner.analysis.ticks.host_means`: a name, the value, and how far it is known."""
    rate, share = means["swap_in_bytes_per_s"], means["hard_or_low_fraction"]
    return [
        ("swap-in, mean", f"{format_bytes(rate['mean'])}/s", _known_to(rate, lambda value: f"{format_bytes(value)}/s")),
        ("in state hard or low", format_percent(share["mean"]), _known_to(share, format_percent)),
    ]


def _known_to(mean: Mapping[str, Any], text: Callable[[float], str]) -> str:
    if mean["effective_ticks"] == 0:
        return "never varies"
    if mean["low"] is None:
        return f"one run is too short to tell: {format_count(mean['effective_ticks'], 'independent tick')}"
    return f"{text(mean['low'])} to {text(mean['high'])}"
