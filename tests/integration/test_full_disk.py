"""Full disks, files that may not grow, rights: one message, what was stored is valid, nothing is half there."""

import errno
import os
import pickle
import resource
import stat
import subprocess
from pathlib import Path

import pytest
from fake_sim import FakeSim, stand_in, written_config

import planner
from planner.cli import sweep as sweep_module
from planner.cli.main import main
from planner.results import outcomes, part, read_run, store
from planner.results.journal import journal_folder
from planner.results.part import read_part

SWEEP = {"overcommit_ratio": [1.0, 1.4, 1.8], "placement": ["first-fit", "spread"], "replicates": 8}


@pytest.fixture
def config(tmp_path, monkeypatch):
    stand_in(monkeypatch, sweep_module, tmp_path)
    monkeypatch.setattr(outcomes, "EVERY_S", 0.0)
    monkeypatch.setattr(outcomes, "_LEAST_PAUSE_PER_WRITE", 0.0)
    return written_config(tmp_path, SWEEP)


@pytest.fixture
def undisturbed(config, tmp_path):
    out = tmp_path / "undisturbed"
    assert sweep(config, out) == 0
    return tables(out)


def sweep(config, out, *more):
    return main(["sweep", str(config), "--executor", "local", "--out", str(out), *more])


def tables(out):
    return [(out / name).read_bytes() for name in ("hosts.parquet", "vms.parquet", "summary.json")]


def check_stored(out, error):
    """Check the message, and that every part is whole and nothing else is there."""
    lines = error.strip().splitlines()
    assert "Traceback" not in error
    assert "host simulations stored in" in lines[-2]
    assert lines[-1].startswith("go on with: planner sweep")
    assert lines[-1].endswith("--resume")
    folder = journal_folder(out)
    assert {path.suffix or path.name for path in folder.iterdir()} == {".json", "lock", ".arrow"}
    stored = sum(read_part(path)[0].num_rows for path in folder.glob("part-*"))
    assert f"{stored} host simulations stored" in lines[-2]
    return stored


@pytest.mark.parametrize("most", [40, 41])
def test_no_space_for_a_part(most, config, tmp_path, monkeypatch, undisturbed, capsys):
    """What cannot be made durable is a part in one case, its folder's list in the other."""
    out = tmp_path / "run"
    written, real = [], part.os.fsync

    def full(handle):
        written.append(handle)
        if len(written) > most:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(part.os, "fsync", full)
    assert sweep(config, out) == 2
    error = capsys.readouterr().err
    assert f"{journal_folder(out)}: host simulations cannot be stored: No space left on device" in error
    assert check_stored(out, error) > 5
    assert not out.exists()
    monkeypatch.setattr(part.os, "fsync", real)
    assert sweep(config, out, "--resume") == 0
    assert tables(out) == undisturbed


@pytest.mark.parametrize("what", ["vms.parquet", "report.html", "manifest.json"])
def test_no_space_for_a_table_or_the_page(what, config, tmp_path, monkeypatch, undisturbed, capsys):
    """The earlier run stays; a page that cannot be written is told, and rendered later, as any that fails."""
    out = tmp_path / "run"
    assert sweep(config, out) == 0
    before = tables(out)
    names = {"vms.parquet": "write_tables", "manifest.json": "write_json"}
    if what in names:
        real = getattr(store, names[what])

        def full(content, path, *more):
            real(content, path, *more)
            if path.name == what:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(store, names[what], full)
        assert sweep(config, out, "--set", "sweep.replicates=7") == 2
        error = capsys.readouterr().err
        assert f"{out}: cannot be written: No space left on device" in error
        assert check_stored(out, error) > 5
        assert tables(out) == before
        monkeypatch.setattr(store, names[what], real)
        assert sweep(config, out, "--set", "sweep.replicates=7", "--resume") == 0
        assert tables(out) != before
    else:
        from planner.report import html

        def full_page(path, content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(html, "write_file", full_page)
        assert sweep(config, out) == 1
        assert "all is written but the report" in capsys.readouterr().err
        assert not (out / "report.html").exists()
        assert tables(out) == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_files_that_may_not_grow(config, tmp_path, undisturbed, capsys):
    """RLIMIT_FSIZE: what a quota does. A part of this sweep takes some 30 KB, the VM table more."""
    out = tmp_path / "run"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        code = sweep(config, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    error = capsys.readouterr().err
    assert code == 2
    assert "File too large" in error
    assert "Traceback" not in error
    assert not out.exists()
    assert sweep(config, out, "--resume") == 0
    assert tables(out) == undisturbed


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_a_file_system_that_is_full(config, tmp_path, undisturbed, capsys):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("may not mount")
    try:
        out = disk / "run"
        assert sweep(config, out) == 2
        error = capsys.readouterr().err
        assert "No space left on device" in error
        check_stored(out, error)
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert sweep(config, out, "--resume") == 0
        assert tables(out) == undisturbed
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert sweep(config, out) == 2
        assert "Read-only file system" in capsys.readouterr().err
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_rights_are_those_of_the_umask(mask, config, tmp_path, monkeypatch):
    out = tmp_path / "run"
    seen = []

    class Looking(FakeSim):
        def run(self, problem, keep_timeline=False, ticked=None):
            seen.extend(rights(journal_folder(out)))
            return super().run(problem, keep_timeline)

    monkeypatch.setattr(sweep_module, "HostSim", Looking)
    before = os.umask(mask)
    try:
        assert sweep(config, out) == 0
    finally:
        os.umask(before)
    found = {*seen, *rights(out)}
    assert found == {("folder", 0o777 & ~mask), ("file", 0o666 & ~mask)}


def rights(folder):
    """List the kind and the rights of a folder and all in it."""
    if not folder.exists():
        return []
    paths = [folder, *folder.rglob("*")]
    modes = [path.lstat().st_mode for path in paths if path.exists()]
    return [("folder" if stat.S_ISDIR(mode) else "file", stat.S_IMODE(mode)) for mode in modes]


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_in_a_run_directory_is_never_read(config, tmp_path):
    """It would make a file when it is loaded; neither a journal nor a run directory nor the report looks at it."""
    out, trap = tmp_path / "run", tmp_path / "sprung"
    payload = pickle.dumps(Trap(trap))
    assert sweep(config, out) == 0
    for name in ("outcomes.pkl", "hosts.pickle", "vms.npy", "part-000001.arrow"):
        (out / name).write_bytes(payload)
    read_run(out)
    assert main(["report", str(out)]) == 0
    folder = journal_folder(out)
    folder.mkdir()
    (folder / "part-000001.arrow").write_bytes(payload)
    (folder / "outcomes.pkl").write_bytes(payload)
    (folder / "journal.json").write_bytes(payload)
    assert sweep(config, out, "--resume") == 2
    assert sweep(config, out) == 0
    assert not trap.exists()
    pickle.loads(payload)
    assert trap.exists()


def test_no_reader_of_stored_results_can_unpickle():
    package = Path(planner.__file__).parent
    for folder in ("results", "report", "analysis"):
        for path in (package / folder).rglob("*.py"):
            text = path.read_text()
            for word in (
                "import pickle",
                "pickle.load",
                "read_pickle",
                "allow_pickle",
                "marshal",
                "shelve",
                "eval(",
                "exec(",
            ):
                assert word not in text, f"{path}: {word}"
