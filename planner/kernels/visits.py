"""Page visits of an independent-reference stream: pages drawn by rank from a power law, each draw on its own.

Covers drawing only. A visit is a run of references that stay on one page; see docs/model/translation.md.
"""

import math

import numpy as np

from planner.kernels.compiled import kernel
from planner.kernels.draws import draw_u32

N_HEAD_RANKS = 4096
"""Ranks whose probability is summed exactly; beyond, the sum over (r + 0.5) ** -alpha is its integral to 1e-8."""


def build_head_weights(alpha: float, n_pages: int) -> np.ndarray:
    """Sum the weights (r + 0.5) ** -alpha of the first ranks.

    Returns
    -------
    float64 array, shape (min(n_pages, 4096),)
        Running sums.
    """
    return np.cumsum((np.arange(min(n_pages, N_HEAD_RANKS)) + 0.5) ** -alpha)


@kernel
def draw_visits(key, purpose, head, alpha, n_pages, out):
    """Draw the page rank of each visit. Fills `out`.

    Parameters
    ----------
    key : uint32
        Key of the stream, for `draw_u32`.
    purpose : int
        Purpose, for `draw_u32`.
    head : float64 array, shape (n_head,)
        Of `build_head_weights` for the same `alpha` and `n_pages`.
    alpha : float
        Exponent of the law.
    n_pages : int
        Pages there are. [pages]
    out : int64 array, shape (n_visits,)
        Ranks, 0 = most visited.
    """
    n_head = head.size
    total = head[n_head - 1] + tail_weight(n_head, n_pages, alpha)
    for i in range(out.size):
        weight = (draw_u32(key, i, 0, purpose) + 0.5) / 4294967296.0 * total
        if weight < head[n_head - 1]:
            out[i] = np.searchsorted(head, weight, side="right")
        else:
            rank = int(tail_end(n_head, weight - head[n_head - 1], alpha))
            out[i] = min(rank, n_pages - 1)


@kernel
def place_visits(key, purpose, out):
    """Turn page numbers into addresses: each visit reads one of the page's 64 lines. Changes `out` in place.

    Parameters
    ----------
    key : uint32
    purpose : int
        As in `draw_visits`.
    out : int64 array, shape (n_visits,)
        Page numbers on entry, addresses after. [bytes]
    """
    for i in range(out.size):
        out[i] = out[i] * 4096 + (int(draw_u32(key, i, 0, purpose)) & 63) * 64


@kernel
def tail_weight(start, end, alpha):
    """Integrate x ** -alpha from `start` to `end`."""
    if alpha == 1.0:
        return math.log(end / start)
    return (end ** (1.0 - alpha) - start ** (1.0 - alpha)) / (1.0 - alpha)


@kernel
def tail_end(start, weight, alpha):
    """Return the end at which the integral of x ** -alpha from `start` is `weight`."""
    if alpha == 1.0:
        return start * math.exp(weight)
    return (start ** (1.0 - alpha) + (1.0 - alpha) * weight) ** (1.0 / (1.0 - alpha))
