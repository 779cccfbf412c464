"""The estimator of active memory against the binomial law, its averages and the published decay."""

import math

import numpy as np
import pytest

from planner.kernels import state
from planner.kernels.active import draw_share, step_active
from planner.kernels.draws import build_normal_table
from tests.unit.host.stacks import build_small_stack, grant

NORMAL = build_normal_table()


def test_normal_table_is_standard():
    assert NORMAL.mean() == pytest.approx(0.0, abs=1e-9)
    assert NORMAL.std() == pytest.approx(1.0, abs=1e-12)
    assert 1.0 - np.mean(np.abs(NORMAL) < 1.96) == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize("touched", [0.02, 0.1, 0.25, 0.5, 0.9])
def test_drawn_share_has_the_moments_of_the_binomial(touched):
    # n = 100: sd of the share is sqrt(f (1 - f) / 100); 3.0, 4.3, 5.0 points at 0.1, 0.25, 0.5.
    shares = np.array([draw_share(touched, 100, z) for z in NORMAL])
    assert shares.mean() == pytest.approx(touched, abs=0.001)
    assert shares.std() == pytest.approx(math.sqrt(touched * (1.0 - touched) / 100), rel=0.04)
    skewness = ((shares - shares.mean()) ** 3).mean() / shares.std() ** 3
    assert skewness == pytest.approx((1.0 - 2.0 * touched) / math.sqrt(100 * touched * (1.0 - touched)), abs=0.12)


@pytest.mark.parametrize(("touched", "expected"), [(0.0, 0.0), (1.0, 1.0)])
def test_share_of_nothing_and_of_everything_is_exact(touched, expected):
    assert {draw_share(touched, 100, z) for z in NORMAL} == {expected}


def estimates(tick_s, period_s, touched_by_tick, n_pages=400):
    stack = grant(build_small_stack(10_000, n_pages=[n_pages]), 0, n_pages)
    decay = period_s / 60.0
    knobs = stack.balloon_knobs._replace(
        tick_s=tick_s, sample_period_s=period_s, slow_gain=1 - 0.6**decay, fast_gain=1 - 0.2**decay
    )
    stack = stack._replace(balloon_knobs=knobs)
    rows = []
    for tick, touched in enumerate(touched_by_tick):
        stack.vms.tick[0, state.TICK_TOUCHED] = touched
        stack.pages.last_touch[:touched] = tick
        step_active(stack, tick)
        rows.append((stack.active.slow[0], stack.active.fast[0], stack.active.pages[0]))
    return np.array(rows)


def test_averages_fall_as_published_after_activity_stops():
    # All pages, then none: no noise. A tick of 60 s holds two periods of 30 s: x 0.6 and x 0.2 a minute.
    rows = estimates(60.0, 30.0, [400] * 5 + [0] * 4)
    assert rows[5:, 0] == pytest.approx(0.6 ** np.arange(1, 5))
    assert rows[5:, 1] == pytest.approx(0.2 ** np.arange(1, 5))
    # The estimate is the largest of the averages: quick up, slow down.
    assert rows[5:, 2] == pytest.approx(400 * 0.6 ** np.arange(1, 5))


def test_several_periods_of_a_long_tick_count():
    # A tick of 300 s holds five periods of 60 s.
    assert estimates(300.0, 60.0, [400, 0])[1, 0] == pytest.approx(0.6**5)


def test_short_ticks_watch_the_same_pages_for_a_period():
    # Ticks of 10 s, periods of 60 s; everything is touched in the second tick of a period, then nothing.
    rows = estimates(10.0, 60.0, [0] * 6 + [0, 400] + [0] * 10)
    # Within the period the estimate rises at once, to the fast average as it stands: 1 - 0.2 = 0.8.
    assert rows[5, 2] == 0.0
    assert rows[7:11, 2] == pytest.approx([320.0] * 4)
    # At its end (tick 11) both averages have taken it in, and in the next period they hold until its end.
    assert rows[11, :2] == pytest.approx([0.4, 0.8])
    assert rows[16, :2] == pytest.approx([0.4, 0.8])
    assert rows[17, :2] == pytest.approx([0.24, 0.16])


def test_estimate_has_a_floor():
    stack = grant(build_small_stack(1000, n_pages=[200]), 0, 200)
    stack = stack._replace(balloon_knobs=stack.balloon_knobs._replace(least_active=0.01))
    step_active(stack, 0)
    assert stack.active.pages[0] == pytest.approx(2.0)
