"""Exact binomial bounds and Student's t quantiles, from the regularised incomplete beta function.

Covers what the planner needs of a statistics library, for any real (not only whole) counts. Accurate to about 1e-10
for counts up to 1e6; not meant for more.

References
----------
Clopper, C. J. and Pearson, E. S. (1934). The use of confidence or fiducial limits illustrated in the case of the
binomial. Biometrika 26, 404-413. doi:10.1093/biomet/26.4.404
"""

import math

_TINY = 1e-300
_MAX_TERMS = 20_000
_BISECTIONS = 60


def regularized_beta(a: float, b: float, x: float) -> float:
    """Evaluate the regularised incomplete beta function I_x(a, b), a > 0, b > 0, 0 <= x <= 1.

    Notes
    -----
    Continued fraction by Lentz's method (DLMF 8.17.22), on the side where it converges fast.
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    front = math.exp(log_front)
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(a, b, x) / a
    return 1.0 - front * _beta_fraction(b, a, 1.0 - x) / b


def beta_quantile(probability: float, a: float, b: float) -> float:
    """Find x with I_x(a, b) = probability, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if regularized_beta(a, b, middle) < probability:
            low = middle
        else:
            high = middle
    return high


def binomial_upper(events: float, trials: float, confidence: float) -> float:
    """Clopper-Pearson upper bound of a probability, one-sided.

    Parameters
    ----------
    events, trials : float
        0 <= events <= trials; effective numbers need not be whole.
    confidence : float
        Chance that the bound holds, e.g. 0.95.

    Returns
    -------
    float
        1.0 when every trial was an event, or when there was no trial.
    """
    if trials - events <= 0.0:
        return 1.0
    return beta_quantile(confidence, events + 1.0, trials - events)


def binomial_lower(events: float, trials: float, confidence: float) -> float:
    """Clopper-Pearson lower bound of a probability, one-sided; 0.0 when there was no event."""
    if events <= 0.0:
        return 0.0
    return beta_quantile(1.0 - confidence, events, trials - events + 1.0)


def student_t_quantile(probability: float, degrees_of_freedom: float) -> float:
    """Quantile of Student's t distribution, 0.5 <= probability < 1."""
    if probability == 0.5:
        return 0.0
    x = beta_quantile(2.0 * (1.0 - probability), degrees_of_freedom / 2.0, 0.5)
    return math.sqrt(degrees_of_freedom * (1.0 - x) / x)


def _beta_fraction(a: float, b: float, x: float) -> float:
    c = 1.0
    d = 1.0 / _not_zero(1.0 - (a + b) * x / (a + 1.0))
    total = d
    for term in range(1, _MAX_TERMS):
        for factor in (
            term * (b - term) * x / ((a + 2 * term - 1) * (a + 2 * term)),
            -(a + term) * (a + b + term) * x / ((a + 2 * term) * (a + 2 * term + 1)),
        ):
            d = 1.0 / _not_zero(1.0 + factor * d)
            c = _not_zero(1.0 + factor / c)
            total *= d * c
        if abs(d * c - 1.0) < 1e-14:
            return total
    raise ArithmeticError(f"the incomplete beta fraction did not converge at a={a}, b={b}, x={x}")


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
