"""The recommendation: which ratio, and why not the next."""

import dataclasses
from typing import Any

import pytest

from planner.analysis.binding import explain_failure, replicates_needed
from planner.analysis.recommend import Recommendation, recommend
from planner.analysis.scenarios import ScenarioSummary
from planner.config.slo import SloSpec
from planner.config.spec import PlannerConfig
from planner.errors import InputError
from tests.synthetic_run import make_config

SLO = SloSpec.model_validate(
    {
        "hosts_affected": "5 %", "guest_paging": "4 MiB/s", "pressed": "10 min",
        "classes": [{"match": "db-*", "slowdown_p99": 1.05}],
    }
)  # fmt: skip


def scenario(ratio: float, high: float, **changes: Any) -> ScenarioSummary:
    """A feasible scenario of first-fit with 10 / ratio hosts and no broken host."""
    values: dict[str, Any] = dict.fromkeys((field.name for field in dataclasses.fields(ScenarioSummary)), None)
    values.update(
        scenario_id=round(100 * ratio), role="sweep", overcommit_ratio=ratio, placement="first-fit", tail="middle",
        axes={}, hosts_used=round(10 / ratio), vms_placed=100, swap_risk=0.0, swap_risk_low=0.0, swap_risk_high=high,
        replicates=8, host_runs=80, broken_host_runs=0, denied_host_runs=0, broken_by={}, failed_hosts=0,
        refused_host_runs=0, killed_host_runs=0,
        effective_host_runs=40.0,
        effective_host_runs_at_target=40.0, unplaced_vms=0, feasible=True,
    )  # fmt: skip
    return ScenarioSummary(**{**values, **changes})


def choose(*scenarios: ScenarioSummary, config: PlannerConfig | None = None) -> Recommendation:
    return recommend(scenarios, config or make_config())


def test_the_largest_ratio_whose_bound_meets_the_objective() -> None:
    found = choose(
        scenario(1.0, 0.03),
        scenario(1.25, 0.04),
        scenario(2.0, 0.4, swap_risk=0.2, broken_host_runs=16, broken_by={"swap_in": 16}),
    )
    assert (found.overcommit_ratio, found.scenario_id, found.next_scenario_id) == (1.25, 125, 200)
    assert (found.hosts_used, found.hosts_saved, found.meets_slo) == (8, 2, True)
    assert found.binding_constraint.kind == "swap_in"
    assert found.binding_constraint.overcommit_ratio == 2.0


def test_the_point_estimate_is_not_enough() -> None:
    assert choose(scenario(1.0, 0.03), scenario(1.25, 0.051)).overcommit_ratio == 1.0


def test_a_ratio_past_a_failure_is_named_but_not_recommended() -> None:
    found = choose(scenario(1.0, 0.03), scenario(1.25, 0.06), scenario(2.0, 0.04))
    assert found.overcommit_ratio == 1.0
    assert found.ratios_past_a_failure == (2.0,)


def test_when_even_the_smallest_ratio_fails_no_ratio_is_recommended() -> None:
    found = choose(scenario(1.0, 0.3, swap_risk=0.2, broken_host_runs=16, broken_by={"swap_in": 16}))
    assert (found.meets_slo, found.overcommit_ratio, found.scenario_id) == (False, None, 100)
    assert found.headline == "No ratio swept meets the objective"
    assert found.binding_constraint.text in found.sentence


def test_too_few_replicates_are_no_proof_of_a_break() -> None:
    found = choose(scenario(1.0, 0.3), scenario(1.25, 0.3), scenario(2.0, 0.4, broken_host_runs=1))
    assert found.headline == "No ratio swept is shown to meet the objective"
    # What happens beyond is shown by the first ratio at which a host broke.
    assert found.next_scenario_id == 200


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"placement": "b", "hosts_used": 5}, {"placement": "a", "hosts_used": 6}),
        ({"placement": "b", "swap_risk_high": 0.02}, {"placement": "a"}),
        ({"placement": "a"}, {"placement": "b"}),
    ],
)
def test_ties_go_to_fewer_hosts_then_lower_risk_then_name(better: dict[str, Any], worse: dict[str, Any]) -> None:
    found = choose(*(dataclasses.replace(scenario(1.5, 0.04), **changes) for changes in (worse, better)))
    assert found.placement == better["placement"]


def test_fewer_hosts_are_better_than_a_larger_ratio_when_consolidating() -> None:
    found = choose(
        scenario(1.0, 0.03, hosts_used=7), scenario(1.5, 0.2, hosts_used=6),
        scenario(1.0, 0.03, placement="peak-aware", hosts_used=12),
        scenario(1.5, 0.03, placement="peak-aware", hosts_used=8),
    )  # fmt: skip
    assert (found.placement, found.overcommit_ratio, found.hosts_used) == ("first-fit", 1.0, 7)


def test_ratios_without_room_for_all_vms_are_no_evidence_against_larger_ones() -> None:
    full = {"feasible": False, "unplaced_vms": 5}
    found = choose(scenario(1.0, 0.03, **full), scenario(1.25, 0.03), scenario(1.5, 0.04), scenario(2.0, 0.3))
    assert (found.overcommit_ratio, found.baseline.overcommit_ratio) == (1.5, 1.25)
    found = choose(scenario(1.0, 0.03, **full), scenario(1.25, 0.3), scenario(1.5, 0.04))
    assert (found.meets_slo, found.scenario_id) == (False, 125)
    found = choose(scenario(1.0, 0.03, **full), scenario(1.25, 0.03, **full))
    assert (found.meets_slo, found.scenario_id) == (False, 100)


def test_savings_count_against_the_smallest_feasible_ratio_without_ratio_one() -> None:
    found = choose(scenario(1.25, 0.03), scenario(2.0, 0.04))
    assert (found.baseline.overcommit_ratio, found.hosts_saved) == (1.25, 3)
    assert "smallest ratio swept" in found.baseline.text


def test_a_spreading_placement_takes_no_credit_for_hosts_that_another_never_used() -> None:
    spread = {"placement": "worst-fit", "hosts_used": 13}
    found = choose(
        scenario(1.0, 0.06, hosts_used=10), scenario(1.0, 0.03, **spread),
        scenario(1.25, 0.04, placement="worst-fit", hosts_used=10),
    )  # fmt: skip
    # Spread alone would claim 13 - 10 = 3; first-fit has 10 hosts without overcommit.
    assert (found.hosts_saved, found.baseline.placement, found.baseline.hosts_used) == (0, "first-fit", 10)
    assert "as many as at 1.0 with first-fit" in found.sentence
    assert found.baseline.text == "first-fit at 1.0 (no overcommit)"
    assert found.headline == "10 hosts, no fewer than at 1.0"


def test_grow_counts_vms() -> None:
    config = make_config(question="grow")
    found = choose(scenario(1.0, 0.03), scenario(2.0, 0.04, hosts_used=10, vms_placed=190), config=config)
    assert found.vms_gained == 90
    assert "10 hosts hold 190 VMs, 90 more than at 1.0" in found.sentence


def test_each_tail_has_its_own_ratio() -> None:
    low = [scenario(ratio, 0.01, role="sensitivity", tail="low") for ratio in (1.0, 1.25)]
    high = [scenario(1.0, 0.2, role="sensitivity", tail="high")]
    found = choose(scenario(1.0, 0.03), scenario(1.25, 0.06), *low, *high)
    assert found.by_tail == {"low": 1.25, "middle": 1.0, "high": None}
    assert [item.status for item in found.tails] == ["met", "met", "none"]
    assert found.tails[2].risk_at_recommended_high == 0.2


def test_a_tail_that_was_not_run_is_said_to_be_so() -> None:
    assert [item.status for item in choose(scenario(1.0, 0.03)).tails] == ["not run", "met", "not run"]


def test_further_axes_are_comparisons_not_choices() -> None:
    path = "hypervisor.ballooning.enabled"
    config = make_config(sweep={"overcommit_ratio": [1.0, 1.25], "axes": {path: [False, True]}, "replicates": 8})
    rows = [scenario(1.0, 0.03, axes={path: True}), scenario(1.25, 0.04, axes={path: False})]
    # The preset has ballooning on, so the line with it off is not recommended although it goes further.
    assert choose(*rows, config=config).overcommit_ratio == 1.0
    with pytest.raises(InputError, match="own axes"):
        choose(rows[1], config=config)


def test_the_end_of_the_sweep_binds_when_nothing_else_does() -> None:
    found = choose(scenario(1.0, 0.03))
    assert (found.binding_constraint.kind, found.next_scenario_id) == ("sweep_ended", None)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"feasible": False, "unplaced_vms": 12}, "hosts_run_out"),
        ({"swap_risk": None, "swap_risk_high": 1.0}, "failed_hosts"),
        ({"failed_hosts": 3}, "failed_hosts"),
        ({"swap_risk": 0.2, "broken_host_runs": 16, "broken_by": {"swap_in": 16}}, "swap_in"),
        ({"swap_risk": 0.2, "broken_host_runs": 16, "broken_by": {"pressed": 9, "swap_in": 2}}, "pressed"),
        ({"swap_risk": 0.2, "broken_host_runs": 16, "broken_by": {"class db-*": 16}}, "class db-*"),
        ({"swap_risk": 0.2, "broken_host_runs": 16, "denied_host_runs": 8}, "denied_memory"),
        ({"swap_risk": 0.2, "broken_host_runs": 16, "denied_host_runs": 15}, "denied_memory"),
        ({"swap_risk": 0.2, "broken_host_runs": 16, "killed_host_runs": 15, "denied_host_runs": 15}, "killed_vms"),
        ({"swap_risk": 0.2, "broken_host_runs": 16, "refused_host_runs": 15, "killed_host_runs": 15}, "refused_vms"),
        ({"swap_risk": 0.2, "broken_host_runs": 16, "broken_by": {"guest_paging": 15, "swap_in": 1}}, "guest_paging"),
        ({}, "too_few_replicates"),
    ],
)
def test_every_failure_has_its_reason(changes: dict[str, Any], kind: str) -> None:
    found = explain_failure(scenario(1.5, 0.2, **changes), SLO)
    assert found.kind == kind
    assert found.text.endswith(".")
    assert "None" not in found.text


def test_replicates_needed_without_a_broken_host_by_hand() -> None:
    # 58.4 independent runs show at most 5 %; 40 / 8 = 5 a replicate; 58.4 / 5 = 11.7.
    assert replicates_needed(scenario(1.5, 0.07), SLO) == 12
    assert replicates_needed(scenario(1.5, 0.07, swap_risk=0.06), SLO) is None
