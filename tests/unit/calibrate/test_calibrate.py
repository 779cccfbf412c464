"""Calibration on a made-up kernel, and what becomes of its figures; one real run, which is slow."""

import csv
import os
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from planner.calibrate import Calibration, CalibrationOptions, calibrate, write_preset
from planner.calibrate import ksm as calibrate_ksm
from planner.calibrate import measure as calibrate_measure
from planner.calibrate.cpu import cpu_preset, read_cpuinfo
from planner.calibrate.ksm import pass_costs_ns, summarize_runs
from planner.calibrate.memory import backed_large_bytes, measure_copy, measure_cow, measure_first_touch
from planner.calibrate.preset import preset_values
from planner.calibrate.result import Unknown, summarize_samples
from planner.calibrate.swap import DEPTHS, measure_reads
from planner.errors import InputError
from planner.units import GIB, MIB
from planner.validation.live.ksm import NAME
from planner.validation.live.machine import Machine
from planner.validation.live.undo import Undo
from tests.unit.validation.fake_machine import AFTERWARDS, build_machine, settings_of

SMALL = CalibrationOptions(repeats=3, memory_bytes=32 * MIB, chase_bytes=32 * MIB, has_ksm=False)


def found(**medians: float) -> Calibration:
    figures = tuple(summarize_samples(name, "ns", [value] * 3, "how") for name, value in medians.items())
    return Calibration({"kernel": "6.1"}, figures, (Unknown("compression", "no zram"),), "zen3", "Measured on vdb")


def test_quartiles():
    figure = summarize_samples("x", "ns", [1.0, 2.0, 3.0, 4.0, 100.0], "how")
    assert (figure.low, figure.median, figure.high, figure.repeats) == (2.0, 3.0, 4.0, 5)


def test_costs_of_a_pass_leave_out_its_ends_and_skipped_pages():
    rows = [
        # full_scans, pages_scanned, pages_skipped, ksmd_ns
        (3, 100, 0, 1000),
        (3, 200, 0, 81_000),  # 100 pages in 80 us: 800 ns
        (4, 300, 0, 999_999),  # runs across the end of the first pass
        (4, 400, 0, 1_899_999),  # 100 pages in 900 us: 9,000 ns
        (5, 500, 0, 2_000_000),
        (5, 600, 0, 2_600_000),  # 100 pages in 600 us: 6,000 ns
        (5, 700, 50, 2_700_000),  # smart_scan passed some over
        (6, 800, 50, 2_800_000),
        (6, 900, 50, 2_900_000),  # the fourth pass
    ]
    names = ("full_scans", "pages_scanned", "pages_skipped", "ksmd_ns")
    samples = [dict(zip(names, map(float, row), strict=True)) for row in rows]
    assert pass_costs_ns(samples) == [800.0, 9000.0, 6000.0]
    for sample in samples:
        del sample["ksmd_ns"]
    assert pass_costs_ns(samples) == [None, None, None]


def test_costs_of_an_earlier_run_are_those_published_with_it():
    run = files("planner.validation").joinpath("data/testbed/ksm/clean_1.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(run.splitlines())
    first, merging, unchanged = pass_costs_ns([{key: float(value) for key, value in row.items()} for row in rows])
    assert 800 <= first <= 900
    assert 8600 <= merging <= 10_200
    assert 6000 <= unchanged <= 7300


def test_costs_of_a_visit_follow_from_those_of_passes():
    figures, unknown = summarize_runs([[800.0, 9000.0, 6000.0]] * 2)
    medians = {figure.name: figure.median for figure in figures}
    # Half of 6,000 ns a page is 1,000 for merged ones: (6000 - 500) / 0.5 = 11,000.
    assert medians["ksm_search"] == pytest.approx(11_000)
    # 60 % of the merging pass search in vain: (9000 - 6600) / 0.4 = 6,000.
    assert medians["ksm_merge"] == pytest.approx(6000)
    assert unknown == []
    figures, unknown = summarize_runs([[800.0, None, None]])
    assert [figure.name for figure in figures] == ["ksm_first_pass"]
    assert [one.name for one in unknown] == ["ksm_merging_pass", "ksm_unchanged_pass"]


@pytest.mark.parametrize(
    ("vendor", "family", "model", "preset"),
    [
        ("AuthenticAMD", 25, 1, "zen3"),  # Milan
        ("AuthenticAMD", 25, 17, "zen4"),  # Genoa
        ("AuthenticAMD", 23, 49, "zen2"),  # Rome
        ("GenuineIntel", 6, 0x8F, "sapphire-rapids"),
        ("GenuineIntel", 6, 1, None),
        ("HygonGenuine", 24, 1, None),
    ],
)
def test_cores_are_told_by_family_and_model(vendor, family, model, preset):
    text = f"processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\n\nprocessor\t: 1\n"
    assert cpu_preset(read_cpuinfo(text)) == preset
    assert cpu_preset({}) is None


def test_what_is_unknown_is_left_out_and_never_zero(tmp_path):
    values = preset_values(found(first_touch_4k=1234.56))
    assert values["figures"]["first_touch_4k"]["median"] == 1235.0
    assert values["unknown"] == {"compression": "no zram"}
    assert not {"host", "hypervisor"} & set(values)
    # Without the search the rest of a pass cannot be split.
    assert "hypervisor" not in preset_values(found(ksm_first_pass=850.0))


def test_a_swap_device_takes_its_latency_from_depth_1_and_its_rate_from_the_best(tmp_path):
    rates = {f"swap_reads_q{depth}": 1000.0 * depth for depth in DEPTHS}
    values = preset_values(found(swap_latency_q1=56_000.0, **rates, load_2m=110.0))
    assert values["host"]["swap"] == {
        "name": "measured", "description": "Measured on vdb", "latency": "56 us", "reads_per_s": 32_000, "is_ram": False
    }  # fmt: skip
    assert values["host"]["dram_latency"] == "110 ns"


def test_writing_needs_a_place_and_leaves_nothing_half_written(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        write_preset(tmp_path / "no" / "x.yaml", found())
    write_preset(tmp_path / "x.yaml", found(load_2m=100.0))
    assert [path.name for path in tmp_path.iterdir()] == ["x.yaml"]
    assert yaml.safe_load((tmp_path / "x.yaml").read_text())["host"] == {"dram_latency": "100 ns"}


def test_memory_is_measured_without_root():
    assert measure_copy(32 * MIB, 3).median > 0.1
    figures, unknown = measure_first_touch(32 * MIB, 3)
    assert {figure.name for figure in figures} | {one.name for one in unknown} == {"first_touch_4k", "first_touch_2m"}
    by_name = {figure.name: figure.median for figure in figures}
    assert 50 < by_name["first_touch_4k"] < 1e6
    cow = measure_cow(32 * MIB, 3)
    assert (cow.repeats, 50 < cow.median < 1e6) == (3, True)


def test_large_pages_of_a_process_are_read_off_proc(tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "smaps_rollup").write_text("Rss: 9 kB\nAnonHugePages:    4096 kB\n")
    assert backed_large_bytes("7", tmp_path) == 4 * MIB
    assert backed_large_bytes("8", tmp_path) == 0


def test_reads_of_a_file(tmp_path):
    file = tmp_path / "file"
    with file.open("wb") as out:
        for _ in range(64):
            out.write(os.urandom(MIB))
    before = (file.stat().st_mtime_ns, file.stat().st_size)
    try:
        figures = {figure.name: figure for figure in measure_reads(file, 0.05, 3)}
    except InputError as error:
        pytest.skip(f"this file system reads through the page cache only: {error}")
    assert set(figures) == {f"swap_{what}_q{depth}" for what in ("latency", "reads") for depth in DEPTHS}
    assert all(figure.median > 0 for figure in figures.values())
    assert (file.stat().st_mtime_ns, file.stat().st_size) == before


def test_what_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "small").write_bytes(bytes(4096))
    with pytest.raises(InputError, match="expected 64 MiB at least"):
        measure_reads(tmp_path / "small", 0.01, 3)
    with pytest.raises(InputError, match="cannot be read past the page cache"):
        measure_reads(tmp_path / "none", 0.01, 3)


@pytest.fixture
def machine(tmp_path):
    made = build_machine(tmp_path)
    (made.proc / "cpuinfo").write_text("processor : 0\nvendor_id : GenuineIntel\ncpu family : 6\nmodel : 143\n")
    return made


def test_without_swap_and_ksm_they_are_unknown(machine):
    told = []
    result = calibrate(SMALL, told.append, machine)
    reasons = {one.name: one.reason for one in result.unknown}
    assert "no swap is switched on" in reasons["swap"]
    assert reasons["ksm"] == "it was not asked for"
    assert result.cpu == "sapphire-rapids"
    assert not any(figure.name.startswith(("swap", "ksm")) for figure in result.figures)
    assert result.median("memory_copy") > 0
    assert result.median("swap_latency_q1") is None
    assert len(told) == 4


def test_too_little_memory_is_an_error_and_not_a_figure(tmp_path):
    made = build_machine(tmp_path, available_kib=1024)
    (made.proc / "cpuinfo").write_text("")
    with pytest.raises(InputError, match="1 MiB of memory are available"):
        calibrate(SMALL, None, made)


def test_ksm_settings_end_as_they_began_when_a_run_fails(machine, monkeypatch):
    monkeypatch.setattr(calibrate_measure, "why_not_here", lambda: None)

    def broken(where: Machine, folder: Path) -> None:
        with Undo() as undo:
            undo.write(where.ksm / "advisor_mode", "none")
            undo.write(where.ksm / "pages_to_scan", "2000")
            undo.write(where.ksm / "run", "1")
            raise OSError("the kernel says no")

    monkeypatch.setattr(calibrate_ksm, "measure_ksm", broken)
    options = CalibrationOptions(repeats=3, memory_bytes=32 * MIB, chase_bytes=32 * MIB)
    reasons = {one.name: one.reason for one in calibrate(options, None, machine).unknown}
    assert "the kernel says no" in reasons["ksm"]
    assert settings_of(machine) == AFTERWARDS


def test_ksm_runs_are_read_and_summarized(machine, monkeypatch):
    monkeypatch.setattr(calibrate_measure, "why_not_here", lambda: None)
    scans = [(0, 0, 0), (0, 1000, 900_000), (1, 1001, 900_000), (1, 2000, 10_890_000), (2, 2001, 10_890_000),
             (2, 3000, 16_884_000)]  # fmt: skip

    def run(where: Machine, folder: Path) -> None:
        with (folder / f"{NAME}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("full_scans", "pages_scanned", "ksmd_ns"))
            writer.writerows(scans)

    monkeypatch.setattr(calibrate_ksm, "measure_ksm", run)
    options = CalibrationOptions(repeats=9, memory_bytes=32 * MIB, chase_bytes=32 * MIB)
    result = calibrate(options, None, machine)
    # 900 ns; 9.99 ms for 999 pages: 10,000 ns; 5.994 ms for 999 pages: 6,000 ns.
    names = ("ksm_first_pass", "ksm_merging_pass", "ksm_unchanged_pass")
    assert [result.median(name) for name in names] == [900.0, 10_000.0, 6000.0]
    assert {figure.repeats for figure in result.figures if figure.name.startswith("ksm")} == {3}


@pytest.mark.slow
def test_this_machine_is_measured_and_left_as_it_was(tmp_path):
    ksm = Machine().ksm
    counters = ("pages_", "full_scans", "general_profit", "ksm_zero_pages", "stable_node_")
    chosen = [
        path for path in sorted(ksm.glob("*")) if path.name == "pages_to_scan" or not path.name.startswith(counters)
    ]
    before = {path: path.read_text() for path in chosen}
    result = calibrate(CalibrationOptions(repeats=3, memory_bytes=64 * MIB, chase_bytes=GIB // 4))
    assert {path: path.read_text() for path in chosen} == before
    assert 0.1 < result.median("memory_copy") < 1000
    assert 20 < result.median("load_4k") < 5000
    write_preset(tmp_path / "here.yaml", result)
