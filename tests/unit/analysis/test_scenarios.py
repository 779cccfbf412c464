"""Scenario summaries against sums done by hand."""

import json
from typing import Any

import pandas as pd
import pytest

from planner.analysis.scenarios import ScenarioSummary, summarize_scenarios
from planner.analysis.summarize import summarize_run
from planner.config.slo import SloSpec
from planner.units import GIB
from tests.synthetic_run import host_row, make_config, make_run

SCENARIO = {
    "id": 0, "overcommit_ratio": 1.5, "placement": "first-fit", "tail": "middle", "axes": {}, "role": "sweep",
    "unplaced_vms": 0, "hosts_used": 2, "hosts_used_mean": 2.0, "vms_placed": 40,
}  # fmt: skip


def summarize(rows: list[dict[str, Any]], **changes: Any) -> ScenarioSummary:
    return summarize_scenarios(pd.DataFrame(rows), [{**SCENARIO, **changes}], SloSpec())[0]


def two_replicates() -> list[dict[str, Any]]:
    rows = []
    for replicate in (0, 1):
        for host, vms in (("esx-01", 30), ("esx-02", 10)):
            rows.append(
                host_row(
                    0, replicate, host, vms=vms, configured_bytes=vms * 10 * GIB, usable_bytes=200 * GIB,
                    swapped_bytes_mean=float((1 + replicate) * vms), swap_in_bytes_per_s_p99=100.0 * replicate + vms,
                    translation_overhead_mean=vms / 100,
                )
            )  # fmt: skip
    return rows


def test_fleet_sums_are_averaged_over_replicates() -> None:
    item = summarize(two_replicates())
    # Replicate 0: 30 + 10 = 40; replicate 1: 60 + 20 = 80; mean 60.
    assert item.swapped_bytes_mean == 60.0
    # Worst host's p99: 30 in replicate 0, 130 in replicate 1; mean 80.
    assert item.swap_in_bytes_per_s_p99 == 80.0
    # Weighted by VMs: (30 x 0.3 + 10 x 0.1) / 40 = 0.25.
    assert item.translation_overhead_mean == pytest.approx(0.25)


def test_density_and_ratio_reached() -> None:
    item = summarize(two_replicates())
    assert (item.vms_placed, item.hosts_used, item.vms_per_host) == (40, 2, 20.0)
    # 400 GiB configured on 2 x 200 GiB usable.
    assert item.overcommit_ratio_mean == pytest.approx(1.0)


def test_a_failed_host_takes_its_replicate_out_of_the_sums_and_widens_the_risk() -> None:
    rows = two_replicates()
    rows[0].update(status="out of luck", slo_is_broken=None, swapped_bytes_mean=None, slowdown_histogram=None)
    item = summarize(rows)
    assert (item.failed_hosts, item.host_runs) == (1, 4)
    assert item.swapped_bytes_mean == 80.0
    assert item.swap_risk == 0.0
    assert item.swap_risk_high > summarize(two_replicates()).swap_risk_high


def test_without_any_finished_host_everything_measured_is_unknown() -> None:
    rows = [{**row, "status": "failed", "slo_is_broken": None, "slowdown_histogram": None} for row in two_replicates()]
    item = summarize(rows)
    assert (item.swap_risk, item.swapped_bytes_mean, item.slowdown_p99, item.swap_risk_high) == (None, None, None, 1.0)


def test_empty_hosts_do_not_dilute_the_risk() -> None:
    rows = two_replicates()
    empty = [host_row(0, replicate, "esx-03", vms=0) for replicate in (0, 1)]
    assert summarize(rows + empty) == summarize(rows)


def test_unplaced_vms_make_a_scenario_infeasible() -> None:
    assert not summarize(two_replicates(), unplaced_vms=3).feasible


def test_row_order_and_other_scenarios_do_not_matter() -> None:
    run = make_run(make_config(sweep={"overcommit_ratio": [1.6, 1.8], "replicates": 5}), sensitivity=False)
    slo = run.config.slo
    whole = summarize_scenarios(run.hosts, run.scenarios, slo)
    shuffled = run.hosts.sample(frac=1.0, random_state=1)
    assert summarize_scenarios(shuffled, run.scenarios, slo) == whole
    assert summarize_scenarios(shuffled, run.scenarios[1:], slo) == whole[1:]


def test_summary_is_plain_json_without_nan() -> None:
    run = make_run()
    text = json.dumps(summarize_run(run.hosts, run.vms, run.scenarios, run.config), allow_nan=False)
    wanted = {
        "overcommit_ratio", "overcommit_ratio_mean", "placement", "hosts_used", "vms_per_host", "swap_risk",
        "swap_risk_low", "swap_risk_high", "swap_in_bytes_per_s_p99", "ballooned_bytes_mean",
        "shared_saved_bytes_mean", "compressed_saved_bytes_mean", "swapped_bytes_mean", "slowdown_p50", "slowdown_p95",
        "slowdown_p99", "translation_overhead_mean", "replicates", "tail", "axes", "unplaced_vms", "feasible",
        "failed_hosts",
    }  # fmt: skip
    assert wanted <= set(json.loads(text)["scenarios"][0])
