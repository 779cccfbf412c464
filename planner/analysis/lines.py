"""Lines of a sweep: scenarios that differ in nothing but the overcommit ratio, and how far each line may go."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from planner.analysis.scenarios import AxisValue, ScenarioSummary
from planner.config.slo import SloSpec

TAIL_PATH = "workload.tail"
SWEEP = "sweep"
PROBE = "probe"
JUDGED = (SWEEP, "sensitivity")


@dataclass(frozen=True)
class Line:
    """Scenarios with the same placement, tail and further axes, ratios ascending.

    Attributes
    ----------
    scenarios : tuple of ScenarioSummary
        At least one, strictly ascending in `overcommit_ratio`.
    meets : tuple of bool
        For each scenario, whether its upper bound meets the objective.
    """

    placement: str
    tail: str
    axes: dict[str, AxisValue]
    role: str
    scenarios: tuple[ScenarioSummary, ...]
    meets: tuple[bool, ...]

    @property
    def n_without_room(self) -> int:
        """Number of ratios, from the smallest up, at which the hosts do not hold all VMs: no evidence against more."""
        return next((n for n, item in enumerate(self.scenarios) if item.feasible), 0)

    @property
    def n_met(self) -> int:
        """Position after the ratios that all meet the objective, from the smallest up that has room for all VMs."""
        start = self.n_without_room
        return self.meets.index(False, start) if False in self.meets[start:] else len(self.meets)

    @property
    def best(self) -> ScenarioSummary | None:
        """Largest ratio that meets the objective together with every smaller one that has room; None if none does."""
        return self.scenarios[self.n_met - 1] if self.n_met > self.n_without_room else None

    @property
    def first(self) -> ScenarioSummary:
        """The smallest ratio that has room for all VMs; where none has, the smallest."""
        return self.scenarios[self.n_without_room]

    @property
    def following(self) -> ScenarioSummary | None:
        """The next larger ratio that was swept after `best`; None at the end of the sweep."""
        return self.scenarios[self.n_met] if self.n_met < len(self.scenarios) else None

    @property
    def ratios_past_a_failure(self) -> tuple[float, ...]:
        """Larger ratios that meet the objective although a smaller one does not; they are not recommended."""
        return tuple(
            item.overcommit_ratio
            for item, is_met in zip(self.scenarios[self.n_met :], self.meets[self.n_met :], strict=True)
            if is_met
        )


def build_lines(summaries: Sequence[ScenarioSummary], slo: SloSpec) -> list[Line]:
    """Group scenarios into lines, in the order in which they first appear; only those of a role in `JUDGED`."""
    groups: dict[tuple[str, ...], list[ScenarioSummary]] = {}
    for item in summaries:
        if item.role not in JUDGED:
            continue
        key = (item.role, item.placement, item.tail, json.dumps(item.axes, sort_keys=True))
        groups.setdefault(key, []).append(item)
    return [_build_line(items, slo) for items in groups.values()]


def meets_objective(item: ScenarioSummary, slo: SloSpec) -> bool:
    """Whether every VM found a host and the upper bound of the swap risk is within the objective."""
    return item.feasible and item.swap_risk is not None and item.swap_risk_high <= slo.hosts_affected


def without_tail(axes: dict[str, AxisValue]) -> dict[str, AxisValue]:
    """Return the axes without the one that varies the tail."""
    return {path: value for path, value in axes.items() if path != TAIL_PATH}


def _build_line(items: list[ScenarioSummary], slo: SloSpec) -> Line:
    items = sorted(items, key=lambda item: item.overcommit_ratio)
    first = items[0]
    return Line(
        placement=first.placement,
        tail=first.tail,
        axes=first.axes,
        role=first.role,
        scenarios=tuple(items),
        meets=tuple(meets_objective(item, slo) for item in items),
    )
