"""Stages of a command: the same host problem is simulated once, whatever stage meets it."""

from fake_sim import FakeSim, fake_plan

from planner.cli.stages import simulate_plan
from planner.fleet.local import LocalExecutor


class CountingExecutor(LocalExecutor):
    """Counts what it is given."""

    def __init__(self):
        self.counts = []

    def run_problems(self, problems, sim_factory, source, sink, progress):
        self.counts.append(len(problems))
        super().run_problems(problems, sim_factory, source, sink, progress)


def test_a_later_stage_simulates_only_what_is_new():
    executor, known = CountingExecutor(), {}
    narrow = fake_plan(sweep={"overcommit_ratio": [1.0], "placement": ["first-fit"], "replicates": 4})
    wide = fake_plan()
    first = simulate_plan(narrow, executor, FakeSim, "first", known)
    second = simulate_plan(wide, executor, FakeSim, "second", known)
    again = simulate_plan(wide, executor, FakeSim, "again", known)
    shared = set(narrow.problems) & set(wide.problems)
    assert len(shared) > 0
    assert executor.counts == [len(narrow.problems), len(wide.problems) - len(shared)]
    assert set(known) == set(narrow.problems) | set(wide.problems)
    assert second.hosts.equals(again.hosts)
    assert second.vms.equals(again.vms)
    assert first.hosts.num_rows == len(narrow.runs)


def test_reused_outcomes_give_the_tables_of_a_fresh_simulation():
    plan, known = fake_plan(), {}
    simulate_plan(
        fake_plan(sweep={"overcommit_ratio": [1.4], "replicates": 2}), LocalExecutor(), FakeSim, "first", known
    )
    fresh = simulate_plan(plan, LocalExecutor(), FakeSim, "fresh", {})
    reused = simulate_plan(plan, LocalExecutor(), FakeSim, "reused", known)
    assert fresh.hosts.equals(reused.hosts)
    assert fresh.vms.equals(reused.vms)
