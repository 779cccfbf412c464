"""Live measurement on a made-up kernel: refuses with a reason, restores what it found, even after a kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from planner.errors import InputError
from planner.validation.live import ksm, measure, swap
from planner.validation.live.guard import run_steps
from planner.validation.live.ksm import measure_ksm, why_no_ksm
from planner.validation.live.machine import available_bytes
from planner.validation.live.measure import measure_machine
from planner.validation.live.memory_group import swap_in_use
from planner.validation.live.swap import why_no_swap
from planner.validation.live.undo import Undo, ending_on_signals, read_setting
from planner.validation.runs.ksm import read_ksm_run
from tests.unit.validation.fake_machine import AFTERWARDS, SETTINGS, build_machine, settings_of

ROOT = Path(__file__).parents[3]
OWNER = """
import sys, time
from pathlib import Path
from planner.validation.live.undo import Undo, ending_on_signals
setting = Path(sys.argv[1])
with ending_on_signals(), Undo() as undo:
    undo.write(setting, "changed")
    print("changed", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def machine(tmp_path):
    return build_machine(tmp_path)


def wait_for(is_true, seconds=10.0):
    ends = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_what_was_written_is_written_back(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1\n")
    two.write_text("always [madvise] never\n")
    with Undo() as undo:
        undo.write(one, "5")
        undo.write(one, "6")
        undo.write(two, "never")
        assert one.read_text() == "6"
    assert (one.read_text(), two.read_text()) == ("1", "madvise")


def test_an_exception_undoes(tmp_path):
    setting = tmp_path / "setting"
    setting.write_text("1")

    def change():
        with Undo() as undo:
            undo.write(setting, "2")
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        change()
    assert setting.read_text() == "1"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_signals_and_kills_undo(tmp_path, number):
    setting = tmp_path / "setting"
    setting.write_text("as found")
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(setting)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert owner.stdout.readline() == b"changed\n"
    assert setting.read_text() == "changed"
    owner.send_signal(number)
    owner.wait(timeout=20)
    owner.stdout.close()
    wait_for(lambda: setting.read_text() == "as found")


def test_a_killed_guard_leaves_it_to_the_owner(tmp_path):
    setting = tmp_path / "setting"
    setting.write_text("as found")
    with Undo() as undo:
        undo.write(setting, "changed")
        os.kill(undo._guard.pid, signal.SIGKILL)
    assert setting.read_text() == "as found"


def test_what_cannot_be_undone_is_said(tmp_path):
    setting = tmp_path / "gone" / "setting"
    setting.parent.mkdir()
    setting.write_text("as found")

    def change():
        with Undo() as undo:
            undo.write(setting, "changed")
            setting.unlink()
            setting.parent.rmdir()

    with pytest.raises(InputError, match=r"could not be undone: write .*/gone/setting as found: .*; undo it by hand"):
        change()


def test_steps_are_undone_last_first_and_all_of_them(tmp_path):
    path = tmp_path / "file"
    (tmp_path / "group").mkdir()
    steps = [
        ["write", str(path), "first"],
        ["remove", str(path)],
        ["write", str(tmp_path / "no" / "file"), "x"],
        ["rmdir", str(tmp_path / "group")],
        ["rmdir", str(tmp_path / "never made")],
    ]
    (failure,) = run_steps(steps)
    assert failure.startswith(f"write {tmp_path}/no/file x: ")
    assert path.read_text() == "first"
    assert not (tmp_path / "group").exists()


def test_signal_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with ending_on_signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_ksm_run_restores_all_settings_and_can_be_read(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(ksm, "PROCESSES", 1)
    monkeypatch.setattr(ksm, "PROCESS_MIB", 1)
    measure_ksm(machine, tmp_path / "out", longest_s=0.3)
    # A setting that is a choice is written back as its name, which a kernel shows in brackets again.
    assert settings_of(machine) == AFTERWARDS
    run = read_ksm_run(tmp_path / "out", ksm.NAME)
    assert (run.spec.procs, run.spec.mib, run.spec.pages_to_scan, run.spec.sleep_millisecs) == (1, 1, 2000, 10)
    assert run.t_s.size >= 2


def test_a_ksm_run_that_breaks_restores_all_settings(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(ksm, "PROCESSES", 1)
    monkeypatch.setattr(ksm, "PROCESS_MIB", 1)

    def broken(*_):
        assert settings_of(machine)["run"] == "1"
        assert settings_of(machine)["pages_to_scan"] == "2000"
        raise KeyboardInterrupt

    monkeypatch.setattr(ksm, "_sample", broken)
    with pytest.raises(KeyboardInterrupt):
        measure_ksm(machine, tmp_path / "out")
    assert settings_of(machine) == AFTERWARDS
    assert not (tmp_path / "out").exists()


def test_reasons_against_ksm(tmp_path):
    assert why_no_ksm(build_machine(tmp_path / "a")) is None
    assert "KSM is at work here (7 pages shared)" in why_no_ksm(build_machine(tmp_path / "b", shared=7))
    assert "MiB of memory are available" in why_no_ksm(build_machine(tmp_path / "c", available_kib=1 << 20))
    bare = build_machine(tmp_path / "d")
    (bare.ksm / "run").unlink()
    assert "this kernel has no KSM" in why_no_ksm(bare)


def test_reasons_against_swap(machine, tmp_path, monkeypatch):
    assert "there is no memory controller" in why_no_swap(machine, tmp_path)
    (machine.cgroup / "cgroup.subtree_control").write_text("cpu memory\n")
    monkeypatch.setattr(swap.shutil, "which", lambda name: None)
    assert "there is no mkswap and no swapon and no swapoff" in why_no_swap(machine, tmp_path)
    (machine.proc / "swaps").write_text("Filename Type Size Used Priority\n/dev/vdb partition 1 0 -2\n")
    assert why_no_swap(machine, tmp_path) is None
    assert swap_in_use(machine) == [Path("/dev/vdb")]


def test_no_swap_file_without_space(machine, tmp_path, monkeypatch):
    (machine.cgroup / "cgroup.subtree_control").write_text("memory\n")
    monkeypatch.setattr(swap.shutil, "which", lambda name: name)
    monkeypatch.setattr(swap.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1 << 20}))
    assert "too little space for a swap file" in why_no_swap(machine, tmp_path)


def test_other_users_and_systems_are_told_why(machine, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert not measure_machine(machine, tmp_path, told.append)
    monkeypatch.setattr("sys.platform", "darwin")
    assert not measure_machine(machine, tmp_path, told.append)
    assert told == [
        "nothing is measured live: it takes root; run it with sudo",
        "nothing is measured live: this is darwin, not Linux",
    ]


def test_one_part_that_fails_leaves_the_other(machine, tmp_path, monkeypatch):
    def fail(*_):
        raise InputError("live KSM run", "no luck")

    told = []
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(measure, "measure_ksm", fail)
    monkeypatch.setattr(measure, "why_no_swap", lambda *_: None)
    monkeypatch.setattr(measure, "measure_swap", lambda *_: None)
    assert measure_machine(machine, tmp_path, told.append)
    assert "KSM could not be measured live: live KSM run: no luck" in told


def test_settings_and_memory_are_read_as_the_kernel_writes_them(machine):
    assert read_setting(machine.ksm / "advisor_mode") == "scan-time"
    assert read_setting(machine.ksm / "pages_to_scan") == SETTINGS["pages_to_scan"]
    assert available_bytes(machine) == 8 << 30
    (machine.proc / "meminfo").unlink()
    assert available_bytes(machine) == 0
