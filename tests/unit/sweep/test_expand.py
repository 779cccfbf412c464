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


def test_sensitivity_sweeps_the_recommended_placement_under_the_other_tails():
    config = config_of(overcommit_ratio=[1.0, 1.2], placement=["spread", "first-fit"])
    scenarios = expand_sensitivity(config, {"placement": "first-fit", "axes": {}}, first_id=4)
    assert [(s.id, s.tail, s.overcommit_ratio, s.placement, s.role) for s in scenarios] == [
        (4, "low", 1.0, "first-fit", "sensitivity"), (5, "low", 1.2, "first-fit", "sensitivity"),
        (6, "high", 1.0, "first-fit", "sensitivity"), (7, "high", 1.2, "first-fit", "sensitivity"),
    ]  # fmt: skip
    assert scenario_config(config, scenarios[0]).workload.tail == "low"


def test_no_sensitivity_where_the_tail_is_swept():
    config = config_of(overcommit_ratio=[1.0], axes={"workload.tail": ["low", "high"]})
    assert [s.tail for s in expand_scenarios(config)] == ["low", "high"]
    assert expand_sensitivity(config, {"placement": "first-fit", "axes": {}}, first_id=2) == []
