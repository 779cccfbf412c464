"""Latent series and what follows from them, a VM at a time: mixing noises, quantile curves. In float32, as it is drawn.

One pass over a VM's ticks in cache instead of a dozen numpy passes over arrays of many VMs; the same operations in the
same order, so that the values are the same to the bit.
"""

import numpy as np

from planner.kernels.compiled import kernel

N_PLAIN = 2
"""Noises that are no autoregression: white, and the sum of two neighbours that straddles two ticks."""


@kernel
def mix_noises(noise, carry, innovation, scale, series):
    """Add white noise, straddling noise and autoregressions to a series.

    Parameters
    ----------
    noise : float32 array, shape (N_PLAIN + n_autoregressions, n_ticks)
        Standard normal draws.
    carry, innovation : float32 array, shape (n_autoregressions,)
        Share of the last tick's value that is carried on; what the tick's own draw is scaled with.
    scale : float32 array, shape (N_PLAIN + n_autoregressions,)
        Weight of each.
    series : float32 array, shape (n_ticks,)
        Added to in place.
    """
    n_ticks = series.size
    half = np.float32(np.sqrt(0.5))
    for tick in range(n_ticks - 1, 0, -1):
        noise[1, tick] = np.float32(noise[1, tick] + noise[1, tick - 1]) * half
    for part in range(carry.size):
        kept, new, row = carry[part], innovation[part], noise[N_PLAIN + part]
        for tick in range(1, n_ticks):
            row[tick] = np.float32(row[tick] * new) + np.float32(kept * row[tick - 1])
    for tick in range(n_ticks):
        total = noise[0, tick] * scale[0]
        for part in range(1, scale.size):
            total = np.float32(total + np.float32(noise[part, tick] * scale[part]))
        series[tick] = series[tick] + total


@kernel
def follow_curve(scores, knots, heights, slopes, out):
    """Read a curve that is linear between knots and flat outside, as `numpy.interp` does. Fills `out`.

    Parameters
    ----------
    scores : float32 array, shape (n_ticks,)
    knots, heights : float64 array, shape (n_knots,)
        The curve; knots ascend.
    slopes : float64 array, shape (n_knots - 1,)
        Between the knots.
    out : float32 array, shape (n_ticks,)
    """
    last = knots.size - 1
    for tick in range(scores.size):
        score = np.float64(scores[tick])
        if score < knots[0]:
            out[tick] = heights[0]
        elif score >= knots[last]:
            out[tick] = heights[last]
        else:
            k = 0
            while score >= knots[k + 1]:
                k += 1
            out[tick] = slopes[k] * (score - knots[k]) + heights[k]


@kernel
def hold_granted(course, active, out):
    """Fill granted memory: the larger of its course and active memory. `course` is float64, the others float32."""
    for tick in range(course.size):
        out[tick] = max(course[tick], np.float64(active[tick]))
