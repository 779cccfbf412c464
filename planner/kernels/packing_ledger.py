"""What every host has left and holds, and whether a unit may go there: limits, rules, predicted peak.

A unit is a VM, or VMs that must stay together. Covers any rule by looking at one host at a time; search trees
(`packing.py`) are faster where no rule depends on what a host holds.
"""

from typing import NamedTuple

import numpy as np

from planner.kernels.bundle import by_reference
from planner.kernels.compiled import kernel


@by_reference
class Ledger(NamedTuple):
    """State of a placement in the making. `free`, `taken` and the totals change as units are placed.

    Attributes
    ----------
    need : int64 array, shape (n_units, n_limits)
        What each unit takes of each capacity.
    free : int64 array, shape (n_hosts, n_limits)
        What each host has left; below zero where VMs that stay are over a limit.
    allow_row : int64 array, shape (n_units,)
        Row of `allowed` that says where the unit may run.
    allowed : bool array, shape (n_rows, n_hosts)
    apart_start, apart_rules : int64 arrays, shapes (n_units + 1,) and (n,)
        Rules of anti-affinity of unit u: apart_rules[apart_start[u]:apart_start[u + 1]].
    taken : bool array, shape (n_rules, n_hosts)
        Whether a host holds a VM of the rule.
    own : float32 array, shape (n_units, n_points)
        Demand of each unit, in whole pages so that sums are exact; no points: nothing is predicted. [bytes]
    own_stats : float64 array, shape (n_units, 4)
        Its mean, standard deviation, least and largest value; all [bytes]
    own_ceiling : float64 array, shape (n_units,)
        Most that the unit can ever use. [bytes]
    total : float64 array, shape (n_hosts, n_points)
        Demand of what each host holds. [bytes]
    total_stats : float64 array, shape (n_hosts, 4)
    total_ceiling : float64 array, shape (n_hosts,)
    cap : float64 array, shape (n_hosts,)
        Predicted peak that a host may have. [bytes]
    sigmas : float
        Predicted peak is mean + sigmas x standard deviation, at most the ceiling; below 0: the largest value.
    """

    need: np.ndarray
    free: np.ndarray
    allow_row: np.ndarray
    allowed: np.ndarray
    apart_start: np.ndarray
    apart_rules: np.ndarray
    taken: np.ndarray
    own: np.ndarray
    own_stats: np.ndarray
    own_ceiling: np.ndarray
    total: np.ndarray
    total_stats: np.ndarray
    total_ceiling: np.ndarray
    cap: np.ndarray
    sigmas: float


@kernel
def fits(ledger, unit, host):
    """Tell whether a unit may go to a host as the ledger stands."""
    for limit in range(ledger.need.shape[1]):
        if ledger.free[host, limit] < ledger.need[unit, limit]:
            return False
    if not ledger.allowed[ledger.allow_row[unit], host]:
        return False
    for entry in range(ledger.apart_start[unit], ledger.apart_start[unit + 1]):
        if ledger.taken[ledger.apart_rules[entry], host]:
            return False
    if ledger.own.shape[1] == 0:
        return True
    return _is_admitted(ledger, unit, host)


@kernel
def _is_admitted(ledger, unit, host):
    """Tell whether the predicted peak with a unit added is within the cap. Series are read only where bounds fail."""
    total, own, cap = ledger.total_stats[host], ledger.own_stats[unit], ledger.cap[host]
    if ledger.sigmas < 0:
        lowest, highest = total[3] + own[2], total[3] + own[3]
    else:
        mean = total[0] + own[0]
        lowest, highest = mean + ledger.sigmas * abs(total[1] - own[1]), mean + ledger.sigmas * (total[1] + own[1])
        highest = min(highest, ledger.total_ceiling[host] + ledger.own_ceiling[unit])
        lowest = min(lowest, highest)
    if highest <= cap or lowest > cap:
        return highest <= cap
    return predicted_peak(ledger, unit, host) <= cap


@kernel
def predicted_peak(ledger, unit, host):
    """Predict the peak of a host with a unit added, in bytes."""
    if ledger.sigmas < 0:
        peak = 0.0
        for point in range(ledger.own.shape[1]):
            peak = max(peak, ledger.total[host, point] + ledger.own[unit, point])
        return peak
    ceiling = ledger.total_ceiling[host] + ledger.own_ceiling[unit]
    mean = ledger.total_stats[host, 0] + ledger.own_stats[unit, 0]
    return min(ceiling, mean + ledger.sigmas * _joint_deviation(ledger, unit, host))


@kernel
def _joint_deviation(ledger, unit, host):
    total, own = ledger.total_stats[host], ledger.own_stats[unit]
    covariance = 0.0
    for point in range(ledger.own.shape[1]):
        covariance += (ledger.total[host, point] - total[0]) * (ledger.own[unit, point] - own[0])
    covariance /= ledger.own.shape[1]
    return np.sqrt(max(0.0, total[1] * total[1] + own[1] * own[1] + 2.0 * covariance))


@kernel
def take(ledger, unit, host):
    """Put a unit on a host. Changes the ledger in place."""
    for limit in range(ledger.need.shape[1]):
        ledger.free[host, limit] -= ledger.need[unit, limit]
    for entry in range(ledger.apart_start[unit], ledger.apart_start[unit + 1]):
        ledger.taken[ledger.apart_rules[entry], host] = True
    n_points = ledger.own.shape[1]
    if n_points > 0:
        ledger.total_ceiling[host] += ledger.own_ceiling[unit]
        for point in range(n_points):
            ledger.total[host, point] += ledger.own[unit, point]
        fill_stats(ledger.total, ledger.total_stats, host)


@kernel
def fill_stats(series, stats, row):
    """Fill one row of `stats` with mean, standard deviation, least and largest value of that row of `series`."""
    n_points = series.shape[1]
    mean, least, largest = 0.0, np.inf, -np.inf
    for point in range(n_points):
        value = np.float64(series[row, point])
        mean += value
        least, largest = min(least, value), max(largest, value)
    mean /= n_points
    variance = 0.0
    for point in range(n_points):
        variance += (series[row, point] - mean) ** 2
    stats[row, 0], stats[row, 1] = mean, np.sqrt(variance / n_points)
    stats[row, 2], stats[row, 3] = least, largest


@kernel
def fill_all_stats(series, stats):
    """Fill `stats` for every row of `series`; see `fill_stats`."""
    for row in range(series.shape[0]):
        fill_stats(series, stats, row)
