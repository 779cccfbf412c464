"""Benchmarks still run, in their smallest size; what they measure there means nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as harness

ROOT = Path(__file__).parents[2]
QUICK = ("cold_start", "translation", "coordinator")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("benchmarks") / "found.json"
    names = [word for name in QUICK for word in ("--only", name)]
    words = [sys.executable, "-m", "benchmarks", "--size", "tiny", "--out", str(out), *names]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(out.read_text()), done.stdout


def test_every_benchmark_gives_figures_with_ratios(written):
    found, _ = written
    assert list(found["benchmarks"]) == list(QUICK)
    figures = [figure for entry in found["benchmarks"].values() for figure in entry["figures"]]
    assert all(figure["value"] > 0 and figure["name"] for figure in figures)
    with_reference = [figure for figure in figures if figure["reference"]]
    assert with_reference
    for figure in with_reference:
        assert figure["ratio_to_reference"] == pytest.approx(figure["value"] / figure["reference"]["value"])


def test_the_machine_is_described_and_the_table_shows_each_figure(written):
    found, table = written
    assert found["machine"]["cpus"] >= 1
    assert found["machine"]["cpu"]
    assert {"python", "numba", "ray", "load_average", "memory_gib"} <= set(found["machine"])
    assert all(figure["name"][:20] in table for entry in found["benchmarks"].values() for figure in entry["figures"])


def test_one_that_fails_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(harness, "BENCHMARKS", ("no_such",))
    out = tmp_path / "found.json"
    assert harness.main(["--size", "tiny", "--out", str(out)]) == 1
    assert "no_such" in json.loads(out.read_text())["benchmarks"]["no_such"]["error"]
    assert "failed: " in capsys.readouterr().out
