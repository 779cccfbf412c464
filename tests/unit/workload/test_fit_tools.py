"""The fit tools find again what made-up recordings were made with."""

from pathlib import Path

import numpy as np
import pytest

from planner.workload.latent import DrawKey, draw_latent
from planner.workload.profiles import COMPONENTS

TOOLS = Path(__file__).parents[3] / "tools"
WEEK_TICKS = 2016


@pytest.fixture(autouse=True)
def _tools_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))


def _touch_pages(alpha, n_pages, seed):
    """Touch pages one by one for a week: share touched in each tick, and share touched so far."""
    draws = np.random.default_rng(seed)
    rate = ((np.arange(n_pages) + 0.5) / n_pages) ** -alpha
    seen = np.zeros(n_pages, dtype=bool)
    active, granted = [], []
    for _ in range(WEEK_TICKS):
        advance = 0.002 * draws.lognormal(0.0, 1.0)
        touched = draws.random(n_pages) < -np.expm1(-advance * rate)
        seen |= touched
        active.append(touched.mean())
        granted.append(seen.mean())
    return np.array(active), np.array(granted)


@pytest.mark.parametrize("alpha", [1.3, 2.0, 3.0])
def test_the_exponent_that_touched_the_pages_is_found(alpha):
    from fit_tail import ALPHAS, TouchedShare, _growth_errors

    active, granted = _touch_pages(alpha, 2000, seed=4)
    laws = {float(value): TouchedShare(float(value)) for value in ALPHAS}
    found = ALPHAS[np.argmin(_growth_errors(active, granted, 1.0, laws))]
    assert found == pytest.approx(alpha, rel=0.1)


def test_touched_share_against_a_sum_over_pages():
    from fit_tail import TouchedShare

    law = TouchedShare(2.0)
    middles = (np.arange(100_000) + 0.5) / 100_000
    for clock in (1e-4, 1e-2, 1.0):
        assert law.share(np.array(clock)) == pytest.approx(-np.expm1(-clock * middles**-2.0).mean(), abs=1e-4)
    assert law.clock(np.array(0.3)) == pytest.approx(_bisect(lambda z: float(law.share(np.array(z))), 0.3), rel=1e-3)


def _bisect(function, value):
    low, high = 1e-9, 1e3
    for _ in range(100):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if function(middle) < value else (low, middle)
    return low


def test_weights_of_a_mixture_are_found_from_its_autocorrelation():
    from fit_profiles import LAG_TICKS, fit_weights

    weights = np.array([0.2, 0.1, 0.1, 0.3, 0.1, 0.1, 0.1])
    series = draw_latent(("vm/a",), weights[None, :], DrawKey(1, 0, 120_000, 300.0))[0].astype(float)
    correlation = np.array([np.corrcoef(series[:-lag], series[lag:])[0, 1] for lag in LAG_TICKS])
    found = dict(zip(COMPONENTS, fit_weights(correlation), strict=True))
    # The profiles of one VM are one draw of 12 and 288 slots, so what they hold of other components is not exact.
    for name, weight in zip(COMPONENTS, weights, strict=True):
        assert found[name] == pytest.approx(weight, abs=0.06)


def test_loadings_of_one_factor_are_found():
    from fit_profiles import fit_loadings

    loadings = np.array([0.9, 0.6, 0.3])
    correlation = np.outer(loadings, loadings)
    np.testing.assert_allclose(fit_loadings(correlation, np.ones(3)), loadings, atol=1e-3)


def test_restarts_are_found_and_watched():
    from recorded_fleet import Recorded, power_on_events

    granted = np.full((2, 2 * WEEK_TICKS), 0.8)
    granted[0, 1000:] = np.minimum(0.1 + np.arange(2 * WEEK_TICKS - 1000) * 1e-4, 0.7)
    granted[1, :500] = np.nan
    fleet = Recorded(
        names=("a", "b"), groups=(None, None), configured_mib=np.ones(2), vcpus=np.ones(2), active=granted / 10,
        granted=granted, busy_fraction=np.ones(2), month_start={"2013-07": 0}, left_out=(),
    )  # fmt: skip
    restart, power_on = power_on_events(fleet, below=0.7)
    assert (restart.row, restart.tick, restart.before, restart.is_watched_for_a_week) == (0, 1000, 0.8, True)
    assert (power_on.row, power_on.tick, power_on.before, power_on.is_watched_for_a_week) == (1, 500, 0.0, True)
    # 12 ticks after the fall: 0.1 + 11 x 1e-4.
    assert restart.path_at((3600.0,), 300.0)[0] == pytest.approx(0.1011)
