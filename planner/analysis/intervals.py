"""Intervals of a probability and of a mean, from the regularised incomplete beta function.

Covers what the planner needs of a statistics library. Events and trials may be any real numbers, since host runs that
depend on each other count as fewer. Accurate to about 1e-10 for counts up to 1e6; not meant for more. What the
intervals cover is measured in docs/model/risk.md.

References
----------
Lancaster, H. O. (1961). Significance tests in discrete distributions. Journal of the American Statistical Association
56, 223-234. doi:10.1080/01621459.1961.10482105 (mid-p)
Hall, P. (1992). On the removal of skewness by transformation. Journal of the Royal Statistical Society B 54, 221-228.
doi:10.1111/j.2517-6161.1992.tb01876.x
"""

import math
from collections.abc import Callable

import numpy as np

Interval = tuple[float, float]

_TINY = 1e-300
_MAX_TERMS = 20_000
_BISECTIONS = 60
_LEAST_SKEWNESS = 1e-6


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


def midp_at_most(events: float, trials: float, probability: float) -> float:
    """Chance of fewer events than seen, plus half the chance of just as many (mid-p).

    Parameters
    ----------
    events, trials : float
        0 <= events <= trials; effective numbers need not be whole.
    probability : float
        Of an event in a trial.
    """
    at_most = 1.0 if events >= trials else 1.0 - regularized_beta(events + 1.0, trials - events, probability)
    fewer = 0.0 if events <= 0.0 else 1.0 - regularized_beta(events, trials - events + 1.0, probability)
    return (at_most + fewer) / 2.0


def probability_interval(share: float, trials_at: Callable[[float], float], confidence: float) -> Interval:
    """Two-sided mid-p interval of a probability, where the number of trials may depend on it.

    Parameters
    ----------
    share : float
        Events ÷ trials seen, 0 to 1.
    trials_at : callable
        Effective number of trials if the probability is as given.
    confidence : float
        Chance that the interval holds the probability, e.g. 0.95.

    Returns
    -------
    (float, float)
        From 0 where no event was seen, to 1 where every trial was one.

    Notes
    -----
    With none of n events the upper end is 1 - (1 - confidence)^(1/n), which is the exact one-sided bound. With more it
    lies above that bound: P(X <= k) <= 2 (P(X < k) + P(X = k) / 2). So the upper end holds by itself with at least the
    stated confidence, and can be signed.
    """
    tail = (1.0 - confidence) / 2.0

    def excess(probability: float, wanted: float) -> float:
        trials = trials_at(probability)
        return midp_at_most(share * trials, trials, probability) - wanted

    low = 0.0 if share <= 0.0 else _crossing(lambda p: excess(p, 1.0 - tail), 0.0, share)
    high = 1.0 if share >= 1.0 else _crossing(lambda p: excess(p, tail), share, 1.0)
    return low, high


def mean_interval(values: np.ndarray, confidence: float) -> Interval | None:
    """Two-sided interval of the mean of independent values that may be skewed.

    Parameters
    ----------
    values : float64 array, shape (n,)
        One per independent replicate.
    confidence : float
        Chance that the interval holds the mean.

    Returns
    -------
    (float, float) or None
        None where the values show no spread: one of them, or all alike. That says nothing about rarer ones.

    Notes
    -----
    At each end the wider of Student's interval and Hall's, which removes the skewness by a cubic transformation.
    Student's alone misses too often above the mean of values that are often zero, Hall's alone misses none less often.
    """
    n = values.size
    deviation = float(values.std(ddof=1)) if n > 1 else 0.0
    if not deviation > _rounding(values):
        return None
    mean, error = float(values.mean()), deviation / math.sqrt(n)
    quantile = student_t_quantile((1.0 + confidence) / 2.0, n - 1)
    third = float(((values - mean) ** 3).mean()) / float(values.std()) ** 3
    skewness = third / math.sqrt(n)
    below, above = _without_skewness(quantile, skewness), _without_skewness(-quantile, skewness)
    return mean - max(quantile, below) * error, mean - min(-quantile, above) * error


def difference_interval(left: np.ndarray, right: np.ndarray, confidence: float) -> Interval | None:
    """Two-sided interval of the difference of two independent means (Welch); None without a spread.

    Parameters
    ----------
    left, right : float64 array, shape (n_left,) and (n_right,)
    confidence : float
        Chance that the interval holds the difference.
    """
    if min(left.size, right.size) < 2:
        return None
    variances = [float(side.var(ddof=1)) / side.size for side in (left, right)]
    total = sum(variances)
    if not math.sqrt(total) > _rounding(np.concatenate([left, right])):
        return None
    parts = sum(variance**2 / (side.size - 1) for variance, side in zip(variances, (left, right), strict=True))
    half = student_t_quantile((1.0 + confidence) / 2.0, total**2 / parts) * math.sqrt(total)
    middle = float(left.mean() - right.mean())
    return middle - half, middle + half


def student_t_quantile(probability: float, degrees_of_freedom: float) -> float:
    """Quantile of Student's t distribution, 0.5 <= probability < 1."""
    if probability == 0.5:
        return 0.0
    x = beta_quantile(2.0 * (1.0 - probability), degrees_of_freedom / 2.0, 0.5)
    return math.sqrt(degrees_of_freedom * (1.0 - x) / x)


def _crossing(falling: Callable[[float], float], low: float, high: float) -> float:
    """Find where a function falls through zero between `low` and `high`."""
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        if falling(middle) > 0.0:
            low = middle
        else:
            high = middle
    return high


def _without_skewness(quantile: float, skewness: float) -> float:
    """Return the quantile of the studentised mean whose transform, free of skewness, is `quantile` (Hall's second)."""
    if abs(skewness) < _LEAST_SKEWNESS:
        return quantile
    return 3.0 / skewness * (math.cbrt(1.0 + skewness * (quantile - skewness / 6.0)) - 1.0)


def _rounding(values: np.ndarray) -> float:
    """Spread that rounding alone can leave in the mean of equal values."""
    return 1e-12 * float(np.abs(values).max(initial=0.0))


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
