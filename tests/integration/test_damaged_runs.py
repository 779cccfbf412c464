"""Run directories that somebody damaged are input errors: `planner report` says so, and writes nothing."""

import json
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from planner.analysis.summarize import summarize_run
from planner.cli.main import main
from tests.synthetic_run import make_run, write_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    run = make_run(sensitivity=False)
    folder = tmp_path_factory.mktemp("made") / "run"
    write_run(run, summarize_run(run.hosts, run.vms, run.scenarios, run.config), folder)
    return folder


def edit_json(path, change):
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def edit_table(path, change):
    pq.write_table(change(pq.read_table(path)), path)


def as_text(table):
    at = table.column_names.index("swapped_bytes_mean")
    return table.set_column(at, "swapped_bytes_mean", pa.array(["x"] * table.num_rows))


def as_infinite(table):
    at = table.column_names.index("swapped_bytes_mean")
    return table.set_column(at, "swapped_bytes_mean", pa.array([float("inf")] * table.num_rows))


def spoil_a_timeline(folder):
    def without_states(table):
        at = table.column_names.index("state")
        return table.set_column(at, "state", pa.array([None] * table.num_rows, pa.int64()))

    edit_table(next(iter(sorted((folder / "timeline").glob("*.parquet")))), without_states)


def put_pipe(path):
    path.unlink()
    os.mkfifo(path)


def put_link(path):
    path.unlink()
    path.symlink_to("/dev/zero")


DAMAGE = {
    "states that are no number": (spoil_a_timeline, "holds something that the planner does not write"),
    "nested summary": (lambda d: (d / "summary.json").write_text("[" * 100_000), "nested too deeply"),
    "summary without keys": (
        lambda d: edit_json(d / "summary.json", lambda s: s["recommendation"].clear()),
        "holds something that the planner does not write (KeyError",
    ),
    "list for a number": (
        lambda d: edit_json(d / "summary.json", lambda s: s["scenarios"][0].update(swap_risk=[[]])),
        "holds something that the planner does not write",
    ),
    "text for numbers": (
        lambda d: edit_table(d / "hosts.parquet", as_text),
        "the column swapped_bytes_mean holds string values, not float64; run the sweep again",
    ),
    "infinity": (
        lambda d: edit_table(d / "hosts.parquet", as_infinite),
        "the column swapped_bytes_mean holds infinite values",
    ),
    "a column twice": (
        lambda d: edit_table(d / "vms.parquet", lambda t: t.append_column("vm", t.column("vm"))),
        'two columns are named "vm"',
    ),
    "truncated table": (
        lambda d: (d / "vms.parquet").write_bytes((d / "vms.parquet").read_bytes()[:-9]),
        "not a whole",
    ),
    "pipe": (lambda d: put_pipe(d / "summary.json"), "is no regular file"),
    "device": (lambda d: put_link(d / "manifest.json"), "is no regular file"),
    "aliases": (lambda d: (d / "config.yaml").write_text("a: &a [*a]"), "is not a resolved config"),
    "tags": (lambda d: (d / "config.yaml").write_text("a: !!python/name:os.system x"), "is not a resolved config: a"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_run_is_an_input_error(name, made, tmp_path, capsys):
    damage, words = DAMAGE[name]
    shutil.copytree(made, tmp_path / "run")
    damage(tmp_path / "run")
    assert main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "page.html")]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert "; " in message
    assert not (tmp_path / "page.html").exists()


def test_the_run_that_is_damaged_here_is_sound(made, tmp_path):
    assert main(["report", str(made), "--out", str(tmp_path / "page.html")]) == 0
