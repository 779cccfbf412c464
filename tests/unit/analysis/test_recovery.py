"""How long pressure lasts: ticks by hand, and an interval that holds the median as often as it says."""

import numpy as np
import pytest

from planner.analysis.recovery import Calm, estimate_recovery, pressure_after
from planner.schema import TIMELINE_COLUMNS

NAMES = [column.name for column in TIMELINE_COLUMNS]
CALM = Calm(swap_in_bytes_per_s=1000.0, for_s=900.0, begins_within_s=1200.0)


def timeline(states, swap_in=None):
    rows = np.zeros((len(states), len(NAMES)), dtype=np.int64)
    rows[:, NAMES.index("state")] = states
    rows[:, NAMES.index("swap_in_bytes")] = swap_in or 0
    return rows


def after(states, at_tick=1, **others):
    return pressure_after(timeline(states, **others), at_tick, 300.0, CALM)


def test_it_lasts_until_the_last_pressed_tick_before_a_long_calm():
    # Ticks 2 and 4 are pressed, one tick of calm between them is no end; then three ticks are: (5 - 1) x 300 s.
    assert after([0, 0, 3, 0, 2, 1, 0, 0, 3, 0]) == 1200.0


def test_swap_in_above_the_objective_is_pressure_in_any_state():
    # 300,300 bytes in 300 s are 1001 a second.
    assert after([0] * 8, swap_in=[0, 0, 0, 300_300, 300_000, 0, 0, 0]) == 900.0


def test_none_where_the_time_line_ends_before_it_is_calm():
    assert after([0, 0, 0, 2, 2, 0, 0]) is None
    assert after([0, 0, 0, 2, 2, 0, 0, 0]) == 1200.0


def test_no_time_where_nothing_is_pressed_soon_after_the_event():
    assert after([4, 0, 0, 1, 0, 0, 0, 0]) == 0.0
    assert after([0, 0, 0, 0, 0, 0, 4, 4, 4, 4]) == 0.0  # begins 1500 s after


def test_what_is_pressed_without_the_event_is_not_its_doing():
    with_it, without = timeline([2, 2, 3, 3, 2, 2, 2, 2]), timeline([2, 2, 0, 0, 0, 2, 2, 2])
    assert pressure_after(with_it, 1, 300.0, CALM, without) == 1200.0


def test_interval_of_the_median_by_order_statistics():
    # n = 8: 1 - 2 / 256 for the extremes; the second smallest and largest hold it with 1 - 2 x 9 / 256 = 0.93 only.
    found = estimate_recovery([100.0, 300.0, 200.0, None, 500.0, 400.0, 700.0, 600.0])
    assert (found.median_s, found.low_s, found.high_s) == (450.0, 100.0, None)
    assert found.confidence == pytest.approx(1 - 2 / 256)
    assert (found.replicates, found.unfinished) == (8, 1)
    # n = 9: ranks 2 and 8 reach 1 - 2 x 10 / 512 = 0.961.
    nine = estimate_recovery([float(time) for time in range(9)])
    assert (nine.low_s, nine.median_s, nine.high_s) == (1.0, 4.0, 7.0)
    assert nine.confidence == pytest.approx(1 - 20 / 512)


def test_one_replicate_says_how_little_it_says():
    assert estimate_recovery([600.0]) == (600.0, 600.0, 600.0, 0.0, 1, 0)
    assert estimate_recovery([None, None]).median_s is None


def test_the_interval_covers_the_median_as_often_as_it_says():
    draws = np.random.default_rng(5).exponential(1.0, (2000, 12))
    found = [estimate_recovery(row.tolist()) for row in draws]
    covered = np.mean([each.low_s <= np.log(2) <= each.high_s for each in found])
    # 12 draws, ranks 3 and 10: 1 - 2 x 79 / 4096 = 0.961.
    assert found[0].confidence == pytest.approx(1 - 158 / 4096)
    assert covered == pytest.approx(0.961, abs=3 * np.sqrt(0.961 * 0.039 / 2000))
