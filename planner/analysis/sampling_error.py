"""What sampling costs at a config's rate, as measured against exact hosts beforehand."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from planner.analysis.wording import format_percent
from planner.config.shipped import load_shipped

FEWEST_HOSTS = 3
"""An interval of rates from fewer hosts than this says nothing."""


@dataclass(frozen=True)
class SamplingError:
    """Measured differences between sampled and exact hosts at one rate.

    Attributes
    ----------
    pages_per_vm : int
        Rate measured: the nearest one that is not finer than the rate asked for.
    breakdown_fraction : float
        Largest difference of a class of memory, as a share of host memory.
    mapping_fraction : float
        Largest difference of the memory in 4 KiB mappings, as a share of host memory.
    swap_in_ratio, guest_paging_ratio : (float, float) or None
        Least and most of sampled rate ÷ exact rate; None where too few hosts had any.
    """

    pages_per_vm: int
    breakdown_fraction: float
    mapping_fraction: float
    swap_in_ratio: tuple[float, float] | None
    guest_paging_ratio: tuple[float, float] | None


def find_sampling_error(pages_per_vm: int) -> SamplingError | None:
    """Return the error at this rate, never too small a one: that of the next coarser rate measured, else None."""
    rates = [row for row in _measured()["rates"] if row["pages_per_vm"] <= pages_per_vm]
    if not rates:
        return None
    row = max(rates, key=lambda item: item["pages_per_vm"])
    return SamplingError(
        pages_per_vm=row["pages_per_vm"],
        breakdown_fraction=row["breakdown_most"],
        mapping_fraction=row["mapping_most"],
        swap_in_ratio=_interval(row["events"]["swap_in"]),
        guest_paging_ratio=_interval(row["events"]["guest_paging"]),
    )


def describe_sampling_error(pages_per_vm: int, page_scale: int) -> str:
    """Say in a sentence what is known of the error of a sample."""
    if page_scale == 1:
        return "none: every 4 KiB page is simulated"
    error = find_sampling_error(pages_per_vm)
    rate = f"sampled at 1:{page_scale:,}"
    if error is None:
        return f"{rate}; unknown: so coarse a rate was not measured against exact hosts"
    parts = [
        f"breakdown within {format_percent(error.breakdown_fraction)} of host memory",
        f"4 KiB mappings within {format_percent(error.mapping_fraction)}",
    ]
    for name, ratio in (("swap-in", error.swap_in_ratio), ("guest paging", error.guest_paging_ratio)):
        parts.append(f"{name} ×{ratio[0]:g} to ×{ratio[1]:g}" if ratio else f"{name} unknown")
    return f"{rate}; against {_measured()['hosts']} exact hosts of 8 to 32 GiB: {', '.join(parts)}"


def _interval(event: dict[str, Any]) -> tuple[float, float] | None:
    is_known = event["hosts"] >= FEWEST_HOSTS
    return (float(event["least"]), float(event["most"])) if is_known else None


@cache
def _measured() -> dict[str, Any]:
    loaded: dict[str, Any] = load_shipped("planner.analysis", "data/sampling_error.yaml")
    return loaded
