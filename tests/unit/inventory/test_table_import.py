from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import InputError
from planner.inventory.series_units import infer_unit, parse_unit, unit_of_name
from planner.inventory.table import TableOptions, import_table
from planner.inventory.table_files import find_files
from planner.units import GIB, MIB
from planner.workload.fleet_records import FleetFiles

NAN = np.nan
VMS = "id,cores,configured_mib,group,cpu_cap_mhz\na,2,4096,g1,5200\nb,1,8192,,2600\n"
TIMES = pd.date_range("2026-01-01", periods=4, freq="5min", tz="UTC", name="time_utc")
ACTIVE_MIB = {"a": [1000.0, 2000.0, NAN, 500.0], "b": [4000.0, 0.0, 100.0, 100.0]}
GRANTED_MIB = {"a": [2048.0, 2048.0, NAN, 4096.0], "b": [8000.0, 8000.0, 8192.0, 8192.0]}
JAN = 1_767_225_600  # 2026-01-01 00:00 UTC


def load(source: Path, options: TableOptions | None = None, **given: object) -> FleetFiles:
    series = {key: value for key, value in given.items() if key in ("active", "granted", "cpu")}
    files = find_files(source, given.get("vms"), series, given.get("layout", "auto"))
    return import_table(source.name, files, options or TableOptions())


@pytest.fixture
def wide(tmp_path):
    (tmp_path / "vms.csv").write_text(VMS)
    tenths = pd.DataFrame({vm: [value * 10 for value in values] for vm, values in ACTIVE_MIB.items()}, index=TIMES)
    tenths[:2].astype("Int32").to_parquet(tmp_path / "active_2026-01.parquet")
    tenths[2:].astype("Int32").to_parquet(tmp_path / "active_2026-02.parquet")
    pd.DataFrame(GRANTED_MIB, index=TIMES).to_parquet(tmp_path / "granted.parquet")
    pd.DataFrame({"a": [1300] * 4, "b": [2600] * 4}, index=TIMES).to_parquet(tmp_path / "cpu_mhz.parquet")
    return tmp_path


def check_values(fleet: FleetFiles) -> None:
    assert [vm.name for vm in fleet.vms] == ["a", "b"]
    assert (fleet.info.tick_s, fleet.info.first_time_s) == (300, JAN)
    np.testing.assert_allclose(fleet.active_bytes, np.array(list(ACTIVE_MIB.values())) * MIB, rtol=1e-6)
    np.testing.assert_allclose(fleet.granted_bytes, np.array(list(GRANTED_MIB.values())) * MIB)


def test_wide_parquet_in_tenths_of_a_mib_needs_no_options(wide):
    fleet = load(wide)
    check_values(fleet)
    # b peaks at 4000/8192 = 49 %, a at 2000/4096 = 49 %: read as MiB both would peak at 4.9 x configured.
    assert "active memory is read in 0.1 MiB: then the median VM peaks at 49% of its configured memory" in (
        fleet.info.assumptions
    )
    # a: 1300 MHz of 5200 MHz with 2 vCPUs; b: all of its single vCPU.
    np.testing.assert_allclose(fleet.cpu_busy_vcpus[:, 0], [0.5, 1.0])
    assert (fleet.vms[0].group, fleet.vms[1].group) == ("g1", None)
    assert fleet.vms[0].configured_from == "table"
    assert fleet.info.warnings == ()


@pytest.mark.parametrize("time_kind", ["iso", "epoch", "epoch_ms"])
def test_long_csv(tmp_path, time_kind):
    (tmp_path / "vms.csv").write_text(VMS)
    lines = ["vm,time,granted_gib,active_mib"]
    for vm, values in ACTIVE_MIB.items():
        for tick, value in enumerate(values):
            if np.isnan(value):
                continue
            # Each VM has its own moment within the tick.
            seconds = JAN + 300 * tick + (7 if vm == "a" else 131)
            stamp = pd.Timestamp(seconds, unit="s").isoformat() + "Z"
            time = {"iso": stamp, "epoch": seconds, "epoch_ms": seconds * 1000}[time_kind]
            lines.append(f"{vm},{time},{GRANTED_MIB[vm][tick] / 1024},{value}")
    (tmp_path / "series.csv").write_text("\n".join(lines) + "\n")
    fleet = load(tmp_path)
    check_values(fleet)
    assert fleet.cpu_busy_vcpus is None
    check_values(load(tmp_path / "series.csv", vms=tmp_path / "vms.csv"))


def test_wide_csv_with_named_files_and_units(tmp_path):
    (tmp_path / "fleet.csv").write_text(VMS)
    pd.DataFrame(ACTIVE_MIB, index=TIMES).to_csv(tmp_path / "x.csv")
    pd.DataFrame(GRANTED_MIB, index=TIMES).mul(MIB).to_csv(tmp_path / "y.csv")
    named = {"vms": tmp_path / "fleet.csv", "active": (tmp_path / "x.csv",), "granted": (tmp_path / "y.csv",)}
    check_values(load(tmp_path, TableOptions(active_unit="mib", granted_unit="bytes"), **named))
    check_values(load(tmp_path, **named))


def test_full_vm_table(wide):
    (wide / "vms.csv").unlink()
    pd.DataFrame(
        {
            "VM": ["a", "b"],
            "Memory GiB": [4.0, 8.0],
            "vcpus": [2, None],
            "host": ["esx-1", None],
            "image": ["debian", None],
            "shares": [10, None],
            "reservation_mib": [512, None],
            "limit_mib": [-1, 4096],
            "balloon_driver": ["yes", "no"],
        }
    ).to_parquet(wide / "vms.parquet")
    a, b = load(wide).vms
    assert (a.configured_bytes, a.vcpus, a.host, a.image, a.shares) == (4 * GIB, 2, "esx-1", "debian", 10)
    assert (a.reservation_bytes, a.limit_bytes, a.has_balloon_driver) == (512 * MIB, None, True)
    assert (b.vcpus, b.host, b.shares, b.reservation_bytes) == (None, None, None, None)
    assert (b.limit_bytes, b.has_balloon_driver) == (4 * GIB, False)


def test_zero_granted_is_off(wide):
    granted = pd.DataFrame(GRANTED_MIB, index=TIMES)
    granted.iloc[0, 0] = 0
    granted.to_parquet(wide / "granted.parquet")
    fleet = load(wide)
    assert np.isnan(fleet.granted_bytes[0, 0])
    assert np.isnan(fleet.active_bytes[0, 0])


def test_missing_rows_become_gaps(wide):
    pd.DataFrame(GRANTED_MIB, index=TIMES).drop(TIMES[1]).to_parquet(wide / "granted.parquet")
    assert np.isnan(load(wide, TableOptions(tick_s=300)).granted_bytes[:, 1]).all()


def test_vms_without_series_are_left_out_and_named(wide):
    (wide / "vms.csv").write_text(VMS + "c,1,1024,,2600\n")
    fleet = load(wide)
    assert len(fleet.vms) == 2
    assert fleet.info.warnings == ("1 of 3 VMs lack an active or granted series and are left out: c",)


def test_cpu_without_a_unit_is_left_out_and_said(wide):
    (wide / "cpu_mhz.parquet").rename(wide / "cpu.parquet")
    fleet = load(wide)
    assert fleet.cpu_busy_vcpus is None
    assert "CPU series left out" in fleet.info.warnings[0]


@settings(max_examples=60, deadline=None)
@given(
    unit=st.sampled_from(["bytes", "KiB", "0.1 MiB", "MiB"]),
    shares=st.lists(st.floats(0.12, 1.0), min_size=1, max_size=20),
    size_gib=st.sampled_from([2, 4, 8]),
)
def test_unit_rule_finds_the_unit(unit, shares, size_gib):
    configured = np.full(len(shares), size_gib * GIB)
    factor = {"bytes": 1, "KiB": 1024, "0.1 MiB": MIB / 10, "MiB": MIB}[unit]
    assert infer_unit("active", np.array(shares) * configured / factor, configured, "x").unit == unit


@pytest.mark.parametrize("factor", [GIB, 4 * GIB, 4 * GIB / 100])
def test_unit_rule_asks_for_gib_fractions_and_percent(factor):
    configured = np.full(5, 4 * GIB)
    with pytest.raises(InputError, match="none of those that can be inferred"):
        infer_unit("active", np.full(5, 0.5) * configured / factor, configured, "x")


def test_ambiguous_unit_is_asked_for(wide):
    # The VMs never touch more than 1 % of their memory: no reading is plausible.
    pd.DataFrame({"a": [10.0] * 4, "b": [20.0] * 4}, index=TIMES).to_parquet(wide / "active.parquet")
    for month in ("01", "02"):
        (wide / f"active_2026-{month}.parquet").unlink()
    with pytest.raises(InputError, match="cannot tell the unit of the active series") as caught:
        load(wide)
    assert "--active-unit" in caught.value.hint
    assert load(wide, TableOptions(active_unit="MiB")).active_bytes[0, 0] == 10 * MIB


def test_unit_names():
    assert unit_of_name("active_mib_2026-01") == "MiB"
    assert unit_of_name("Memory GiB") == "GiB"
    assert unit_of_name("active_2026-01") is None
    assert parse_unit("0.1mib", "x") == "0.1 MiB"
    with pytest.raises(InputError, match='unknown unit "MB/s"'):
        parse_unit("MB/s", "x")


def drop(name):
    return lambda d: (d / name).unlink()


def vms_csv(text):
    return lambda d: (d / "vms.csv").write_text(text)


def table(name, frame):
    return lambda d: frame.to_parquet(d / name)


WRONG = {
    "has no VM table": drop("vms.csv"),
    "no series of granted memory": drop("granted.parquet"),
    "has no VMs": vms_csv("id,configured_mib\n"),
    'duplicated VM name "a"': vms_csv(VMS + "a,1,1024,,2600\n"),
    "lacks a column of VM names": vms_csv("server,configured_mib\na,1\n"),
    "lacks a column of configured memory": vms_csv("id,cores\na,1\n"),
    "states no unit of memory": vms_csv("id,memory\na,4096\n"),
    "has no configured memory": vms_csv("id,configured_mib\na,\nb,1\n"),
    '"lots" is not a number': vms_csv("id,configured_mib\na,lots\n"),
    "not a whole CSV table": vms_csv("id,configured_mib\na,1,2,3\n"),
    "VMs that are not in the VM table": vms_csv("id,configured_mib\na,4096\n"),
    "not a whole Parquet file": lambda d: (d / "granted.parquet").write_bytes(b"PAR1" + bytes(50)),
    "lacks a time column": table("granted.parquet", pd.DataFrame(GRANTED_MIB)),
    "negative granted memory": table("granted.parquet", pd.DataFrame(GRANTED_MIB, index=TIMES).replace(2048.0, -5.0)),
    "expected numbers": table("granted.parquet", pd.DataFrame(GRANTED_MIB, index=TIMES).astype(str)),
    "several VM tables": lambda d: (d / "inventory.csv").write_text(VMS),
}


@pytest.mark.parametrize("message", list(WRONG))
def test_wrong_tables(wide, message):
    WRONG[message](wide)
    with pytest.raises(InputError) as caught:
        load(wide)
    assert message in str(caught.value)
    assert caught.value.hint


def test_wrong_sources(tmp_path):
    for source, message in ((tmp_path / "none", "no such file"), (tmp_path, "holds no CSV or Parquet")):
        with pytest.raises(InputError, match=message):
            load(source)


def test_long_file_lacks_a_column(tmp_path):
    (tmp_path / "vms.csv").write_text(VMS)
    (tmp_path / "series.csv").write_text("vm,time,active_mib,what\na,2026-01-01T00:00:00Z,1,2\n")
    with pytest.raises(InputError, match="lacks a column of granted values") as caught:
        load(tmp_path)
    assert "found: vm, time, active_mib, what" in caught.value.hint
