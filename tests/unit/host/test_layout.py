"""Where active memory lies: closed forms, and agreement with drawing the touches page by page."""

import math

import numpy as np
import pytest

from planner.host.layout import build_layout, first_active, place_pages


def test_memory_that_is_all_active_lies_side_by_side():
    layout = build_layout(2.0, 1.0)
    ranks = np.array([0, 1, 511, 99_999])
    assert place_pages(layout, ranks, 100_000).tolist() == ranks.tolist()
    assert first_active(layout, ranks, 100_000).tolist() == ranks.tolist()


def test_an_even_law_spreads_evenly():
    """Exponent 0: each page is active with the same chance, here every twentieth."""
    layout = build_layout(0.0, 0.05)
    places = place_pages(layout, np.arange(0, 1000, 100), 1000)
    assert np.abs(places - 20 * np.arange(0, 1000, 100)).max() <= 1


def test_a_steep_law_meets_the_closed_form():
    """Of much memory, alpha 2: the integral of 1 - exp(-(c / y) ** 2) over all y is c sqrt(pi) = n, the active pages.

    Up to y = c it is c (1 - 1 / e) + c sqrt(pi) erfc(1) = 0.9109 c: by parts, with u = c / y from 1 to infinity.
    """
    n_pages = 1_000_000
    layout = build_layout(2.0, 0.0005)
    scale = n_pages / math.sqrt(math.pi)
    before = 1 - math.exp(-1) + math.sqrt(math.pi) * math.erfc(1)
    # Beyond the granted memory of 2000 n lie c^2 / (2000 n) = n / (2000 pi), less than 0.1 %.
    place = place_pages(layout, np.array([int(before * scale)]), n_pages)[0]
    assert place == pytest.approx(scale, rel=0.005)


@pytest.mark.parametrize("alpha", [1.5, 2.05, 3.08])
@pytest.mark.parametrize("share", [0.05, 0.25])
def test_layout_agrees_with_drawn_touches(alpha, share):
    """Draw each of 400,000 pages with its chance: as many active ones before each place as the layout says."""
    n_granted = 400_000
    rank = (np.arange(n_granted) + 0.5) / n_granted
    low, high = -60.0, 5.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if -np.expm1(-np.exp(middle) * rank**-alpha).mean() >= share else (middle, high)
    chance = -np.expm1(-np.exp(low) * rank**-alpha)
    drawn = np.flatnonzero(np.random.default_rng(7).random(n_granted) < chance)
    places = place_pages(build_layout(alpha, share), np.arange(drawn.size), drawn.size)
    for rank_of in (1000, drawn.size // 2, drawn.size - 1000):
        assert places[rank_of] == pytest.approx(drawn[rank_of], rel=0.06)
    assert (np.diff(places) > 0).all()
    lines = np.unique(places // 8).size / np.unique(drawn // 8).size
    # Even gaps share fewer lines than drawn ones.
    assert 0.99 < lines < 1.2


def test_first_active_inverts_the_places():
    layout = build_layout(2.05, 0.05)
    ranks = np.arange(20_000)
    assert (first_active(layout, place_pages(layout, ranks, ranks.size), ranks.size) == ranks).all()
    between = place_pages(layout, ranks, ranks.size)[10_000] + 1
    assert first_active(layout, np.array([between]), ranks.size)[0] == 10_001
