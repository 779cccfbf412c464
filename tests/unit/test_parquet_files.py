"""Parquet files of others: what they hide is found before memory is full, and broken metadata end in a message."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from planner.errors import InputError
from planner.parquet_files import read_parquet

LIST = pa.array([[1, 2], [], None, [3]], type=pa.list_(pa.int64()))


def write(path, table, **options):
    pq.write_table(table, path, **options)
    return path


@pytest.mark.parametrize("rows_of_group", [1, 3, 100])
def test_flat_and_nested_tables_come_back(tmp_path, rows_of_group):
    flat = pa.table({"a": np.arange(4), "b": ["x", None, "y", "x"], "c": np.arange(4, dtype=np.float32)})
    nested = flat.append_column("d", LIST)
    for table in (flat, nested, flat.slice(0, 0)):
        path = write(tmp_path / "t.parquet", table, row_group_size=rows_of_group)
        assert read_parquet(path, "again").equals(table)


def test_columns_and_groups_that_were_chosen(tmp_path):
    path = write(tmp_path / "t.parquet", pa.table({"a": np.arange(6), "b": np.arange(6)}), row_group_size=2)
    found = read_parquet(path, "again", choose=lambda metadata, names: (["b"], [2, 0]))
    assert found.to_pydict() == {"b": [4, 5, 0, 1]}


@pytest.mark.parametrize("count", [200, 400])
def test_files_that_lie_about_their_rows(tmp_path, count):
    column = {"a": np.zeros(300, dtype=np.int64)}
    path = write(tmp_path / "t.parquet", pa.table(column), use_dictionary=False, write_statistics=False)
    data = path.read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    right, wrong = varint(300), varint(count)
    first, last = data.find(right, start), data.rfind(right)  # rows of the file, rows of its only group
    for places in ((first,), (last,), (first, last)):
        changed = bytearray(data)
        for at in places:
            changed[at : at + 2] = wrong
        path.write_bytes(changed)
        if count < 300 and len(places) == 2:
            # What is hidden beyond the count is left alone.
            assert len(read_parquet(path, "again")) == count
        else:
            with pytest.raises(InputError, match=r"declares"):
                read_parquet(path, "again")


def varint(count):
    """Write a count as Thrift does, in two bytes."""
    zigzag = 2 * count
    return bytes([zigzag & 127 | 128, zigzag >> 7])


def test_broken_size_statistics_end_in_a_message_and_not_the_process(tmp_path):
    table = pa.table({"a": ["x", "y", "z"], "b": [1, 2, 3]})
    for name, data in (("flat", table), ("nested", table.append_column("d", LIST[:3]))):
        path = write(tmp_path / f"{name}.parquet", data)
        broken = without_a_level(path.read_bytes())
        assert broken is not None
        path.write_bytes(broken)
        code = "import sys, pathlib, planner.parquet_files as p; p.read_parquet(pathlib.Path(sys.argv[1]), '')"
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        assert "InputError" in done.stderr
        assert "histogram size mismatch" in done.stderr


def without_a_level(data):
    """Make the first column required in the schema: its histogram then has a level too many."""
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    # Leaf "a": type BYTE_ARRAY (field 1: 0x15 0x0c), repetition OPTIONAL (field 3: 0x25 0x02), name (0x18 0x01 "a").
    leaf = bytes([0x15, 0x0C, 0x25, 0x02, 0x18, 0x01]) + b"a"
    at = data.find(leaf, start)
    return None if at < 0 else data[: at + 3] + b"\x00" + data[at + 4 :]
