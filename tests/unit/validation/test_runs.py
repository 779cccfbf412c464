"""Measured runs: robust against how others write them down, clear about what cannot be read."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from planner.errors import InputError
from planner.validation.checks.aggregate import check_aggregate_normal
from planner.validation.runs.balloon import balloon_expectations, find_knee_mib, read_balloon_runs
from planner.validation.runs.find import find_runs
from planner.validation.runs.ksm import has_smart_scan, read_ksm_run, time_to_share_s
from planner.validation.runs.ksm_expected import ksm_expectations
from planner.validation.runs.page_ids import page_id_expectations, read_page_ids
from planner.validation.runs.swap import read_swap_runs, swap_expectations

KSM_JSON = {"procs": 2, "mib": 64, "zero": 0.1, "common": 0.4, "pages_to_scan": 500, "sleep_millisecs": 10}
KSM_CSV = "t,pages_shared,pages_sharing,pages_scanned\n0,0,0,1000\n1,10,40,2000\n2,20,100,3000\n3,0,0,3000\n"
SWAP_CSV = "tag,W,dist,alpha,frac,miss_measured,resident_frac\na,64,u,0,0.8,0.2,0.8\nb,64,z,1.0,0.5,0.1,\n"
BALLOON_CSV = (
    "run,mode,W,level,guest_miss,host_miss,guest_free,guest_avail\n"
    "g,balloon,512,1024,0,0,400,300\ng,balloon,512,600,0,0,60,0\ng,balloon,512,500,0.1,0,60,0\n"
    "g,balloon,512,1024,0.3,0,500,400\nh,hostswap,512,512,0,0,,\nh,hostswap,512,412,0,0.2,,\n"
)


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def put_ksm(folder, name="one", table=KSM_CSV, **changes):
    put(folder / f"{name}.csv", table)
    put(folder / f"{name}.json", json.dumps(KSM_JSON | changes))


@pytest.mark.parametrize(
    ("table", "changes", "words"),
    [
        (KSM_CSV + '"' + "x" * 200_000, {}, "is not a row of a table"),
        (KSM_CSV, {"procs": 10**18}, "procs: input should be less than or equal to 10000"),
        (KSM_CSV, {"mib": 1e300}, "mib: input should be less than or equal to"),
    ],
)
def test_a_run_that_nobody_measured_is_refused(tmp_path, table, changes, words):
    put_ksm(tmp_path, table=table, **changes)
    with pytest.raises(InputError, match=words):
        read_ksm_run(tmp_path, "one")


def test_a_run_of_a_billion_scans_is_refused(tmp_path):
    put_ksm(tmp_path, table="t,pages_shared,pages_sharing,full_scans\n0,0,0,0\n1,0,0,1000000000\n")
    with pytest.raises(InputError, match=r"line 3, column full_scans: 1e\+09 makes no sense"):
        read_ksm_run(tmp_path, "one")


def test_ksm_run_without_base_counters_starts_at_its_first_sample(tmp_path):
    put_ksm(tmp_path)
    run = read_ksm_run(tmp_path, "one")
    assert run.series["pages_scanned"].tolist() == [0, 1000, 2000, 2000]
    put_ksm(tmp_path, base={"pages_scanned": 900, "note": 0})
    assert read_ksm_run(tmp_path, "one").series["pages_scanned"].tolist() == [100, 1100, 2100, 2100]


def test_ksm_expectations_outlive_the_end_of_the_processes(tmp_path):
    put_ksm(tmp_path)
    expected = ksm_expectations(read_ksm_run(tmp_path, "one"))
    assert expected["pages_sharing"].value == 100
    # 90 of 100 pages: 50 of the 60 that came between 1 s and 2 s
    assert expected["time_to_90_s"].value == pytest.approx(1 + 50 / 60)
    assert "ksm_zero_pages" not in expected


def test_a_time_is_known_no_better_than_the_samples_lie_apart(tmp_path):
    put_ksm(tmp_path)
    assert ksm_expectations(read_ksm_run(tmp_path, "one"))["time_to_90_s"].absolute == 1.0
    # All was shared at the first sample: when, nobody has seen.
    put_ksm(tmp_path, table="t,pages_shared,pages_sharing\n5,10,40\n6,10,40\n")
    assert "time_to_90_s" not in ksm_expectations(read_ksm_run(tmp_path, "one"))


def test_what_was_shared_before_the_run_is_taken_off(tmp_path):
    put_ksm(
        tmp_path, table="t,pages_shared,pages_sharing\n0,7,30\n9,17,70\n", base={"pages_shared": 7, "pages_sharing": 30}
    )
    expected = ksm_expectations(read_ksm_run(tmp_path, "one"))
    assert (expected["pages_shared"].value, expected["pages_sharing"].value) == (10, 40)
    assert "pages were shared before the run began" in expected["pages_shared"].note


@pytest.mark.parametrize(
    ("changes", "columns", "is_on"),
    [
        ({"smart_scan": 0, "kernel": "6.18.1"}, "", False),
        ({"kernel": "6.18.44-fc"}, "", True),
        ({"kernel": "6.6.3"}, "", False),
        ({"kernel": "6.7.0"}, "", True),
        ({}, "", False),
        ({}, ",pages_skipped", True),
    ],
)
def test_smart_scan_is_the_kernels_default_where_it_is_not_noted(tmp_path, changes, columns, is_on):
    row = "0,1,1" + ",0" * bool(columns)
    put_ksm(tmp_path, table=f"t,pages_shared,pages_sharing{columns}\n{row}\n", **changes)
    run = read_ksm_run(tmp_path, "one")
    assert has_smart_scan(run) is is_on
    noted = "smart_scan is not noted" in ksm_expectations(run)["pages_shared"].note
    assert noted is ("smart_scan" not in changes)


def test_what_the_processes_said_counts_more_than_the_shares(tmp_path):
    said = [
        "ready pid=1 pages=100 zero=9 common=8 volatile=7 unique=76",
        "ready pid=2 pages=50 zero=1 common=8 volatile=0",
    ]
    put_ksm(tmp_path, ready=said)
    assert read_ksm_run(tmp_path, "one").spec.process_pages() == [(100, 9, 8, 7), (50, 1, 8, 0)]
    # Of two processes one has said nothing: shares of 64 MiB, rounded down.
    put_ksm(tmp_path, ready=said[:1])
    assert read_ksm_run(tmp_path, "one").spec.process_pages() == [(16384, 1638, 6553, 0)] * 2


def test_settings_as_the_kernel_shows_them(tmp_path):
    put_ksm(tmp_path, advisor_mode="none [scan-time]", pages_to_scan="500")
    spec = read_ksm_run(tmp_path, "one").spec
    assert (spec.advisor_mode, spec.pages_to_scan) == ("scan-time", 500)


def test_columns_may_come_in_any_order_with_others_and_windows_line_ends(tmp_path):
    rows = [line.split(",") for line in KSM_CSV.split()]
    mixed = "\r\n".join(";".join([row[2], "x", row[0], row[3], row[1]]) for row in rows)
    put_ksm(tmp_path, "plain")
    put_ksm(tmp_path, "mixed", "\ufeff" + mixed + "\r\n\r\n", extra={"who": "knows"})
    plain, other = read_ksm_run(tmp_path, "plain"), read_ksm_run(tmp_path, "mixed")
    assert np.array_equal(plain.t_s, other.t_s)
    assert all(np.array_equal(plain.series[name], other.series[name]) for name in plain.series)


def test_time_to_share_of_nothing_is_none():
    assert time_to_share_s(np.arange(3.0), np.zeros(3), 0.9) is None
    assert time_to_share_s(np.arange(3.0), np.full(3, 7.0), 0.9) == 0.0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", r"one.csv: is empty"),
        ("t,pages_shared\n0,0\n", r"one.csv, line 1: has no column pages_sharing; found: t, pages_shared"),
        ("t,pages_shared,pages_sharing\n", r"one.csv: has a header and no rows"),
        ("t,pages_shared,pages_sharing\n0,0\n", r"one.csv, line 2: has 2 cells, the header has 3"),
        ("t,pages_shared,pages_sharing\n0,0,x\n", r'line 2, column pages_sharing: "x" is no number'),
        ("t,pages_shared,pages_sharing\n0,0,0\n\n2,,0\n", r"line 4, column pages_shared: is empty"),
        ("t,pages_shared,pages_sharing\n1,0,0\n0,0,0\n", r"line 3, column t: time runs backwards"),
    ],
)
def test_broken_ksm_tables_are_refused_with_their_place(tmp_path, table, message):
    put_ksm(tmp_path, table=table)
    with pytest.raises(InputError, match=message):
        read_ksm_run(tmp_path, "one")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"procs": 0}', "procs: input should be greater than 0; mib: field required; zero: field required"),
        (json.dumps(KSM_JSON | {"advisor_mode": "fast"}), "advisor_mode: input should be 'none' or 'scan-time'"),
        (json.dumps(KSM_JSON | {"ready": ["pages=9 zero=5 common=5 volatile=0"] * 2}), "more than all pages"),
        (json.dumps(KSM_JSON | {"zero": 0.7}), "zero, common and volatile add up to more than 1"),
    ],
)
def test_broken_ksm_descriptions_are_refused(tmp_path, text, message):
    put_ksm(tmp_path)
    put(tmp_path / "one.json", text)
    with pytest.raises(InputError, match=message):
        read_ksm_run(tmp_path, "one")


def test_swap_runs(tmp_path):
    put(tmp_path / "host_swap_miss.csv", SWAP_CSV)
    uniform, zipf = read_swap_runs(tmp_path)
    assert (uniform.name, uniform.distribution, uniform.alpha, uniform.limit_fraction) == ("a", "uniform", 0.0, 0.8)
    assert (zipf.distribution, zipf.alpha) == ("zipf", 1.0)
    assert np.isnan(zipf.resident_fraction)
    expected = swap_expectations([uniform, zipf])
    assert expected["miss_a"].is_met_by(0.2199)
    assert not expected["miss_a"].is_met_by(0.2201)


def test_a_swap_row_names_what_is_not_modelled(tmp_path):
    put(
        tmp_path / "host_swap_miss.csv",
        "W,dist,frac,miss_measured,pc,resident_frac\n64,u,0.8,0.2,3,0.7\n64,u,0.8,0.2,0,0.8\n",
    )
    first, second = (item.note for item in swap_expectations(read_swap_runs(tmp_path)).values())
    assert first == (
        "swap read-ahead of 8 pages is not modelled; 70.0% of the working set was in memory, the limit is 80.0% of it"
    )
    assert second == ""


def test_swap_runs_without_or_with_equal_tags_get_names_of_their_own(tmp_path):
    put(tmp_path / "host_swap_miss.csv", "W,dist,frac,miss_measured\n64,u,0.8,0.2\n64,u,0.8,0.21\n")
    assert [run.name for run in read_swap_runs(tmp_path)] == ["u_W64_f0.8", "u_W64_f0.8_line3"]
    put(tmp_path / "host_swap_miss.csv", "W,dist,alpha,frac,miss_measured\n64,z,0.8,0.5,0.2\n64,z,1.2,0.5,0.1\n")
    assert [run.name for run in read_swap_runs(tmp_path)] == ["z0.8_W64_f0.5", "z1.2_W64_f0.5"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,64,q,0,0.8,0.2,0.8", 'line 2, column dist: "q" is not known'),
        ("a,64,z,,0.8,0.2,0.8", "line 2, column alpha: is empty"),
        ("a,64,u,0,0.8,20,0.8", "line 2, column miss_measured: 20 makes no sense; expected 0 to 1"),
        ("a,0,u,0,0.8,0.2,0.8", "line 2, column W: 0 makes no sense"),
    ],
)
def test_broken_swap_rows_are_refused(tmp_path, row, message):
    put(tmp_path / "host_swap_miss.csv", SWAP_CSV.splitlines()[0] + "\n" + row + "\n")
    with pytest.raises(InputError, match=message):
        read_swap_runs(tmp_path)


def test_a_swap_row_of_an_unknown_law_does_not_stop_the_others(tmp_path):
    put(tmp_path / "swap" / "host_swap_miss.csv", SWAP_CSV + "c,64,scan,0,0.5,0.1,\nd,64,z,,0.5,0.1,\n")
    found = find_runs(tmp_path, "m")
    assert list(found.targets[0].expected) == ["miss_a", "miss_b"]
    places = [str(problem).removeprefix(f"{tmp_path}/swap/host_swap_miss.csv, ") for problem in found.problems]
    assert places == [
        'line 4, column dist: "scan" is not known; write u (uniform) or z (Zipf)',
        "line 5, column alpha: is empty; a Zipf run needs its exponent",
    ]


def test_balloon_runs_are_read_on_the_way_down(tmp_path):
    put(tmp_path / "summary.csv", BALLOON_CSV)
    guest, host = read_balloon_runs(tmp_path)
    assert guest.level_mib.tolist() == [1024, 600, 500]
    assert host.mode == "hostswap"
    assert host.miss_ratio.tolist() == [0, 0.2]
    expected = balloon_expectations(guest)
    # the miss ratio rises by 0.1 from 600 to 500 MiB: 0.01 is reached a tenth of the way
    assert expected["knee_mib"].value == pytest.approx(590)
    assert set(expected) == {"knee_mib", "miss_500"}
    # ... somewhere between 600 and 500 MiB
    assert expected["knee_mib"].absolute == pytest.approx(90)


def test_a_knee_needs_misses():
    assert find_knee_mib(np.array([2.0, 1.0]), np.zeros(2)) is None
    assert find_knee_mib(np.array([2.0, 1.0]), np.array([0.5, 0.6])) == 2.0


def test_host_misses_are_worked_out_of_rates(tmp_path):
    put(
        tmp_path / "summary.csv",
        "run,mode,W,level,host_majflt_per_s,acc_s_median\nh,hostswap,64,64,0,9000\nh,hostswap,64,32,500,1000\n",
    )
    (run,) = read_balloon_runs(tmp_path)
    assert run.miss_ratio.tolist() == [0, 0.5]
    note = balloon_expectations(run)["miss_32"].note
    assert "guest_free is not recorded" in note
    assert "faults of the whole VM process" in note


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("g,balloon,512,600,0", "g,balloon,512,-1,0", "line 3, column level: -1 makes no sense"),
        (
            "g,balloon,512,500,0.1",
            "g,balloon,512,500,10",
            "line 4, column guest_miss: 10 makes no sense; expected 0 to 1",
        ),
        ("g,balloon,512,500,0.1", "g,balloon,0,500,0.1", "line 4, column W: 0 makes no sense"),
    ],
)
def test_balloon_values_out_of_range_are_refused(tmp_path, old, new, message):
    put(tmp_path / "summary.csv", BALLOON_CSV.replace(old, new))
    with pytest.raises(InputError, match=message):
        read_balloon_runs(tmp_path)


@pytest.mark.parametrize(
    ("dist", "message"),
    [("q,", '"q" is no distribution'), ("z,", "column alpha: is empty"), ("zipf,9", "9 makes no sense")],
)
def test_a_law_of_references_must_be_known(tmp_path, dist, message):
    put(tmp_path / "summary.csv", f"run,dist,alpha,W,level,guest_miss\ng,{dist},64,64,0\n")
    with pytest.raises(InputError, match=message):
        read_balloon_runs(tmp_path)


def test_an_unknown_mode_is_refused(tmp_path):
    put(tmp_path / "summary.csv", BALLOON_CSV.replace("hostswap", "magic"))
    with pytest.raises(InputError, match='line 6, column mode: "magic" is not known'):
        read_balloon_runs(tmp_path)


def put_page_ids(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def test_page_ids_are_counted_by_hand(tmp_path):
    # Guest a: two zero pages, two pages of content 1, then blocks of zeros; b: one page of content 1, then zeros.
    a = [0, 0, 1, 1] + [2] * 508 + [0] * 512
    b = [1] + [3] * 511 + [0] * 512 + [0] * 5
    path = put_page_ids(tmp_path / "page_ids.parquet", a=a + [None] * 5, b=b, label=["x"] * 1029)
    found = {name: item.value for name, item in page_id_expectations(read_page_ids(path)).items()}
    # a: 1024 pages, contents 0, 1, 2; b: 1029 pages, contents 0, 1, 3; together contents 0, 1, 2, 3
    assert found["duplicates_a"] == 1024 - 3
    assert found["duplicates_b"] == 1029 - 3
    assert found["duplicates_salted"] == 1021 + 1026
    assert found["duplicates_unsalted"] == 2053 - 4
    # four whole blocks, the zero blocks of a and b are equal
    assert found["duplicates_2mib_salted"] == 0
    assert found["duplicates_2mib_unsalted"] == 1


def test_guests_of_unequal_size_written_by_pandas_are_whole_numbers(tmp_path):
    frame = pd.DataFrame({"a": [0, 5, 5], "b": [5, np.nan, np.nan], "c": [0.5, 1, 2]}, index=[3, 4, 5])
    path = tmp_path / "page_ids_p.parquet"
    frame.to_parquet(path)
    guests = read_page_ids(path)
    assert {name: frames.tolist() for name, frames in guests.items()} == {"a": [0, 5, 5], "b": [5]}
    assert f"{path}, column c is left out: it holds no whole numbers" in find_runs(tmp_path, "x").notes


def test_a_broken_run_does_not_stop_the_others(tmp_path):
    put_ksm(tmp_path / "ksm")
    put_ksm(tmp_path / "ksm", "bad", "t,pages_shared\n")
    put(tmp_path / "swap" / "host_swap_miss.csv", SWAP_CSV)
    put(tmp_path / "balloon" / "summary.csv", "run\n")
    put(tmp_path / "page_ids_x.parquet", "not parquet")
    found = find_runs(tmp_path, "m")
    assert [target.name for target in found.targets] == ["m/ksm/one", "m/swap"]
    places = [str(problem).removeprefix(f"{tmp_path}/").split(":")[0] for problem in found.problems]
    assert places == ["ksm/bad.csv, line 1", "balloon/summary.csv, line 1", "page_ids_x.parquet"]


def test_broken_page_ids_are_refused(tmp_path):
    with pytest.raises(InputError, match="has no column of whole numbers"):
        read_page_ids(put_page_ids(tmp_path / "a.parquet", name=["x"]))
    with pytest.raises(InputError, match="column g, row 1: has no id"):
        read_page_ids(put_page_ids(tmp_path / "b.parquet", g=[1, None, 2]))
    with pytest.raises(InputError, match="not a whole Parquet file"):
        read_page_ids(put(tmp_path / "c.parquet", "not parquet"))


def test_a_folder_is_read_whole_in_part_or_by_its_mechanism(tmp_path):
    put_ksm(tmp_path / "ksm")
    put(tmp_path / "ksm" / "cost.csv", "case,n\nx,1\n")
    put(tmp_path / "ksm" / "half.csv", KSM_CSV)
    put(tmp_path / "swap" / "histogram.csv", "bin,count\n1,1\n")
    put(tmp_path / "balloon" / "summary.csv", BALLOON_CSV)
    put_page_ids(tmp_path / "page_ids_mine.parquet", g=[0, 0, 1])
    found = find_runs(tmp_path, "mine")
    names = [target.name for target in found.targets]
    assert names == ["mine/ksm/one", "mine/balloon/g", "mine/balloon/h", "mine/page_ids_mine"]
    assert {target.kind for target in found.targets} == {"real kernel"}
    assert [note.removeprefix(f"{tmp_path}/") for note in found.notes] == [
        "swap is left out: it has no host_swap_miss.csv",
        "ksm/cost.csv is left out: it has no counters of KSM",
        "ksm/half.csv is left out: half.json is missing",
    ]
    assert [target.name for target in find_runs(tmp_path / "ksm", "k").targets] == ["k/ksm/one"]


def test_folders_without_runs_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no runs found; expected ksm/NAME.csv"):
        find_runs(tmp_path, "x")
    with pytest.raises(InputError, match="no such directory"):
        find_runs(tmp_path / "nowhere", "x")
    with pytest.raises(InputError, match="is a file, not a directory"):
        find_runs(put(tmp_path / "file", ""), "x")


@pytest.mark.parametrize("name", ["sleep_millisecs", "pages_to_scan", "max_page_sharing", "advisor_max_pages_to_scan"])
def test_knobs_that_no_kernel_has_are_refused(tmp_path, name):
    put_ksm(tmp_path, **{name: 10**30})
    with pytest.raises(InputError, match=f"{name}: input should be less than or equal to"):
        read_ksm_run(tmp_path, "one")


def test_a_check_whose_draws_hold_too_many_pages_says_so():
    config = {"mean_gb": 4, "sd_gb": 1.5, "correlation": 0.0, "pages_per_gb": 10**6, "seed": 1, "cases": [[100, 9, 10]]}
    with pytest.raises(ValueError, match="more than 500,000,000"):
        check_aggregate_normal(config)


def test_scans_that_run_backwards_are_refused(tmp_path):
    put_ksm(tmp_path, table="t,pages_shared,pages_sharing,full_scans\n0,0,0,5\n1,0,0,3\n")
    with pytest.raises(InputError, match=r"line 3, column full_scans: -2 makes no sense"):
        read_ksm_run(tmp_path, "one")
