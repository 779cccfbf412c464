import numpy as np
import pytest

from planner.analysis.slowdown import share_slower, slowdown_edges, slowdown_quantile
from planner.schema import N_SLOWDOWN_BINS


def histogram(**counts: int) -> np.ndarray:
    made = np.zeros(N_SLOWDOWN_BINS, dtype=np.int64)
    for name, count in counts.items():
        made[int(name[3:])] = count
    return made


def test_edges_are_eight_a_decade_and_enclose_the_inner_bins() -> None:
    edges = slowdown_edges()
    assert len(edges) == N_SLOWDOWN_BINS - 1
    assert edges[0] == pytest.approx(1e-5)
    assert edges[8] == pytest.approx(1e-4)
    assert edges[-1] == pytest.approx(1e3)


def test_below_the_first_edge_is_no_slowdown() -> None:
    assert slowdown_quantile(histogram(bin0=100), 0.99) == 1.0


def test_quantile_interpolates_on_the_logarithm() -> None:
    # 50 of 100 in bin 9 (1e-4 to 10^-3.875): the 75th percentile is half way, 10^-3.9375.
    found = slowdown_quantile(histogram(bin0=50, bin9=50), 0.75)
    assert found == pytest.approx(1 + 10**-3.9375, rel=1e-12)


def test_above_the_last_edge_reads_as_the_edge() -> None:
    assert slowdown_quantile(histogram(bin65=1), 0.5) == pytest.approx(1001.0)


def test_no_tick_is_unknown_not_zero() -> None:
    assert slowdown_quantile(histogram(), 0.5) is None
    assert np.isnan(share_slower(histogram())).all()


def test_share_slower_counts_what_is_above_each_edge() -> None:
    share = share_slower(histogram(bin0=60, bin1=30, bin65=10))
    assert share[0] == pytest.approx(0.4)
    assert share[1] == pytest.approx(0.1)
    assert share[-1] == pytest.approx(0.1)
