"""Ticks in which nothing happens to a VM: what they cost is known from its active memory alone.

A calm tick has no stall, and the host maps all of the VM's memory alike. Translation overhead and slowdown bin are then
worked out once per VM, whatever hosts it is on.
"""

import math

from planner.kernels.compiled import kernel
from planner.kernels.overhead import locate


@kernel
def fill_calm(active, page_bytes, small_fraction, translation, edges, out_overhead, out_bin):
    """Fill the translation overhead and the slowdown bin of one VM's calm ticks.

    Parameters
    ----------
    active : float64 array, shape (n_ticks,)
        Pages touched within the tick.
    page_bytes : float
        Size of a sampled page. [bytes]
    small_fraction : float
        Share of the memory that the host maps small.
    translation : OverheadTable
    edges : float64 array
        Ascending edges of the slowdown bins.
    out_overhead : float64 array, shape (n_ticks,)
        As `interpolate_overhead` gives it.
    out_bin : uint8 array, shape (n_ticks,)
        Number of edges at or below the overhead.
    """
    axis, grid = translation.active_log2_bytes, translation.overhead
    column, right = locate(translation.small_fraction, small_fraction)
    # From one tick to the next both look-ups move by little: each goes on from where the last one ended.
    row, at = 0, 0
    for tick in range(active.size):
        overhead = 0.0
        if active[tick] > 0.0:
            place = math.log2(active[tick] * page_bytes)
            while row < axis.size - 2 and place >= axis[row + 1]:
                row += 1
            while row > 0 and place < axis[row]:
                row -= 1
            down = min(max((place - axis[row]) / (axis[row + 1] - axis[row]), 0.0), 1.0)
            upper = grid[row, column] + right * (grid[row, column + 1] - grid[row, column])
            lower = grid[row + 1, column] + right * (grid[row + 1, column + 1] - grid[row + 1, column])
            overhead = upper + down * (lower - upper)
        while at < edges.size and edges[at] <= overhead:
            at += 1
        while at > 0 and edges[at - 1] > overhead:
            at -= 1
        out_overhead[tick] = overhead
        out_bin[tick] = at
