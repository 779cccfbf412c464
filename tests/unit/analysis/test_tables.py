"""Tables of the report: conservation, orders and hand counts."""

import numpy as np
import pandas as pd
import pytest

from planner.analysis.at_risk import hosts_at_risk, vms_at_risk
from planner.analysis.paired import paired_differences
from planner.analysis.summarize import summarize_run
from planner.analysis.tables import (
    GUEST_CLASSES,
    byte_classes,
    largest_ratio_by_axes,
    line_ids,
    scenario_frame,
    slowdown_by_ratio,
    thin_timeline,
    translation_by_ratio,
)
from planner.analysis.wording import format_percent, format_ratio, format_risk
from planner.schema import VM_COLUMNS
from planner.units import GIB
from tests.synthetic_run import N_VMS, VM_BYTES, SyntheticRun, host_row, make_config, make_run, make_timeline


@pytest.fixture(scope="module")
def run() -> SyntheticRun:
    return make_run()


@pytest.fixture(scope="module")
def frame(run: SyntheticRun) -> pd.DataFrame:
    return scenario_frame(summarize_run(run.hosts, run.vms, run.scenarios, run.config))


def test_guest_bytes_add_up_to_the_configured_memory(run: SyntheticRun, frame: pd.DataFrame) -> None:
    table = byte_classes(run.hosts, frame, line_ids(frame))
    assert list(table["overcommit_ratio"]) == [1.0, 1.2, 1.4, 1.6, 1.8, 2.0]
    assert (table["configured"] == N_VMS * VM_BYTES).all()
    assert table[list(GUEST_CLASSES)].sum(axis=1).to_numpy() == pytest.approx(N_VMS * VM_BYTES)
    assert (table["consumed"] + table["free"]).to_numpy() == pytest.approx(table["usable"].to_numpy())


def test_frame_marks_one_recommended_scenario_on_its_line(frame: pd.DataFrame) -> None:
    assert frame["is_recommended"].sum() == 1
    assert frame.loc[frame["is_recommended"], "is_line"].all()
    assert set(frame.loc[frame["overcommit_ratio"] == 1.0, "status"]) == {"meets"}


def test_slowdown_and_translation_have_a_row_for_every_ratio(run: SyntheticRun, frame: pd.DataFrame) -> None:
    ids = line_ids(frame)
    slowdown = slowdown_by_ratio(run.hosts, frame, ids)
    assert slowdown.groupby("overcommit_ratio")["share"].apply(lambda share: share.is_monotonic_decreasing).all()
    assert list(translation_by_ratio(run.hosts, frame, ids)["overcommit_ratio"]) == [1.0, 1.2, 1.4, 1.6, 1.8, 2.0]
    assert slowdown_by_ratio(run.hosts.iloc[:0], frame, ids).empty
    assert translation_by_ratio(run.hosts.iloc[:0], frame, ids).empty


def test_small_mapped_share_is_weighted_by_granted_memory(frame: pd.DataFrame) -> None:
    rows = [
        host_row(0, 0, "a", granted_bytes_mean=300.0, small_mapped_fraction_mean=0.1),
        host_row(0, 0, "b", granted_bytes_mean=100.0, small_mapped_fraction_mean=0.5),
    ]
    # (300 x 0.1 + 100 x 0.5) / 400 = 0.2
    assert translation_by_ratio(pd.DataFrame(rows), frame, [0])["small_mapped"].item() == pytest.approx(0.2)


def test_hosts_are_sorted_by_how_near_they_are_to_breaking() -> None:
    rows = [
        host_row(0, replicate, host, slo_is_broken=broken and replicate == 0, granted_bytes_max=peak * GIB)
        for replicate in (0, 1)
        for host, broken, peak in (("a", False, 400), ("b", True, 300), ("c", False, 450))
    ]
    rows[0].update(status="failed", slo_is_broken=None)
    table = hosts_at_risk(pd.DataFrame(rows), 0)
    # A failed run is unknown and comes first; then the broken one; then the fullest.
    assert list(table["host"]) == ["a", "b", "c"]
    assert list(table["broken_share"]) == [0.0, 0.5, 0.0]
    assert list(table["failed_runs"]) == [1, 0, 0]
    assert table["peak_granted_ratio"].to_numpy() == pytest.approx([0.8, 0.6, 0.9])


def test_vms_say_which_stall_dominates() -> None:
    rows = []
    for vm, swap, paging in (("quiet", 0.0, 0.0), ("swapped", 30.0, 10.0), ("ballooned", 1.0, 3.0)):
        row = {column.name: 0.0 for column in VM_COLUMNS}
        row.update(scenario_id=0, replicate=0, vm=vm, host="a", stall_swap_in_s=swap, stall_guest_paging_s=paging)
        rows.append({**row, "slowdown_p99": 1 + swap})
    table = vms_at_risk(pd.DataFrame(rows), 0).set_index("vm")
    assert list(table.index) == ["swapped", "ballooned", "quiet"]
    assert list(table["why"]) == ["host swap-in", "guest paging after ballooning", ""]
    assert list(table["why_share"]) == [0.75, 0.75, 0.0]
    assert vms_at_risk(pd.DataFrame(rows), 1).empty


def test_paired_difference_by_hand() -> None:
    config = make_config(sweep={"overcommit_ratio": [1.5], "placement": ["a", "b"], "replicates": 4})
    run = make_run(config, sensitivity=False)
    broken = {0: ("11", "10", "10", "00"), 1: ("10", "00", "10", "00")}
    rows = [
        host_row(
            scenario_id, replicate, f"h{idx}", slo_is_broken=flag == "1", granted_bytes_max=(replicate + idx) * GIB
        )
        for scenario_id, flags in broken.items()
        for replicate, pair in enumerate(flags)
        for idx, flag in enumerate(pair)
    ]
    hosts = pd.DataFrame(rows)
    frame = scenario_frame(summarize_run(hosts, run.vms, run.scenarios, config))
    found = paired_differences(hosts, frame, 0.95).iloc[0]
    # Differences by replicate: 0.5, 0.5, 0, 0: mean 0.25, sd 0.2887; half width t(0.975, 3) x sd / 2 = 3.182 x 0.1443.
    assert found["difference"] == pytest.approx(0.25)
    assert (found["low"], found["high"]) == (pytest.approx(-0.2093, abs=1e-3), pytest.approx(0.7093, abs=1e-3))
    assert not found["is_clear"]


def test_no_difference_seen_is_not_a_certain_zero(run: SyntheticRun, frame: pd.DataFrame) -> None:
    table = paired_differences(run.hosts, frame, 0.95).set_index("overcommit_ratio")
    assert table.loc[1.0, "difference"] == 0.0
    assert table.loc[1.0, "low"] < -0.02
    assert table.loc[1.0, "high"] > 0.02
    assert bool(table.loc[2.0, "is_clear"])


def test_ablation_says_how_far_each_combination_goes() -> None:
    path = "hypervisor.ballooning.enabled"
    config = make_config(sweep={"overcommit_ratio": [1.0, 1.5], "axes": {path: [True, False]}, "replicates": 8})
    run = make_run(make_config(sweep={"overcommit_ratio": [1.0, 1.5], "replicates": 8}), sensitivity=False)
    on = [{**item, "axes": {path: True}} for item in run.scenarios]
    off = [{**item, "axes": {path: False}, "id": item["id"] + 2} for item in run.scenarios]
    rng = np.random.default_rng(1)
    rows = [
        host_row(item["id"], replicate, f"h{idx:02d}", granted_bytes_max=int(rng.integers(1, 400)) * GIB,
                 slo_is_broken=item["id"] == 3)
        for item in (*on, *off)
        for replicate in range(8)
        for idx in range(10)
    ]  # fmt: skip
    hosts = pd.DataFrame(rows)
    table = largest_ratio_by_axes(scenario_frame(summarize_run(hosts, run.vms, [*on, *off], config)))
    found = {row["axes"][path]: row for _, row in table.iterrows()}
    assert (found[True]["largest_ratio"], found[True]["first_broken_ratio"], found[True]["is_base"]) == (
        1.5,
        None,
        True,
    )
    assert (found[False]["largest_ratio"], found[False]["first_broken_ratio"]) == (1.0, 1.5)


def test_thin_timeline_keeps_worst_flows_and_mean_stocks() -> None:
    timeline = make_timeline(1, n_ticks=10)
    timeline["swap_in_bytes"] = range(10)
    timeline["free_bytes"] = range(10)
    thinned = thin_timeline(timeline, 4)
    # Ten ticks in rows of three: ticks 0-2, 3-5, 6-8, 9.
    assert list(thinned["tick"]) == [0, 3, 6, 9]
    assert list(thinned["swap_in_bytes"]) == [2, 5, 8, 9]
    assert list(thinned["free_bytes"]) == [1.0, 4.0, 7.0, 9.0]


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0.0367, "3.7 %"), (0.05, "5 %"), (0.123, "12.3 %"), (1.0, "100 %"), (0.0, "0 %"), (0.00004, "below 0.01 %"),
     (None, "not known"), (0.1, "10 %")],
)  # fmt: skip
def test_percentages_for_readers(fraction: float | None, text: str) -> None:
    assert format_percent(fraction) == text


def test_risk_never_reads_zero() -> None:
    assert format_risk(0.0, 0.0367, 0.95) == "below 3.7 % with 95 % confidence"
    assert format_risk(0.01, 0.04, 0.95) == "1 %, at most 4 % with 95 % confidence"
    assert format_risk(None, 1.0, 0.95) == "not known, at most 100 % with 95 % confidence"
    assert format_ratio(1.25) == "1.25"
    assert format_ratio(2.0) == "2.0"
