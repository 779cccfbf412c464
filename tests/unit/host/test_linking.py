"""Kernels are compiled as parts of their callers; functions that numba compiles in its own way call them, too."""

import numba

from planner.kernels.device import response_s


def test_a_function_of_numba_calls_a_kernel():
    @numba.njit
    def twice(customers):
        return 2.0 * response_s(customers, 0.001, 0.0001, 20_000.0)

    assert twice(3.0) == 2.0 * response_s(3.0, 0.001, 0.0001, 20_000.0)
