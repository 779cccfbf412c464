"""Kernels that call kernels: same results, one compilation, machine code for the outermost alone."""

import numpy as np
import pytest
from numba import njit

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.device import response_s


@small_kernel
def one_more(x):
    """Return x + 1."""
    return x + 1


@kernel
def add_three(values, at):
    """Add 3 to an entry, in place; returns what it was."""
    before = values[at]
    values[at] = one_more(one_more(one_more(before)))
    return before


@kernel
def divide(values, by):
    """Divide all entries, in place."""
    for i in range(values.size):
        values[i] //= by
    return add_three(values, 0)


@kernel
def outermost(values, by):
    """Call kernels that share a third."""
    return divide(values, by) + add_three(values, 1)


def test_a_kernel_is_linked_with_all_that_it_calls_however_deep():
    values = np.array([8, 6])
    # (8, 6) // 2 = (4, 3); returns 4 + 3; both then have 3 more.
    assert outermost(values, 2) == 7
    assert values.tolist() == [7, 6]


def test_an_error_in_a_part_reaches_python():
    with pytest.raises(ZeroDivisionError):
        outermost(np.array([1, 2]), 0)


def test_a_kernel_that_others_call_is_no_machine_code_until_python_calls_it():
    outermost(np.array([8, 6]), 2)
    assert not divide.overloads
    assert divide(np.array([8, 6]), 2) == 4
    assert len(divide.overloads) == 1


def test_functions_compiled_by_numba_itself_can_call_kernels():
    @njit
    def call(values):
        return outermost(values, 2)

    assert call(np.array([8, 6])) == 7


def test_a_function_of_numba_calls_a_kernel_that_needs_code_of_numba_itself():
    @njit
    def twice(customers):
        return 2.0 * response_s(customers, 0.001, 0.0001, 20_000.0)

    assert twice(3.0) == 2.0 * response_s(3.0, 0.001, 0.0001, 20_000.0)
