"""One stage of a command: simulate a plan with an executor and give its rows. No host problem is simulated twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from planner.analysis.scenarios import SUMMARY_COLUMNS, ScenarioSummary, summarize_scenario
from planner.analysis.summarize import summarize_summaries
from planner.analysis.wording import format_count
from planner.cli.progress import note, show_progress
from planner.config.spec import PlannerConfig
from planner.fleet.base import Executor, SimFactory
from planner.host.problem import Outcome
from planner.results.manifest import scenario_entry
from planner.results.outcomes import KnownOutcomes
from planner.results.tables import PlanTables
from planner.sweep.expand import Scenario
from planner.sweep.plan import Plan

SHOWN_FAILURES = 5


@dataclass(frozen=True)
class Stage:
    """A simulated plan and its rows; `summaries` has those of its scenarios that were made, by scenario id."""

    plan: Plan
    tables: PlanTables
    summaries: dict[int, ScenarioSummary] = field(default_factory=dict)

    def rows_of(self, scenario_id: int, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the host rows of a scenario, with all columns of `planner.schema.HOST_COLUMNS` or some."""
        frame: pd.DataFrame = self.tables.hosts_of(scenario_id, columns).to_pandas()
        return frame


def simulate_plan(plan: Plan, executor: Executor, sim_factory: SimFactory, label: str, known: KnownOutcomes) -> Stage:
    """Simulate what is not yet stored of a plan, and show progress.

    Parameters
    ----------
    plan : Plan
    executor : Executor
    sim_factory : callable
        Makes a simulation from the plan's source.
    label : str
        Name of the stage, shown beside its progress.
    known : KnownOutcomes
        What earlier stages, and an interrupted run, have found over the same fleet; what this one finds is stored there
        as it comes. Equal problems have equal results, so they are taken from here.

    Raises
    ------
    StoppedError
        The user asked to stop; what was simulated is stored.
    InputError
        An outcome cannot be stored.
    """
    keys = [known.key(plan.source, problem) for problem in plan.problems]
    missing = [position for position, key in enumerate(keys) if known.store.number(key) is None]
    if missing:

        def keep(position: int, outcome: Outcome) -> None:
            known.store.add(keys[missing[position]], outcome)

        problems = [plan.problems[position] for position in missing]
        with show_progress(label, len(problems)) as advance:
            executor.run_problems(problems, sim_factory, plan.source, keep, advance)
        known.store.flush()
    return Stage(plan, PlanTables(plan, known.store, known.ask(keys)))


def failed_runs(stage: Stage) -> list[tuple[dict[str, Any], Scenario]]:
    """List the host runs of a stage that failed, in the order of its rows: the manifest's entry, and the scenario."""
    found = []
    for placed_idx, replicate, host, message in stage.tables.failures():
        placed = stage.plan.placed[placed_idx]
        entry = {
            "scenario_id": placed.scenario.id,
            "replicate": replicate,
            "host": placed.hosts[host].hardware.name,
            "message": message,
            "seed": placed.config.seed,
        }
        found.append((entry, placed.scenario))
    return found


def note_failures(failures: Sequence[Mapping[str, Any]]) -> None:
    """Name the first host runs that failed, where there are any, and how to replay those that can be."""
    if failures:
        note(f"{format_count(len(failures), 'host run')} failed; their rows say why. The first of them:")
    for failure in failures[:SHOWN_FAILURES]:
        note(f"  scenario {failure['scenario_id']}, replicate {failure['replicate']}, host {failure['host']}: ")
        note(f"    {failure['message']}")
        if "replay" in failure:
            note(f"    replay: {failure['replay']}")


def summarize_stages(stages: Sequence[Stage], config: PlannerConfig) -> dict[str, Any]:
    """Summarise all stages of a sweep together; at least one. A scenario's rows are looked at once, then forgotten."""
    independent = stages[0].plan.source.independent_replicates()
    for stage in stages:
        for item in stage.plan.placed:
            scenario_id = item.scenario.id
            if scenario_id not in stage.summaries:
                rows = stage.rows_of(scenario_id, SUMMARY_COLUMNS)
                summary = summarize_scenario(rows, scenario_entry(item), config.slo, independent)
                stage.summaries[scenario_id] = summary
    names = set().union(*(stage.tables.vm_names() for stage in stages))
    found = [stage.summaries[item.scenario.id] for stage in stages for item in stage.plan.placed]
    return summarize_summaries(found, len(names), config)
