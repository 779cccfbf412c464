"""One stage of a command: simulate a plan with an executor and make its tables. No host problem is simulated twice."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from planner.analysis.summarize import summarize_run
from planner.analysis.wording import format_count
from planner.cli.progress import note, show_progress
from planner.config.spec import PlannerConfig
from planner.fleet.base import Executor, SimFactory
from planner.host.problem import HostFailure, Outcome
from planner.results.manifest import scenario_entry
from planner.results.tables import host_table, sorted_runs, vm_table
from planner.sweep.expand import Scenario
from planner.sweep.plan import OutcomeKey, Plan, outcome_key

SHOWN_FAILURES = 5

KnownOutcomes = dict[OutcomeKey, Outcome]
"""What came of every host problem simulated so far in a command."""


class Stage(NamedTuple):
    """A simulated plan and its tables; `outcomes` are in the order of `plan.problems`."""

    plan: Plan
    outcomes: list[Outcome]
    hosts: pa.Table
    vms: pa.Table


def simulate_plan(plan: Plan, executor: Executor, sim_factory: SimFactory, label: str, known: KnownOutcomes) -> Stage:
    """Simulate what is not yet known of a plan, show progress, make the tables.

    Parameters
    ----------
    plan : Plan
    executor : Executor
    sim_factory : callable
        Makes a simulation from the plan's source.
    label : str
        Name of the stage, shown beside its progress.
    known : dict
        What earlier stages have found over the same fleet; what this one finds is added in place. Equal problems have
        equal results, so they are taken from here. Start a command with an empty dict.
    """
    keys = [outcome_key(plan.source, problem) for problem in plan.problems]
    missing = [position for position, key in enumerate(keys) if key not in known]
    if missing:

        def keep(position: int, outcome: Outcome) -> None:
            known[keys[missing[position]]] = outcome

        problems = [plan.problems[position] for position in missing]
        with show_progress(label, len(problems)) as advance:
            executor.run_problems(problems, sim_factory, plan.source, keep, advance)
    outcomes = [known[key] for key in keys]
    return Stage(plan, outcomes, host_table(plan, outcomes), vm_table(plan, outcomes))


def failed_runs(stage: Stage) -> list[tuple[dict[str, Any], Scenario]]:
    """List the host runs of a stage that failed, in the order of its tables: the manifest's entry, and the scenario."""
    found = []
    for run in sorted_runs(stage.plan):
        outcome, placed = stage.outcomes[run.problem], stage.plan.placed[run.placed]
        if isinstance(outcome, HostFailure):
            entry = {
                "scenario_id": placed.scenario.id,
                "replicate": run.replicate,
                "host": placed.hosts[run.host].hardware.name,
                "message": outcome.message,
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
    """Summarise all stages of a sweep together; at least one."""
    hosts = pa.concat_tables([stage.hosts for stage in stages]).to_pandas()
    vms = pa.concat_tables([stage.vms.select(["vm"]) for stage in stages]).to_pandas()
    scenarios = [scenario_entry(item) for stage in stages for item in stage.plan.placed]
    return summarize_run(hosts, vms, scenarios, config, stages[0].plan.source.independent_replicates())
