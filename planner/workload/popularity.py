"""The popularity law of guest pages: how often each page of a VM is touched, and how the working set drifts.

A page of popularity rank r (0 = hottest) among the n pages of its VM is touched as a Poisson process with a rate
proportional to ((r + 0.5) / n) ** -alpha. `alpha` decides the tail, and the tail decides how long reclaimed memory
stays away; `drift_per_day` is the share of granted pages whose rank is drawn anew each day. Both come from
`data/tail.yaml`, which names its evidence; low, middle and high are kept apart because the data leave them open.
"""

from dataclasses import dataclass
from functools import cache

from planner.config.shipped import load_shipped


@dataclass(frozen=True)
class PopularityLaw:
    """One law: `alpha`, exponent of the rate over rank; `drift_per_day`, share of granted pages re-ranked. [1/day]."""

    name: str
    alpha: float
    drift_per_day: float


@cache
def load_law(name: str) -> PopularityLaw:
    """Load the law of a tail preset: "low", "middle" or "high". Raises KeyError for another name."""
    entry = load_shipped("planner.workload", "data/tail.yaml")["laws"][name]
    return PopularityLaw(name, float(entry["alpha"]), float(entry["drift_per_day"]))
