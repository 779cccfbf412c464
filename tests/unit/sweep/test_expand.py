"""Axes -> scenarios, by hand."""

import pytest

from planner.config.axes import base_axes
from planner.config.catalog import expand_hypervisor
from planner.config.spec import PlannerConfig
from planner.errors import ConfigError
from planner.sweep.expand import expand_scenarios, expand_sensitivity, scenario_config


def config_of(**sweep):
    return PlannerConfig.model_validate(
        {
            "schema_version": 1,
            "seed": 1,
            "fleet": {
                "hosts": [{"name": "esx", "count": 2, "memory": "64 GiB", "cores": 16}],
                "vms": {"generate": "managed-hosting", "count": 9},
            },
            "hypervisor": expand_hypervisor("esxi-8"),
            "horizon": "1 days",
            "sweep": sweep,
        }
    )


def test_product_in_the_order_written_ratio_slowest():
    axes = {"hypervisor.ballooning.enabled": [True, False]}
    scenarios = expand_scenarios(config_of(overcommit_ratio=[1.5, 1.0], placement=["spread", "as-is"], axes=axes))
    found = [(s.id, s.overcommit_ratio, s.placement, s.axes["hypervisor.ballooning.enabled"]) for s in scenarios]
    assert found == [
        (0, 1.5, "spread", True), (1, 1.5, "spread", False), (2, 1.5, "as-is", True), (3, 1.5, "as-is", False),
        (4, 1.0, "spread", True), (5, 1.0, "spread", False), (6, 1.0, "as-is", True), (7, 1.0, "as-is", False),
    ]  # fmt: skip
    assert {s.tail for s in scenarios} == {"middle"}
    assert {s.role for s in scenarios} == {"sweep"}


def test_axis_values_reach_the_scenario_config_and_nothing_else_changes():
    config = config_of(overcommit_ratio=[1.0], axes={"fleet.hosts[0].memory": ["64 GiB", "128 GiB"]})
    small, large = (scenario_config(config, scenario) for scenario in expand_scenarios(config))
    assert small == config
    assert large.fleet.hosts[0].memory == 128 * 2**30
    assert large.fleet.hosts[0].model_copy(update={"memory": 64 * 2**30}) == config.fleet.hosts[0]
    assert large.hypervisor == config.hypervisor


def test_whole_hypervisor_as_axis():
    config = config_of(overcommit_ratio=[1.0], axes={"hypervisor": ["esxi-8", "kvm"]})
    assert [scenario_config(config, s).hypervisor.preset for s in expand_scenarios(config)] == ["esxi-8", "kvm"]


@pytest.mark.parametrize(
    ("path", "value"),
    [("hypervisor.balloning.enabled", True), ("workload.zero_fraction", 2.0), ("fleet.hosts[7].memory", "1 GiB")],
)
def test_wrong_axes_are_config_errors(path, value):
    with pytest.raises(ConfigError, match=path.split(".")[-1]):
        expand_scenarios(config_of(overcommit_ratio=[1.0], axes={path: [value]}))


def simulated(tail, ratio, risk_high, feasible=True):
    return {
        "role": "sensitivity", "tail": tail, "overcommit_ratio": ratio, "feasible": feasible,
        "swap_risk": 0.0, "swap_risk_high": risk_high,
    }  # fmt: skip


def missing(recommended, *done):
    config = config_of(overcommit_ratio=[1.0, 1.2, 1.4, 1.6], placement=["spread", "first-fit"])
    recommendation = {"placement": "first-fit", "axes": {}, "overcommit_ratio": recommended}
    scenarios = expand_sensitivity(config, {"recommendation": recommendation, "scenarios": list(done)}, first_id=8)
    assert [s.id for s in scenarios] == list(range(8, 8 + len(scenarios)))
    assert {(s.placement, s.role) for s in scenarios} <= {("first-fit", "sensitivity")}
    return [(s.tail, s.overcommit_ratio) for s in scenarios]


def test_sensitivity_starts_at_the_recommended_ratio_and_the_next():
    assert missing(1.2) == [("low", 1.2), ("low", 1.4), ("high", 1.2), ("high", 1.4)]
    assert missing(1.6) == [("low", 1.6), ("high", 1.6)]
    assert missing(None) == [("low", 1.0), ("low", 1.2), ("high", 1.0), ("high", 1.2)]


def test_sensitivity_steps_up_while_met_and_down_while_not():
    low, high = simulated("low", 1.4, 0.01), simulated("high", 1.2, 0.5)
    done = [simulated("low", 1.2, 0.01), low, high, simulated("high", 1.4, 0.9)]
    assert missing(1.2, *done) == [("low", 1.6), ("high", 1.0)]
    assert missing(1.2, *done, simulated("low", 1.6, 0.5), simulated("high", 1.0, 0.01)) == []
    # Unplaced VMs fail a ratio whatever its risk.
    assert missing(1.6, simulated("low", 1.6, 0.01), simulated("high", 1.6, 0.01, feasible=False)) == [("high", 1.4)]


def test_no_sensitivity_where_the_tail_is_swept():
    config = config_of(overcommit_ratio=[1.0], axes={"workload.tail": ["low", "high"]})
    assert [s.tail for s in expand_scenarios(config)] == ["low", "high"]
    assert expand_sensitivity(config, {}, first_id=2) == []


def points(**sweep):
    return [(s.overcommit_ratio, s.placement, dict(s.axes)) for s in expand_scenarios(config_of(**sweep))]


MEMORY, SWAP, PAGES = "fleet.hosts[0].memory", "fleet.hosts[0].swap", "hypervisor.large_pages"


def test_axes_of_a_block_move_together_and_blocks_combine_with_axes():
    block = {MEMORY: ["64 GiB", "128 GiB"], SWAP: ["nvme", "optane"]}
    assert points(overcommit_ratio=[1.0], zip=[block], axes={PAGES: [True, False]}) == [
        (1.0, "first-fit", {PAGES: True, MEMORY: "64 GiB", SWAP: "nvme"}),
        (1.0, "first-fit", {PAGES: True, MEMORY: "128 GiB", SWAP: "optane"}),
        (1.0, "first-fit", {PAGES: False, MEMORY: "64 GiB", SWAP: "nvme"}),
        (1.0, "first-fit", {PAGES: False, MEMORY: "128 GiB", SWAP: "optane"}),
    ]


def test_listed_scenarios_sweep_what_they_leave_out_and_get_the_configs_own_values():
    listed = [{"overcommit_ratio": 1.2, "placement": "spread", SWAP: "optane"}, {"placement": "first-fit"}]
    # The second entry leaves the ratio to the sweep, and the swap device to the config.
    assert points(overcommit_ratio=[1.0, 1.5], scenarios=listed) == [
        (1.2, "spread", {SWAP: "optane"}),
        (1.0, "first-fit", {SWAP: "nvme"}),
        (1.5, "first-fit", {SWAP: "nvme"}),
    ]


def test_the_recommendation_is_for_the_configs_own_values():
    block = {MEMORY: ["128 GiB", "64 GiB"], SWAP: ["optane", "nvme"]}
    assert base_axes(config_of(zip=[block])) == {MEMORY: "64 GiB", SWAP: "nvme"}
    # Without its own among them: the first. Units do not matter: 0.0625 TiB are 64 GiB.
    assert base_axes(config_of(axes={MEMORY: ["1 TiB", "0.0625 TiB"]})) == {MEMORY: "0.0625 TiB"}
    assert base_axes(config_of(axes={MEMORY: ["1 TiB", "2 TiB"]})) == {MEMORY: "1 TiB"}
    assert base_axes(config_of(scenarios=[{SWAP: "optane"}, {MEMORY: "64 GiB"}])) == {SWAP: "nvme", MEMORY: "64 GiB"}


def test_other_tails_are_tried_on_the_ratios_of_the_recommended_line_only():
    listed = [{"overcommit_ratio": ratio, SWAP: "nvme"} for ratio in (1.0, 1.2)]
    config = config_of(scenarios=[*listed, {"overcommit_ratio": 1.3, SWAP: "optane"}])
    recommendation = {"placement": "first-fit", "axes": {SWAP: "nvme"}, "overcommit_ratio": 1.2}
    found = expand_sensitivity(config, {"recommendation": recommendation, "scenarios": []}, first_id=3)
    assert [(s.tail, s.overcommit_ratio) for s in found] == [("low", 1.2), ("high", 1.2)]
