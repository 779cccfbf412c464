"""`planner sweep --adaptive` from config to run directory, with a stand-in for the host simulation."""

import json

import pytest
from fake_sim import FailingSim, FakeSim, FakeSource, fake_config, stand_in, written_config

from planner.analysis.looks import plan_looks
from planner.cli import sweep as sweep_module
from planner.cli.adaptive import SearchTools, final_plan, grid_problems, lines_of, run_searches
from planner.cli.main import main
from planner.cli.stages import simulate_plan, summarize_stages
from planner.fleet.local import LocalExecutor
from planner.results import read_run
from planner.results.outcomes import KnownOutcomes
from planner.sweep.adaptive import grid_config
from planner.sweep.expand import expand_scenarios
from planner.sweep.placing import SweepPlanner

SLO = {"for_more_than": "5 min", "hosts_affected": "10 %"}
SWEEP = {"overcommit_ratio": [1.0, 1.8], "placement": ["first-fit", "spread"], "replicates": 12, "adaptive": {}}


class Recording(LocalExecutor):
    """Keeps every problem that it is given."""

    def __init__(self):
        super().__init__()
        self.problems = []

    def run_problems(self, problems, sim_factory, source, sink, progress):
        self.problems += problems
        super().run_problems(problems, sim_factory, source, sink, progress)


@pytest.fixture
def config(tmp_path, monkeypatch):
    stand_in(monkeypatch, sweep_module, tmp_path)
    return written_config(tmp_path, SWEEP, slo=SLO)


def searched(**sweep):
    """Search the stand-in fleet; return (config, plan of the grid, recording, lines, looks)."""
    config = fake_config(slo=SLO, sweep={**SWEEP, **sweep})
    grid = grid_config(config, None)
    plan = SweepPlanner(grid, FakeSource()).plan(expand_scenarios(grid))
    looks = plan_looks(grid.sweep.replicates, config.slo.confidence)
    recording = Recording()
    tools = SearchTools(config, recording, FakeSim, KnownOutcomes(), looks, None)
    lines = lines_of(plan, looks)
    run_searches(tools, plan, lines, "search", grid_problems(plan, config))
    return config, plan, recording, lines


def test_search_finds_what_the_whole_grid_finds_and_simulates_far_less():
    config, plan, recording, lines = searched()
    stage = simulate_plan(plan, LocalExecutor(), FakeSim, "grid", KnownOutcomes())
    whole = summarize_stages([stage], grid_config(config, None))
    answers = {line.placed[0].scenario.placement: line.answer for line in lines}
    recommendation = whole["recommendation"]
    assert recommendation["overcommit_ratio"] == max(answers.values())
    assert answers[recommendation["placement"]] == recommendation["overcommit_ratio"]
    # The grid has the replicates that the search may use, so both have the same evidence.
    assert len(recording.problems) <= 0.4 * len(plan.problems)


@pytest.mark.parametrize("replicates", [1, 2, 12])
@pytest.mark.parametrize("replicates_max", [1, 5, 12, 40])
def test_never_more_than_the_grid_and_no_host_problem_twice(replicates, replicates_max):
    config, plan, recording, _ = searched(replicates=replicates, adaptive={"replicates_max": replicates_max})
    assert len(recording.problems) == len(set(recording.problems))
    assert set(recording.problems) <= set(plan.problems)
    assert len(recording.problems) <= grid_problems(plan, config)


@pytest.mark.parametrize("replicates", [2, 3, 4, 5, 6, 8])
def test_no_ratio_is_recommended_that_the_search_did_not_settle(replicates, config, capsys):
    sets = [f"sweep.replicates={replicates}", "sweep.adaptive={resolution: 0.2, replicates_max: 12}"]
    args = [word for text in (*sets, "slo.confidence=90 %") for word in ("--set", text)]
    assert main(["sweep", str(config), "--executor", "local", "--out", str(config.parent / "run"), *args]) == 0
    summary = read_run(config.parent / "run").summary
    chosen = summary["recommendation"]
    lines = {line["placement"]: line for line in summary["adaptive"]["lines"]}
    answer = lines[chosen["placement"]]["overcommit_ratio"]
    assert (chosen["overcommit_ratio"] if chosen["meets_slo"] else None) == answer
    printed = capsys.readouterr().out.splitlines()
    said = [text.split(":")[0] for text in printed if " not settled; that would take more" in text]
    left = [name for name, line in lines.items() if line["ratios_given_up"]]
    assert said == [f"{name}, tail middle" for name in left]


def test_a_ratio_left_open_is_bounded_with_the_confidence_of_its_look():
    _, plan, _, lines = searched(replicates=4, adaptive={"resolution": 0.2, "replicates_max": 12})
    found = [item.scenario for item in final_plan(plan, lines, first_id=0).placed]
    confidence = {(item.placement, item.overcommit_ratio): item.bound_confidence for item in found}
    left = [(line, at) for line in lines for at in line.search.given_up() if at in line.latest]
    assert left
    for line, at in left:
        scenario = line.placed[at].scenario
        # A lower one would let the ratio meet the objective at a bound that the search did not accept.
        assert confidence[scenario.placement, scenario.overcommit_ratio] >= line.looks[0].upper_confidence


def test_tables_hold_what_was_simulated_and_nothing_else():
    _, plan, recording, lines = searched()
    final = final_plan(plan, lines, first_id=0)
    assert {problem for problem in final.problems} == set(recording.problems)
    assert [item.scenario.id for item in final.placed] == list(range(len(final.placed)))
    roles = {(item.scenario.placement, item.scenario.overcommit_ratio): item.scenario.role for item in final.placed}
    # Hosts saved count against 1.0, whether the search came there or not.
    assert {roles["first-fit", 1.0], roles["spread", 1.0]} <= {"probe", "sweep"}


def test_run_directory_of_a_search(config, capsys):
    out = config.parent / "run"
    assert main(["sweep", str(config), "--executor", "local", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    run = read_run(out)
    search = run.summary["adaptive"]
    assert f"Searched {len(search['ratios'])} ratios from 1.0 to 1.8" in printed.out
    assert "a search among 34 scenarios" in printed.err
    assert search["host_problems"] <= search["grid_host_problems"]
    recommendation = run.summary["recommendation"]
    assert recommendation["baseline"]["overcommit_ratio"] == 1.0
    chosen = [line for line in search["lines"] if line["placement"] == recommendation["placement"]]
    assert [line["overcommit_ratio"] for line in chosen] == [recommendation["overcommit_ratio"]]
    assert {line["tail"] for line in search["tails"]} == {"low", "high"}
    assert {item["tail"]: item["status"] for item in recommendation["tails"]}["low"] == "met"
    # The bound that was decisive is the bound that is reported.
    scenario = next(s for s in run.summary["scenarios"] if s["scenario_id"] == recommendation["scenario_id"])
    last = [s for s in chosen[0]["steps"] if s["overcommit_ratio"] == scenario["overcommit_ratio"]][-1]
    assert scenario["swap_risk_high"] == last["swap_risk_high"]
    assert scenario["replicates"] == last["replicates"]
    assert "How the ratio was found" in (out / "report.html").read_text(encoding="utf-8")
    ids = [item["id"] for item in run.manifest["scenarios"]]
    assert ids == list(range(len(ids)))


def test_option_is_the_same_as_the_config_key(config, capsys):
    out = config.parent / "run"
    args = ["sweep", str(config), "--executor", "local", "--json", "--out", str(out)]
    assert main(args) == 0
    by_key = capsys.readouterr().out
    assert main([*args, "--set", "sweep.adaptive=null", "--adaptive"]) == 0
    assert capsys.readouterr().out == by_key
    assert main([*args, "--set", "sweep.adaptive=null"]) == 0
    assert "adaptive" not in json.loads(capsys.readouterr().out)


def test_bytes_do_not_depend_on_the_workers(config, ray_cluster):
    tables = []
    joined = ["--ray-address", ray_cluster, "--workers"]
    for executor in (["--executor", "local"], [*joined, "1"], [*joined, "2"]):
        out = config.parent / "run"
        assert main(["sweep", str(config), *executor, "--out", str(out)]) == 0
        names = ("hosts.parquet", "vms.parquet", "summary.json", "report.html")
        tables.append([(out / name).read_bytes() for name in names[:3]])
    assert tables[0] == tables[1] == tables[2]


def test_failed_hosts_count_as_broken_and_are_reported(config, capsys, monkeypatch):
    monkeypatch.setattr(sweep_module, "HostSim", FailingSim)
    assert main(["sweep", str(config), "--executor", "local", "--out", str(config.parent / "run")]) == 3
    assert "replay: planner host" in capsys.readouterr().err


def test_fleet_that_fits_nowhere_has_no_ratio(config, capsys):
    small = ["--set", "fleet.hosts[0].count=1"]
    assert main(["sweep", str(config), "--executor", "local", "--out", str(config.parent / "run"), *small]) == 0
    printed = capsys.readouterr().out
    assert "No ratio swept meets the objective" in printed
    assert "VMs find no host" in printed


def test_ratios_below_the_first_with_room_are_not_in_the_way(config, capsys):
    # 224 GiB of VMs need four hosts of 64 GiB at 1.0; three are enough from about 1.25 on.
    few = ["--set", "fleet.hosts[0].count=3", "--set", "slo.hosts_affected=60 %"]
    assert main(["sweep", str(config), "--executor", "local", "--out", str(config.parent / "run"), *few]) == 0
    summary = read_run(config.parent / "run").summary
    assert summary["adaptive"]["lines"][0]["ratios_without_room"][0] == 1.0
    assert summary["recommendation"]["overcommit_ratio"] >= 1.25


def test_dry_run_of_a_search_says_the_most_it_would_take(config, capsys):
    assert main(["sweep", str(config), "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["scenarios"], found["replicates"]) == (34, 12)
    assert (found["is_search"], found["sensitivity_ends"]) == (True, 0)
    assert main(["sweep", str(config), "--dry-run", "--sensitivity"]) == 0
    printed = capsys.readouterr().out
    assert "at most" in printed
    assert "ends of assumptions" in printed


def test_wrong_searches_are_refused(config, capsys):
    wrong = {
        "sweep.adaptive={min: 2, max: 1}": "sweep.adaptive.max",
        "sweep.adaptive={resolution: 0}": "sweep.adaptive.resolution",
        "sweep.adaptive={resolution: 0.001}": "makes more than 400 ratios",
        "sweep.adaptive={min: 1.2, max: 1.3, resolution: 0.5}": "0.5 is more than there is between 1.2 and 1.3",
        "sweep.adaptive={min: 1.2, max: 1.2}": "has one ratio to choose from, 1.2",
        "sweep.scenarios=[{overcommit_ratio: 1.2}]": "is chosen by the search",
    }
    for override, words in wrong.items():
        assert main(["sweep", str(config), "--set", override]) == 2
        assert words in capsys.readouterr().err
