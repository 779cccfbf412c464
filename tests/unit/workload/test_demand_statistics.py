"""Statistics of demand on fleets small enough to work out by hand."""

import numpy as np
import pytest

from planner.workload.fleet import Demand
from planner.workload.statistics import effective_correlation, group_correlation, summarize_demand

ALTERNATING = np.tile([-1.0, 1.0], 50)
PAIRED = np.tile([-1.0, -1.0, 1.0, 1.0], 25)


def test_effective_correlation_is_one_for_equal_rows_and_zero_for_orthogonal_ones():
    assert effective_correlation(np.array([ALTERNATING, 3 * ALTERNATING])) == pytest.approx(1.0)
    assert effective_correlation(np.array([ALTERNATING, PAIRED])) == pytest.approx(0.0)


def test_group_correlation_is_the_mean_over_groups():
    centred = np.array([ALTERNATING, PAIRED, ALTERNATING, PAIRED, ALTERNATING])
    # Group a: two equal rows, 1. Group b: orthogonal rows, 0. The last row is in no group.
    assert group_correlation(centred, ("a", "b", "a", None, "b")) == pytest.approx((1.0 + 0.0) / 2)


def test_summary_of_two_vms_that_take_turns():
    active = np.tile([[0.1, 0.3], [0.3, 0.1]], (1, 2000))
    granted = np.full((2, 4000), 0.5)
    summary = summarize_demand(np.array([4.0, 4.0]), active, granted, (None, None), 300.0)
    # Peaks 0.3 + 0.3 of half the fleet each; the sum is always (0.1 + 0.3) / 2: 0.3 / 0.2.
    assert summary["active_multiplexing"] == pytest.approx(1.5)
    assert summary["granted_multiplexing"] == pytest.approx(1.0)
    assert summary["active_fleet_mean"] == pytest.approx(0.2)
    assert summary["granted_fleet_mean"] == pytest.approx(0.5)
    assert summary["effective_correlation"] == pytest.approx(-1.0)
    # At 5 min the series alternates: -1; at 60 min (12 ticks, even) it repeats: 1. The mean over pairs that exist is
    # taken over fewer terms than the variance, all equal here.
    assert summary["autocorrelation_mean"][0] == pytest.approx(-1.0)
    assert summary["autocorrelation_mean"][2] == pytest.approx(1.0)
    assert np.isnan(summary["group_correlation"])


def test_grown_demand_is_scaled_and_never_above_configured_memory() -> None:
    active = np.array([[0.1, 0.6, np.nan]], dtype=np.float32)
    granted = np.array([[0.5, 0.8, np.nan]], dtype=np.float32)
    demand = Demand(300.0, active, granted, np.ones(1))
    grown = demand.grown(1.5)
    np.testing.assert_allclose(grown.active_fraction, [[0.15, 0.9, np.nan]], rtol=1e-6)
    np.testing.assert_allclose(grown.granted_fraction, [[0.75, 1.0, np.nan]], rtol=1e-6)
    assert demand.grown(1.0) is demand
