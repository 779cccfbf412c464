"""`planner validate` on the command line: table, JSON, exit codes, messages."""

import json
from io import StringIO

import pytest
from rich.console import Console

from planner.cli.main import main
from planner.cli.validation_table import print_validation
from planner.validation.base import Computed, Expected, Target
from planner.validation.run import run_target

TARGETS = """\
- name: mine
  title: One host of mine
  kind: published
  source: my own shop
  check: min-free
  config: {memory_gib: [28]}
  expected:
    minfree_28: {value: VALUE, absolute: 2, unit: MiB}
"""


@pytest.fixture
def targets(tmp_path):
    def write(value):
        path = tmp_path / "mine.yaml"
        path.write_text(TARGETS.replace("VALUE", str(value)))
        return str(path)

    return write


def test_a_met_target(targets, capsys):
    assert main(["validate", "--targets", targets(900), "--only", "mine"]) == 0
    out, err = capsys.readouterr()
    assert "minfree_28" in out
    assert "predicted: 1 of 1 within tolerance (published 1/1)" in out
    assert err == "[1/1] mine: One host of mine\n"


def test_a_missed_target_stays_in_the_table_and_sets_the_exit_code(targets, capsys):
    assert main(["validate", "--targets", targets(800), "--only", "mine"]) == 3
    out = capsys.readouterr().out
    assert "MISS" in out
    assert "missed: mine: minfree_28" in out


def test_known_misses_can_be_let_through(targets, capsys):
    path = targets("800, is_known_miss: true, note: the shop was closed")
    words = ["validate", "--targets", path, "--only", "mine"]
    assert main(words) == 3
    assert main([*words, "--allow-known-misses"]) == 0
    out = capsys.readouterr().out
    assert "missed: mine: minfree_28: the shop was closed" in out
    assert "1 missed, of these all known misses" in out
    assert main(["validate", "--targets", targets(800), "--only", "mine", "--allow-known-misses"]) == 3


def test_a_known_miss_needs_its_reason(targets, capsys):
    assert main(["validate", "--targets", targets("800, is_known_miss: true")]) == 2
    assert "is a known miss without a reason" in capsys.readouterr().err


def test_broken_inputs_are_named_and_the_others_judged(targets, tmp_path, capsys):
    (tmp_path / "broken.yaml").write_text("- name: x\n", encoding="utf-8")
    (tmp_path / "runs" / "ksm").mkdir(parents=True)
    words = ["--targets", str(tmp_path / "broken.yaml"), "--runs", str(tmp_path / "runs"), "--targets", targets(900)]
    page = tmp_path / "page.html"
    assert main(["validate", *words, "--only", "mine", "--out", str(page)]) == 2
    out, err = capsys.readouterr()
    assert "predicted: 1 of 1 within tolerance" in out
    assert f"not judged: {tmp_path / 'broken.yaml'}: " in err
    assert f"not judged: {tmp_path / 'runs'}: no runs found" in err
    assert "it could not be read: 2 (see above)" in err
    assert "Not judged" in page.read_text(encoding="utf-8")


def test_json_alone_on_stdout(targets, capsys):
    assert main(["validate", "--targets", targets(800), "--only", "m*e", "--only", "min-free", "--json"]) == 3
    entries = json.loads(capsys.readouterr().out)
    assert {entry["target"] for entry in entries} == {"mine", "min-free"}
    first = entries[0]
    assert (first["target"], first["quantity"], first["expected"], first["passed"]) == (
        "mine",
        "minfree_28",
        800,
        False,
    )
    assert first["actual"] == pytest.approx(901.1, abs=0.1)


def test_list_runs_nothing(capsys):
    assert main(["validate", "--list"]) == 0
    out, err = capsys.readouterr()
    assert "min-free" in out
    assert err == ""


def test_list_as_json(capsys):
    assert main(["validate", "--list", "--only", "min-free", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["name"], entry["check"]) == ("min-free", "min-free")
    assert set(entry) == {"name", "kind", "check", "title", "source"}


def test_long_numbers_are_not_folded():
    target = Target("long", "Long", "closed form", "algebra", "none", {}, {"x": Expected(10_000_000.5, unit="pages")})
    console = Console(width=100, record=True, file=StringIO())
    print_validation([run_target(target, lambda config: Computed({"x": 123_456_789.5}))], console)
    text = console.export_text()
    assert "10,000,000.5 pages" in text
    assert "123,456,789.5" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "minfree"], 'unknown target "minfree"; did you mean "min-free"?'),
        (["--targets", "nowhere.yaml"], "nowhere.yaml: no such file; there are no targets files in ."),
        (["--runs", "nowhere"], "nowhere: no such directory"),
        (["--tagets", "x"], "No such option: --tagets"),
    ],
)
def test_bad_usage(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["validate", *words]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_name_given_twice_is_refused(targets, tmp_path, capsys):
    path = targets(900)
    assert main(["validate", "--targets", path, "--targets", path]) == 2
    assert "mine: is the name of another target, too" in capsys.readouterr().err


def test_a_page_is_written_where_asked(targets, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["validate", "--targets", targets(800), "--only", "mine", "--out", str(page)]) == 3
    assert "One host of mine" in page.read_text(encoding="utf-8")
    assert f"Page: {page}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"), [("", "is a directory, not a file"), ("no/page.html", "there is no directory")]
)
def test_a_page_without_a_place_is_refused_before_the_work(name, message, targets, tmp_path, capsys):
    assert main(["validate", "--only", "min-free", "--out", str(tmp_path / name)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "[1/1]" not in err
