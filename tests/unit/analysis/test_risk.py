"""Swap risk: hand counts, the bounds' promises, and their coverage by simulation."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from planner.analysis.dependence import exceedance_correlation, within_replicate_correlation
from planner.analysis.intervals import midp_at_most
from planner.analysis.risk import HostRuns, RiskEstimate, estimate_risk, runs_needed
from planner.config.slo import SloSpec

SLO = SloSpec(hosts_affected=0.05)
NORMAL = NormalDist()


def make_runs(is_broken: np.ndarray, margin: np.ndarray, is_known: np.ndarray | None = None) -> HostRuns:
    """Arrays of shape (replicates, hosts)."""
    replicates, hosts = is_broken.shape
    return HostRuns(
        replicate=np.repeat(np.arange(replicates), hosts),
        host=np.tile(np.array([f"esx-{i:02d}" for i in range(hosts)], dtype=object), replicates),
        is_broken=is_broken.ravel(),
        is_known=np.ones(is_broken.size, dtype=bool) if is_known is None else is_known.ravel(),
        margins=margin.reshape(-1, 1),
    )


def draw_runs(rng: np.random.Generator, replicates: int, hosts: int, risk: float, correlation: float) -> HostRuns:
    common = rng.standard_normal((replicates, 1))
    margin = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * rng.standard_normal((replicates, hosts))
    return make_runs(margin > NORMAL.inv_cdf(1 - risk), margin)


def independent_margin(replicates: int, hosts: int) -> np.ndarray:
    """Deviations whose products within a replicate cancel: no correlation by construction, or a negative one."""
    signs = np.where((np.add.outer(np.arange(replicates), np.arange(hosts)) % 2) == 0, 1.0, -1.0)
    return 0.5 + 0.1 * signs


def estimate(runs: HostRuns) -> RiskEstimate:
    return estimate_risk(runs, SLO)


def test_no_event_gives_the_exact_bound_and_never_zero() -> None:
    result = estimate(make_runs(np.zeros((8, 10), dtype=bool), independent_margin(8, 10)))
    assert (result.risk, result.low, result.host_runs, result.broken_runs) == (0.0, 0.0, 80, 0)
    assert result.effective_runs == pytest.approx(80.0)
    assert result.high == pytest.approx(1 - 0.05 ** (1 / 80), rel=1e-6)


def test_every_host_broken_leaves_a_lower_bound_below_one() -> None:
    result = estimate(make_runs(np.ones((8, 10), dtype=bool), independent_margin(8, 10)))
    assert (result.risk, result.high) == (1.0, 1.0)
    assert result.low == pytest.approx(0.05 ** (1 / 80), rel=1e-6)


def test_hosts_that_move_as_one_count_as_one() -> None:
    margin = np.repeat(np.linspace(0.4, 0.6, 8)[:, None], 10, axis=1)
    result = estimate(make_runs(np.zeros((8, 10), dtype=bool), margin))
    assert result.effective_runs == pytest.approx(8.0)
    assert result.high == pytest.approx(1 - 0.05 ** (1 / 8), rel=1e-6)


@pytest.mark.parametrize("replicates", [1, 2, 3])
def test_few_replicates_cannot_tell_the_correlation(replicates: int) -> None:
    result = estimate(make_runs(np.zeros((replicates, 10), dtype=bool), independent_margin(replicates, 10)))
    assert result.effective_runs == pytest.approx(replicates)
    assert result.high == pytest.approx(1 - 0.05 ** (1 / replicates), rel=1e-6)


def test_margin_that_never_varies_tells_nothing() -> None:
    result = estimate(make_runs(np.zeros((8, 10), dtype=bool), np.full((8, 10), 0.7)))
    assert result.effective_runs == pytest.approx(8.0)


def test_another_margin_speaks_when_the_first_never_varies() -> None:
    runs = make_runs(np.zeros((8, 10), dtype=bool), np.full((8, 10), 0.7))
    margins = np.column_stack([runs.margins[:, 0], independent_margin(8, 10).ravel()])
    assert estimate(replace(runs, margins=margins)).effective_runs == pytest.approx(80.0)


def test_a_failed_run_is_broken_for_the_upper_bound_and_not_for_the_lower() -> None:
    broken = np.zeros((8, 10), dtype=bool)
    known = np.ones((8, 10), dtype=bool)
    known[0, 0] = False
    margin = independent_margin(8, 10)
    result = estimate(make_runs(broken, margin, known))
    assert (result.risk, result.low, result.failed_runs) == (0.0, 0.0, 1)
    as_broken = broken.copy()
    as_broken[0, 0] = True
    assert result.high >= estimate(make_runs(as_broken, margin)).high - 1e-9
    # Without it, 79 runs of which none broke; with it at its worst the bound is that of one in 80.
    assert result.high_of_finished == pytest.approx(1 - 0.05 ** (1 / 79), rel=0.02)
    assert (result.low_of_finished, result.high > 1.3 * result.high_of_finished) == (0.0, True)


def test_nothing_known_is_not_zero() -> None:
    unknown = np.zeros((8, 10), dtype=bool)
    result = estimate(make_runs(unknown, np.full((8, 10), np.nan), unknown))
    assert (result.risk, result.low, result.high) == (None, 0.0, 1.0)


def test_upper_end_is_the_largest_risk_that_its_own_number_of_runs_does_not_rule_out() -> None:
    rng = np.random.default_rng(3)
    for risk in (0.02, 0.1, 0.5):
        result = estimate(draw_runs(rng, 8, 10, risk, 0.3))
        events = result.risk * result.effective_runs
        assert midp_at_most(events, result.effective_runs, result.high) == pytest.approx(0.025, rel=1e-6)
        assert result.low <= result.risk <= result.high


def test_correlation_of_two_hosts_by_hand() -> None:
    # Deviations of host a: -1, 1; of host b: -2, 2. Mean product (2 + 2) / 2 = 2, mean square (1+1+4+4)/4 = 2.5.
    values = np.array([0.0, 10.0, 2.0, 14.0])
    found = within_replicate_correlation(values, np.array([0, 0, 1, 1]), np.array(["a", "b", "a", "b"], dtype=object))
    assert found == pytest.approx(2 / 2.5)


def test_rare_events_are_less_correlated_than_their_causes() -> None:
    # At the median, P(X > 0, Y > 0) = 1/4 + arcsin(r) / (2 pi): the correlation is 2 arcsin(r) / pi; r = 0.5 gives 1/3.
    assert exceedance_correlation(0.5, 0.5) == pytest.approx(1 / 3, abs=1e-6)
    assert exceedance_correlation(0.5, 0.01) < exceedance_correlation(0.5, 0.1) < 1 / 3
    assert exceedance_correlation(0.0, 0.1) == 0.0
    assert exceedance_correlation(1.0, 0.1) == 1.0


def test_runs_needed_without_an_event_has_a_closed_form() -> None:
    # ln 0.05 / ln 0.95 = 58.4 runs without an event show a risk of at most 5 %.
    assert runs_needed(0.0, 0.05, 0.95, 1e6) == pytest.approx(58.4, rel=2e-3)
    assert runs_needed(0.06, 0.05, 0.95, 1e6) is None
    assert runs_needed(0.05, 0.05, 0.95, 1e4) is None


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Random risks, sizes, correlations and margins; the full study is `make coverage`."""
    rng = np.random.default_rng(11)
    draws = 1200
    inside = below = 0
    for _ in range(draws):
        replicates, hosts = int(rng.choice([4, 8, 16, 32])), int(rng.choice([2, 8, 16]))
        risk, correlation = float(np.exp(rng.uniform(np.log(0.01), np.log(0.5)))), float(rng.uniform(0.0, 0.8))
        found = estimate(draw_runs(rng, replicates, hosts, risk, correlation))
        inside += found.low <= risk <= found.high
        below += risk <= found.high
    # Standard error 0.6 points for the interval, 0.4 for its upper end by itself.
    assert 0.93 <= inside / draws <= 0.985
    assert below / draws >= 0.95
