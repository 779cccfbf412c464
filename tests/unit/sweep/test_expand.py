"""Axes -> scenarios, by hand."""

import pytest

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
