"""The translation overhead of a VM in a tick, read from a table measured beforehand with the exact walker.

Covers interpolation only; `planner.host.translation` measures the table.
"""

import math
from typing import NamedTuple

import numpy as np

from planner.kernels.compiled import kernel


class OverheadTable(NamedTuple):
    """Translation overhead over active memory and share of small host pages.

    Attributes
    ----------
    active_log2_bytes : float64 array, shape (n_sizes,)
        log2 of the active memory, ascending. [log2 bytes]
    small_fraction : float64 array, shape (n_fractions,)
        Share of the memory that the host maps with 4 KiB pages, ascending.
    overhead : float64 array, shape (n_sizes, n_fractions)
        Time for page walks and second-level TLB look-ups ÷ useful CPU time.
    """

    active_log2_bytes: np.ndarray
    small_fraction: np.ndarray
    overhead: np.ndarray


@kernel
def interpolate_overhead(table, active_bytes, small_fraction):
    """Read the table: linear in log2 of the active memory and in the small fraction; flat outside.

    Returns
    -------
    float
        Time for page walks and second-level TLB look-ups ÷ useful CPU time; 0 when nothing is active.
    """
    if active_bytes <= 0:
        return 0.0
    row, down = locate(table.active_log2_bytes, math.log2(active_bytes))
    column, right = locate(table.small_fraction, small_fraction)
    grid = table.overhead
    upper = grid[row, column] + right * (grid[row, column + 1] - grid[row, column])
    lower = grid[row + 1, column] + right * (grid[row + 1, column + 1] - grid[row + 1, column])
    return upper + down * (lower - upper)


@kernel
def locate(axis, value):
    """Return the interval of an ascending axis (two points at least) that holds a value, and where in it, 0 to 1."""
    i = 0
    while i < axis.size - 2 and value >= axis[i + 1]:
        i += 1
    share = (value - axis[i]) / (axis[i + 1] - axis[i])
    return i, min(max(share, 0.0), 1.0)
