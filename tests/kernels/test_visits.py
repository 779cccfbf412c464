"""Page visits follow their power law: exact probabilities summed the slow way, against the frequencies drawn."""

import numpy as np
import pytest

from planner.kernels.visits import N_HEAD_RANKS, build_head_weights, draw_visits, tail_end, tail_weight

N_VISITS = 100_000


def draw(alpha, n_pages, key=1, n_visits=N_VISITS):
    out = np.full(n_visits, -1, np.int64)
    draw_visits(np.uint32(key), 8, build_head_weights(alpha, n_pages), alpha, n_pages, out)
    return out


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.99, 1.0, 1.3, 2.0])
@pytest.mark.parametrize("n_pages", [1, 100, N_HEAD_RANKS, 50_000])
def test_frequencies_follow_the_law(alpha, n_pages):
    ranks = draw(alpha, n_pages)
    assert ranks.min() >= 0
    assert ranks.max() < n_pages
    weights = np.array([(rank + 0.5) ** -alpha for rank in range(n_pages)])
    for below in {1, n_pages // 10 + 1, n_pages // 2 + 1, n_pages}:
        expected = weights[:below].sum() / weights.sum()
        # Five standard errors of a binomial share.
        slack = 5 * np.sqrt(expected * (1 - expected) / N_VISITS) + 1e-9
        assert (ranks < below).mean() == pytest.approx(expected, abs=slack)


@pytest.mark.parametrize("alpha", [0.3, 0.99, 1.0, 2.0])
def test_tail_integral_is_the_sum_it_stands_for(alpha):
    exact = sum((rank + 0.5) ** -alpha for rank in range(N_HEAD_RANKS, 20_000))
    assert tail_weight(N_HEAD_RANKS, 20_000, alpha) == pytest.approx(exact, rel=1e-7)
    assert tail_end(N_HEAD_RANKS, tail_weight(N_HEAD_RANKS, 20_000, alpha), alpha) == pytest.approx(20_000)


def test_visits_depend_on_the_key_alone():
    assert np.array_equal(draw(0.99, 10**8, n_visits=1000), draw(0.99, 10**8, n_visits=2000)[:1000])
    assert not np.array_equal(draw(0.99, 10**8, key=1, n_visits=1000), draw(0.99, 10**8, key=2, n_visits=1000))
