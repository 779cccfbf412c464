"""Stages of a command: the same host problem is simulated once, whatever stage meets it."""

from dataclasses import replace

import pyarrow as pa
from fake_sim import FakeSim, FakeSource, fake_plan

from planner.cli.stages import simulate_plan
from planner.fleet.local import LocalExecutor
from planner.results.outcomes import KnownOutcomes
from planner.sweep.plan import outcome_key
from planner.workload.stays import Stay, StayedSource


class CountingExecutor(LocalExecutor):
    """Counts what it is given."""

    def __init__(self):
        super().__init__()
        self.counts = []

    def run_problems(self, problems, sim_factory, source, sink, progress):
        self.counts.append(len(problems))
        super().run_problems(problems, sim_factory, source, sink, progress)


def tables(stage):
    return [pa.concat_tables(pieces) for pieces in (stage.tables.host_pieces(), stage.tables.vm_pieces())]


def test_a_later_stage_simulates_only_what_is_new():
    executor, known = CountingExecutor(), KnownOutcomes()
    narrow = fake_plan(sweep={"overcommit_ratio": [1.0], "placement": ["first-fit"], "replicates": 4})
    wide = fake_plan()
    first = simulate_plan(narrow, executor, FakeSim, "first", known)
    second = simulate_plan(wide, executor, FakeSim, "second", known)
    again = simulate_plan(wide, executor, FakeSim, "again", known)
    shared = set(narrow.problems) & set(wide.problems)
    assert len(shared) > 0
    assert executor.counts == [len(narrow.problems), len(wide.problems) - len(shared)]
    assert len(known) == len({*narrow.problems, *wide.problems})
    assert tables(second) == tables(again)
    assert tables(first)[0].num_rows == len(narrow.runs)


def test_reused_outcomes_give_the_tables_of_a_fresh_simulation():
    plan, known = fake_plan(), KnownOutcomes()
    simulate_plan(
        fake_plan(sweep={"overcommit_ratio": [1.4], "replicates": 2}), LocalExecutor(), FakeSim, "first", known
    )
    fresh = simulate_plan(plan, LocalExecutor(), FakeSim, "fresh", KnownOutcomes())
    reused = simulate_plan(plan, LocalExecutor(), FakeSim, "reused", known)
    assert tables(fresh) == tables(reused)


def test_rows_of_stays_are_told_apart_by_their_stays():
    """The first row after the fleet is another stay in each plan; what it holds decides, not its number."""
    source, stays = FakeSource(), (Stay(0, 2, 5, "cold"), Stay(1, 2, 5, "moved"))
    problem = replace(fake_plan().problems[0], vm_idx=(3, 24))
    one, other, both = (StayedSource(source, held, seed=1) for held in (stays[:1], stays[1:], stays))
    assert outcome_key(one, problem) != outcome_key(other, problem)
    assert outcome_key(one, problem) == outcome_key(both, problem)
    assert outcome_key(other, problem) == outcome_key(both, replace(problem, vm_idx=(3, 25)))
