"""`planner import KIND` from the command line: from dumps to a fleet directory whose config sweeps, in a line each."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from planner.cli.main import main
from planner.config.load import load_config

DOMSTATS = """
Domain: 'web-1'
  state.state=1
  balloon.current=4194304
  balloon.maximum=4194304
  balloon.rss=3145728
  vcpu.current=2
  vcpu.maximum=2

Domain: 'web-2'
  state.state=1
  balloon.current=4194304
  balloon.maximum=4194304
  balloon.rss=2097152
  vcpu.current=2
  vcpu.maximum=2

Domain: 'old'
  state.state=5
  balloon.current=2097152
  balloon.maximum=2097152
  vcpu.maximum=1
"""
NODEINFO = """CPU model:           x86_64
CPU(s):              16
CPU frequency:       2600 MHz
CPU socket(s):       1
Core(s) per socket:  8
Thread(s) per core:  2
NUMA cell(s):        1
Memory size:         33554432 KiB
"""


@pytest.fixture
def dumps(tmp_path):
    folder = tmp_path / "kvm-01"
    folder.mkdir()
    (folder / "domstats.txt").write_text(DOMSTATS)
    (folder / "nodeinfo.txt").write_text(NODEINFO)
    return folder


def run_import(capsys, *words):
    code = main(["import", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_from_dumps_to_a_sweep(dumps, tmp_path, capsys):
    out = tmp_path / "fleet"
    code, told, _ = run_import(capsys, "libvirt", dumps, "--out", out)
    assert code == 0
    assert "VMs that run              2  (8 GiB configured)" in told
    assert "VMs that are off          1" in told
    assert f"Next: planner sweep {out / 'fleet.yaml'}" in told
    names = {path.name for path in out.iterdir()}
    assert names == {"fleet.json", "vms.parquet", "fleet.yaml", "import-report.txt", "import-report.html"}
    config = load_config(out / "fleet.yaml")
    assert [(host.memory, host.cores) for host in config.fleet.hosts] == [(32 * 2**30, 8)]
    run = tmp_path / "run"
    words = ["sweep", str(out / "fleet.yaml"), "--out", str(run), "--executor", "local", "--set", "horizon=1 h"]
    assert (
        main([*words, "--set", "sweep.overcommit_ratio=[1.0]", "--set", "sweep.replicates=2", "--set", "warm_up=0 s"])
        == 0
    )
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "has no time series" in page
    assert "Import of the VMs (libvirt" in page
    assert "what is unknown is drawn, not zero" in page
    summary = json.loads((run / "summary.json").read_text())
    assert summary["scenarios"][0]["hosts_used"] == 1


def test_neither_files_nor_a_live_source_or_both(dumps, tmp_path, capsys):
    code, _, error = run_import(capsys, "libvirt", "--out", tmp_path / "fleet")
    assert code == 2
    assert "SOURCE or --uri: neither was given" in error
    code, _, error = run_import(capsys, "libvirt", dumps, "--uri", "test:///default", "--out", tmp_path / "fleet")
    assert code == 2
    assert "both were given" in error
    assert not (tmp_path / "fleet").exists()


def test_an_existing_fleet_is_kept_and_replaced_with_force(dumps, tmp_path, capsys):
    out = tmp_path / "fleet"
    assert run_import(capsys, "libvirt", dumps, "--out", out)[0] == 0
    code, _, error = run_import(capsys, "libvirt", dumps, "--out", out)
    assert code == 2
    assert "exists already" in error
    assert run_import(capsys, "libvirt", dumps, "--out", out, "--force")[0] == 0


def test_a_secret_is_asked_for_where_somebody_can_answer_and_else_named(tmp_path):
    words = ["import", "proxmox", "--url", "https://127.0.0.1:1", "--token-id", "a@pve!b", "--out", str(tmp_path / "f")]
    environment = {name: value for name, value in os.environ.items() if name != "PROXMOX_TOKEN_SECRET"}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from planner.cli.main import main; sys.exit(main())", *words],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "PROXMOX_TOKEN_SECRET: is not set, and nobody can be asked" in done.stderr


def test_host_memory_that_is_none(dumps, tmp_path, capsys):
    code, _, error = run_import(capsys, "libvirt", dumps, "--host-memory", "lots", "--out", tmp_path / "fleet")
    assert code == 2
    assert "--host-memory" in error


def test_traces_get_hosts_that_are_assumed_and_a_report(tmp_path, capsys):
    source = tmp_path / "long.csv"
    lines = [f"2026-01-01T{hour:02d}:00:00Z,{vm},1024,2048" for hour in range(4) for vm in ("a", "b")]
    source.write_text("time_utc,id,active_mib,granted_mib\n" + "\n".join(lines) + "\n")
    vms = tmp_path / "vms.csv"
    vms.write_text("id,configured_mib\na,4096\nb,921600\n")
    out = tmp_path / "fleet"
    words = ["table", source, "--vms", vms, "--active", source, "--granted", source, "--hypervisor"]
    code, _, error = run_import(capsys, *words, "xen", "--out", out)
    assert (code, "there is no preset" in error) == (2, True)
    code, told, _ = run_import(capsys, *words, "kvm", "--out", out)
    assert code == 0
    # The larger VM, 900 GiB, is above 85 % of 512 and of 1,024 GiB; 904 GiB take one host of 2 TiB, and one more.
    assert "the source names no hosts: the config has 2 with 2 TiB, 256 cores and kvm" in told
    config = load_config(out / "fleet.yaml")
    assert [(host.count, host.memory, host.cores) for host in config.fleet.hosts] == [(2, 2**41, 256)]
    assert (out / "import-report.html").is_file()


@pytest.mark.parametrize(
    ("hours", "minutes", "expected"),
    [
        (4, 5, (3 * 3600, 300, 0, 1)),  # the longest usual horizon within four hours
        (80, 15, (3 * 86_400, 900, 43_200, 1)),  # coarser ticks than usual are the config's
        (15 * 24, 60, (7 * 86_400, 3600, 43_200, 2)),  # two weeks that do not overlap: two replicates
    ],
)
def test_the_config_asks_for_what_the_series_cover(tmp_path, capsys, hours, minutes, expected):
    source = write_series(tmp_path, hours, minutes)
    out = tmp_path / "fleet"
    assert run_import(capsys, "table", source, "--out", out)[0] == 0
    config = load_config(out / "fleet.yaml")
    assert (config.horizon, config.tick, config.warm_up, config.sweep.replicates) == expected
    assert main(["check", str(out / "fleet.yaml")]) == 0


def test_series_of_less_than_an_hour_get_no_config(tmp_path, capsys):
    source = write_series(tmp_path, 0.5, 5)
    code, told, _ = run_import(capsys, "table", source, "--out", tmp_path / "fleet")
    assert code == 0
    assert "the series cover no hour without a gap: no config can sweep them" in told
    assert not (tmp_path / "fleet" / "fleet.yaml").exists()


def write_series(folder, hours, minutes):
    source = folder / "source"
    source.mkdir()
    (source / "vms.csv").write_text("id,configured_mib\na,4096\nb,4096\n")
    times = pd.date_range(
        "2026-01-01", periods=round(hours * 60 / minutes), freq=f"{minutes}min", tz="UTC", name="time_utc"
    )
    for kind, mib in (("active", 1024), ("granted", 2048)):
        pd.DataFrame({"a": mib, "b": mib}, index=times).to_parquet(source / f"{kind}_mib.parquet")
    return source
