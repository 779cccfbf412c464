"""The checks of page sharing: what they replay is what was measured, and what they count is what is there."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import planner.validation
from planner.host.pages import UNIQUE_KEY, ZERO_KEY
from planner.validation.checks.ksm_run import check_ksm_run, process_contents
from planner.validation.checks.page_ids import check_page_ids
from planner.validation.checks.sharing import expected_saved
from planner.validation.runs.ksm import KsmRun, KsmRunSpec, read_ksm_run
from planner.validation.runs.ksm_speed import batch_gaps_ns, pass_costs_ns, pass_waits_ns, run_timer_hz
from planner.validation.runs.page_ids import page_id_expectations, read_page_ids

RUNS = Path(planner.validation.__file__).parent / "data" / "testbed" / "ksm"
REAL_GUESTS = Path(__file__).parents[4] / "shared" / "data" / "page_hashes" / "page_ids_boot.parquet"


def spec(**values):
    base = {"procs": 2, "mib": 1, "zero": 0.1, "common": 0.4, "pages_to_scan": 100, "sleep_millisecs": 10}
    return KsmRunSpec(**(base | values))


def test_the_load_program_holds_what_it_says():
    # `ready` of the run: pages=131072 zero=13107 common=52428 volatile=13107 unique=52430.
    run = read_ksm_run(RUNS, "clean_vol10_smart")
    content, volatile = process_contents(run.spec.process_pages()[0])
    assert content.size == 131_072
    assert (content == ZERO_KEY).sum() == 13_107
    assert (content > 0).sum() == np.unique(content[content > 0]).size == 52_428
    assert volatile.size == 13_107
    assert (content[volatile] == UNIQUE_KEY).all()


def test_costs_by_pass_are_cpu_time_over_pages():
    series = {
        "full_scans": np.array([0.0, 0, 0, 1, 1]),
        "pages_scanned": np.array([0.0, 5000, 10_000, 12_000, 20_000]),
        "ksmd_ns": np.array([0.0, 5e6, 10e6, 20e6, 60e6]),
    }
    run = KsmRun("x", spec(), np.arange(5.0), series)
    # Pass 0: 10 ms for 10,000 pages. Pass 1 begins at the sample before: 50 ms for 10,000 pages.
    assert pass_costs_ns(run).tolist() == [1000, 5000]
    assert pass_costs_ns(KsmRun("x", spec(), np.arange(5.0), {})) is None
    assert pass_costs_ns(KsmRun("x", spec(result={"ns_per_page": 900}), np.arange(5.0), {})).tolist() == [900]


def test_costs_of_passes_between_two_samples():
    # Passes 0 and 1 end before the second sample: both have the cost of what lies between.
    series = {
        "full_scans": np.array([0.0, 2, 2]),
        "pages_scanned": np.array([0.0, 4000, 5000]),
        "ksmd_ns": np.array([0.0, 8e6, 11e6]),
    }
    assert pass_costs_ns(KsmRun("x", spec(), np.arange(3.0), series)).tolist() == [2000, 2000, 2200]


def test_what_the_scanner_waited_beyond_its_pauses():
    # 100 pages a batch, 10 batches in the first second, 20 in the next; CPU 1 ms a batch. 99 ms and 49 ms between.
    series = {
        "full_scans": np.array([0.0, 0, 1]),
        "pages_scanned": np.array([0.0, 1000, 3000]),
        "ksmd_ns": np.array([0.0, 10e6, 30e6]),
    }
    run = KsmRun("x", spec(), np.arange(3.0), series)
    assert batch_gaps_ns(run) == pytest.approx([99e6, 49e6])
    # A pause of 10 ms is 3 1/2 ticks of 4 ms: 14 ms.
    assert pass_waits_ns(run) == pytest.approx([850e3, 350e3])
    assert run_timer_hz(run) == 250


@pytest.mark.parametrize(("gap_ms", "timer_hz"), [(14.2, 250), (11.8, 300), (10.6, 1000), (40.0, 250)])
def test_a_faster_timer_shows_in_shorter_pauses(gap_ms, timer_hz):
    # Pauses of 10 ms: 14 ms at 250 ticks a second, 11.67 at 300, 10.5 at 1000.
    batches = np.array([0.0, 100, 200])
    series = {"full_scans": np.zeros(3), "pages_scanned": batches * 100, "ksmd_ns": np.zeros(3)}
    series["ksmd_ns"] = batches * 1e6
    run = KsmRun("x", spec(), batches * (gap_ms + 1) / 1000, series)
    assert run_timer_hz(run) == timer_hz


def test_a_run_without_recorded_costs_is_replayed_with_those_of_the_preset(tmp_path):
    (tmp_path / "a.csv").write_text("t,pages_shared,pages_sharing\n0,0,0\n20,102,153\n", encoding="utf-8")
    (tmp_path / "a.json").write_text(spec().model_dump_json(), encoding="utf-8")
    values = check_ksm_run({"directory": str(tmp_path), "run": "a"}).values
    # 256 pages each: 25 zero pages, 102 common; 50 zero pages in one frame, 102 contents twice.
    assert values["pages_shared"] == 103
    assert values["pages_sharing"] == 49 + 102


@pytest.mark.parametrize("seed", range(3))
def test_the_scanner_finds_what_counting_finds(tmp_path, seed):
    rng = np.random.default_rng(seed)
    guests = {f"g{n}": rng.integers(0, 2000, 1500).astype(np.int32) for n in range(3)}
    for ids in guests.values():
        ids[rng.random(1500) < 0.3] = 0
    guests["g1"][:512] = guests["g0"][512:1024]
    path = tmp_path / "page_ids_x.parquet"
    pq.write_table(pa.table(guests), path)
    found = check_page_ids({"file": str(path)}).values
    assert found == {name: item.value for name, item in page_id_expectations(guests).items()}
    assert found["duplicates_2mib_unsalted"] == 1


@pytest.mark.slow
@pytest.mark.skipif(not REAL_GUESTS.exists(), reason="the measured page contents do not come with the planner")
def test_the_scanner_finds_the_duplicates_of_real_guests():
    expected = {name: item.value for name, item in page_id_expectations(read_page_ids(REAL_GUESTS)).items()}
    assert check_page_ids({"file": str(REAL_GUESTS)}).values == expected


def test_closed_form_of_the_random_scan():
    # A pair with half of the pages scanned: both are met in a quarter of the cases. 2 x 1/2 - 1 + 1/4.
    assert expected_saved(np.array([2]), np.log(2.0)) == pytest.approx(0.25)
    assert expected_saved(np.array([2, 10]), 1e9) == pytest.approx(10)
