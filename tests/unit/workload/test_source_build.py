"""From config to demand source."""

import pytest

from planner.config.spec import FleetSpec, GeneratedVms, ImportedVms, PlannerConfig, VmSpec
from planner.errors import ConfigError, InputError
from planner.workload.build import build_source
from planner.workload.generated import GeneratedSource
from planner.workload.listed import ListedSource


def _config(vms, horizon=3600.0):
    fleet = FleetSpec.model_construct(hosts=(), vms=vms)
    return PlannerConfig.model_construct(seed=1, fleet=fleet, horizon=horizon, tick=300.0)


def test_each_kind_of_fleet_gets_its_source(tmp_path):
    generated = build_source(_config(GeneratedVms(generate="managed-hosting", count=3)), tmp_path)
    listed = build_source(_config((VmSpec(name="a", memory="1 GiB"),)), tmp_path)
    assert isinstance(generated, GeneratedSource)
    assert isinstance(listed, ListedSource)
    assert (len(generated.vms), len(listed.vms)) == (3, 1)
    assert generated.demand(0).n_ticks == 12


def test_a_missing_fleet_directory_is_the_users_error(tmp_path):
    with pytest.raises(InputError):
        build_source(_config(ImportedVms(fleet="nowhere")), tmp_path)


def test_an_unknown_generator_is_refused_with_the_known_names(tmp_path):
    with pytest.raises(ConfigError, match="managed-hosting"):
        build_source(_config(GeneratedVms(generate="cloud", count=3)), tmp_path)


def test_a_horizon_below_one_tick_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="shorter than the tick"):
        build_source(_config(GeneratedVms(generate="managed-hosting", count=3), horizon=60.0), tmp_path)
