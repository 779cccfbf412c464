"""Archives: bombs are refused at once and with little memory; members that cannot be read are input errors."""

import io
import struct
import time
import tracemalloc
import zipfile

import pytest

from planner.errors import InputError
from planner.inventory import archive as archive_module
from planner.inventory.archive import open_archive, read_member
from planner.inventory.gwa import import_gwa

CSV = "Timestamp [ms];Memory capacity provisioned [KB];Memory usage [KB]\n" + "".join(
    f"{1_376_314_846 + 300 * row};4194304;{41943 * (row + 1)}\n" for row in range(5)
)


def write_zip(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def patch(path, local, central, data):
    """Overwrite bytes of the first member's headers, at these offsets."""
    changed = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        at = changed.find(mark) + offset
        changed[at : at + len(data)] = data
    path.write_bytes(bytes(changed))
    return path


def bomb_of_shared_bytes(path, members=2000, unpacked=20_000_000):
    """An archive whose members all point to the same bytes, as the bombs that unpack to petabytes do."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.csv", bytes(unpacked))
    data = inner.getvalue()
    start = data.find(b"PK\x01\x02")
    entry = data[start : data.find(b"PK\x05\x06")]
    entries = b"".join(entry[:46] + f"{n % 10}.csv".encode() + entry[51:] for n in range(members))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, members, members, len(entries), start, 0)
    path.write_bytes(data[:start] + entries + end)
    return path


def test_a_bomb_of_shared_bytes_is_refused_at_once_and_with_little_memory(tmp_path):
    """2,000 members of 20 MB are 37 GiB out of 160 KB; nothing of it is unpacked."""
    path = bomb_of_shared_bytes(tmp_path / "42.zip")
    assert path.stat().st_size < 200_000
    started_s = time.process_time()
    tracemalloc.start()
    with pytest.raises(InputError, match=r"42\.zip: unpacks to 37\.3 GiB, .* times its size; .*name the directory"):
        import_gwa(path)
    assert time.process_time() - started_s < 1.0
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_a_nested_archive_is_not_opened(tmp_path):
    inner = write_zip(tmp_path / "inner.zip", {"1.csv": CSV}).read_bytes()
    path = write_zip(tmp_path / "outer.zip", {"rnd/2013-7/1.csv": CSV, "inner.zip": inner})
    assert [vm.name for vm in import_gwa(path).vms] == ["vm1"]


def test_a_member_that_shrinks_too_well_is_refused(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"1.csv": bytes(20_000_000)})
    with pytest.raises(InputError, match=r"unpacks to 19\.1 MiB"):
        open_archive(path)


def test_small_archives_may_shrink_as_they_like(tmp_path):
    open_archive(write_zip(tmp_path / "x.zip", {"1.csv": bytes(1_000_000)})).close()


def test_too_many_members_are_refused_before_they_are_listed(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "x.zip", {f"{n}.csv": "" for n in range(11)})
    monkeypatch.setattr(archive_module, "MAX_MEMBERS", 10)
    monkeypatch.setattr(zipfile.ZipFile, "__init__", None)  # not even opened
    with pytest.raises(InputError, match="lists 11 members, more than 10"):
        open_archive(path)


def test_a_large_member_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "MAX_MEMBER_BYTES", 100)
    path = write_zip(tmp_path / "x.zip", {"a.csv": "x", "b.csv": "x" * 101})
    with pytest.raises(InputError, match=r"x\.zip, b\.csv: unpacks to 101 B, more than 100 B"):
        open_archive(path)


def test_an_encrypted_member_is_an_input_error(tmp_path):
    path = patch(write_zip(tmp_path / "x.zip", {"1.csv": CSV}), 6, 8, b"\x01")
    with pytest.raises(InputError, match=r"x\.zip, 1\.csv: is encrypted; unpack it yourself"):
        import_gwa(path)


@pytest.mark.parametrize("method", [1, 9, 12, 14, 99])
def test_an_unusual_method_is_an_input_error(tmp_path, method):
    path = patch(write_zip(tmp_path / "x.zip", {"1.csv": CSV}), 8, 10, bytes([method]))
    with pytest.raises(InputError, match=f"is packed by method {method}; unpack it yourself"):
        import_gwa(path)


def test_bytes_that_do_not_unpack_are_an_input_error(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"1.csv": CSV * 10})
    data = bytearray(path.read_bytes())
    data[40:60] = bytes(20)
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"cannot be read: .*; copy or download it again"):
        import_gwa(path)


def test_a_member_that_unpacks_to_more_than_it_declares_is_an_input_error(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"1.csv": "x" * 1000})
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<L", 10)
    path.write_bytes(bytes(data))
    with open_archive(path) as archive, pytest.raises(InputError, match="cannot be read"):
        read_member(archive, "1.csv", "x.zip, 1.csv")


@pytest.mark.parametrize("name", ["../../escape.csv", "/etc/escape.csv", "a/../../b.csv"])
def test_names_that_lead_outside_write_nothing(tmp_path, name):
    (tmp_path / "in").mkdir()
    path = write_zip(tmp_path / "in" / "x.zip", {name: CSV, "1.csv": CSV})
    before = sorted(tmp_path.rglob("*"))
    import_gwa(path)
    assert sorted(tmp_path.rglob("*")) == before
