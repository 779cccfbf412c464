"""Latent series and granted memory against closed forms."""

import pickle

import numpy as np
import pytest

from planner.config.spec import VmSpec
from planner.workload.drawn import VmModels, draw_demand, make_window
from planner.workload.latent import DrawKey, FactorSeries, SharedFactor, draw_latent
from planner.workload.listed import ListedSource
from planner.workload.profiles import COMPONENTS, Restarts

N_TICKS = 60_000
KEY = DrawKey(seed=1, replicate=0, n_ticks=N_TICKS, tick_s=300.0)
# Correlation at 1, 2 and 12 ticks of 300 s: exp(-lag x 300 / time) for the autoregressions; a moving sum of two for
# straddling noise; the profile of the hour repeats after 12 ticks.
EXPECTED = {
    "white": (0.0, 0.0, 0.0),
    "straddling": (0.5, 0.0, 0.0),
    "minutes": (0.60653, 0.36788, 0.00248),
    "hours": (0.97260, 0.94596, 0.71653),
    "hourly": (None, None, 1.0),
}


@pytest.mark.parametrize("component", EXPECTED)
def test_components_have_the_autocorrelation_they_stand_for(component):
    weights = np.array([[float(name == component) for name in COMPONENTS]])
    series = draw_latent(("vm/a",), weights, KEY)[0].astype(float)
    assert series.std() == pytest.approx(1.0, abs=0.1)
    for lag, expected in zip((1, 2, 12), EXPECTED[component], strict=True):
        if expected is not None:
            assert np.corrcoef(series[:-lag], series[lag:])[0, 1] == pytest.approx(expected, abs=0.02)


def test_the_profile_of_the_day_repeats_in_every_replicate():
    weights = np.array([[float(name == "daily") for name in COMPONENTS]])
    first = draw_latent(("vm/a",), weights, DrawKey(1, 0, 576, 300.0))[0]
    second = draw_latent(("vm/a",), weights, DrawKey(1, 1, 576, 300.0))[0]
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first[:288], first[288:])
    assert first.std() == pytest.approx(1.0, abs=1e-5)


def _models(n_vms, group_weight):
    weights = np.tile([float(name == "minutes") for name in COMPONENTS], (n_vms, 1))
    group = SharedFactor("group", ("g",) * n_vms, np.full(n_vms, group_weight), weights)
    return VmModels(
        names=tuple(f"vm{number}" for number in range(n_vms)),
        restart_labels=("g",) * n_vms,
        log_knots=np.tile(np.log(np.linspace(0.01, 0.08, 8)), (n_vms, 1)),
        component_weights=weights,
        shared=(group,),
        granted_fraction=np.full(n_vms, 0.5),
        granted_limit_fraction=np.full(n_vms, 0.6),
        growth_per_day=np.full(n_vms, 0.02),
        cpu_busy_vcpus=np.ones(n_vms),
    )


def _restarts(per_vm_day):
    path = (0.1, 0.2, 0.3, 0.4)
    return Restarts(per_vm_day, (300.0, 3600.0, 86_400.0, 604_800.0), (path,) * 5, (0.0,) * 5)


def _draw(models, restarts, key):
    return draw_demand(models, restarts, key, np.arange(len(models.names)), FactorSeries(models.shared))


def test_without_restarts_granted_grows_evenly_to_its_limit():
    demand = _draw(_models(2, 0.0), _restarts(0.0), DrawKey(1, 0, 10 * 288, 300.0))
    # 0.5 + 0.02 a day: 0.52 after a day, 0.6 (the limit) from the fifth day on.
    assert demand.granted_fraction[0, 287] == pytest.approx(0.52, abs=1e-6)
    assert demand.granted_fraction[0, -1] == pytest.approx(0.6)
    assert (np.diff(demand.granted_fraction, axis=1) >= 0).all()


def test_after_a_restart_granted_follows_the_boot_path():
    demand = _draw(_models(3, 0.0), _restarts(0.1), DrawKey(4, 0, 14 * 288, 300.0))
    falls = [np.flatnonzero(np.diff(row) < 0) + 1 for row in demand.granted_fraction]
    assert len(falls[0]) > 0
    assert all(np.array_equal(falls[0], other) for other in falls)
    last = falls[0][-1]
    after = demand.granted_fraction[0, last:]
    assert after[0] == pytest.approx(0.1, abs=1e-6)
    assert after[11] == pytest.approx(0.2, abs=1e-6)
    assert after[min(287, len(after) - 1)] <= 0.3 + 1e-6


def test_shared_weight_is_the_correlation_of_the_latent_series():
    models = _models(2, 0.6)
    linear = np.tile(np.linspace(-1.0, 1.0, 8) * 1e-3, (2, 1))  # exp of it is linear to 1e-6
    demand = _draw(VmModels(**(vars(models) | {"log_knots": linear})), _restarts(0.0), DrawKey(1, 0, N_TICKS, 300.0))
    assert np.corrcoef(demand.active_fraction.astype(float))[0, 1] == pytest.approx(0.6, abs=0.03)


def test_a_window_holds_whole_ticks():
    assert make_window(1, 14 * 86_400.0, 300.0).n_ticks == 4032
    assert make_window(1, 1000.0, 300.0).n_ticks == 3
    assert make_window(1, 0.3, 0.1).n_ticks == 3


def test_models_are_made_when_demand_is_drawn_and_sent_ready_made():
    source = ListedSource((VmSpec(name="web", count=3, memory="4 GiB"),), 3600.0, 300.0, 1)
    assert "models" not in vars(source)
    copy = pickle.loads(pickle.dumps(source))
    assert "models" in vars(copy)
    np.testing.assert_array_equal(copy.demand(1).active_fraction, source.demand(1).active_fraction)
