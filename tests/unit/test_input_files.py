"""Files of users are read in bounded memory: devices, giants, pipes, nested JSON, Parquet that declares too much."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from planner import parquet_files
from planner.errors import InputError
from planner.input_files import read_bytes, read_json, read_text
from planner.parquet_files import read_parquet

AGAIN = "make it again"


def test_a_device_without_end_is_read_no_further_than_the_limit(tmp_path):
    link = tmp_path / "config.yaml"
    link.symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"config\.yaml: is larger than 1 MiB; "):
        read_text(link, 1 << 20)


def test_a_file_as_large_as_the_limit_is_read(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(InputError, match="is larger than 4 B"):
        read_bytes(path, 4)


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "summary.json")
    with pytest.raises(InputError, match="is no regular file; make it again"):
        read_json(tmp_path / "summary.json", AGAIN)


@pytest.mark.parametrize(
    ("text", "words"),
    [("[" * 100_000, "nested too deeply"), ("9" * 5000, "cannot be read as JSON"), ("{", "cannot be read as JSON")],
)
def test_json_that_is_no_good_is_an_input_error(tmp_path, text, words):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match=f"{words}.*; {AGAIN}"):
        read_json(tmp_path / "x.json", AGAIN)


def test_json_with_wrong_bytes_or_as_a_directory(tmp_path):
    (tmp_path / "x.json").write_bytes(b"\xff")
    (tmp_path / "folder.json").mkdir()
    for name, words in (
        ("x.json", "is not UTF-8 text"),
        ("folder.json", "is a directory"),
        ("none.json", "is missing"),
    ):
        with pytest.raises(InputError, match=words):
            read_json(tmp_path / name, AGAIN)


def test_parquet_that_stands_for_more_than_fits_is_refused_before_it_is_read(tmp_path, monkeypatch):
    """A constant column of 3 M rows of 8 bytes takes some kilobytes on the disk, and 24 MB in memory."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": np.zeros(3_000_000, dtype=np.int64)}), path, compression="zstd")
    assert path.stat().st_size < 50_000
    monkeypatch.setattr(parquet_files, "MAX_TABLE_BYTES", 24_000_000)
    assert read_parquet(path, AGAIN).num_rows == 3_000_000
    monkeypatch.setattr(parquet_files, "MAX_TABLE_BYTES", 23_999_999)
    with pytest.raises(
        InputError, match=r"x\.parquet: declares 22\.9 MiB of values, more than 22\.9 MiB; make it again"
    ):
        read_parquet(path, AGAIN)


def test_lists_count_by_their_values_and_not_by_their_rows(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": pa.array([[0] * 100_000])}), path)
    monkeypatch.setattr(parquet_files, "MAX_TABLE_BYTES", 700_000)  # 100,000 values of 8 bytes in one row
    with pytest.raises(InputError, match="declares 781 KiB"):
        read_parquet(path, AGAIN)


def test_a_long_text_that_repeats_is_refused_before_it_is_written_out(tmp_path, monkeypatch):
    """A text of 10,000 letters, a thousand times: 10 MB as written out, some kilobytes as encoded."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": ["x" * 10_000] * 1000}), path)
    assert path.stat().st_size < 20_000
    assert read_parquet(path, AGAIN).column("a").to_pylist() == ["x" * 10_000] * 1000
    monkeypatch.setattr(parquet_files, "MAX_TEXT_BYTES", 9_999_999)
    with pytest.raises(InputError, match=r"holds 9\.54 MiB of text"):
        read_parquet(path, AGAIN)


def test_texts_come_as_texts(tmp_path):
    path = tmp_path / "x.parquet"
    table = pa.table({"a": ["x", None, "y"], "n": [1, 2, 3], "l": [["p"], [], ["q", "r"]]})
    pq.write_table(table, path)
    assert read_parquet(path, AGAIN).to_pydict() == table.to_pydict()
    assert read_parquet(path, AGAIN).schema.field("a").type == pa.string()


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" * 10, b"\x80\x04K\x01."])
def test_what_is_no_parquet_is_an_input_error(tmp_path, data):
    (tmp_path / "x.parquet").write_bytes(data)
    with pytest.raises(InputError, match=r"not a whole Parquet file .*; make it again"):
        read_parquet(tmp_path / "x.parquet", AGAIN)
