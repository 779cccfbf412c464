import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import InputError
from planner.inventory.grid import fill_rows, infer_tick_s, snap_to_grid


def test_infer_tick_takes_the_usual_step_and_a_divisor_of_a_day():
    jittery = np.array([0, 301, 599, 901, 1202, 3600])
    assert infer_tick_s([jittery], "x") == 300
    # A step of 300 and two gaps of 600.
    assert infer_tick_s([np.array([0, 300, 900, 1500])], "x") == 300
    assert infer_tick_s([np.array([7]), np.array([0, 20, 40])], "x") == 20


@pytest.mark.parametrize("times", [[], [5]])
def test_infer_tick_needs_two_samples(times):
    with pytest.raises(InputError, match="no series has two samples"):
        infer_tick_s([np.array(times, dtype=np.int64)], "x")


def test_infer_tick_refuses_steps_that_divide_no_day():
    with pytest.raises(InputError, match="samples are 70000 s apart"):
        infer_tick_s([np.array([0, 70000, 140000])], "x")


def test_snap_removes_the_phase():
    # Phase 150 s, jitter of 1 s: rounding raw times would give 0, 2, 2, 4.
    times = np.array([149, 451, 749, 1051])
    assert snap_to_grid(times, 300).tolist() == [0, 1, 2, 3]


def test_snap_keeps_times_on_the_grid():
    assert snap_to_grid(np.array([600, 900, 1800]), 300).tolist() == [2, 3, 6]


@given(
    phase=st.integers(0, 299),
    jitter=st.lists(st.integers(-20, 20), min_size=2, max_size=50),
    first=st.integers(0, 10**7),
)
def test_snap_numbers_jittery_samples_one_by_one(phase, jitter, first):
    times = np.array([300 * (first + i) + phase + shift for i, shift in enumerate(jitter)]) + 300
    assert np.diff(snap_to_grid(times, 300)).tolist() == [1] * (len(jitter) - 1)


def test_fill_rows_leaves_gaps_and_keeps_the_later_double():
    rows = [(np.array([5, 7, 7]), np.array([1.0, 2.0, 3.0])), (np.array([6]), np.array([4.0]))]
    expected = [[1.0, np.nan, 3.0], [np.nan, 4.0, np.nan]]
    np.testing.assert_array_equal(fill_rows(rows, 5, 3), np.array(expected, dtype=np.float32))
