"""Arrivals and lifetimes: their means, and that they are the same wherever they are drawn."""

import math

import numpy as np
import pytest

from planner.config.turnover import LifetimeSpec, TurnoverSpec
from planner.workload.turnover import draw_visits

DAY_TICKS, TICK_S = 288, 300.0


def visits_of(days, arrivals_per_day=100.0, seed=1, from_start=True, **lifetime):
    spec = TurnoverSpec(arrivals_per_day=arrivals_per_day, lifetime=LifetimeSpec(**lifetime), from_start=from_start)
    return draw_visits(spec, days * DAY_TICKS, TICK_S, seed)


def there(visits, n_ticks):
    """Count the visitors by tick."""
    count = np.zeros(n_ticks)
    for visit in visits:
        count[visit.first_tick : visit.end_tick] += 1
    return count


def test_visits_lie_within_the_horizon_and_last_a_tick_at_least():
    visits = visits_of(10, short="1 min", long="2 days")
    assert all(0 <= visit.first_tick < visit.end_tick <= 10 * DAY_TICKS for visit in visits)
    assert all(visit.first_tick == 0 for visit in visits if visit.is_running)


def test_as_many_arrive_as_asked_for():
    # 100 a day over 200 days: 20,000 with a standard deviation of 141; half and second half alike.
    visits = [visit for visit in visits_of(200, from_start=False)]
    assert len(visits) == pytest.approx(20_000, abs=3 * 141)
    early = sum(visit.first_tick < 100 * DAY_TICKS for visit in visits)
    assert early == pytest.approx(10_000, abs=3 * 100)


def test_as_many_are_there_at_any_time_as_littles_law_says():
    # 50 a day, half of them for 2 h and half for 2 days on average: 50 x (1/12 + 2) / 2 = 52 at any time.
    counts = [
        there(visits_of(6, 50.0, seed, short="2 h", long="2 days", short_share=0.5), 6 * DAY_TICKS)
        for seed in range(60)
    ]
    mean = np.mean(counts, axis=0)
    # A tick more than they live: a visit counts whole ticks.
    assert mean[0] == pytest.approx(52.1, abs=3 * math.sqrt(52.1 / 60))
    assert mean.mean() == pytest.approx(52.1, abs=2.0)
    assert mean[-1] == pytest.approx(52.1, abs=3 * math.sqrt(52.1 / 60))


def test_nobody_is_there_at_first_where_the_fleet_starts_without_visitors():
    assert all(not visit.is_running for visit in visits_of(3, from_start=False))


def test_the_default_lifetimes_agree_with_what_azure_published():
    # P(life < 1 day) = 0.91 (1 - exp(-12)) + 0.09 (1 - exp(-1/20)) = 0.9144; of the hours, lives over a day hold
    # [0.09 (1 + 20) exp(-1/20) + 0.91 (1 + 1/12) exp(-12)] / (0.91 / 12 + 0.09 x 20) = 1.798 / 1.876 = 0.9585.
    lifetime = LifetimeSpec()
    day, share = 86_400.0, lifetime.short_share
    below = share * -math.expm1(-day / lifetime.short) - (1 - share) * math.expm1(-day / lifetime.long)
    hours = (1 - share) * (day + lifetime.long) * math.exp(-day / lifetime.long)
    hours += share * (day + lifetime.short) * math.exp(-day / lifetime.short)
    assert below == pytest.approx(0.9144, abs=1e-4)
    assert below > 0.9
    assert hours / lifetime.mean == pytest.approx(0.9585, abs=1e-3)
    assert hours / lifetime.mean > 0.95


def test_a_faster_stream_is_the_slower_one_with_its_times_shortened():
    slow, fast = visits_of(4, 10.0, from_start=False), visits_of(2, 20.0, from_start=False)
    assert len(slow) == len(fast)
    assert all(abs(a.first_tick / 2 - b.first_tick) <= 1 for a, b in zip(slow, fast, strict=True))


def test_a_plain_duration_is_the_mean_of_an_exponential_lifetime():
    spec = TurnoverSpec.model_validate({"arrivals_per_day": 5, "lifetime": "12 h"})
    assert (spec.lifetime.mean, spec.lifetime.short_share) == (43_200.0, 0.0)
    assert visits_of(5, seed=9) == visits_of(5, seed=9)
