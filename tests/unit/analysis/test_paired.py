"""Paired differences: hand arithmetic, what happens without a spread, and coverage on draws with a known truth."""

import numpy as np
import pandas as pd
import pytest

from planner.analysis.by_replicate import METRICS, values_by_replicate
from planner.analysis.paired import paired_difference, scenario_difference
from planner.units import GIB
from tests.synthetic_run import host_row


def fleet_rows(by_replicate: list[list[int]], **changes: object) -> pd.DataFrame:
    """Host rows of one scenario: GiB ballooned by replicate and host."""
    return pd.DataFrame(
        [
            host_row(0, replicate, f"h{idx}", ballooned_bytes_mean=float(gib * GIB), **changes)
            for replicate, hosts in enumerate(by_replicate)
            for idx, gib in enumerate(hosts)
        ]
    )


def test_interval_by_hand() -> None:
    found = paired_difference(np.array([3.0, 5.0, 7.0]), np.array([2.0, 3.0, 4.0]), 0.95)
    # Differences 1, 2, 3: mean 2, sd 1, t(0.975, 2) = 4.3027, half width 4.3027 / sqrt(3) = 2.4842.
    assert (found.mean, found.replicates, found.differing) == (2.0, 3, 3)
    assert (found.low, found.high) == (pytest.approx(-0.4842, abs=1e-3), pytest.approx(4.4842, abs=1e-3))
    # Welch: variances 4/3 and 1/3, so half width t(df) x sqrt(5/3); df = (5/3)^2 / ((16/9 + 1/9) / 2) = 2.941.
    assert found.unpaired_high == pytest.approx(2.0 + 3.2169 * np.sqrt(5 / 3), abs=5e-3)
    assert not found.is_clear


def test_pairing_removes_the_demand_that_both_share() -> None:
    rng = np.random.default_rng(5)
    demand = 10.0 * rng.standard_normal(12)
    found = paired_difference(demand + 1.0 + 0.1 * rng.standard_normal(12), demand, 0.95)
    assert found.is_clear
    assert found.unpaired_low < 0 < found.unpaired_high
    assert (found.high - found.low) < 0.05 * (found.unpaired_high - found.unpaired_low)


def test_no_difference_seen_is_bounded_by_what_n_replicates_would_not_show() -> None:
    nothing = np.zeros(8)
    found = paired_difference(nothing, nothing, 0.95, largest=1.0)
    # None of 8: at most 1 - 0.05^(1/8) = 31.2 % of replicates differ, each by at most 1.
    assert (found.mean, found.differing, found.is_clear) == (0.0, 0, False)
    assert (found.low, found.high) == (pytest.approx(-0.3123, abs=1e-4), pytest.approx(0.3123, abs=1e-4))
    assert paired_difference(nothing, nothing, 0.95).high is None


def test_one_replicate_bounds_nothing_but_a_share() -> None:
    assert paired_difference(np.array([4.0]), np.array([1.0]), 0.95).low is None
    found = paired_difference(np.array([0.5]), np.array([0.0]), 0.95, largest=1.0)
    # At most 95 % of replicates are otherwise: mean between 0.5 - 0.95 x 1.5 and 0.5 + 0.95 x 0.5.
    assert (found.low, found.high) == (pytest.approx(-0.925), pytest.approx(0.975))


def test_unknown_replicates_are_left_out_of_pairs() -> None:
    found = paired_difference(np.array([1.0, np.nan, 2.0]), np.array([0.0, 5.0, np.nan]), 0.95)
    assert (found.mean, found.replicates) == (1.0, 1)
    with pytest.raises(ValueError, match="known on both sides"):
        paired_difference(np.array([np.nan]), np.array([1.0]), 0.95)
    with pytest.raises(ValueError, match="one value per replicate"):
        paired_difference(np.zeros(2), np.zeros(3), 0.95)


def test_replicates_that_share_demand_are_one_observation() -> None:
    left = fleet_rows([[1, 2], [4, 4], [3, 2], [6, 4]])
    right = fleet_rows([[0, 1], [2, 2], [2, 1], [4, 2]])
    # Sums by replicate: left 3, 8, 5, 10; right 1, 4, 3, 6; differences 2, 4, 2, 4.
    found = scenario_difference(left, right, "ballooned_bytes_mean", 0.95)
    assert (found.mean, found.replicates) == (3.0 * GIB, 4)
    # Replicates 0 and 2, and 1 and 3, live through the same demand: two observations, 2 and 4.
    merged = scenario_difference(left, right, "ballooned_bytes_mean", 0.95, independent_replicates=2)
    assert (merged.mean, merged.replicates) == (3.0 * GIB, 2)
    # sd sqrt(2), t(0.975, 1) = 12.706, half width 12.706 x sqrt(2) / sqrt(2).
    assert merged.high == pytest.approx((3.0 + 12.706) * GIB, rel=1e-3)


def test_a_replicate_with_a_failed_host_has_no_figure() -> None:
    rows = fleet_rows([[1, 2], [4, 4]])
    rows.loc[0, "status"] = "killed by the system"
    assert list(values_by_replicate(rows, "ballooned_bytes_mean").index) == [1]
    assert scenario_difference(rows[rows["replicate"] == 0], rows, "ballooned_bytes_mean", 0.95) is None


def test_hosts_used_are_chosen_and_their_difference_is_exact() -> None:
    found = scenario_difference(fleet_rows([[1, 1, 1]] * 2), fleet_rows([[1, 1]] * 2), "hosts_used", 0.95)
    assert (found.mean, found.low, found.high, found.is_clear) == (1.0, 1.0, 1.0, True)


@pytest.mark.parametrize("metric", METRICS)
def test_every_figure_has_a_value_per_replicate(metric: str) -> None:
    assert np.isfinite(values_by_replicate(fleet_rows([[1, 2], [4, 4]]), metric)).all()


def test_a_figure_without_replicates_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="swap_in_p12 has no value per replicate"):
        values_by_replicate(fleet_rows([[1]]), "swap_in_p12")


def test_paired_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(17)
    covered, draws = 0, 2000
    for _ in range(draws):
        demand = rng.gamma(4.0, 10.0, size=12)
        found = paired_difference(1.10 * demand + rng.standard_normal(12), demand, 0.95)
        # True mean difference 0.1 x 40.
        covered += found.low <= 4.0 <= found.high
    # Standard error 0.5 points.
    assert 0.93 <= covered / draws <= 0.97
