"""Put time stamps with jitter on a regular tick grid. Knows nothing of file formats."""

from collections.abc import Sequence

import numpy as np

from planner.errors import InputError
from planner.units import GIB, format_bytes

MAX_SERIES_BYTES = 8 * GIB
"""48,000 VMs with 30 days of 5 min are a fifth of this."""
LAST_TIME_S = 253_402_300_799
"""End of the year 9999."""
DAY_S = 86400
_TICKS_S = np.array([tick for tick in range(1, DAY_S + 1) if DAY_S % tick == 0])


def infer_tick_s(times_s: Sequence[np.ndarray], place: str) -> int:
    """Infer the sampling interval [s]: the divisor of a day that is nearest to the usual step.

    The usual step is the lower quartile, so that a trace full of gaps does not look coarser than it is.

    Parameters
    ----------
    times_s : sequence of int64 arrays
        Time stamps of each series, in any order. [s]

    Raises
    ------
    InputError
        No series has two samples, or the usual step is not within 5 % of a divisor of a day.
    """
    steps = [np.diff(np.unique(times)) for times in times_s if len(times) > 1]
    if not steps:
        raise InputError(place, "no series has two samples", "expected a sample per tick over at least two ticks")
    step_s = float(np.percentile(np.concatenate(steps), 25, method="lower"))
    tick_s = int(_TICKS_S[np.argmin(np.abs(_TICKS_S - step_s))])
    if abs(tick_s - step_s) > 0.05 * tick_s:
        raise InputError(place, f"samples are {step_s:g} s apart", "expected a step that divides a day, such as 5 min")
    return tick_s


def snap_to_grid(times_s: np.ndarray, tick_s: int) -> np.ndarray:
    """Find the tick of each sample, counted from 1970.

    The phase of a series (its samples may come 137 s after each full tick) is removed before rounding; rounding the
    raw times would tear a series whose phase is near half a tick into gaps and doubles.

    Returns
    -------
    int64 array, shape as `times_s`
    """
    if len(times_s) == 0:
        return np.zeros(0, dtype=np.int64)
    angle = 2 * np.pi * (times_s % tick_s) / tick_s
    phase_s = np.arctan2(np.sin(angle).mean(), np.cos(angle).mean()) / (2 * np.pi) * tick_s % tick_s
    # Rounding errors may turn a phase of 0 into one a hair under a full tick.
    phase_s = 0.0 if tick_s - phase_s < 1e-3 else phase_s
    return np.rint((times_s - phase_s) / tick_s).astype(np.int64)


def check_times(times_s: np.ndarray, place: str) -> np.ndarray:
    """Turn times into whole seconds; refuse those that are no times of this or any near millennium.

    Parameters
    ----------
    times_s : float or int array
        Since 1970. [s]

    Raises
    ------
    InputError
        One is missing, infinite, before 1970 or after the year 9999.
    """
    is_time = (times_s >= 0) & (times_s <= LAST_TIME_S)
    if not is_time.all():
        row = int(np.argmin(is_time))
        message = f"row {row + 1} has the time {times_s[row]:g} s since 1970"
        raise InputError(place, message, "expected times between 1970 and 9999")
    whole_s: np.ndarray = np.rint(times_s).astype(np.int64)
    return whole_s


def check_grid(n_rows: int, n_ticks: int, tick_s: int, place: str) -> None:
    """Refuse a grid that would not fit into memory, as one wrong date makes it. Raises InputError."""
    needed_bytes = 4 * n_rows * n_ticks
    if needed_bytes > MAX_SERIES_BYTES:
        years = n_ticks * tick_s / DAY_S / 365
        message = (
            f"{n_rows} VMs over {years:,.0f} years in ticks of {tick_s} s take {format_bytes(needed_bytes)}, more than "
            f"{format_bytes(MAX_SERIES_BYTES)}"
        )
        raise InputError(place, message, "is a date wrong? If not, import fewer months or VMs at a time")


def fill_rows(rows: Sequence[tuple[np.ndarray, np.ndarray]], first: int, n_ticks: int) -> np.ndarray:
    """Lay series of (tick numbers, values) out as a matrix; a tick with two samples keeps the later one.

    Returns
    -------
    float32 array, shape (len(rows), n_ticks)
        NaN where there is no sample.
    """
    matrix = np.full((len(rows), n_ticks), np.nan, dtype=np.float32)
    for row, (ticks, values) in zip(matrix, rows, strict=True):
        row[ticks - first] = values
    return matrix
