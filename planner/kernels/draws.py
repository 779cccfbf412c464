"""Random draws inside kernels: a pure hash of (VM key, page, tick, purpose), no generator, no state.

So a VM draws the same numbers on any host, in any scenario, worker or order, and every draw can be replayed alone.
numba widens uint32 * uint32 to uint64, so every step is cast back; without the cast it is silently another hash.
The mixing constants are those of the 32-bit integer hash "lowbias32" (C. Wellons, hash-prospector, public domain).
"""

from statistics import NormalDist

import numpy as np

from planner.kernels.compiled import kernel, small_kernel

PURPOSE_DUE = 1
PURPOSE_WRITE = 2
PURPOSE_DRIFT_COUNT = 3
PURPOSE_DRIFT_A = 4
PURPOSE_DRIFT_B = 5
PURPOSE_SCAN = 6
PURPOSE_VICTIM = 7
PURPOSE_TIE = 8
PURPOSE_PRIVATE_WRITE = 41
PURPOSE_RETURN = 42
PURPOSE_HASHED = 46
PURPOSE_HASHED_FIRST = 47
PURPOSE_HAND = 50
PURPOSE_SAMPLE = 51
PURPOSE_NOISE = 52
PURPOSE_STRATUM = 70
PURPOSE_BLOCK = 71
PURPOSE_WHOLE = 72

_PURPOSES = np.uint32(128)
"""Purposes a tick has room for: with fewer, one purpose would repeat the draws of another some ticks later."""

N_EXPONENTIAL = 1024


def build_exponential_table() -> np.ndarray:
    """Build the table of unit-exponential draws: entry k is the mean of the k-th of 1024 equally likely slices.

    Returns
    -------
    float64 array, shape (1024,)
        Mean of the whole table is 1, as of the law; values above the last slice's mean (7.9) do not occur.
    """
    edges = np.arange(N_EXPONENTIAL + 1) / N_EXPONENTIAL
    survival = 1.0 - edges
    # The antiderivative of -ln(1-u) is (1-u) ln(1-u) + u, with the limit 1 at u = 1.
    antiderivative = edges.copy()
    antiderivative[:-1] += survival[:-1] * np.log(survival[:-1])
    return np.diff(antiderivative) * N_EXPONENTIAL


def build_normal_table() -> np.ndarray:
    """Build the table of standard normal draws: entry k is the quantile in the middle of the k-th of 1024 slices.

    Returns
    -------
    float64 array, shape (1024,)
        Scaled to variance 1, of which the cut-off tails would take 0.4 %.
    """
    quantile = NormalDist().inv_cdf
    middles = [quantile((k + 0.5) / N_EXPONENTIAL) for k in range(N_EXPONENTIAL)]
    return np.array(middles) / np.std(middles)


@small_kernel
def mix_u32(x):
    """Mix 32 bits so that every input bit moves every output bit."""
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x7FEB352D))
    x = np.uint32(x ^ (x >> np.uint32(15)))
    x = np.uint32(x * np.uint32(0x846CA68B))
    return np.uint32(x ^ (x >> np.uint32(16)))


@small_kernel
def draw_u32(vm_key, page, tick, purpose):
    """Draw a uniform 32-bit number for (VM key uint32, page, tick, purpose)."""
    x = mix_u32(np.uint32(np.uint32(vm_key) ^ np.uint32(np.uint32(page) * np.uint32(0x9E3779B1))))
    step = np.uint32(np.uint32(np.uint32(tick) * _PURPOSES) + np.uint32(purpose))
    return mix_u32(np.uint32(x ^ np.uint32(step * np.uint32(0x85EBCA77))))


@small_kernel
def draw_below(vm_key, page, tick, purpose, n):
    """Draw an integer from 0 to n - 1, at the same place relative to n whatever n is.

    So a sample starts its searches where the host with all its pages does, and meets pages of the same popularity.
    """
    return (np.int64(draw_u32(vm_key, page, tick, purpose)) * np.int64(n)) >> np.int64(32)


@kernel
def fill_uniform(vm_key, purpose, out):
    """Fill `out` (float64 array) with uniform draws in [0, 1) for pages 0, 1, ... of one VM."""
    for i in range(out.size):
        out[i] = draw_u32(vm_key, i, 0, purpose) / 4294967296.0
