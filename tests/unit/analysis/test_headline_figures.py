"""Intervals of headline figures: by hand, where nothing is known, and coverage on draws with a known truth."""

import numpy as np
import pandas as pd
import pytest

from planner.analysis.figures import mean_bounds, slowdown_bounds
from planner.analysis.slowdown import slowdown_edges
from planner.schema import N_SLOWDOWN_BINS
from tests.synthetic_run import host_row


def rows_of(values: list[list[float]], **changes: object) -> pd.DataFrame:
    return pd.DataFrame(
        [
            host_row(0, replicate, f"h{idx}", swap_in_bytes_per_s_p99=value, **changes)
            for replicate, hosts in enumerate(values)
            for idx, value in enumerate(hosts)
        ]
    )


def slowdown_rows(excess: np.ndarray) -> pd.DataFrame:
    """One host per replicate; excess: slowdown - 1, shape (replicates, VM-ticks)."""
    bins = np.searchsorted(slowdown_edges(), excess, side="right")
    counts = [np.bincount(row, minlength=N_SLOWDOWN_BINS).astype(np.int64) for row in bins]
    return pd.DataFrame([host_row(0, number, "h0", slowdown_histogram=row) for number, row in enumerate(counts)])


def test_interval_of_the_worst_host_by_hand() -> None:
    # Worst hosts 10, 20, 30 MB/s: mean 20, sd 10, t(0.975, 2) = 4.3027: 20 +- 24.84, and a rate is never negative.
    found = mean_bounds(rows_of([[10.0, 1.0], [2.0, 20.0], [30.0, 3.0]]), "swap_in_bytes_per_s_p99", 0.95)
    assert found.low == 0.0
    assert found.high == pytest.approx(44.84, abs=0.01)


def test_replicates_of_the_same_demand_are_merged() -> None:
    rows = rows_of([[10.0], [20.0], [30.0], [10.0], [20.0], [30.0]])
    merged = mean_bounds(rows, "swap_in_bytes_per_s_p99", 0.95, independent_replicates=3)
    assert merged.high == pytest.approx(44.84, abs=0.01)
    assert mean_bounds(rows, "swap_in_bytes_per_s_p99", 0.95).high < 35.0


def test_replicates_that_are_all_alike_bound_nothing() -> None:
    rows = rows_of([[0.0], [0.0], [0.0]])
    assert mean_bounds(rows, "swap_in_bytes_per_s_p99", 0.95) == (None, None)
    assert slowdown_bounds(rows, 0.99, 0.95) == (None, None)
    assert slowdown_bounds(rows.assign(status="lost"), 0.99, 0.95) == (None, None)


@pytest.mark.parametrize("spread", [0.2, 0.5])
def test_slowdown_percentile_is_covered_as_often_as_said(spread: float) -> None:
    rng = np.random.default_rng([29, int(10 * spread)])
    # log(slowdown - 1) is normal about -3, deviation 1 within a replicate and `spread` between: sqrt(1 + spread^2) in
    # all, so the 99th percentile is exp(-3 + 2.3263 sqrt(1 + spread^2)).
    truth = 1.0 + np.exp(-3.0 + 2.3263 * np.sqrt(1.0 + spread**2))
    draws, covered = 250, 0
    for _ in range(draws):
        excess = np.exp(-3.0 + spread * rng.standard_normal((12, 1)) + rng.standard_normal((12, 3000)))
        found = slowdown_bounds(slowdown_rows(excess), 0.99, 0.95)
        covered += found.low <= truth <= found.high
    # 93 to 97 % with two standard errors of 1.4 points.
    assert 0.90 <= covered / draws <= 0.995
