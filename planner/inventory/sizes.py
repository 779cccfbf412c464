"""Infer a VM's configured memory from its active-memory counter, which moves in steps of 1 % of it.

The hypervisor estimates active memory by watching 100 sampled pages for 20 s, so a reading is a whole number of
hundredths of the configured memory, and a stored sample is the mean of tick / 20 s readings: a multiple of
configured / (100 x readings). A candidate size is judged by how well the samples line up on its grid. Does not
handle sizes that change during the trace (hot add): the size that most samples agree with wins.
"""

from typing import NamedTuple

import numpy as np

from planner.units import GIB, MIB

READING_S = 20
"""Seconds per reading of the hypervisor's real-time statistics (vSphere)."""
STEPS_PER_READING = 100
MAX_SAMPLES = 4096
"""More samples than this do not change a guess and cost time; they are taken evenly over the trace."""
MIN_SAMPLES = 30
MISALIGNED = 0.2
"""Grids coarser than the samples' spread line up with everything. The search starts after the first size that
lines up worse than this."""
MIN_ALIGNMENT = 0.35
"""Least alignment taken as a match; 30 samples at random phases pass it with probability exp(-30 x 0.35^2) = 3 %."""
NEAR_BEST = 0.8
"""Half, a third, ... of the true size line up as well as the true one: the largest size near the best one is taken."""
TIE = 0.97


class SizeGuess(NamedTuple):
    """Configured memory [bytes] and what it was inferred from: "quantum", "percent" or "granted"."""

    configured_bytes: int
    source: str


def plausible_sizes() -> np.ndarray:
    """List the memory sizes that people configure, ascending: 4 to 7 times a power of two, and whole GiB up to 64.

    Returns
    -------
    int64 array
        Sizes from 64 MiB to 14 TiB. [bytes]
    """
    sizes = [(multiple * 16 * MIB) << shift for shift in range(18) for multiple in (4, 5, 6, 7)]
    whole_gib = [gib * GIB for gib in range(1, 65)]
    return np.unique(np.array(sizes + whole_gib, dtype=np.int64))


def infer_size(active_bytes: np.ndarray, granted_max_bytes: float, tick_s: int) -> SizeGuess:
    """Infer the configured memory of one VM.

    Parameters
    ----------
    active_bytes : float array
        Samples of active memory, NaN allowed. [bytes]
    granted_max_bytes : float
        Most memory it was granted: the configured memory is no less. [bytes]
    tick_s : int
        Time between samples, which are means over it. [s]

    Returns
    -------
    SizeGuess
        From the quantum where the samples show one, else `granted_max_bytes` rounded up.
    """
    positive = active_bytes[active_bytes > 0].astype(np.float64)
    floor_bytes = max(granted_max_bytes, float(positive.max(initial=0.0)))
    size = _size_from_quantum(positive, floor_bytes, max(1, round(tick_s / READING_S)))
    return SizeGuess(size, "quantum") if size else SizeGuess(round_up_size(floor_bytes), "granted")


def size_from_percent(active_bytes: np.ndarray, active_percent: np.ndarray) -> SizeGuess | None:
    """Infer the configured memory where the same samples are given in bytes and in per cent of it.

    Returns
    -------
    SizeGuess or None
        None with fewer than 30 samples of 1 % or more: rounding hides the size then.
    """
    usable = (active_percent >= 1) & (active_bytes > 0)
    if int(usable.sum()) < MIN_SAMPLES:
        return None
    estimate_bytes = float(np.median(active_bytes[usable] / active_percent[usable])) * 100
    sizes = plausible_sizes()
    nearest_bytes = int(sizes[np.argmin(np.abs(sizes - estimate_bytes))])
    is_near = abs(nearest_bytes / estimate_bytes - 1) < 0.03
    return SizeGuess(nearest_bytes if is_near else round(estimate_bytes), "percent")


def round_up_size(size_bytes: float) -> int:
    """Round up to the next plausible size; 1 % of slack, because a full VM may read a little more."""
    sizes = plausible_sizes()
    position = int(np.searchsorted(sizes, size_bytes / 1.01))
    return int(sizes[min(position, len(sizes) - 1)])


def _size_from_quantum(positive_bytes: np.ndarray, floor_bytes: float, readings: int) -> int | None:
    """Find the largest plausible size on whose grid the samples line up; None where none stands out."""
    if len(positive_bytes) < MIN_SAMPLES:
        return None
    if len(positive_bytes) > MAX_SAMPLES:
        picked = np.linspace(0, len(positive_bytes) - 1, MAX_SAMPLES).astype(np.int64)
        positive_bytes = positive_bytes[picked]
    sizes = plausible_sizes()
    sizes = sizes[sizes >= floor_bytes / 1.01][::-1]
    vector = _mean_phase(positive_bytes, STEPS_PER_READING * readings / sizes)
    misaligned = np.flatnonzero(np.abs(vector) < MISALIGNED)
    if len(misaligned) == 0:
        return None
    sizes, alignment = sizes[misaligned[0] :], vector.real[misaligned[0] :]
    best = float(alignment.max())
    return _largest_near_best(sizes, alignment, best) if best >= MIN_ALIGNMENT else None


def _mean_phase(samples_bytes: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """Average the samples' phases on each grid: 1 + 0j when all are on it. Frequent values count by their root."""
    values, counts = np.unique(samples_bytes, return_counts=True)
    weights = np.sqrt(counts)
    turns = np.outer(frequency, values) % 1.0
    mean: np.ndarray = np.exp(2j * np.pi * turns) @ (weights / weights.sum())
    return mean


def _largest_near_best(sizes: np.ndarray, alignment: np.ndarray, best: float) -> int:
    """Take the first peak near the best one; among sizes that line up alike, the roundest."""
    is_near = alignment >= NEAR_BEST * best
    start = int(np.argmax(is_near))
    rest = np.flatnonzero(~is_near[start:])
    stop = start + int(rest[0]) if len(rest) else len(sizes)
    peak = alignment[start:stop]
    tied = [int(size) for size in sizes[start:stop][peak >= TIE * peak.max()]]
    return min(tied, key=lambda size: (size // (size & -size), -size))
