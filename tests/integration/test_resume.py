"""Interrupted sweeps: what was stored is used again, and the tables come out as if nothing had happened.

Sweeps run as the user's own process would, with hosts simulated by a stand-in that takes a few milliseconds.
"""

import hashlib
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from fake_sim import FakeSim, fake_plan, stand_in, written_config

from planner.cli import interrupt
from planner.cli import sweep as sweep_module
from planner.cli.interrupt import GentleExecutor, Interrupts
from planner.cli.main import main
from planner.errors import StoppedError
from planner.fleet.local import LocalExecutor
from planner.host.problem import HostResult
from planner.results import identity
from planner.results.journal import journal_folder
from planner.results.part import read_part, write_part

SWEEP = {"overcommit_ratio": [1.0, 1.4, 1.8], "placement": ["first-fit", "spread"], "replicates": 8}
TABLES = ("hosts.parquet", "vms.parquet", "summary.json", "config.yaml")
HERE = Path(__file__).parent
DRIVER = """
import sys
from pathlib import Path
import pytest
from fake_sim import TimedSim, stand_in
from planner.cli import sweep, whatif
from planner.cli.main import main
from planner.results import outcomes

folder = Path(sys.argv[1])
(folder / "cache").mkdir(exist_ok=True)
(folder / "cache" / "compiled").touch()
for module in (sweep, whatif):
    stand_in(pytest.MonkeyPatch(), module, folder)
    module.HostSim = TimedSim
outcomes.EVERY_S = 0.05
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def config(tmp_path):
    return written_config(tmp_path, SWEEP)


@pytest.fixture
def in_process(monkeypatch, tmp_path):
    stand_in(monkeypatch, sweep_module, tmp_path)


def begin(config, out, *more, host_s=0.005, executor="local"):
    """Start a sweep in a process, and a process group, of its own."""
    words = ["sweep", str(config), "--executor", executor, "--out", str(out), *more]
    environment = os.environ | {"HOST_S": str(host_s), "PYTHONPATH": os.pathsep.join([str(HERE), str(Path.cwd())])}
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(config.parent), *words],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def finish(process, timeout_s=120):
    output, error = process.communicate(timeout=timeout_s)
    return process.returncode, output, error


def wait_for(condition, timeout_s=60.0):
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.005)


def parts(out):
    return sorted(journal_folder(out).glob("part-*.arrow"))


def has_come_to(out, least, process):
    """Whether a sweep has begun and stored so many parts, or has ended."""
    return (journal_folder(out).exists() and len(parts(out)) >= least) or process.poll() is not None


def hashes(out):
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in TABLES}


def sweep(config, out, *more):
    return main(["sweep", str(config), "--executor", "local", "--out", str(out), *more])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Give the hashes of what an undisturbed sweep writes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert finish(begin(written_config(folder, SWEEP), folder / "run", host_s=0))[0] == 0
    return hashes(folder / "run")


@pytest.fixture(scope="module")
def killed_journal(tmp_path_factory):
    """Give the journal of a sweep that was killed when some parts were stored."""
    folder = tmp_path_factory.mktemp("killed")
    process = begin(written_config(folder, SWEEP), folder / "run", host_s=0.02)
    wait_for(lambda: len(parts(folder / "run")) >= 3)
    process.kill()
    finish(process)
    assert not (folder / "run").exists()
    return journal_folder(folder / "run")


@pytest.fixture
def out(killed_journal, tmp_path):
    """Give a target beside which lies the journal of an interrupted sweep."""
    target = tmp_path / "run"
    shutil.copytree(killed_journal, journal_folder(target))
    return target


def test_killed_again_and_again_the_tables_are_those_of_an_undisturbed_run(config, tmp_path, undisturbed):
    out = tmp_path / "run"
    draw = random.Random(5)
    stored = 0
    for attempt in range(12):
        process = begin(config, out, "--resume", host_s=0.02)
        # Most are killed while outcomes come in, one while VMs are placed; the last ones while tables are written.
        least = 0 if attempt == 4 else stored + 1
        wait_for(partial(has_come_to, out, least, process))
        time.sleep(draw.uniform(0.0, 0.6))
        os.killpg(process.pid, signal.SIGKILL)
        finish(process)
        if out.exists():
            break
        assert len(parts(out)) >= stored
        stored = len(parts(out))
    assert attempt > 3
    assert out.exists() or stored
    if not out.exists():
        code, _, error = finish(begin(config, out, "--resume", host_s=0))
        assert code == 0
        assert "going on with an interrupted run" in error
    assert hashes(out) == undisturbed
    assert not journal_folder(out).exists()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_nothing_that_was_stored_is_simulated_again(config, out, in_process, monkeypatch, capsys):
    seen = []

    class Counting(FakeSim):
        def run(self, problem, keep_timeline=False, ticked=None):
            if not keep_timeline:
                seen.append(problem)
            return super().run(problem, keep_timeline)

    monkeypatch.setattr(sweep_module, "HostSim", Counting)
    monkeypatch.setattr(sweep_module, "warm_up", lambda *given: None)
    assert sweep(config, out, "--resume") == 0
    told = capsys.readouterr().err
    stored = int(told.split("interrupted run; ")[1].split()[0])
    manifest = json.loads((out / "manifest.json").read_text())
    assert stored > 0
    assert len(seen) == len(set(seen)) == manifest["host_problems"] - stored
    assert manifest["sessions"] == 2
    assert manifest["cpu_s"] > 0


@pytest.mark.parametrize("damage", ["truncated", "bit flipped", "foreign", "not a part", "empty"])
def test_damaged_part_is_told_and_its_hosts_are_simulated_again(damage, config, out, undisturbed, in_process, capsys):
    victim = parts(out)[1]
    content = bytearray(victim.read_bytes())
    if damage == "bit flipped":
        content[len(content) // 2] ^= 4
    if damage == "foreign":
        content = foreign_part(victim)
    new = {"truncated": content[: len(content) // 2], "not a part": b"PK\3\4" * 100, "empty": b""}.get(damage, content)
    victim.write_bytes(bytes(new))
    capsys.readouterr()
    assert sweep(config, out, "--resume") == 0
    told = [line for line in capsys.readouterr().err.splitlines() if str(victim) in line]
    assert len(told) == 1
    assert "what it held is simulated again" in told[0]
    words = {"truncated": "is truncated", "bit flipped": "checksum", "foreign": "is of another run"}
    assert words.get(damage, "is not a part") in told[0]
    assert hashes(out) == undisturbed


def foreign_part(path):
    """Return a sound part, but for its salt: that of another run."""
    batch, notes = read_part(path)
    other = path.with_name("other")
    write_part(other, batch, notes | {"salt": "00"})
    content = other.read_bytes()
    other.unlink()
    return content


def test_other_config_seed_or_fleet_is_refused(config, out, in_process, capsys, monkeypatch):
    before = [path.read_bytes() for path in parts(out)]
    for words, named in (
        (["--seed", "2"], "seed: 1 then, 2 now"),
        (["--set", "sweep.replicates=9"], "sweep.replicates: 8 then, 9 now"),
        (["--adaptive"], "sweep.adaptive"),
    ):
        capsys.readouterr()
        assert sweep(config, out, "--resume", *words) == 2
        error = capsys.readouterr().err
        assert named in error
        assert "run it as it was begun, or leave --resume out" in error
    monkeypatch.setattr(identity, "code_digest", lambda: "other")
    assert sweep(config, out, "--resume") == 2
    assert "the sources of the planner are others" in capsys.readouterr().err
    assert [path.read_bytes() for path in parts(out)] == before


def test_without_resume_an_interrupted_run_is_kept_aside(config, out, tmp_path, in_process, capsys):
    before = {path.name: path.read_bytes() for path in parts(out)}
    capsys.readouterr()
    assert sweep(config, out) == 0
    aside = tmp_path / ".run.unfinished-1"
    assert f"it is kept as {aside}" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in aside.glob("part-*")} == before


def test_resume_without_an_interrupted_run(config, tmp_path, in_process, capsys):
    out = tmp_path / "run"
    assert sweep(config, out, "--resume") == 0
    assert "there is no interrupted run to resume; starting from the beginning" in capsys.readouterr().err
    assert sweep(config, out, "--resume") == 2
    assert "holds a complete run; there is nothing to resume" in capsys.readouterr().err


def test_two_processes_do_not_write_the_same_run(config, tmp_path, in_process, capsys):
    out = tmp_path / "run"
    process = begin(config, out, host_s=0.2)
    wait_for(lambda: parts(out))
    for more in ([], ["--resume"]):
        assert sweep(config, out, *more) == 2
        assert f"is being written by process {process.pid}" in capsys.readouterr().err
    process.kill()
    finish(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_once_it_stores_and_says_how_to_go_on(config, tmp_path, undisturbed, number):
    out = tmp_path / "run"
    process = begin(config, out, host_s=0.05)
    wait_for(lambda: parts(out))
    asked_s = time.monotonic()
    process.send_signal(number)
    code, output, error = finish(process)
    assert code == 130
    assert time.monotonic() - asked_s < 5.0
    assert "Traceback" not in error
    assert output == ""
    command = error.splitlines()[-1].removeprefix("go on with: ")
    words = shlex.split(command)
    assert words[0] == "planner"
    assert words[-1] == "--resume"
    again = begin(config, out, "--resume", host_s=0)
    assert words[1:] == ["sweep", str(config), "--executor", "local", "--out", str(out), "--resume"]
    assert finish(again)[0] == 0
    assert hashes(out) == undisturbed


def test_stopped_twice_it_ends_at_once(config, tmp_path):
    out = tmp_path / "run"
    process = begin(config, out, host_s=3)
    wait_for(lambda: parts(out))
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    asked_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    code, _, error = finish(process)
    assert code == 130
    assert time.monotonic() - asked_s < 1.0
    assert "stopped at once" in error
    assert parts(out)


class InterruptedSim(FakeSim):
    """Is interrupted in the middle of its third host, which would take very long."""

    def run(self, problem, keep_timeline=False, ticked=None):
        self.count = getattr(self, "count", 0) + 1
        if self.count == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        return super().run(problem, keep_timeline)


def test_a_host_in_the_middle_of_which_it_is_stopped_has_not_failed(monkeypatch):
    """It would be stored as a failure that comes again, and --resume would not simulate it."""
    monkeypatch.setattr(interrupt, "_OVERDUE_S", 0.2)
    plan, found = fake_plan(), {}
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    with Interrupts() as interrupts:
        executor = GentleExecutor(LocalExecutor(interrupts.stop), interrupts)
        with pytest.raises(StoppedError):
            executor.run_problems(plan.problems, InterruptedSim, plan.source, found.__setitem__, lambda count: None)
    for number, handler in before.items():  # a command that was stopped leaves its own: its process ends
        signal.signal(number, handler)
    assert [type(outcome) for outcome in found.values()] == [HostResult, HostResult]


def test_stopped_before_anything_is_stored_it_leaves_nothing(config, tmp_path):
    out = tmp_path / "new" / "run"
    process = begin(config, out, host_s=1)
    wait_for(lambda: journal_folder(out).exists())
    process.send_signal(signal.SIGINT)
    code, _, error = finish(process)
    assert code == 130
    if "nothing was written" in error:
        assert not out.parent.exists()
    else:
        assert parts(out)


def test_an_earlier_run_stays_until_the_new_one_is_complete(config, tmp_path, in_process):
    out = tmp_path / "run"
    assert sweep(config, out) == 0
    before = hashes(out)
    process = begin(config, out, "--seed", "3")
    wait_for(lambda: len(parts(out)) >= 2)
    process.kill()
    finish(process)
    assert hashes(out) == before
    assert sweep(config, out, "--seed", "3", "--resume") == 0
    assert hashes(out) != before


def test_stopped_once_while_ray_simulates(config, tmp_path, undisturbed):
    """The signal goes to the whole process group, as Ctrl-C in a terminal does; other workers go on afterwards."""
    out = tmp_path / "run"
    process = begin(config, out, "--workers", "2", host_s=0.3, executor="ray")
    wait_for(lambda: parts(out) or process.poll() is not None)
    asked_s = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    code, _, error = finish(process)
    assert code == 130
    assert time.monotonic() - asked_s < 5.0
    assert error.splitlines()[-1].endswith("--workers 2 --resume")
    assert finish(begin(config, out, "--resume", host_s=0))[0] == 0
    assert hashes(out) == undisturbed
