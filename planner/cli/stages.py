"""One stage of a command: simulate a plan with an executor and make its tables. No host problem is simulated twice."""

from typing import NamedTuple

import pyarrow as pa

from planner.cli.progress import show_progress
from planner.fleet.base import Executor, Outcome, SimFactory
from planner.host.problem import HostProblem
from planner.results.tables import host_table, vm_table
from planner.sweep.plan import Plan

KnownOutcomes = dict[HostProblem, Outcome]
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
    known : dict of HostProblem to outcome
        What earlier stages have found over the same fleet; what this one finds is added in place. Equal problems have
        equal results, so they are taken from here. Start a command with an empty dict.
    """
    missing = [problem for problem in plan.problems if problem not in known]
    if missing:

        def keep(position: int, outcome: Outcome) -> None:
            known[missing[position]] = outcome

        with show_progress(label, len(missing)) as advance:
            executor.run_problems(missing, sim_factory, plan.source, keep, advance)
    outcomes = [known[problem] for problem in plan.problems]
    return Stage(plan, outcomes, host_table(plan, outcomes), vm_table(plan, outcomes))
