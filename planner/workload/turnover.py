"""When VMs arrive and leave: a Poisson process of arrivals, lifetimes from a mixture of two exponentials.

Drawn once for a seed: the same visits in all scenarios and replicates. A faster stream of arrivals of a seed is the
slower one with its times shortened; lifetimes keep their order.
"""

import math
from typing import NamedTuple

import numpy as np

from planner.config.turnover import LifetimeSpec, TurnoverSpec
from planner.streams import make_generator

DAY_S = 86_400.0
_SPARE_SIGMAS = 8.0


class Visit(NamedTuple):
    """Ticks in which a VM that comes and goes is there; `is_running`: since before the horizon."""

    first_tick: int
    end_tick: int
    is_running: bool


def draw_visits(spec: TurnoverSpec, n_ticks: int, tick_s: float, seed: int) -> tuple[Visit, ...]:
    """Draw the visits of a horizon: those who are there from the start first, then in the order of arrival.

    Notes
    -----
    From the start there are as many as an endless stream of arrivals would have left (Poisson, mean rate x mean
    lifetime: Little's law), with the lifetimes that are left to them: exponentials have no memory, so that only the
    share of long ones differs. So the expected number there is the same at any time. A visit lasts a tick at least.
    """
    standing = _draw_standing(spec, seed) if spec.from_start else np.empty(0)
    arrive_s, lifetime_s = _draw_arrivals(spec, n_ticks * tick_s, seed)
    visits = [Visit(0, _end_tick(0.0, float(left_s), n_ticks, tick_s), True) for left_s in standing]
    for begin_s, life_s in zip(arrive_s.tolist(), lifetime_s.tolist(), strict=True):
        visits.append(Visit(int(begin_s / tick_s), _end_tick(begin_s, life_s, n_ticks, tick_s), False))
    return tuple(visits)


def _end_tick(begin_s: float, lifetime_s: float, n_ticks: int, tick_s: float) -> int:
    first_tick = int(begin_s / tick_s)
    return min(n_ticks, max(first_tick + 1, math.ceil((begin_s + lifetime_s) / tick_s)))


def _draw_standing(spec: TurnoverSpec, seed: int) -> np.ndarray:
    """Draw what is left of the lives of those who are there from the start. [s]."""
    lifetime = spec.lifetime
    count = int(make_generator(seed, "turnover", 0, "standing").poisson(spec.arrivals_per_day * lifetime.mean / DAY_S))
    short_share = lifetime.short_share * lifetime.short / lifetime.mean
    return _draw_lifetimes(lifetime.model_copy(update={"short_share": short_share}), count, seed, "standing")


def _draw_arrivals(spec: TurnoverSpec, horizon_s: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw times of arrival within the horizon, ascending, and lifetimes. [s]."""
    expected = spec.arrivals_per_day * horizon_s / DAY_S
    most = math.ceil(expected + _SPARE_SIGMAS * math.sqrt(expected) + _SPARE_SIGMAS**2)
    gaps = make_generator(seed, "turnover", 0, "gaps").standard_exponential(most)
    arrive_s = np.cumsum(gaps) * DAY_S / spec.arrivals_per_day
    arrive_s = arrive_s[arrive_s < horizon_s]
    return arrive_s, _draw_lifetimes(spec.lifetime, arrive_s.size, seed, "arrivals")


def _draw_lifetimes(spec: LifetimeSpec, count: int, seed: int, who: str) -> np.ndarray:
    is_short = make_generator(seed, "turnover", 0, f"{who}/kind").random(count) < spec.short_share
    length = make_generator(seed, "turnover", 0, f"{who}/length").standard_exponential(count)
    return np.asarray(np.where(is_short, spec.short, spec.long) * length)
