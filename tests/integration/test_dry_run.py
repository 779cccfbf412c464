"""`planner sweep --dry-run`: counts by hand, an estimate that is about right, nothing written."""

import json

import pytest
from fake_sim import FakeSim, fake_config, fake_plan, stand_in, written_config

from planner.cli import sweep as sweep_module
from planner.cli.dry_run import SECONDS_PER_VM_TICK, STORED_FACTOR, estimate_run
from planner.cli.main import main

SWEEP = {"overcommit_ratio": [1.0, 1.4, 1.8], "placement": ["first-fit", "spread"], "replicates": 4}


@pytest.fixture
def config(tmp_path, monkeypatch):
    stand_in(monkeypatch, sweep_module, tmp_path)
    return written_config(tmp_path, SWEEP)


def test_dry_run_counts_and_writes_nothing(config, capsys):
    before = sorted(config.parent.rglob("*"))
    assert main(["sweep", str(config), "--dry-run", "--json", "--workers", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    plan = fake_plan()
    assert (found["scenarios"], found["replicates"], found["vms"], found["workers"]) == (6, 4, 24, 3)
    assert (found["host_runs"], found["host_problems"]) == (len(plan.runs), len(plan.problems))
    # Two other tails, two ratios each, with a sixth of the host runs.
    assert found["tail_host_runs"] == round(4 * len(plan.runs) / 6)
    # No kernels are in the fresh cache folder: nothing is simulated.
    assert (found["basis"], found["sampled_hosts"]) == ("stored", 0)
    assert found["compile_s"] > 0
    assert sorted(config.parent.rglob("*")) == before


def test_dry_run_as_text(config, capsys):
    assert main(["sweep", str(config), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "different host problems" in printed
    assert "Dry run: nothing was written." in printed
    assert "good to a factor of 4" in printed


def test_dry_run_finds_what_is_wrong(config, capsys):
    assert main(["sweep", str(config), "--dry-run", "--set", "fleet.hosts[0].memory=12 GiB"]) == 2
    assert "larger than any host can hold" in capsys.readouterr().err


def test_measured_estimate_covers_what_the_problems_take(monkeypatch):
    """A clock that a host problem moves on by 10 ms for each of its VMs; drawing a replicate takes 1 s."""
    clock = [0.0]

    class TimedSim(FakeSim):
        def __init__(self, source):
            super().__init__(source)
            self.drawn = set()

        def run(self, problem, keep_timeline=False, ticked=None):
            clock[0] += 0.01 * len(problem.vm_idx) + (0.0 if problem.replicate in self.drawn else 1.0)
            self.drawn.add(problem.replicate)
            return super().run(problem, keep_timeline)

    monkeypatch.setattr("planner.cli.dry_run.time.perf_counter", lambda: clock[0])
    plan = fake_plan()
    found = estimate_run(plan, fake_config(), TimedSim, workers=2, is_compiled=True)
    hosts_s = 0.01 * sum(len(problem.vm_idx) for problem in plan.problems)
    whole_s = hosts_s * (1 + found.tail_host_runs / len(plan.problems)) + 1.0 * (4 + 2 - 1)
    assert found.basis == "measured"
    assert found.sampled_hosts == len(plan.problems) / 4  # fewer than 48: every host of a replicate
    assert found.cpu_s == pytest.approx(whole_s)
    assert found.cpu_s_low < whole_s < found.cpu_s_high
    assert found.wall_s == pytest.approx(whole_s / 2)


def test_stored_figure_by_hand():
    plan = fake_plan()
    found = estimate_run(plan, fake_config(), FakeSim, workers=1, is_compiled=False)
    # One day in ticks of 5 min: 288.
    vm_ticks = 288 * sum(len(problem.vm_idx) for problem in plan.problems)
    expected = SECONDS_PER_VM_TICK * vm_ticks * (1 + found.tail_host_runs / len(plan.problems))
    assert found.cpu_s == pytest.approx(expected)
    assert (found.cpu_s_low, found.cpu_s_high) == (found.cpu_s / STORED_FACTOR, found.cpu_s * STORED_FACTOR)
