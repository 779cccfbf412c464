"""The run directory: written as a whole, read back as it was, refused when it is not ours."""

import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from planner.config.catalog import expand_hypervisor
from planner.config.load import load_config
from planner.config.spec import PlannerConfig
from planner.errors import InputError, ReportError
from planner.results import RunContents, check_target, read_run, write_run
from planner.results.columns import arrow_schema
from planner.results.manifest import config_hash
from planner.results.tables import timeline_table
from planner.schema import HOST_COLUMNS, TIMELINE_COLUMNS, VM_COLUMNS

CONFIG = PlannerConfig.model_validate(
    {
        "schema_version": 1,
        "seed": 5,
        "fleet": {
            "hosts": [{"name": "esx", "count": 2, "memory": "64 GiB", "cores": 16}],
            "vms": [{"name": "db", "memory": "8 GiB"}],
        },
        "hypervisor": expand_hypervisor("kvm"),
        "horizon": "1 days",
    }
)
SAMPLE = {"int64": 7, "float64": 0.5, "string": "x", "bool": True, "list<int64>": [1, 2]}


def one_row(columns):
    return pa.Table.from_pylist([{c.name: SAMPLE[c.dtype] for c in columns}], schema=arrow_schema(columns))


def contents(**changes):
    timeline = np.arange(2 * len(TIMELINE_COLUMNS), dtype=np.int64).reshape(2, -1)
    given = {
        "config": CONFIG, "hosts": [one_row(HOST_COLUMNS)], "vms": [one_row(VM_COLUMNS)],
        "timelines": {"scenario-000-replicate-00-esx-01": timeline_table(timeline)},
        "manifest": {"seed": 5, "scenarios": []}, "summary": {"scenarios": [], "recommendation": {"ratio": None}},
    }  # fmt: skip
    return RunContents(**{**given, **changes})


def render(run_dir, out):
    out.write_text(f"rendered from {sorted(path.name for path in run_dir.iterdir())}")


def test_round_trip(tmp_path):
    out = tmp_path / "a" / "run"
    write_run(out, contents(), render)
    run = read_run(out)
    assert run.config == CONFIG
    assert run.hosts["slowdown_histogram"][0].tolist() == [1, 2]
    assert run.vms.columns.tolist() == [c.name for c in VM_COLUMNS]
    assert run.summary["recommendation"] == {"ratio": None}
    assert run.timelines["scenario-000-replicate-00-esx-01"]["tick"].tolist() == [0, len(TIMELINE_COLUMNS)]
    assert "hosts.parquet" in (out / "report.html").read_text()
    assert [path.name for path in out.parent.iterdir()] == ["run"]


def test_resolved_config_is_a_config(tmp_path):
    write_run(tmp_path / "run", contents(), render)
    assert load_config(tmp_path / "run" / "config.yaml") == CONFIG


def test_columns_carry_unit_and_meaning(tmp_path):
    write_run(tmp_path / "run", contents(), render)
    for name, columns in (("hosts", HOST_COLUMNS), ("vms", VM_COLUMNS)):
        schema = pq.read_schema(tmp_path / "run" / f"{name}.parquet")
        assert schema.names == [c.name for c in columns]
        for column in columns:
            metadata = schema.field(column.name).metadata
            assert metadata[b"unit"].decode() == column.unit
            assert metadata[b"meaning"].decode() == column.meaning


def test_same_rows_same_bytes(tmp_path):
    for name in ("one", "two"):
        write_run(tmp_path / name, contents(), render)
    for file in ("hosts.parquet", "vms.parquet", "manifest.json", "config.yaml"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_earlier_run_is_replaced_only_by_a_complete_one(tmp_path):
    out = tmp_path / "run"
    write_run(out, contents(), render)
    (out / "timeline" / "stale.parquet").write_text("old")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_run(out, contents(summary={"second": float("nan")}), render)
    assert "second" not in read_json(out / "summary.json")
    write_run(out, contents(summary={"second": True}), render)
    assert "second" in read_json(out / "summary.json")
    assert not (out / "timeline" / "stale.parquet").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_report_that_fails_takes_nothing_with_it(tmp_path):
    out = tmp_path / "a run"

    def fail(run_dir, target):
        target.write_text("half a page")
        raise KeyError("no page")

    with pytest.raises(ReportError) as caught:
        write_run(out, contents(), fail)
    assert str(caught.value) == (
        f"{out}: all is written but the report, which failed (KeyError: 'no page'); "
        f"try again with: planner report '{out}'"
    )
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert len(read_run(out).hosts) == 1
    assert not (out / "report.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a run"]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    for second in (False, True):
        write_run(tmp_path / "run", contents(summary={"second": second}), render)
    assert read_json(tmp_path / "disk" / "summary.json") == {"second": True}
    assert (tmp_path / "run").is_symlink()


def read_json(path):
    return json.loads(path.read_text())


def test_foreign_targets_are_refused(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds something else"):
        check_target(tmp_path / "notes")
    with pytest.raises(InputError, match="is a file, not a directory; name another directory with --out"):
        check_target(tmp_path / "file")
    with pytest.raises(InputError, match="cannot be made"):
        check_target(tmp_path / "file" / "deeper" / "run")
    check_target(tmp_path / "empty")
    write_run(tmp_path / "empty", contents(), render)
    assert (tmp_path / "notes" / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("file", ["hosts.parquet", "vms.parquet", "summary.json", "config.yaml", "manifest.json"])
def test_missing_and_truncated_files_are_named(tmp_path, file):
    out = tmp_path / "run"
    write_run(out, contents(), render)
    whole = (out / file).read_bytes()
    (out / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=file):
        read_run(out)
    (out / file).unlink()
    with pytest.raises(InputError, match=file):
        read_run(out)


def test_directories_that_are_no_run_are_named(tmp_path):
    with pytest.raises(InputError, match="there is no such directory"):
        read_run(tmp_path / "none")
    with pytest.raises(InputError, match="it has no manifest"):
        read_run(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": "other"}')
    with pytest.raises(InputError, match="was not written by"):
        read_run(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": "planner-run", "format_version": 99}')
    with pytest.raises(InputError, match="has format version 99; this planner reads 1"):
        read_run(tmp_path)


def test_foreign_table_is_refused(tmp_path):
    out = tmp_path / "run"
    write_run(out, contents(), render)
    pq.write_table(one_row(HOST_COLUMNS).drop_columns(["usable_bytes"]), out / "hosts.parquet")
    with pytest.raises(InputError, match="lacks the columns usable_bytes"):
        read_run(out)


def test_config_hash_depends_on_values_only():
    same = PlannerConfig.model_validate(CONFIG.model_dump(mode="json"))
    assert config_hash(same) == config_hash(CONFIG)
    assert config_hash(CONFIG.model_copy(update={"seed": 6})) != config_hash(CONFIG)
