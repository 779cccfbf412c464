"""`planner export`: what stands in a workbook or in CSV files is what the run holds, and nothing runs as a formula."""

import csv
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import python_calamine

from planner.analysis.summarize import summarize_run
from planner.cli.main import main
from planner.report.export import xlsx
from planner.report.export.csv_files import write_csv_files
from planner.report.export.sheets import Head, Sheet, heads_of, rows_of
from planner.report.export.xlsx import write_xlsx
from planner.schema import Column
from tests.synthetic_run import make_run, write_run

HEADS = (Head("name", "", "a name"), Head("memory", "GiB", "memory", "#,##0.00"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    run = make_run(sensitivity=False)
    folder = tmp_path_factory.mktemp("made") / "run"
    write_run(run, summarize_run(run.hosts, run.vms, run.scenarios, run.config), folder)
    return folder


def cells(path, name):
    return python_calamine.load_workbook(str(path)).get_sheet_by_name(name).to_python()


def export(run, out, *words):
    return main(["export", str(run), "--out", str(out), *words])


def test_a_workbook_holds_the_tables_of_the_run(made, tmp_path):
    out = tmp_path / "results.xlsx"
    assert export(made, out, "--vms", "all") == 0
    names = python_calamine.load_workbook(str(out)).sheet_names
    assert names == ["Summary", "Scenarios", "Hosts", "VMs", "Assumptions", "Settings", "Columns"]
    hosts = pd.read_parquet(made / "hosts.parquet")
    head, *rows = cells(out, "Hosts")
    assert len(rows) == len(hosts)
    at = head.index("granted mean [GiB]")
    # A workbook keeps sixteen digits, which is more than Excel does.
    expected = hosts["granted_bytes_mean"].to_numpy() / 2**30
    np.testing.assert_allclose([row[at] for row in rows], expected, rtol=1e-15)
    assert [row[head.index("host")] for row in rows] == hosts["host"].tolist()
    assert not any("histogram" in text for text in head)
    head, *rows = cells(out, "VMs")
    assert len(rows) == pq.read_metadata(made / "vms.parquet").num_rows
    known = {(row[0], row[1]) for row in cells(out, "Columns")[1:]}
    assert {("Hosts", "granted mean"), ("VMs", "slowdown p99"), ("Scenarios", "swap risk high")} <= known
    facts = dict(row[:2] for row in cells(out, "Summary")[1:])
    assert facts["objective is met"] in {True, False}
    assert facts["what is missing"] == "nothing"


def test_csv_files_hold_the_same_with_all_digits(made, tmp_path):
    assert export(made, tmp_path / "tables") == 0
    with (tmp_path / "tables" / "hosts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    hosts = pd.read_parquet(made / "hosts.parquet")
    np.testing.assert_array_equal(
        [float(row["granted mean [GiB]"]) * 2**30 for row in rows], hosts["granted_bytes_mean"].to_numpy()
    )


def test_the_same_run_gives_the_same_bytes(made, tmp_path):
    for name in ("a.xlsx", "b.xlsx"):
        assert export(made, tmp_path / name) == 0
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_an_export_is_replaced_by_force_alone_and_nothing_else_ever(made, tmp_path, capsys):
    out = tmp_path / "tables"
    assert export(made, out) == 0
    assert export(made, out) == 2
    assert "exists already; replace it with --force" in capsys.readouterr().err
    assert export(made, out, "--force") == 0
    (out / "notes.txt").write_text("mine")
    assert export(made, out, "--force") == 2
    assert "exists and is not a directory of exported CSV files" in capsys.readouterr().err
    assert (out / "notes.txt").read_text() == "mine"
    assert export(made, tmp_path / "no" / "x.xlsx") == 2
    assert "its directory does not exist" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"tables"}


def test_a_broken_run_leaves_nothing(made, tmp_path, capsys):
    shutil.copytree(made, tmp_path / "run")
    (tmp_path / "run" / "vms.parquet").write_bytes(b"broken")
    assert export(tmp_path / "run", tmp_path / "x.xlsx") == 2
    assert "not a whole Parquet file" in capsys.readouterr().err
    assert not (tmp_path / "x.xlsx").exists()


def test_failed_hosts_are_told(tmp_path):
    run = make_run(sensitivity=False)
    values = [name for name in run.hosts.columns if name.endswith("_mean")]
    run.hosts.loc[0, "status"] = "no memory"
    run.hosts.loc[0, values] = np.nan
    write_run(run, summarize_run(run.hosts, run.vms, run.scenarios, run.config), tmp_path / "run")
    out = tmp_path / "x.xlsx"
    assert export(tmp_path / "run", out) == 0
    head, first, *_ = cells(out, "Hosts")
    # Unknown is an empty cell, and no zero.
    assert first[head.index("granted mean [GiB]")] == ""
    assert first[head.index("status")] == "no memory"
    facts = dict(row[:2] for row in cells(out, "Summary")[1:])
    assert "1 host run of 1,280 failed" in facts["what is missing"]


TEXTS = ("=1+1", "+1", "-1", "@x", "http://x", "plain", "")


def test_texts_are_no_formulas(tmp_path):
    sheet = [Sheet("VMs", "", HEADS, [(text, 1.5) for text in TEXTS])]
    write_xlsx(tmp_path / "x.xlsx", sheet)
    assert [row[0] for row in cells(tmp_path / "x.xlsx", "VMs")[1:]] == list(TEXTS)
    write_csv_files(tmp_path, sheet)
    with (tmp_path / "vms.csv").open(encoding="utf-8", newline="") as file:
        found = [row[0] for row in csv.reader(file)][1:]
    assert found == ["'=1+1", "'+1", "'-1", "'@x", "http://x", "plain", ""]


def test_tables_longer_than_a_worksheet_go_on_in_another(tmp_path, monkeypatch):
    monkeypatch.setattr(xlsx, "MOST_ROWS", 4)
    rows = [(f"vm-{number}", float(number)) for number in range(7)]
    write_xlsx(tmp_path / "x.xlsx", [Sheet("VMs", "", HEADS, iter(rows))])
    book = python_calamine.load_workbook(str(tmp_path / "x.xlsx"))
    assert book.sheet_names == ["VMs", "VMs 2", "VMs 3"]
    parts = [book.get_sheet_by_name(name).to_python() for name in book.sheet_names]
    assert all(part[0] == ["name", "memory [GiB]"] for part in parts)
    assert [tuple(row) for part in parts for row in part[1:]] == rows


def test_texts_beyond_a_cell_are_cut_and_say_so(tmp_path):
    write_xlsx(tmp_path / "x.xlsx", [Sheet("VMs", "", HEADS, [("x" * 40_000, None)])])
    (text, *_) = cells(tmp_path / "x.xlsx", "VMs")[1]
    assert len(text) == xlsx.MOST_TEXT
    assert text.endswith("(cut)")


def test_units_and_meanings_of_columns():
    columns = (
        Column("free_bytes_min", "int64", "bytes", "Free memory, smallest over ticks"),
        Column("swap_in_bytes_per_s_mean", "float64", "bytes/s", "Read, mean over ticks"),
        Column("swap_in_bytes_per_s_p99", "float64", "bytes/s", "... 99th percentile"),
        Column("stall_cow_s", "float64", "s", "Stalled"),
        Column("swap_risk_high", "float64", "", "Risk"),
    )
    heads = heads_of(columns)
    assert [head.text for head in heads] == [
        "free min [GiB]", "swap in mean [MiB/s]", "swap in p99 [MiB/s]", "stall cow [s]", "swap risk high",
    ]  # fmt: skip
    assert heads[2].meaning == "Read, 99th percentile"
    assert heads[4].shown == "0.0%"
    table = pd.DataFrame({column.name: [2**30] for column in columns})
    assert list(rows_of(table, columns)) == [(1.0, 1024.0, 1024.0, 2**30, 2**30)]
