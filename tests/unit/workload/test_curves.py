"""Quantile curves against plain sums and drawn pairs."""

from statistics import NormalDist

import numpy as np
import pytest

from planner.workload.curves import KNOT_SCORES, curve_means, fit_curves, latent_correlation, observed_correlation

BODY = np.array([[-1.0, -0.5, -0.1, 0.3, 0.8, 1.2, 1.6]])


def test_curves_have_the_mean_and_peak_asked_for():
    curve = fit_curves(BODY, np.array([0.05]), np.array([0.6]))
    normal = NormalDist()
    scores = [normal.inv_cdf((number + 0.5) / 20_000) for number in range(20_000)]
    values = np.exp(np.interp(scores, KNOT_SCORES, curve[0]))
    assert values.mean() == pytest.approx(0.05, rel=0.002)
    assert values.max() <= 0.6 + 1e-12
    assert np.exp(curve[0, -1]) == pytest.approx(0.6)
    assert (np.diff(curve[0]) >= 0).all()


def test_a_peak_below_the_body_cuts_it_and_keeps_the_mean():
    curve = fit_curves(BODY, np.array([0.2]), np.array([0.3]))
    assert curve_means(curve)[0] == pytest.approx(0.2, rel=1e-3)
    assert np.exp(curve).max() <= 0.3 + 1e-12


@pytest.mark.parametrize("latent", [0.2, 0.7, 0.95])
def test_observed_correlation_is_that_of_drawn_pairs(latent):
    curve = fit_curves(BODY, np.array([0.05]), np.array([0.6]))[0]
    first, noise = np.random.default_rng(1).standard_normal((2, 400_000))
    second = latent * first + np.sqrt(1 - latent**2) * noise
    drawn = np.corrcoef(np.exp(np.interp(first, KNOT_SCORES, curve)), np.exp(np.interp(second, KNOT_SCORES, curve)))
    assert float(observed_correlation(curve, np.array(latent))) == pytest.approx(drawn[0, 1], abs=0.01)


def test_latent_correlation_inverts_the_observed_one():
    curve = fit_curves(BODY, np.array([0.05]), np.array([0.6]))[0]
    latent = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    np.testing.assert_allclose(latent_correlation(curve, observed_correlation(curve, latent)), latent, atol=0.005)
