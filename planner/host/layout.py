"""Where a VM's active memory lies: pages keep their place by popularity, and those touched lie apart in the tail.

The stack touches the page of popularity rank r as a Poisson process with rate proportional to r ** -alpha (see
docs/model/popularity.md). So of the popular pages nearly all are active, of the others a few, each among idle ones.
"""

from typing import NamedTuple

import numpy as np

_PLACES = np.concatenate(([0.0], np.geomspace(1e-6, 1.0, 512)))
_LOG_Z_RANGE = (-100.0, 10.0)
_N_HALVINGS = 60


class Layout(NamedTuple):
    """Expected active pages up to a place in memory; both in units of all active pages.

    Attributes
    ----------
    place : float64 array, shape (n_points,)
        Ascending from 0 to granted ÷ active memory.
    n_active : float64 array, shape (n_points,)
        Active pages before the place: 0 to 1.
    """

    place: np.ndarray
    n_active: np.ndarray


def build_layout(law_alpha: float, active_share: float) -> Layout:
    """Lay out active memory by the popularity law.

    Parameters
    ----------
    law_alpha : float
        Exponent of the law of touches.
    active_share : float
        Active ÷ granted memory, above 0; from 1 on all pages are active and lie side by side.

    Notes
    -----
    A page at the share y of the granted memory is active with probability 1 - exp(-z y ** -alpha), z such that
    `active_share` of all pages are. Pages that drift has moved lie elsewhere, which is left out.
    """
    if active_share >= 1.0:
        return Layout(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    low, high = _LOG_Z_RANGE
    for _ in range(_N_HALVINGS):
        middle = (low + high) / 2
        is_enough = _active_before(law_alpha, middle)[-1] >= active_share
        low, high = (low, middle) if is_enough else (middle, high)
    n_active = _active_before(law_alpha, high)
    return Layout(_PLACES / active_share, n_active / n_active[-1])


def place_pages(layout: Layout, ranks: np.ndarray, n_pages: int) -> np.ndarray:
    """Return the page numbers (int64) of active pages given by rank, 0 the most popular of `n_pages` active ones."""
    # Most visits go to the head, where all pages are active and lie by rank: leaving it out saves 2/3 of the time.
    head = np.searchsorted(layout.place - layout.n_active, 0.5 / n_pages) - 1
    is_tail = ranks > layout.n_active[head] * n_pages
    pages = ranks.astype(np.int64)
    places = np.interp(ranks[is_tail], layout.n_active * n_pages, layout.place * n_pages)
    pages[is_tail] = np.floor(places + 0.5)
    return pages


def first_active(layout: Layout, pages: np.ndarray, n_pages: int) -> np.ndarray:
    """Return the rank (int64) of the first active page at or after each page number: the inverse of `place_pages`."""
    before = np.interp(pages - 0.5, layout.place * n_pages, layout.n_active * n_pages)
    ranks: np.ndarray = np.minimum(np.ceil(before - 1e-6).astype(np.int64), n_pages - 1)
    return ranks


def _active_before(law_alpha: float, log_z: float) -> np.ndarray:
    """Integrate the probability of being active from 0 to each of `_PLACES`."""
    with np.errstate(over="ignore", divide="ignore"):
        chance = -np.expm1(-np.exp(log_z) * _PLACES**-law_alpha)
    steps = np.diff(_PLACES) * (chance[1:] + chance[:-1]) / 2
    return np.concatenate(([0.0], np.cumsum(steps)))
