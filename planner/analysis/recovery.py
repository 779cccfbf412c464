"""How long a host is short of memory after something has happened to it: from time lines to a time with its interval.

A tick is pressed while the memory state is soft or worse, or swap-in or guest paging is above the objective. Pressure
that the host would have had anyway can be taken off, tick by tick, with the time line of the run without the event.
"""

from collections.abc import Sequence
from math import comb, inf, isinf
from typing import NamedTuple

import numpy as np

from planner.schema import TIMELINE_COLUMNS

_AT = {column.name: position for position, column in enumerate(TIMELINE_COLUMNS)}
_STATE_CLEAR = 1


class Calm(NamedTuple):
    """When pressure is over.

    Attributes
    ----------
    swap_in_bytes_per_s : float
        Most swap-in of a calm tick: the objective's. [bytes/s]
    for_s : float
        Time for which it must stay calm; shorter lulls do not count. [s]
    begins_within_s : float
        Pressure that begins later than this after the event is not its doing. [s]
    guest_paging_bytes_per_s : float
        Most that the guests of a calm host read back in a tick: the objective's. [bytes/s]
    """

    swap_in_bytes_per_s: float
    for_s: float = 1800.0
    begins_within_s: float = 3600.0
    guest_paging_bytes_per_s: float = inf


class RecoveryTime(NamedTuple):
    """How long pressure lasts, over replicates. None: longer than the horizon.

    Attributes
    ----------
    median_s, low_s, high_s : float or None
        Median, and the order statistics that hold it with `confidence`. [s]
    confidence : float
        Largest reached with so few replicates that is at least what was asked for; else that of the extremes.
    replicates, unfinished : int
        Time lines, and those whose pressure did not end within the horizon.
    """

    median_s: float | None
    low_s: float | None
    high_s: float | None
    confidence: float
    replicates: int
    unfinished: int


def pressed_ticks(timeline: np.ndarray, tick_s: float, calm: Calm) -> np.ndarray:
    """Mark the ticks in which a host is short of memory: bool array, shape (n_ticks,).

    Parameters
    ----------
    timeline : int64 array, shape (n_ticks, len(TIMELINE_COLUMNS))
        In bytes, as `HostResult.timeline`.
    """
    is_swapping = timeline[:, _AT["swap_in_bytes"]] / tick_s > calm.swap_in_bytes_per_s
    is_paging = timeline[:, _AT["guest_paging_bytes"]] / tick_s > calm.guest_paging_bytes_per_s
    return np.asarray((timeline[:, _AT["state"]] > _STATE_CLEAR) | is_swapping | is_paging)


def pressure_after(
    timeline: np.ndarray, at_tick: int, tick_s: float, calm: Calm, without: np.ndarray | None = None
) -> float | None:
    """Measure how long after an event a host stays short of memory.

    Parameters
    ----------
    timeline : int64 array, shape (n_ticks, len(TIMELINE_COLUMNS))
        Of the host with the event, as `HostResult.timeline`.
    at_tick : int
        Tick of the event.
    tick_s : float
        Length of a tick. [s]
    calm : Calm
        When pressure is over.
    without : int64 array, as `timeline`, optional
        Of the same host and replicate without the event: what is pressed there, too, is not the event's doing.

    Returns
    -------
    float or None
        Time from the start of `at_tick` to the end of the last pressed tick before the host is calm for long enough; 0
        where nothing is pressed soon after the event; None where the time line ends before that. [s]
    """
    pressed = pressed_ticks(timeline, tick_s, calm)
    if without is not None:
        pressed &= ~pressed_ticks(without, tick_s, calm)
    ticks = at_tick + np.flatnonzero(pressed[at_tick:])
    if not ticks.size or (ticks[0] - at_tick) * tick_s > calm.begins_within_s:
        return 0.0
    calm_ticks = round(calm.for_s / tick_s)
    gaps = np.diff(ticks) - 1
    long_gaps = np.flatnonzero(gaps >= calm_ticks)
    last = ticks[long_gaps[0]] if long_gaps.size else ticks[-1]
    if not long_gaps.size and len(timeline) - 1 - last < calm_ticks:
        return None
    return float((last + 1 - at_tick) * tick_s)


def estimate_recovery(times_s: Sequence[float | None], confidence: float = 0.95) -> RecoveryTime:
    """Estimate the median time over replicates with a distribution-free interval.

    Parameters
    ----------
    times_s : sequence of (float or None)
        One for each replicate, of `pressure_after`; at least one. [s]
    confidence : float
        Two-sided.

    Notes
    -----
    The median lies between the k-th smallest and the k-th largest of n draws with probability 1 - 2 P(B < k), B
    binomial (n, 1/2): whatever the distribution, and with times that are only known to be longer than the horizon.
    Fewer than 6 replicates cannot reach 95 %.
    """
    ordered = sorted(inf if time is None else time for time in times_s)
    n = len(ordered)
    rank, reached = 1, _coverage(n, 1)
    while rank + 1 <= (n + 1) // 2 and _coverage(n, rank + 1) >= confidence:
        rank, reached = rank + 1, _coverage(n, rank + 1)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return RecoveryTime(
        median_s=_known(middle),
        low_s=_known(ordered[rank - 1]),
        high_s=_known(ordered[n - rank]),
        confidence=reached,
        replicates=n,
        unfinished=sum(isinf(time) for time in ordered),
    )


def _coverage(n: int, rank: int) -> float:
    return 1.0 - 2.0 * sum(comb(n, k) for k in range(rank)) / 2.0**n


def _known(time_s: float) -> float | None:
    return None if isinf(time_s) else time_s
