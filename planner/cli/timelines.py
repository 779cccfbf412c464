"""Which hosts are shown by tick: the worst of the recommended scenario and of the next larger ratio, replicate 0."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from planner.fleet.base import SimFactory
from planner.results.tables import timeline_table
from planner.sweep.plan import Plan, host_problem

HOSTS_PER_SCENARIO = 2
_WORST_FIRST = ("slo_is_broken", "swapped_bytes_max", "ballooned_bytes_mean", "granted_share")


class ChosenHost(NamedTuple):
    """A host whose time line is kept, always of replicate 0."""

    scenario_id: int
    host: str
    title: str

    @property
    def name(self) -> str:
        """Name of its file, without suffix."""
        return f"scenario-{self.scenario_id:03d}-replicate-00-{re.sub(r'[^A-Za-z0-9._-]', '_', self.host)}"

    def entry(self) -> dict[str, Any]:
        """Describe it for the manifest."""
        return {
            "name": self.name,
            "title": self.title,
            "scenario_id": self.scenario_id,
            "replicate": 0,
            "host": self.host,
        }


def choose_hosts(rows_of: Callable[[int], pd.DataFrame], summary: Mapping[str, Any]) -> list[ChosenHost]:
    """Choose the worst hosts: objective broken, then most swapped, most ballooned, most granted for its memory.

    Parameters
    ----------
    rows_of : callable
        Returns the host rows of a scenario, with the columns `planner.schema.HOST_COLUMNS`.
    summary : mapping
        As made by `planner.analysis.summarize.summarize_run`.
    """
    recommendation = summary["recommendation"]
    scenarios = {item["scenario_id"]: item for item in summary["scenarios"]}
    chosen = []
    for scenario_id in (recommendation["scenario_id"], recommendation["next_scenario_id"]):
        if scenario_id is None:
            continue
        hosts = rows_of(int(scenario_id))
        rows = hosts[(hosts["replicate"] == 0) & (hosts["status"] == "ok")]
        shown = rows.assign(granted_share=rows["granted_bytes_max"] / rows["usable_bytes"])
        ordered = shown.sort_values([*_WORST_FIRST, "host"], ascending=[False] * len(_WORST_FIRST) + [True])
        scenario = scenarios[scenario_id]
        label = f"ratio {scenario['overcommit_ratio']:g}, {scenario['placement']}, replicate 0"
        worst = [str(name) for name in ordered["host"].head(HOSTS_PER_SCENARIO)]
        chosen += [ChosenHost(int(scenario_id), name, f"{name}: {label}") for name in worst]
    return chosen


def simulate_timelines(chosen: list[ChosenHost], plan: Plan, sim_factory: SimFactory) -> dict[str, pa.Table]:
    """Simulate the chosen hosts again, keeping what happened by tick."""
    sim = sim_factory(plan.source)
    tables = {}
    for item in chosen:
        placed = next(found for found in plan.placed if found.scenario.id == item.scenario_id)
        host = next(found for found in placed.hosts if found.hardware.name == item.host)
        timeline = sim.run(host_problem(placed, host), keep_timeline=True).timeline
        if timeline is not None:
            tables[item.name] = timeline_table(timeline)
    return tables
