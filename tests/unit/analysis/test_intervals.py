"""Exact bounds against sums of binomial terms and tabulated quantiles."""

import math

import pytest

from planner.analysis.intervals import binomial_lower, binomial_upper, regularized_beta, student_t_quantile


def binomial_tail_up_to(events: int, trials: int, probability: float) -> float:
    return sum(
        math.comb(trials, k) * probability**k * (1 - probability) ** (trials - k) for k in range(events + 1)
    )  # fmt: skip


@pytest.mark.parametrize(("events", "trials"), [(0, 8), (1, 80), (5, 60), (59, 60), (3, 1000)])
def test_upper_bound_is_where_so_few_events_have_probability_one_in_twenty(events: int, trials: int) -> None:
    bound = binomial_upper(events, trials, 0.95)
    assert binomial_tail_up_to(events, trials, bound) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize(("events", "trials"), [(1, 80), (5, 60), (60, 60)])
def test_lower_bound_is_where_so_many_events_have_probability_one_in_twenty(events: int, trials: int) -> None:
    bound = binomial_lower(events, trials, 0.95)
    assert 1 - binomial_tail_up_to(events - 1, trials, bound) == pytest.approx(0.05, rel=1e-6)


def test_no_event_has_the_closed_form() -> None:
    # (1 - p)^80 = 0.05, so p = 1 - 0.05^(1/80) = 0.03676
    assert binomial_upper(0, 80, 0.95) == pytest.approx(1 - 0.05 ** (1 / 80), rel=1e-9)
    assert binomial_lower(0, 80, 0.95) == 0.0


def test_all_events_leave_nothing_to_bound() -> None:
    assert binomial_upper(8, 8, 0.95) == 1.0
    assert binomial_lower(8, 8, 0.95) == pytest.approx(0.05 ** (1 / 8), rel=1e-9)
    assert binomial_upper(0, 0, 0.95) == 1.0


def test_incomplete_beta_of_whole_numbers_is_a_polynomial() -> None:
    # I_x(2, 3) = 6 x^2 - 8 x^3 + 3 x^4, at 0.3: 0.54 - 0.216 + 0.0243
    assert regularized_beta(2, 3, 0.3) == pytest.approx(0.3483, rel=1e-12)
    assert regularized_beta(2, 3, 0.0) == 0.0
    assert regularized_beta(2, 3, 1.0) == 1.0


@pytest.mark.parametrize(("degrees", "tabulated"), [(1, 6.3138), (7, 1.8946), (15, 1.7531), (120, 1.6577)])
def test_student_quantiles_match_the_table(degrees: int, tabulated: float) -> None:
    assert student_t_quantile(0.95, degrees) == pytest.approx(tabulated, abs=5e-5)
