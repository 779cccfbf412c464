"""What nothing measured is refused with its place, and not computed with. Each case was found by fuzzing."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from planner.errors import InputError
from planner.inventory.grid import check_grid
from planner.inventory.gwa_files import parse_csv
from planner.inventory.table import TableOptions, import_table
from planner.inventory.table_files import find_files
from planner.workload.fleet_files import read_fleet, write_fleet
from planner.workload.fleet_records import FleetFiles, FleetInfo, VmRecord

GWA = "Timestamp [ms];Memory capacity provisioned [KB];Memory usage [KB]\n{time};{granted};{active}\n"
VMS = "name,configured_mib,vcpus,shares,limit_mib\na,4096,2,,\n"
WIDE = "time,a\n2026-01-01T00:00:00Z,{value}\n2026-01-01T00:05:00Z,100\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"time": "999999999999999"}, "row 1 has the time 1e+12 s since 1970; expected times between 1970 and 9999"),
        ({"time": "-5"}, "row 1 has the time -5 s since 1970"),
        ({"time": "1e300"}, "expected times between 1970 and 9999"),
        ({"granted": "1e308"}, 'row 1 has 1e+308 as "Memory capacity provisioned [KB]"'),
        ({"active": "inf"}, 'row 1 has inf as "Memory usage [KB]"'),
    ],
)
def test_gwa_rows(change, words):
    text = GWA.format(**{"time": "1376314846", "granted": "4096", "active": "100", **change})
    with pytest.raises(InputError) as caught:
        parse_csv(text.encode(), "1.csv")
    assert words in str(caught.value)
    assert str(caught.value).startswith("1.csv: ")


def import_wide(folder, vms=VMS, active="100", granted="2000"):
    (folder / "vms.csv").write_text(vms)
    (folder / "active_mib.csv").write_text(WIDE.format(value=active))
    (folder / "granted_mib.csv").write_text(WIDE.format(value=granted))
    return import_table("x", find_files(folder, None, {}, "auto"), TableOptions())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"active": "1e308"}, "active_mib.csv, column a: row 1 has 1e+308"),
        ({"granted": "inf"}, "granted_mib.csv, column a: row 1 has inf"),
        ({"granted": "1e15"}, "granted memory read in MiB exceeds 1 EiB; pass --granted-unit"),
        ({"vms": VMS.replace("4096", "1e300")}, "row 1, column configured_mib: 1e+300 is more than 1 EiB"),
        ({"vms": VMS.replace("4096,2", "4096,inf")}, 'row 1, column vcpus: "inf" is not a number'),
        ({"vms": VMS.replace("configured_mib,vcpus", "configured_mib,configured_mib")}, 'two columns are named "conf'),
    ],
)
def test_table_cells(tmp_path, given, words):
    with pytest.raises(InputError) as caught:
        import_wide(tmp_path, **given)
    assert words in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("limit", ["-1", "0", "9223372036854775807", "1e300", ""])
def test_every_way_of_writing_no_limit(tmp_path, limit):
    fleet = import_wide(tmp_path, VMS.replace("a,4096,2,,", f"a,4096,2,,{limit}"))
    assert fleet.vms[0].limit_bytes is None


def test_bytes_that_are_no_text(tmp_path):
    import_wide(tmp_path)
    (tmp_path / "vms.csv").write_bytes(b"name,configured_mib,gr\xffoup\na,4096,g\n")
    with pytest.raises(InputError, match="not a whole CSV table"):
        import_table("x", find_files(tmp_path, None, {}, "auto"), TableOptions())
    (tmp_path / "vms.csv").write_bytes(b"name,configured_mib,group\na,4096,g\xff\n")
    with pytest.raises(InputError, match="column group: holds bytes that are not UTF-8"):
        import_table("x", find_files(tmp_path, None, {}, "auto"), TableOptions())


def test_times_that_are_no_numbers(tmp_path):
    times = [1.7e9, float("nan")]
    pq.write_table(pa.table({"time": times, "a": [1.0, 2.0]}), tmp_path / "active.parquet")
    (tmp_path / "vms.csv").write_text(VMS)
    with pytest.raises(InputError, match=r"column time: row 2 has the time nan s"):
        import_table("x", find_files(tmp_path, None, {}, "auto"), TableOptions())


def test_one_wrong_date_does_not_make_a_grid_of_millennia():
    # 100 VMs x 30,000,000 ticks x 4 bytes = 12 GB
    with pytest.raises(InputError, match=r"100 VMs over 285 years in ticks of 300 s take 11\.2 GiB.*; is a date wrong"):
        check_grid(100, 30_000_000, 300, "x.csv")
    check_grid(48_000, 8_640, 300, "x.csv")


def write_small_fleet(folder):
    vms = (VmRecord("a", 4096, "table"),)
    values = np.ones((1, 3), dtype=np.float32)
    write_fleet(folder, FleetFiles(FleetInfo("x", "", 300, 0), vms, values, values))
    return folder


def change_column(folder, name, value):
    path = folder / "vms.parquet"
    table = pq.read_table(path)
    at = table.column_names.index(name)
    pq.write_table(table.set_column(at, name, pa.array([value], type=table.schema.field(name).type)), path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("configured_bytes", 2**62), ("configured_bytes", -1), ("vcpus", 2**40), ("shares", 2**62), ("shares", -1),
        ("reservation_bytes", -1), ("limit_bytes", 2**62),
    ],
)  # fmt: skip
def test_sizes_of_a_fleet_directory(tmp_path, name, value):
    folder = write_small_fleet(tmp_path / "fleet")
    change_column(folder, name, value)
    with pytest.raises(InputError, match=rf"vms\.parquet, row 1: VM \"a\" has .*{value}.*; expected"):
        read_fleet(folder)


@pytest.mark.parametrize("value", [float("inf"), -1.0, 1e30])
def test_series_of_a_fleet_directory(tmp_path, value):
    folder = write_small_fleet(tmp_path / "fleet")
    table = pq.read_table(folder / "granted.parquet")
    series = pa.array([1.0, value, 2.0], type=pa.float32())
    pq.write_table(table.set_column(1, "a", series), folder / "granted.parquet")
    with pytest.raises(InputError, match=r'granted\.parquet: the series of VM "a" has '):
        read_fleet(folder)


def test_two_columns_of_one_name(tmp_path):
    folder = write_small_fleet(tmp_path / "fleet")
    table = pq.read_table(folder / "active.parquet")
    pq.write_table(table.append_column("time_utc", table.column("time_utc")), folder / "active.parquet")
    with pytest.raises(InputError, match='two columns are named "time_utc"'):
        read_fleet(folder)
