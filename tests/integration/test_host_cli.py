"""`planner host`: what it prints, writes and refuses."""

import json
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
import yaml

from planner.cli import host as host_module
from planner.cli.main import main
from planner.errors import InvariantError
from planner.schema import HOST_COLUMNS, TIMELINE_COLUMNS, VM_COLUMNS
from planner.units import GIB

VMS = [{"name": "db", "memory": "1 GiB", "granted": 0.9, "active": 0.1, "count": 4, "image": "a"}]
CONFIG = {
    "schema_version": 1,
    "seed": 3,
    "fleet": {"hosts": [{"name": "esx", "count": 3, "memory": "4 GiB", "cores": 8}], "vms": VMS},
    "hypervisor": "esxi-8",
    "horizon": "2 h",
    "warm_up": "10 min",
    "sweep": {"overcommit_ratio": [1.6, 1.2], "placement": ["first-fit", "worst-fit"], "replicates": 2},
}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    return path


def host(config, *more):
    return main(["host", str(config), "--out", str(config.parent / "host"), *more])


def test_host_is_written_in_full(config, capsys):
    assert host(config, "--host", "esx-01") == 0
    printed = capsys.readouterr()
    folder = config.parent / "host"
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["placement"], summary["overcommit_ratio_asked"], summary["vms"]) == ("first-fit", 1.6, 4)
    assert "every 4 KiB page" not in printed.out
    assert summary["what_binds"] in printed.out
    assert f"Report: {folder}/report.html" in printed.out
    # Configured memory is split into classes, nothing left over.
    assert sum(summary["bytes"].values()) == pytest.approx(4 * GIB)
    assert sum(summary["state_s"].values()) == pytest.approx(7200 - 600)
    for name, columns, n_rows in (
        ("host", HOST_COLUMNS, 1),
        ("vms", VM_COLUMNS, 4),
        ("timeline", TIMELINE_COLUMNS, 24),
    ):
        table = pq.read_table(folder / f"{name}.parquet")
        assert table.column_names == [column.name for column in columns]
        assert table.num_rows == n_rows
    page = (folder / "report.html").read_text()
    assert "Objective on host esx-01" in page
    for column in HOST_COLUMNS:
        assert not column.simulated or column.dtype.startswith("list") or column.name in page


def test_exact_host_has_every_page(config, capsys):
    assert host(config, "--host", "esx-01", "--exact", "--json") == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert summary["is_exact"]
    assert summary["page_scale"] == 1
    assert "1,048,576 pages of 4 KiB" in printed.err
    manifest = json.loads((config.parent / "host" / "manifest.json").read_text())
    assert manifest["fidelity"]["is_exact"]


def test_scenario_can_be_chosen_and_the_same_host_gives_the_same_bytes(config, capsys):
    words = ("--host", "esx-02", "--placement", "worst-fit", "--ratio", "1.1", "--replicate", "1")
    assert host(config, *words, "--set", "hypervisor.ballooning.enabled=false") == 0
    folder = config.parent / "host"
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["placement"], summary["overcommit_ratio_asked"], summary["replicate"]) == ("worst-fit", 1.1, 1)
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert host(config, *words, "--set", "hypervisor.ballooning.enabled=false") == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == written


def test_wrong_names_are_told_with_the_right_ones(config, capsys):
    assert host(config, "--host", "esx-4") == 2
    assert 'no host "esx-4"' in (error := capsys.readouterr().err)
    assert "esx-01, esx-02, esx-03" in error
    # At ratio 1.6 the first host holds all four VMs.
    assert host(config, "--host", "esx-03") == 2
    assert "hosts with VMs: esx-01" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--placement", "nowhere"), '--placement: unknown placement "nowhere"; use one of: as-is, '),
        (("--placement", "a, [b"), '--placement: unknown placement "a, [b"'),
        (("--ratio", "-1"), "--ratio: -1 is not positive"),
        (("--ratio", "0"), "--ratio: 0 is not positive"),
        (("--ratio", "nan"), "--ratio: nan is not a finite number"),
        (("--ratio", "inf"), "--ratio: inf is not a finite number"),
        (("--ratio", "150"), "--ratio: 150 is not plausible; a ratio, not percent: write 1.5?"),
        (("--ratio", "50"), "--ratio: 50 is not plausible; write a ratio of at most 20, e.g. 1.5"),
        (("--ratio", "1e9"), "--ratio: 1e+09 is not plausible; write a ratio of at most 20, e.g. 1.5"),
        (("--ratio", "1e17"), "--ratio: 1e+17 is not plausible"),
        (("--set", "sweep.replicates=0"), "sweep.replicates (from --set)"),
    ],
)
def test_wrong_values_are_said_of_their_option(words, message, config, capsys):
    assert host(config, "--host", "esx-01", *words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "(line" not in error
    assert not (config.parent / "host").exists()


def test_exact_mode_says_when_memory_does_not_suffice(config, capsys, monkeypatch):
    monkeypatch.setattr(host_module, "available_memory_bytes", lambda: GIB // 2)
    assert host(config, "--host", "esx-01", "--exact") == 2
    # 4 GiB are 1,048,576 pages of 36 bytes, 36 MiB; 512 MiB for the rest.
    assert "takes up to 548 MiB of memory, and this machine has 512 MiB to give" in capsys.readouterr().err
    assert not (config.parent / "host").exists()
    assert host(config, "--host", "esx-01") == 0


def test_an_exact_run_can_be_interrupted(tmp_path):
    # 8 million pages of which a third are touched in every tick of a day: many seconds of work.
    vms = [{"name": "busy", "memory": "8 GiB", "granted": 0.95, "active": 0.35, "count": 4}]
    hosts = [{"name": "esx", "count": 1, "memory": "24 GiB", "cores": 8}]
    path = tmp_path / "busy.yaml"
    path.write_text(yaml.safe_dump(CONFIG | {"fleet": {"hosts": hosts, "vms": vms}, "horizon": "4 days"}))
    words = ["host", str(path), "--host", "esx", "--exact", "--out", str(tmp_path / "out")]
    program = "import sys; from planner.cli.main import main; sys.exit(main(sys.argv[1:]))"
    with subprocess.Popen([sys.executable, "-c", program, *words], stderr=subprocess.PIPE, text=True) as run:
        for line in run.stderr:
            if "pages of 4 KiB" in line:
                break
        time.sleep(1.0)
        run.send_signal(signal.SIGINT)
        rest = run.stderr.read()
        assert (run.wait(60), rest) == (130, "interrupted; nothing was written\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["busy.yaml"]


def test_other_directories_are_left_alone(config, capsys):
    (config.parent / "host").mkdir()
    (config.parent / "host" / "mine.txt").write_text("mine")
    assert host(config, "--host", "esx-01") == 2
    assert "left alone" in capsys.readouterr().err
    assert (config.parent / "host" / "mine.txt").read_text() == "mine"


def test_a_bug_is_called_a_bug(config, capsys, monkeypatch):
    def fail(self, problem, **more):
        raise InvariantError("frames lost")

    monkeypatch.setattr(host_module.HostSim, "run", fail)
    assert host(config, "--host", "esx-01") == 1
    assert "frames lost" in capsys.readouterr().err
