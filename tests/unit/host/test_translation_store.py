"""Tables on disk are those that are measured; a broken file is measured again."""

import numpy as np
import pytest

from planner.config.catalog import load_cpu
from planner.host import translation_store
from planner.host.reference_stream import HOST_STREAM
from planner.host.translation_store import load_or_measure

CPU = load_cpu("sandy-bridge")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    return tmp_path / "kernels"


def refuse(*_args):
    raise AssertionError("measured again")


def assert_equal(table, other):
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(table, other, strict=True))


def test_a_table_is_measured_once_and_read_afterwards(folder, monkeypatch):
    measured = load_or_measure(CPU, 2.05, HOST_STREAM)
    (path,) = folder.iterdir()
    assert path.name.startswith("translation-")
    monkeypatch.setattr(translation_store, "build_translation_table", refuse)
    read = load_or_measure(CPU, 2.05, HOST_STREAM)
    assert_equal(read, measured)
    assert [array.dtype for array in read] == [array.dtype for array in measured]
    assert not any(array.flags.writeable for array in (*read, *measured))


@pytest.mark.parametrize("change", ["law", "levels", "cpu"])
def test_what_a_table_depends_on_names_its_file(folder, monkeypatch, change):
    load_or_measure(CPU, 2.05, HOST_STREAM)
    monkeypatch.setattr(translation_store, "build_translation_table", refuse)
    cpu = load_cpu("zen5") if change == "cpu" else CPU
    streams = HOST_STREAM._replace(host_levels=5) if change == "levels" else HOST_STREAM
    with pytest.raises(AssertionError, match="measured again"):
        load_or_measure(cpu, 1.5 if change == "law" else 2.05, streams)


@pytest.mark.parametrize("damage", [lambda text: text[:-1], lambda text: text[:40] + b"?" + text[41:], lambda _: b""])
def test_a_broken_file_is_measured_again_and_replaced(folder, damage):
    measured = load_or_measure(CPU, 2.05, HOST_STREAM)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert_equal(load_or_measure(CPU, 2.05, HOST_STREAM), measured)
    assert path.read_bytes() == whole
    assert list(folder.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocked))
    table = load_or_measure(CPU, 2.05, HOST_STREAM)
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    assert_equal(load_or_measure(CPU, 2.05, HOST_STREAM), table)
