import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from planner.errors import InputError
from planner.units import GIB
from planner.workload.fleet_files import read_fleet, write_fleet
from planner.workload.fleet_records import FleetFiles, FleetInfo, VmRecord

NAN = np.nan


def make_fleet(n_ticks: int = 3) -> FleetFiles:
    active = np.array([[1, NAN, 3], [4, 5, 6]], dtype=np.float32)[:, :n_ticks] * 2.0**20
    granted = np.array([[10, NAN, 30], [40, 50, 60]], dtype=np.float32)[:, :n_ticks] * 2.0**20
    vms = (
        VmRecord("a", 4 * GIB, "table"),
        VmRecord("b", 8 * GIB, "quantum", 4, "g", "img", "h", 7, GIB, 2 * GIB, False),
    )
    info = FleetInfo("table: x", "thanks", 300, 1_372_629_900, ("assumed",), ("warned",))
    return FleetFiles(info, vms, active, granted, None)


@pytest.fixture
def fleet_dir(tmp_path):
    write_fleet(tmp_path / "fleet", make_fleet())
    return tmp_path / "fleet"


def test_round_trip(fleet_dir):
    written, read = make_fleet(), read_fleet(fleet_dir)
    assert read.info == written.info
    assert read.vms == written.vms
    assert read.cpu_busy_vcpus is None
    np.testing.assert_array_equal(read.active_bytes, written.active_bytes)
    np.testing.assert_array_equal(read.granted_bytes, written.granted_bytes)
    assert read.active_bytes.dtype == np.float32


def test_round_trip_with_cpu(tmp_path):
    cpu = np.array([[0.5, NAN, 1.5], [2, 2, 2]], dtype=np.float32)
    written = make_fleet()
    write_fleet(tmp_path / "f", FleetFiles(written.info, written.vms, written.active_bytes, written.granted_bytes, cpu))
    np.testing.assert_array_equal(read_fleet(tmp_path / "f").cpu_busy_vcpus, cpu)


def test_unknown_is_null_in_the_file_and_a_default_in_the_table(fleet_dir):
    rows = pq.read_table(fleet_dir / "vms.parquet").to_pylist()
    assert rows[0]["vcpus"] is None
    assert rows[0]["limit_bytes"] is None
    assert pq.read_table(fleet_dir / "active.parquet").column("a").null_count == 1
    vms = read_fleet(fleet_dir).vm_table()
    # 4 GiB = 4096 MiB x 10 shares; no limit means the configured memory.
    assert vms.shares.tolist() == [40960, 7]
    assert vms.vcpus.tolist() == [2, 4]
    assert vms.limit_bytes.tolist() == [4 * GIB, 2 * GIB]
    assert vms.reservation_bytes.tolist() == [0, GIB]
    assert vms.has_balloon_driver.tolist() == [True, False]
    assert vms.groups == (None, "g")


def test_units_are_in_the_file(fleet_dir):
    field = pq.read_schema(fleet_dir / "granted.parquet").field("b")
    assert field.metadata[b"unit"] == b"bytes"


def test_existing_target_is_refused_and_force_replaces_a_fleet_only(fleet_dir, tmp_path):
    with pytest.raises(InputError, match="exists already"):
        write_fleet(fleet_dir, make_fleet())
    write_fleet(fleet_dir, make_fleet(2), force=True)
    assert read_fleet(fleet_dir).active_bytes.shape == (2, 2)
    other = tmp_path / "home"
    other.mkdir()
    (other / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="is not a fleet"):
        write_fleet(other, make_fleet(), force=True)
    assert (other / "thesis.txt").read_text() == "x"


def test_nothing_is_left_when_writing_fails(tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("planner.workload.fleet_files.pq.write_table", full)
    with pytest.raises(InputError, match="No space left"):
        write_fleet(tmp_path / "fleet", make_fleet())
    assert list(tmp_path.iterdir()) == []


def test_write_refuses_what_read_would_refuse(tmp_path):
    fleet = make_fleet()
    double = FleetFiles(fleet.info, (fleet.vms[0], fleet.vms[0]), fleet.active_bytes, fleet.granted_bytes)
    with pytest.raises(InputError, match='duplicated VM name "a"'):
        write_fleet(tmp_path / "f", double)
    short = FleetFiles(fleet.info, fleet.vms, fleet.active_bytes, fleet.granted_bytes[:, :2])
    with pytest.raises(InputError, match="granted has shape"):
        write_fleet(tmp_path / "f", short)
    assert list(tmp_path.iterdir()) == []


def edit_json(fleet_dir, **changes):
    path = fleet_dir / "fleet.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_table(path, change):
    pq.write_table(change(pq.read_table(path)), path)


def rename_column(old, new):
    return lambda table: table.rename_columns([new if name == old else name for name in table.column_names])


BREAKERS = {
    "no such directory": lambda d: d.rename(d.parent / "moved"),
    "fleet.json: no such file": lambda d: (d / "fleet.json").unlink(),
    "cannot be read as JSON": lambda d: (d / "fleet.json").write_text("{"),
    "has format version 99": lambda d: edit_json(d, format_version=99),
    "garbles tick_s": lambda d: edit_json(d, tick_s="often"),
    "garbles first_time_s": lambda d: edit_json(d, first_time_s={}),
    "garbles tick_s, assumptions": lambda d: edit_json(d, tick_s=True, assumptions=[1]),
    "garbles ticks": lambda d: edit_json(d, ticks=-1),
    "vms.parquet: no such file": lambda d: (d / "vms.parquet").unlink(),
    "active.parquet: no such file": lambda d: (d / "active.parquet").unlink(),
    "granted.parquet: not a whole Parquet file": lambda d: (d / "granted.parquet").write_bytes(
        (d / "granted.parquet").read_bytes()[:300]
    ),
    "lacks the columns image": lambda d: edit_table(d / "vms.parquet", lambda t: t.drop_columns(["image"])),
    "has no VMs": lambda d: edit_table(d / "vms.parquet", lambda t: t.slice(0, 0)),
    "duplicated VM name": lambda d: edit_table(d / "vms.parquet", lambda t: pa.concat_tables([t, t])),
    'not in vms.parquet: "z"': lambda d: edit_table(d / "active.parquet", rename_column("a", "z")),
    'lacks the series of VMs in vms.parquet: "a"': lambda d: edit_table(
        d / "active.parquet", lambda t: t.drop_columns(["a"])
    ),
    "lacks the column": lambda d: edit_table(d / "granted.parquet", lambda t: t.drop_columns(["time_utc"])),
    "its times are not the 3 ticks": lambda d: edit_table(d / "granted.parquet", lambda t: t.slice(1)),
}


@pytest.mark.parametrize("message", list(BREAKERS))
def test_broken_fleets_are_refused(fleet_dir, message):
    BREAKERS[message](fleet_dir)
    with pytest.raises(InputError) as caught:
        read_fleet(fleet_dir)
    assert message in str(caught.value)
    assert caught.value.hint
