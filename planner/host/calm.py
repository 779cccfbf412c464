"""The table from which calm ticks are read, built once for each table of translation overhead."""

from functools import lru_cache

import numpy as np

from planner.host.slowdown import slowdown_edges
from planner.kernels.calm import CalmTable
from planner.kernels.overhead import OverheadTable, locate

_ROUNDING = 1e-9
"""What interpolation may round past the ends of an interval, relative; wider bounds cost nothing."""


def build_calm_table(translation: OverheadTable, small_fraction: float) -> CalmTable:
    """Build the table for VMs of whose memory the host maps `small_fraction` with 4 KiB pages."""
    return _built(_Identity(translation), small_fraction)


class _Identity:
    """A translation table as a key: the same one is met again and again, and its arrays have no hash."""

    def __init__(self, table: OverheadTable) -> None:
        self.table = table

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.table.overhead is other.table.overhead

    def __hash__(self) -> int:
        return id(self.table.overhead)


@lru_cache(32)
def _built(key: _Identity, small_fraction: float) -> CalmTable:
    column, right = locate(key.table.small_fraction, small_fraction)
    grid = key.table.overhead
    heights = grid[:, column] + right * (grid[:, column + 1] - grid[:, column])
    least, most = np.minimum(heights[:-1], heights[1:]), np.maximum(heights[:-1], heights[1:])
    edges = slowdown_edges()
    first_bin = np.searchsorted(edges, least * (1.0 - _ROUNDING), side="right")
    last_bin = np.searchsorted(edges, most * (1.0 + _ROUNDING), side="right")
    return CalmTable(
        log2_bytes=np.array(key.table.active_log2_bytes),
        overhead=heights,
        edges=np.append(edges, np.inf),
        first_bin=first_bin.astype(np.int64),
        most_bins=int((last_bin - first_bin).max()),
    )
