"""Host runs that failed, and how much wider they make the answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from planner.analysis.wording import format_count, format_percent, format_ratio


def summarize_missing(scenarios: Sequence[Mapping[str, Any]], recommended_id: int | None) -> dict[str, Any] | None:
    """Say what is missing from a run because hosts failed; None where nothing is.

    Parameters
    ----------
    scenarios : sequence of mappings
        `summary["scenarios"]`.
    recommended_id : int or None
        The scenario that the answer describes.

    Returns
    -------
    dict or None
        `host_runs`, `failed_host_runs` of all scenarios, `scenario_ids` that lack some, and a `sentence`.
    """
    lacking = [item for item in scenarios if item["failed_hosts"]]
    if not lacking:
        return None
    failed, runs = (sum(item[name] for item in scenarios) for name in ("failed_hosts", "host_runs"))
    described = next((item for item in lacking if item["scenario_id"] == recommended_id), None)
    return {
        "host_runs": runs,
        "failed_host_runs": failed,
        "scenario_ids": [item["scenario_id"] for item in lacking],
        "sentence": f"{format_count(failed, 'host run')} of {runs:,} failed and tell nothing; in the risk each counts "
        f"as held in the lower end and as broken in the upper one. {_widening(described)}",
    }


def _widening(item: Mapping[str, Any] | None) -> str:
    if item is None:
        return "None of them is at the ratio described here."
    ratio = format_ratio(item["overcommit_ratio"])
    wide, narrow = interval_words(item, ""), interval_words(item, "_of_finished")
    return (
        f"At ratio {ratio} {item['failed_hosts']:,} of {item['host_runs']:,} are missing: its risk lies between {wide} "
        f"instead of {narrow}, which the finished ones alone would give."
    )


def interval_words(item: Mapping[str, Any], suffix: str) -> str:
    """Write the interval of the risk of a scenario: "" with the missing host runs, "_of_finished" without them."""
    low, high = (format_percent(item[f"swap_risk_{end}{suffix}"]) for end in ("low", "high"))
    return f"{low} and {high}"
