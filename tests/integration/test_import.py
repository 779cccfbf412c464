"""`planner import` from the command line's functions to a fleet that a source can replay."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from planner.cli.import_ import import_app
from planner.errors import InputError
from planner.inventory.gwa import import_gwa
from planner.inventory.summary import summarize_fleet
from planner.units import GIB, MIB
from planner.workload.fleet_files import read_fleet
from planner.workload.imported import ImportedSource, clean

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "bitbrains_rnd"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real traces are not on this machine")
DAY_S = 86400
JULY = 1_372_636_800


def invoke(*words: object) -> str:
    result = CliRunner().invoke(import_app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result.stdout


@pytest.fixture
def table_dir(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    times = pd.date_range("2026-01-01", periods=288, freq="5min", tz="UTC", name="time_utc")
    (source / "vms.csv").write_text("id,configured_mib\na,4096\nb,8192\n")
    # Sums: 1024 + 2048 MiB active, 2048 + 8192 granted, of 12288; a peaks at 3072 alone, b stays.
    a = np.full(288, 1024)
    a[100] = 3072
    pd.DataFrame({"a": a, "b": 2048}, index=times).to_parquet(source / "active_mib.parquet")
    pd.DataFrame({"a": 2048, "b": 8192}, index=times).to_parquet(source / "granted_mib.parquet")
    return source


def test_table_prints_what_it_found_and_the_fleet_can_be_replayed(table_dir, tmp_path):
    printed = invoke("table", table_dir, "--out", tmp_path / "fleet", "--acknowledgement", "Thanks to X.")
    assert "Imported from table: source" in printed
    assert "2026-01-01 00:00 UTC to 2026-01-01 23:55 UTC  (1 day, tick 5 min)" in printed
    assert "VMs                       2  (12 GiB configured)" in printed
    # granted 10240 / 12288 = 83.3 %; active (287 x 3072 + 5120) / 288 / 12288 = 25.1 %.
    assert "83.3% of configured" in printed
    assert "25.1% of configured" in printed
    assert 'by the name "active_mib"' in printed
    assert "Thanks to X." in printed
    demand = ImportedSource(read_fleet(tmp_path / "fleet"), str(tmp_path / "fleet"), DAY_S, 300, 1).demand(0)
    np.testing.assert_allclose(demand.active_fraction[:, 0], [0.25, 0.25])
    # a was granted 2048 of 4096 MiB: its peak of 3072 is cut to that.
    assert demand.active_fraction[0, 100] == 0.5


def test_gwa_prints_what_it_assumed(tmp_path):
    header = "Timestamp [ms];\tCPU cores;\tMemory capacity provisioned [KB];\tMemory usage [KB]\n"
    body = "".join(f"{JULY + 300 * i};\t1;\t2097152.0;\t{i}.0\n" for i in range(10))
    (tmp_path / "2013-7").mkdir()
    (tmp_path / "2013-7" / "1.csv").write_text(header + body)
    printed = invoke("gwa", tmp_path / "2013-7", "--out", tmp_path / "fleet")
    assert "configured memory is inferred: 1 of 1 VMs rounded up from the largest granted memory" in printed
    assert "Grid Workloads Archive" in printed
    assert read_fleet(tmp_path / "fleet").vms[0].configured_bytes == 2 * GIB


def test_existing_target_is_refused_before_anything_is_read(table_dir, tmp_path):
    invoke("table", table_dir, "--out", tmp_path / "fleet")
    (table_dir / "granted_mib.parquet").write_bytes(b"broken")
    with pytest.raises(InputError, match="exists already"):
        invoke("table", table_dir, "--out", tmp_path / "fleet")
    with pytest.raises(InputError, match="not a whole Parquet file"):
        invoke("table", table_dir, "--out", tmp_path / "fleet", "--force")
    # The failed import left the old fleet as it was.
    assert len(read_fleet(tmp_path / "fleet").vms) == 2


def test_failed_import_leaves_nothing(table_dir, tmp_path):
    (table_dir / "vms.csv").write_text("id,configured_mib\na,4096\na,8192\n")
    with pytest.raises(InputError, match='duplicated VM name "a"'):
        invoke("table", table_dir, "--out", tmp_path / "fleet")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("tick", ["5", "7 min", "soon"])
def test_wrong_tick(table_dir, tmp_path, tick):
    with pytest.raises(InputError, match="--tick"):
        invoke("table", table_dir, "--out", tmp_path / "fleet", "--tick", tick)


def test_commands_are_where_the_main_program_looks_for_them():
    assert set(typer.main.get_command(import_app).commands) >= {"gwa", "table"}


@pytest.fixture(scope="module")
def real_fleet(tmp_path_factory):
    directory = tmp_path_factory.mktemp("real") / "fleet"
    started_s = time.perf_counter()
    invoke("table", REAL, "--out", directory)
    return directory, time.perf_counter() - started_s


@needs_real
def test_real_fleet_is_imported_with_its_known_statistics(real_fleet):
    directory, _ = real_fleet
    fleet = read_fleet(directory)
    found = summarize_fleet(fleet)
    assert (found.n_vms, found.tick_s) == (400, 300)
    # Two months of 30 days, and the day without rows between them.
    assert found.n_ticks == 61 * 288
    assert 0.04 <= found.active_fraction <= 0.05
    assert 0.77 <= found.granted_fraction <= 0.83
    assert 1.00 <= found.granted_peaks_ratio <= 1.04
    assert {vm.configured_from for vm in fleet.vms} == {"quantum", "granted"}
    assert sum(vm.group is not None for vm in fleet.vms) == 123
    # A stored number: vm001 on 2013-06-30 22:05 UTC has 10103 tenths of a MiB active, 8026 MiB granted.
    assert fleet.active_bytes[0, 0] == pytest.approx(1010.3 * MIB)
    assert fleet.granted_bytes[0, 0] == 8026 * MIB


@needs_real
def test_real_fleet_cleaned(real_fleet):
    fleet = read_fleet(real_fleet[0])
    active, granted = clean(fleet)
    configured = np.array([vm.configured_bytes for vm in fleet.vms])[:, np.newaxis]
    # Without the counter's start values at power-on, peaks of active memory multiplex 2.6 times, granted hardly.
    for values, low, high in ((active, 2.4, 2.9), (granted, 1.00, 1.04)):
        total = values * configured
        ratio = np.fmax.reduce(total, axis=1).sum() / np.nansum(total, axis=0).max()
        assert low < ratio < high
    # Raw granted memory falls 3,569 times; 98 falls in 49 VMs are deeper than a fifth.
    restarts = int((granted[:, 1:] < granted[:, :-1]).sum())
    assert 60 < restarts < 200


@needs_real
def test_holding_granted_memory_adds_next_to_nothing(real_fleet):
    fleet = read_fleet(real_fleet[0])
    granted = clean(fleet)[1]
    configured = np.array([vm.configured_bytes for vm in fleet.vms])[:, np.newaxis]
    is_seen = ~np.isnan(fleet.granted_bytes)
    seen = fleet.granted_bytes[is_seen].sum(dtype=np.float64)
    assert 0 <= (granted * configured)[is_seen].sum() / seen - 1 < 0.001


@needs_real
def test_real_fleet_replays_windows_that_avoid_the_outages(real_fleet):
    source = ImportedSource(read_fleet(real_fleet[0]), str(real_fleet[0]), 14 * DAY_S, 300, 1)
    assert "holds 3 such windows" in source.replicate_meaning()
    for replicate in range(3):
        demand = source.demand(replicate)
        assert demand.active_fraction.shape == (400, 4032)
        # An outage would leave more than half of the VMs off at once.
        assert np.isnan(demand.active_fraction).mean(axis=0).max() < 0.25
    with pytest.raises(InputError, match="longest stretch without a gap 30 days"):
        ImportedSource(read_fleet(real_fleet[0]), str(real_fleet[0]), 40 * DAY_S, 300, 1)


@needs_real
@pytest.mark.slow
def test_sizes_are_recovered_from_rebuilt_archive_files(tmp_path):
    """Write a quarter of August as GWA-T-12 files. The table also knows September: compare VMs that did not grow."""
    table = pd.read_csv(REAL / "vms.csv").set_index("id")
    active = pd.read_parquet(REAL / "active_2013-08.parquet")
    granted = pd.read_parquet(REAL / "granted_2013-08.parquet")
    epoch_s = (active.index - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(seconds=1)
    (tmp_path / "2013-8").mkdir()
    for name in active.columns[::4]:
        frame = pd.DataFrame(
            {
                "Timestamp [ms]": epoch_s,
                "CPU cores": table.cores[name],
                "Memory capacity provisioned [KB]": granted[name].astype("Float64") * 1024,
                "Memory usage [KB]": (active[name].astype("Float64") * 102.4).round(1),
            }
        ).dropna()
        frame.to_csv(tmp_path / "2013-8" / f"{name[2:]}.csv", sep=";", index=False)
    fleet = import_gwa(tmp_path)
    grew = table.granted_mib_max > granted.max().reindex(table.index) * 1.02
    compared = [vm for vm in fleet.vms if not grew[vm.name] and table.configured_from[vm.name] == "quantum"]
    right = sum(vm.configured_bytes == table.configured_mib[vm.name] * MIB for vm in compared)
    assert len(compared) > 60
    assert right / len(compared) > 0.97
