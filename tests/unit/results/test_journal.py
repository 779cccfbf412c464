"""The journal's folder: killed at any moment, it is one that can be resumed, or none."""

from pathlib import Path

import pytest

from planner.results import journal, store
from planner.results.identity import RunIdentity
from planner.results.journal import journal_folder, open_journal

IDENTITY = RunIdentity("sweep", {"seed": 1}, {}, "fleet", {})


def stop(*given, **more):
    raise KeyboardInterrupt


def hidden(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_killed_while_it_is_deleted_it_is_no_interrupted_run(tmp_path, monkeypatch):
    out = tmp_path / "run"
    with open_journal(out, IDENTITY, False, print) as opened:
        monkeypatch.setattr(journal.shutil, "rmtree", stop)
        with pytest.raises(KeyboardInterrupt):
            opened.discard()
        monkeypatch.undo()
    assert not journal_folder(out).exists()
    assert len(hidden(tmp_path)) == 1
    with open_journal(out, IDENTITY, False, print):
        assert hidden(tmp_path) == [".run.unfinished"]
    assert hidden(tmp_path) == []


def test_stopped_while_a_run_is_replaced_the_earlier_one_is_back(tmp_path, monkeypatch):
    new, out = tmp_path / "new", tmp_path / "run"
    for folder in (new, out):
        folder.mkdir()
        (folder / "which").write_text(folder.name)
    rename = Path.rename

    def stop_at_new(path, target):
        return stop() if path == new else rename(path, target)

    monkeypatch.setattr(Path, "rename", stop_at_new)
    with pytest.raises(KeyboardInterrupt):
        store._replace(new, out)
    assert (out / "which").read_text() == "run"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "run"]
