"""Intervals against sums of binomial terms, tabulated quantiles, hand arithmetic, and draws with a known truth."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from planner.analysis.intervals import (
    Interval,
    difference_interval,
    mean_interval,
    midp_at_most,
    probability_interval,
    regularized_beta,
    student_t_quantile,
)

SKEWED: dict[str, tuple[Callable[[np.random.Generator, int], np.ndarray], float]] = {
    "normal": (lambda rng, n: 10.0 + rng.standard_normal(n), 10.0),
    "gamma": (lambda rng, n: rng.gamma(4.0, 1.0, n), 4.0),
    "exponential": (lambda rng, n: rng.exponential(1.0, n), 1.0),
    "log-normal": (lambda rng, n: np.exp(0.5 * rng.standard_normal(n)), math.exp(0.125)),
    "often zero": (lambda rng, n: rng.exponential(1.0, n) * (rng.random(n) < 0.7), 0.7),
}


def interval(events: int, trials: int) -> Interval:
    return probability_interval(events / trials, lambda _: float(trials), 0.95)


def binomial_tail_up_to(events: int, trials: int, probability: float) -> float:
    return sum(
        math.comb(trials, k) * probability**k * (1 - probability) ** (trials - k) for k in range(events + 1)
    )  # fmt: skip


@pytest.mark.parametrize(("events", "trials"), [(0, 8), (1, 80), (5, 60), (59, 60), (3, 1000)])
def test_upper_end_is_where_fewer_and_half_of_as_many_have_one_in_forty(events: int, trials: int) -> None:
    _, high = interval(events, trials)
    at_most = binomial_tail_up_to(events, trials, high)
    assert (at_most + binomial_tail_up_to(events - 1, trials, high)) / 2 == pytest.approx(0.025, rel=1e-6)
    # ... and it is never below the exact one-sided bound, where the chance of so few is one in twenty.
    assert at_most <= 0.05 * (1 + 1e-6)


@pytest.mark.parametrize(("events", "trials"), [(1, 80), (5, 60), (60, 60)])
def test_lower_end_is_where_more_and_half_of_as_many_have_one_in_forty(events: int, trials: int) -> None:
    low, _ = interval(events, trials)
    fewer, at_most = (binomial_tail_up_to(count, trials, low) for count in (events - 1, events))
    assert 1 - (fewer + at_most) / 2 == pytest.approx(0.025, rel=1e-6)


def test_no_event_has_the_closed_form() -> None:
    # (1 - p)^80 / 2 = 0.025, so p = 1 - 0.05^(1/80) = 0.03676: the exact one-sided bound.
    assert interval(0, 80) == (0.0, pytest.approx(1 - 0.05 ** (1 / 80), rel=1e-9))
    assert interval(8, 8) == (pytest.approx(0.05 ** (1 / 8), rel=1e-9), 1.0)


def test_trials_may_depend_on_the_probability() -> None:
    # None of 10 or of 100 seen, 100 only where the probability is below 10 %. 100 rule 3 % out, but 10 do not rule out
    # 25 %: (1 - p)^10 = 0.05 has p = 25.9 %.
    _, high = probability_interval(0.0, lambda p: 100.0 if p < 0.1 else 10.0, 0.95)
    assert high == pytest.approx(1 - 0.05 ** (1 / 10), rel=1e-9)
    assert midp_at_most(0.0, 10.0, 0.5) == pytest.approx(0.5**10 / 2)


def test_interval_of_a_mean_by_hand() -> None:
    # 1, 2, 3 has no skewness: Student's, 2 +- 4.3027 x 1 / sqrt(3).
    assert mean_interval(np.array([1.0, 2.0, 3.0]), 0.95) == pytest.approx((2 - 2.4842, 2 + 2.4842), abs=1e-3)
    # 0, 0, 0, 4: mean 1, sd 2, error 1, t(0.975, 3) = 3.1824. Third moment (27 - 3) / 4 = 6 over 3^1.5 = 5.196, by
    # sqrt(4): A = 0.57735. Above: 3/A x (cbrt(1 + A (-3.1824 - A/6)) - 1) = 5.19615 x (cbrt(-0.89292) - 1) = -10.1997.
    low, high = mean_interval(np.array([0.0, 0.0, 0.0, 4.0]), 0.95)
    assert high == pytest.approx(1 + 10.1997, abs=2e-3)
    assert low == pytest.approx(1 - 3.1824, abs=1e-3)


def test_no_spread_bounds_nothing() -> None:
    assert mean_interval(np.array([2.0]), 0.95) is None
    assert mean_interval(np.full(8, 0.1 + 0.2), 0.95) is None
    assert difference_interval(np.ones(4), np.ones(4), 0.95) is None
    assert difference_interval(np.ones(1), np.arange(4.0), 0.95) is None


@pytest.mark.parametrize("shape", SKEWED)
@pytest.mark.parametrize("replicates", [8, 16])
def test_interval_of_a_mean_covers_the_truth_as_often_as_it_says(shape: str, replicates: int) -> None:
    draw, truth = SKEWED[shape]
    rng = np.random.default_rng([23, replicates, len(shape)])
    draws = 1000
    found = [mean_interval(draw(rng, replicates), 0.95) for _ in range(draws)]
    covered = sum(low <= truth <= high for low, high in found) / draws
    # 93 to 97 % with two standard errors of a share (0.7 points each).
    assert 0.916 <= covered <= 0.984


def test_incomplete_beta_of_whole_numbers_is_a_polynomial() -> None:
    # I_x(2, 3) = 6 x^2 - 8 x^3 + 3 x^4, at 0.3: 0.54 - 0.216 + 0.0243
    assert regularized_beta(2, 3, 0.3) == pytest.approx(0.3483, rel=1e-12)
    assert regularized_beta(2, 3, 0.0) == 0.0
    assert regularized_beta(2, 3, 1.0) == 1.0


@pytest.mark.parametrize(("degrees", "tabulated"), [(1, 6.3138), (7, 1.8946), (15, 1.7531), (120, 1.6577)])
def test_student_quantiles_match_the_table(degrees: int, tabulated: float) -> None:
    assert student_t_quantile(0.95, degrees) == pytest.approx(tabulated, abs=5e-5)
