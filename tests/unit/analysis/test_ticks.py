"""Means over correlated ticks: effective numbers in closed form, and coverage on series with a known truth."""

import numpy as np
import pandas as pd
import pytest

from planner.analysis.ticks import LEAST_EFFECTIVE_TICKS, effective_ticks, host_means, mean_over_ticks


def autoregression(rng: np.random.Generator, n_ticks: int, persistence: float) -> np.ndarray:
    """Series of mean 0 and variance 1, correlation `persistence` from tick to tick."""
    noise = np.sqrt(1.0 - persistence**2) * rng.standard_normal(n_ticks)
    series = np.empty(n_ticks)
    last = rng.standard_normal()
    for tick, shock in enumerate(noise.tolist()):
        last = persistence * last + shock
        series[tick] = last
    return series


@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9])
def test_effective_ticks_of_an_autoregression_have_a_closed_form(persistence: float) -> None:
    rng = np.random.default_rng(31)
    # n (1 - r) / (1 + r): 20,000, 6,667 and 1,053 of 20,000.
    found = np.mean([effective_ticks(autoregression(rng, 20_000, persistence)) for _ in range(8)])
    assert found == pytest.approx(20_000 * (1 - persistence) / (1 + persistence), rel=0.12)


@pytest.mark.parametrize(("persistence", "threshold"), [(0.5, None), (0.9, None), (0.97, None), (0.9, 1.0)])
def test_interval_covers_the_truth_as_often_as_it_says(persistence: float, threshold: float | None) -> None:
    rng = np.random.default_rng([37, int(100 * persistence)])
    draws, covered, naive = 300, 0, 0
    truth = 3.0 if threshold is None else 0.158655
    for _ in range(draws):
        series = 3.0 + autoregression(rng, 4032, persistence)
        values = series if threshold is None else (series > 3.0 + threshold).astype(np.float64)
        found = mean_over_ticks(values, 0.95)
        covered += found.low <= truth <= found.high
        naive += abs(found.mean - truth) <= 1.96 * values.std() / np.sqrt(values.size)
    # 93 to 97 % with two standard errors of 1.3 points.
    assert 0.904 <= covered / draws <= 0.996
    # Counting ticks as independent would hold far less often.
    assert naive / draws < 0.80


def test_a_run_that_is_short_for_its_memory_has_no_interval() -> None:
    found = mean_over_ticks(autoregression(np.random.default_rng(1), 288, 0.995) + 5.0, 0.95)
    assert found.effective_ticks < LEAST_EFFECTIVE_TICKS
    assert (found.low, found.high) == (None, None)


def test_what_never_varies_tells_nothing_of_what_is_rare() -> None:
    assert mean_over_ticks(np.zeros(4032), 0.95) == (0.0, None, None, 0.0)


def test_means_of_a_host() -> None:
    state = np.tile([0, 3, 4, 2], 500)
    timeline = pd.DataFrame({"swap_in_bytes": np.full(2000, 600), "state": state})
    found = host_means(timeline, 300.0, 0.95)
    assert found["swap_in_bytes_per_s"] == {"mean": 2.0, "low": None, "high": None, "effective_ticks": 0.0}
    assert found["hard_or_low_fraction"]["mean"] == 0.5
