"""What an adaptive search did, as words: shared by the terminal and the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from planner.analysis.wording import format_count, format_percent, format_ratio


def search_sentence(search: Mapping[str, Any]) -> str:
    """Say what the search cost, against simulating every ratio.

    Parameters
    ----------
    search : mapping
        `summary["adaptive"]`.
    """
    ratios = search["ratios"]
    among = f"{format_count(len(ratios), 'ratio')} from {format_ratio(ratios[0])} to {format_ratio(ratios[-1])}"
    share = format_percent(search["host_problems"] / max(1, search["grid_host_problems"]))
    return (
        f"Searched {among} with {search['host_problems']:,} host simulations: {share} of the "
        f"{search['grid_host_problems']:,} that every ratio with as many replicates as the config names would take. "
        f"A ratio had up to {format_count(search['replicates_max'], 'replicate')}."
    )


def warnings_of(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """List what in the lines of a search is not as it should be: no room, risk not monotone, ratios left open."""
    found = []
    for line in lines:
        name = line_name(line)
        if line["ratios_without_room"]:
            ratios = ", ".join(format_ratio(ratio) for ratio in line["ratios_without_room"])
            found.append(f"{name}: at {ratios} VMs find no host; these ratios were not simulated.")
        if line["ratios_past_a_failure"]:
            ratios = ", ".join(format_ratio(ratio) for ratio in line["ratios_past_a_failure"])
            found.append(f"{name}: {ratios} met the objective although a smaller ratio did not; not recommended.")
        if line["ratios_given_up"]:
            ratios = ", ".join(format_ratio(ratio) for ratio in line["ratios_given_up"])
            found.append(
                f"{name}: {ratios} not settled; that would take more host simulations than the whole grid has. "
                "Use more replicates, or fewer placements and axes."
            )
    return found


def line_name(line: Mapping[str, Any]) -> str:
    """Name a line: its placement, its tail, its further axes."""
    axes = "".join(f", {path} = {value}" for path, value in line["axes"].items())
    return f"{line['placement']}, tail {line['tail']}{axes}"


def seen_words(step: Mapping[str, Any]) -> str:
    """Say how many host runs broke at a step."""
    return f"{step['broken_host_runs']:,} of {step['host_runs']:,}"
