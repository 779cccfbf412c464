"""Peak-aware packing: each unit goes where the predicted percentile of the sum of demand stays lowest."""

import numpy as np

from planner.kernels.compiled import kernel
from planner.kernels.packing_ledger import fits, take


@kernel
def scan_peaks(order, ledger, is_open, own, total, room, rank, work, out):
    """Put each unit on the open host whose demand, with it, has the lowest percentile ÷ room; the first of equals.

    Changes the ledger and `total` in place, fills `out` (-1: no host).

    Parameters
    ----------
    own, total : float32 and float64 array, shapes (n_units, n_points) and (n_hosts, n_points)
        Demand of each unit and of what each host holds, at the same points in time. [bytes]
    room : float64 array, shape (n_hosts,)
        Memory of each host that demand is held against. [bytes]
    rank : int
        The percentile is the value with so many points above it or equal to it.
    work : float64 array, shape (n_points,)
        Work space.

    Returns
    -------
    int
        Number of units that found no host.
    """
    n_left, n_points = 0, own.shape[1]
    for unit in order:
        best, lowest = -1, np.inf
        for host in range(is_open.size):
            if not is_open[host] or not fits(ledger, unit, host):
                continue
            if _exceeding(own, total, unit, host, lowest * room[host]) >= rank:
                continue
            for point in range(n_points):
                work[point] = total[host, point] + own[unit, point]
            peak = _largest(work, rank) / room[host]
            if best < 0 or peak < lowest:
                best, lowest = host, peak
        out[unit] = best
        if best < 0:
            n_left += 1
            continue
        take(ledger, unit, best)
        for point in range(n_points):
            total[best, point] += own[unit, point]
    return n_left


@kernel
def _exceeding(own, total, unit, host, level):
    """Count the points at which the sum reaches a level: as many as the rank, and its percentile is no lower."""
    count = 0
    for point in range(own.shape[1]):
        if total[host, point] + own[unit, point] >= level:
            count += 1
    return count


@kernel
def _largest(values, rank):
    """Return the value that `rank` values reach (1: the largest). Reorders `values`; Hoare's selection."""
    wanted, low, high = values.size - rank, 0, values.size - 1
    while low < high:
        pivot, left, right = values[(low + high) // 2], low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while values[right] > pivot:
                right -= 1
            if left <= right:
                swapped = values[left]
                values[left] = values[right]
                values[right] = swapped
                left += 1
                right -= 1
        if wanted <= right:
            high = right
        elif wanted >= left:
            low = left
        else:
            break
    return values[wanted]
