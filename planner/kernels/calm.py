"""Ticks in which nothing happens to a VM: what they cost is known from its active memory alone.

A calm tick has no stall, and the host maps all of the VM's memory alike. Translation overhead and slowdown bin are then
worked out once per VM, whatever hosts it is on.
"""

import math
from typing import NamedTuple

import numpy as np

from planner.kernels.compiled import kernel


class CalmTable(NamedTuple):
    """Translation overhead over active memory, for one share of memory mapped small, and bins of slowdown.

    Attributes
    ----------
    log2_bytes : float64 array, shape (n_sizes,)
        Active memory, ascending. [log2 bytes]
    overhead : float64 array, shape (n_sizes,)
        Overhead at these sizes.
    edges : float64 array, shape (n_edges + 1,)
        Ascending edges of the bins, then infinity.
    first_bin : int64 array, shape (n_sizes - 1,)
        Bin of the least overhead between a size and the next.
    most_bins : int
        Most edges that the overhead passes between a size and the next.
    """

    log2_bytes: np.ndarray
    overhead: np.ndarray
    edges: np.ndarray
    first_bin: np.ndarray
    most_bins: int


@kernel
def fill_calm(active, page_bytes, table, out_overhead, out_bin):
    """Fill the translation overhead and the slowdown bin of one VM's calm ticks.

    Parameters
    ----------
    active : float64 array, shape (n_ticks,)
        Pages touched within the tick.
    page_bytes : float
        Size of a sampled page. [bytes]
    table : CalmTable
    out_overhead : float64 array, shape (n_ticks,)
        As `interpolate_overhead` gives it.
    out_bin : uint8 array, shape (n_ticks,)
        Number of edges at or below the overhead.
    """
    axis, heights, edges, first_bin = table.log2_bytes, table.overhead, table.edges, table.first_bin
    for tick in range(active.size):
        # Counting comparisons instead of leaving a loop: a tick's active memory says little of the next one's, so that
        # branches are guessed wrong (measured: 26 ns a tick with them).
        overhead, row = 0.0, 0
        if active[tick] > 0.0:
            place = math.log2(active[tick] * page_bytes)
            for k in range(1, axis.size - 1):
                row += int(place >= axis[k])
            down = min(max((place - axis[row]) / (axis[row + 1] - axis[row]), 0.0), 1.0)
            overhead = heights[row] + down * (heights[row + 1] - heights[row])
        at = first_bin[row] if overhead > 0.0 else 0
        for _ in range(table.most_bins):
            at += int(edges[at] <= overhead)
        out_overhead[tick] = overhead
        out_bin[tick] = at
