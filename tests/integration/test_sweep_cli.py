"""The command line around a sweep: what it prints, writes and returns. Hosts are simulated by a stand-in."""

import json
import shlex
import subprocess
import sys

import pytest
from fake_sim import FailingSim, FakeSource, stand_in, written_config

from planner.cli import host as host_module
from planner.cli import run_sweep as run_sweep_module
from planner.cli import sweep as sweep_module
from planner.cli.main import main
from planner.cli.run_sweep import SweepJob, replay_command
from planner.errors import InputError, InvariantError
from planner.results import read_run
from planner.sweep.expand import expand_scenarios

SWEEP = {"overcommit_ratio": [1.0, 1.4, 1.8], "placement": ["first-fit", "spread"], "replicates": 8}


@pytest.fixture
def config(tmp_path, monkeypatch):
    stand_in(monkeypatch, sweep_module, tmp_path)
    return written_config(tmp_path, SWEEP)


def sweep(config, *more):
    return main(["sweep", str(config), "--executor", "local", "--out", str(config.parent / "run"), *more])


def test_sweep_prints_the_answer_and_writes_the_run(config, capsys):
    assert sweep(config) == 0
    printed = capsys.readouterr()
    run_dir = config.parent / "run"
    run = read_run(run_dir)
    assert run.summary["recommendation"]["sentence"] in printed.out
    assert f"Report: {run_dir}/report.html" in printed.out
    assert "24 VMs; 6 scenarios x 8 replicates" in printed.err
    assert "compiling the simulation kernels" in printed.err
    roles = [(item["role"], item["tail"]) for item in run.manifest["scenarios"]]
    assert roles[:6] == [("sweep", "middle")] * 6
    assert {("sensitivity", "low"), ("sensitivity", "high")} == set(roles[6:])
    assert [item["id"] for item in run.manifest["scenarios"]] == list(range(len(roles)))
    # 24 VMs per scenario and 8 replicates, nobody lost.
    assert len(run.vms) == len(roles) * 8 * 24
    keys = run.hosts[["scenario_id", "replicate", "host"]]
    assert not keys.duplicated().any()
    assert keys.equals(keys.sort_values(["scenario_id", "replicate", "host"], ignore_index=True))
    assert {entry["name"] for entry in run.manifest["timelines"]} == set(run.timelines)
    assert run.timelines
    assert (run_dir / "report.html").stat().st_size > 10_000


def test_kernels_are_announced_once(config, capsys):
    sweep(config)
    capsys.readouterr()
    sweep(config)
    assert "compiling" not in capsys.readouterr().err


def test_json_alone_on_stdout(config, capsys):
    assert sweep(config, "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == read_run(config.parent / "run").summary


def test_seed_and_set_go_through_validation(config, capsys):
    assert sweep(config, "--seed", "9", "--set", "sweep.replicates=2", "--set", "fleet.hosts[0].count=7") == 0
    resolved = read_run(config.parent / "run").config
    assert (resolved.seed, resolved.sweep.replicates, resolved.fleet.hosts[0].count) == (9, 2, 7)
    assert sweep(config, "--set", "sweep.replicate=2") == 2
    error = capsys.readouterr().err
    assert "replicate" in error
    assert "Traceback" not in error


def test_failed_hosts_give_exit_code_3_and_a_replay_command(config, capsys, monkeypatch):
    monkeypatch.setattr(sweep_module, "HostSim", FailingSim)
    assert sweep(config) == 3
    error = capsys.readouterr().err
    assert "ValueError: frames lost: 3 in use, 2 counted" in error
    assert f"replay: planner host {config} --host " in error
    run = read_run(config.parent / "run")
    failures = run.manifest["failures"]
    assert len(failures) == (run.hosts["status"] != "ok").sum() > 0
    assert {failure["seed"] for failure in failures} == {1}
    failed = run.hosts["status"] != "ok"
    assert run.hosts.loc[failed, "replay"].tolist() == [failure["replay"] for failure in failures]
    assert run.hosts.loc[~failed, "replay"].isna().all()
    # The same for the summary and the page: how many are missing, and what that does to the risk.
    missing = run.summary["missing"]
    assert missing["failed_host_runs"] == len(failures)
    page = (config.parent / "run" / "report.html").read_text()
    assert missing["sentence"].split("; ")[0] in page.replace("\N{NO-BREAK SPACE}", " ")
    assert "What is missing" in page
    for item in run.summary["scenarios"]:
        wider = item["swap_risk_high"] - item["swap_risk_low"]
        assert wider >= item["swap_risk_high_of_finished"] - item["swap_risk_low_of_finished"]
    # The replay command, run as printed, meets the same failure.
    monkeypatch.setattr(host_module, "HostSim", FailingSim)
    monkeypatch.setattr(host_module, "build_source", lambda config, base_dir: FakeSource())
    words = shlex.split(failures[0]["replay"])
    assert main(words[1:]) == 1
    assert failures[0]["message"] in " ".join(capsys.readouterr().err.split())


class BadLate(FakeSource):
    """The demand of replicate 5 cannot be had."""

    def demand(self, replicate):
        if replicate == 5:
            raise InputError("trace", "row 1440 of vm-003 is not a number", "import it again")
        return super().demand(replicate)


def test_trace_that_is_bad_late_costs_its_replicate_alone(config, capsys, monkeypatch):
    """It is found when that replicate is drawn, long after the first hosts have been simulated."""
    monkeypatch.setattr(sweep_module, "build_source", lambda config, base_dir: BadLate())
    assert sweep(config) == 3
    run = read_run(config.parent / "run")
    failed = run.hosts["status"] != "ok"
    assert failed.any()
    assert set(run.hosts.loc[failed, "replicate"]) == {5}
    assert (failed | (run.hosts["replicate"] != 5)).all()
    words = "InputError: trace: row 1440 of vm-003 is not a number; import it again"
    assert set(run.hosts.loc[failed, "status"]) == {words}
    assert words in capsys.readouterr().err
    # One replicate of eight is missing: at most 1/8 of the host runs may have broken besides those that did.
    for item in run.summary["scenarios"]:
        assert item["failed_hosts"] * 8 == item["host_runs"]
        assert item["swap_risk_high"] > item["swap_risk_high_of_finished"] or item["swap_risk_high"] == 1.0


def test_replay_command_names_axes_tail_and_overrides(config):
    from planner.config.load import load_config

    axes = "sweep.axes={hypervisor.ballooning.enabled: [false]}"
    loaded = load_config(config, [axes])
    scenario = expand_scenarios(loaded)[0]
    text = replay_command(SweepJob(loaded, config, (axes,), config.parent / "run"), scenario, 3, "esx-02")
    assert "--set hypervisor.ballooning.enabled=false" in text
    assert "--set workload.tail=middle" in text
    assert "--host esx-02 --placement first-fit --ratio 1.0 --replicate 3" in text


def test_vms_that_find_no_host_make_a_scenario_infeasible(config, capsys):
    # 224 GiB of VMs need four hosts of 64 GiB at ratio 1.0 and fit on three at 1.4.
    assert sweep(config, "--set", "fleet.hosts[0].count=3") == 0
    printed = capsys.readouterr()
    assert "VMs left" in printed.out
    entry = read_run(config.parent / "run").manifest["scenarios"][0]
    assert entry["unplaced_vms"] > 0
    assert entry["unplaced_reasons"] == {"no host has enough room left for it at this ratio": entry["unplaced_vms"]}
    assert all(" over the overcommit limit of 1" in sentence for sentence in entry["unplaced_sentences"])
    assert len(entry["unplaced_sentences"]) == len(entry["unplaced_names"])


def test_vm_larger_than_any_host_is_refused_before_anything_is_written(config, capsys):
    assert sweep(config, "--set", "fleet.hosts[0].memory=12 GiB") == 2
    error = capsys.readouterr().err
    assert "vm-003 (16 GiB)" in error
    assert "larger than any host can hold" in error
    assert not (config.parent / "run").exists()


def test_parents_of_the_target_are_not_left_behind_by_a_wrong_config(config):
    out = config.parent / "new" / "deeper" / "run"
    words = ["sweep", str(config), "--executor", "local", "--out", str(out)]
    assert main([*words, "--set", "fleet.hosts[0].memory=12 GiB"]) == 2
    assert not (config.parent / "new").exists()


def test_target_that_cannot_be_made_is_refused_before_anything_runs(config, capsys, monkeypatch):
    monkeypatch.setattr(sweep_module, "run_sweep", None)
    out = config.parent / "fleet.yaml" / "run"
    assert main(["sweep", str(config), "--executor", "local", "--out", str(out)]) == 2
    assert f"{out}: cannot be made: Not a directory; name another directory" in capsys.readouterr().err


def test_axis_value_that_is_wrong_is_refused_before_anything_runs(config, capsys, monkeypatch):
    monkeypatch.setattr(sweep_module, "prepare_sweep", None)
    assert sweep(config, "--set", "sweep.axes={'fleet.hosts[0].cpu': [zen3, foo]}") == 2
    assert 'sweep.axes["fleet.hosts[0].cpu"][1]' in capsys.readouterr().err


def test_report_that_fails_leaves_the_run_and_says_how_to_try_again(config, capsys, monkeypatch):
    def fail(run_dir, target):
        raise ZeroDivisionError("no page")

    run_dir = config.parent / "run"
    with monkeypatch.context() as patch:
        patch.setattr(run_sweep_module, "render_report", fail)
        assert sweep(config) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    reason = "all is written but the report, which failed (ZeroDivisionError: no page)"
    assert error == f"{run_dir}: {reason}; try again with: planner report {run_dir}"
    assert main(["report", str(run_dir)]) == 0
    assert (run_dir / "report.html").stat().st_size > 10_000


def test_whole_numbers_of_axes_are_printed_as_such(config, capsys):
    axes = "sweep.axes={'fleet.hosts[0].count': [6, 7]}"
    assert sweep(config, "--set", axes) == 0
    printed = capsys.readouterr().out
    assert "count=6 " in printed
    assert "count=6." not in printed


def test_axes_of_mechanisms_are_told_apart(config, capsys):
    axes = "sweep.axes={hypervisor.ballooning.enabled: [false], hypervisor.swap.enabled: [true]}"
    assert sweep(config, "--set", axes) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "ballooning off" in words
    assert "swap on" in words


def test_foreign_out_directory_is_left_alone(config, capsys):
    target = config.parent / "run"
    target.mkdir()
    (target / "diary.txt").write_text("mine")
    assert sweep(config) == 2
    assert "left alone" in capsys.readouterr().err
    assert [path.name for path in target.iterdir()] == ["diary.txt"]


def test_report_command_renders_again(config, capsys, tmp_path):
    sweep(config)
    again = tmp_path / "again.html"
    assert main(["report", str(config.parent / "run"), "--out", str(again)]) == 0
    assert again.read_bytes() == (config.parent / "run" / "report.html").read_bytes()
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert "there is no such directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["swep"], "No such command 'swep'"),
        (["sweep"], "Missing argument 'CONFIG'"),
        (["sweep", "x.yaml", "--workers", "0"], "Invalid value for '--workers'"),
        (["sweep", "x.yaml", "--executor", "spark"], "'spark' is not one of"),
        (["sweep", "nowhere.yaml"], "nowhere.yaml: no such file"),
    ],
)
def test_wrong_command_lines(words, expected, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
        (InvariantError("2 frames lost"), 1, "This is a bug in planner"),
        (
            ZeroDivisionError("float"),
            1,
            "ZeroDivisionError: float\nThis is a bug in planner; please report it. Run again",
        ),
    ],
)
def test_what_nobody_expects(config, capsys, monkeypatch, raised, code, said):
    def fail(*_):
        raise raised

    monkeypatch.setattr(sweep_module, "build_source", fail)
    assert sweep(config) == code
    printed = capsys.readouterr().err
    assert said in printed
    assert "Traceback" not in printed
    assert sweep(config, "-v") == code
    assert "Traceback" in capsys.readouterr().err


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom planner.cli.main import main\nmain(['--help'])\n"
        "print(sorted({'ray', 'plotly', 'pandas', 'numba', 'pyarrow'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "sweep" in done.stdout
    assert done.stderr.strip() == "[]"
