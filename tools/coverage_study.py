"""How often do the intervals hold the truth? Synthetic sweeps and series with known truth, counted.

    python -m tools.coverage_study

Writes the tables of docs/model/risk.md. Takes about ten minutes; `--draws` scales it down. Deterministic. Nothing here
is fitted: methods are compared, cells where an interval is conservative or too narrow are shown with the others.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from planner.analysis.intervals import (
    Interval,
    beta_quantile,
    mean_interval,
    probability_interval,
    student_t_quantile,
)
from planner.analysis.paired import paired_difference
from planner.analysis.risk import HostRuns, estimate_risk
from planner.analysis.ticks import mean_over_ticks
from planner.config.slo import SloSpec
from tools.marked import DOCS, markdown_table, write_marked

PAGE = DOCS / "model" / "risk.md"
SEED = 2024
CONFIDENCE = 0.95
BOOTSTRAP_DRAWS = 500

CELL_REPLICATES = (4, 8, 16, 32)
CELL_CORRELATIONS = (0.0, 0.3, 0.6, 0.8)
CELL_RISKS = (0.01, 0.02, 0.05, 0.15, 0.4)
CELL_HOSTS = 10

_NORMAL = NormalDist()
_SLO = SloSpec(hosts_affected=0.05, confidence=CONFIDENCE)


@dataclass(frozen=True)
class Sweep:
    """A synthetic sweep: hosts whose normal cause passes a threshold. `unlike`: deviation of the hosts' own level."""

    replicates: int
    hosts: int
    risk: float
    correlation: float
    margin: str = "cause"
    unlike: float = 0.0


def draw_sweep(rng: np.random.Generator, sweep: Sweep) -> HostRuns:
    """Draw the host runs of a synthetic sweep.

    The margin is the cause itself, its exponential (skewed), or the cause with as much noise as half of its deviation
    again ("noisy"), which hides a part of the correlation.
    """
    shape = (sweep.replicates, sweep.hosts)
    common = rng.standard_normal((sweep.replicates, 1))
    cause = math.sqrt(sweep.correlation) * common + math.sqrt(1.0 - sweep.correlation) * rng.standard_normal(shape)
    levels = sweep.unlike * rng.standard_normal(sweep.hosts)
    cause = cause + levels
    margin = {
        "cause": lambda: cause,
        "skewed": lambda: np.exp(0.5 * cause),
        "noisy": lambda: cause + 0.7 * rng.standard_normal(shape),
    }[sweep.margin]()
    return HostRuns(
        replicate=np.repeat(np.arange(sweep.replicates), sweep.hosts),
        host=np.tile(np.array([f"h{n}" for n in range(sweep.hosts)], dtype=object), sweep.replicates),
        is_broken=(cause > _threshold(levels, sweep.risk)).ravel(),
        is_known=np.ones(cause.size, dtype=bool),
        margins=margin.reshape(-1, 1),
    )


def random_sweep(rng: np.random.Generator) -> Sweep:
    """Draw a sweep: risk 0.5 to 60 % (log-uniform), 4 to 32 replicates, 2 to 24 hosts, correlation 0 to 0.8."""
    return Sweep(
        replicates=int(rng.choice([4, 6, 8, 12, 16, 24, 32])),
        hosts=int(rng.choice([2, 4, 8, 10, 16, 24])),
        risk=float(np.exp(rng.uniform(np.log(0.005), np.log(0.6)))),
        correlation=float(rng.uniform(0.0, 0.8)),
        margin=str(rng.choice(["cause", "skewed", "noisy"])),
        unlike=float(rng.choice([0.0, 0.0, 0.5])),
    )


def risk_methods(runs: HostRuns, rng: np.random.Generator) -> dict[str, Interval]:
    """Return the interval of the risk by each method that was considered."""
    found = estimate_risk(runs, _SLO)
    shares = runs.is_broken.reshape(found.replicates, -1).mean(axis=1)
    share, n, tail = float(shares.mean()), found.effective_runs, (1.0 - CONFIDENCE) / 2.0
    events = share * n
    by_replicate = mean_interval(shares, CONFIDENCE)
    drawn = shares[rng.integers(0, shares.size, (BOOTSTRAP_DRAWS, shares.size))].mean(axis=1)
    return {
        "**mid-p at the effective runs (used)**": (found.low, found.high),
        "exact at the effective runs": (
            beta_quantile(tail, events, n - events + 1.0) if share > 0 else 0.0,
            beta_quantile(1.0 - tail, events + 1.0, n - events) if share < 1 else 1.0,
        ),
        "Jeffreys at the effective runs": (
            beta_quantile(tail, events + 0.5, n - events + 0.5) if share > 0 else 0.0,
            beta_quantile(1.0 - tail, events + 0.5, n - events + 0.5) if share < 1 else 1.0,
        ),
        "mean of the replicates' shares": by_replicate if by_replicate is not None else (share, share),
        "bootstrap of whole replicates": (float(np.quantile(drawn, tail)), float(np.quantile(drawn, 1.0 - tail))),
        "mid-p with every host run counted": probability_interval(
            share, lambda _: float(runs.is_known.size), CONFIDENCE
        ),
    }


def study_methods(draws: int) -> str:
    """Compare methods over random sweeps."""
    rng = np.random.default_rng([SEED, 1])
    counts: dict[str, list[tuple[bool, bool, float]]] = {}
    for _ in range(draws):
        sweep = random_sweep(rng)
        for name, (low, high) in risk_methods(draw_sweep(rng, sweep), rng).items():
            counts.setdefault(name, []).append((low <= sweep.risk <= high, sweep.risk <= high, high - low))
    rows = [(name, *(f"{value:.3f}" for value in np.mean(found, axis=0))) for name, found in counts.items()]
    head = ("method", "holds the truth", "upper end alone holds", "mean width")
    return f"Over {draws:,} random sweeps:\n\n" + markdown_table(head, rows)


def study_cells(draws: int) -> str:
    """Measure the interval in use in each cell of replicates, correlation and risk."""
    rng = np.random.default_rng([SEED, 2])
    rows = []
    for replicates in CELL_REPLICATES:
        for correlation in CELL_CORRELATIONS:
            cells = []
            for risk in CELL_RISKS:
                sweep = Sweep(replicates, CELL_HOSTS, risk, correlation)
                found = [estimate_risk(draw_sweep(rng, sweep), _SLO) for _ in range(draws)]
                inside = np.mean([item.low <= risk <= item.high for item in found])
                below = np.mean([risk <= item.high for item in found])
                cells.append(f"{inside:.2f}, {below:.2f} ({100 * np.mean([item.high for item in found]):.0f} %)")
            rows.append((str(replicates), f"{correlation:g}", *cells))
    head = ("replicates", "correlation", *(f"risk {100 * risk:g} %" for risk in CELL_RISKS))
    lead = f"{CELL_HOSTS} hosts, {draws:,} sweeps a cell: interval holds, upper end holds (mean upper end)."
    return f"{lead}\n\n" + markdown_table(head, rows, 2)


def study_means(draws: int) -> str:
    """Measure intervals of means over replicates, for figures of different shapes."""
    rng = np.random.default_rng([SEED, 3])
    shapes: dict[str, tuple[Callable[[int], np.ndarray], float]] = {
        "normal": (lambda n: 10.0 + rng.standard_normal(n), 10.0),
        "gamma, shape 4": (lambda n: rng.gamma(4.0, 1.0, n), 4.0),
        "exponential": (lambda n: rng.exponential(1.0, n), 1.0),
        "log-normal, 0.5": (lambda n: np.exp(0.5 * rng.standard_normal(n)), math.exp(0.125)),
        "log-normal, 1": (lambda n: np.exp(rng.standard_normal(n)), math.exp(0.5)),
        "zero in 30 %, else exponential": (lambda n: rng.exponential(1.0, n) * (rng.random(n) < 0.7), 0.7),
        "zero in 70 %, else exponential": (lambda n: rng.exponential(1.0, n) * (rng.random(n) < 0.3), 0.3),
    }
    rows = []
    for name, (draw, truth) in shapes.items():
        cells = []
        for replicates in CELL_REPLICATES:
            values = [draw(replicates) for _ in range(draws)]
            cells.append(f"{_covered(values, truth, _student):.2f}, {_covered(values, truth, _used):.2f}")
        rows.append((name, *cells))
    head = ("figure by replicate", *(f"{replicates} replicates" for replicates in CELL_REPLICATES))
    lead = f"Student's alone, the interval in use; {draws:,} sweeps a cell, those without a spread left out."
    return f"{lead}\n\n" + markdown_table(head, rows)


def study_paired(draws: int) -> str:
    """Measure paired differences: of a figure with much common demand, and of shares that differ in few replicates."""
    rng = np.random.default_rng([SEED, 4])

    def demanding(n: int) -> tuple[np.ndarray, np.ndarray]:
        demand = rng.gamma(4.0, 10.0, n)
        return 1.1 * demand + rng.standard_normal(n), demand

    def rare(probability: float) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
        def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
            base = rng.binomial(10, 0.2, n) / 10.0
            return base + (rng.random(n) < probability) * rng.integers(1, 4, n) / 10.0, base

        return draw

    kinds = {
        "bytes: 10 % more than a common demand": (demanding, 4.0, None),
        "share of hosts: one replicate in two differs": (rare(0.5), 0.1, 1.0),
        "share of hosts: one replicate in five differs": (rare(0.2), 0.04, 1.0),
        "share of hosts: one replicate in twenty differs": (rare(0.05), 0.01, 1.0),
    }
    rows = []
    for name, (draw, truth, largest) in kinds.items():
        cells = []
        for replicates in CELL_REPLICATES:
            found = [paired_difference(*draw(replicates), CONFIDENCE, largest) for _ in range(draws)]
            held = [item.low is not None and item.high is not None and item.low <= truth <= item.high for item in found]
            widths = [(item.high or 0.0) - (item.low or 0.0) for item in found]
            unpaired = [(item.unpaired_high or 0.0) - (item.unpaired_low or 0.0) for item in found]
            cells.append(f"{np.mean(held):.2f} ({np.median(widths) / np.median(unpaired):.2f})")
        rows.append((name, *cells))
    head = ("difference", *(f"{replicates} replicates" for replicates in CELL_REPLICATES))
    lead = f"Interval holds (median width ÷ that of the unpaired one); {draws:,} pairs of sweeps a cell."
    return f"{lead}\n\n" + markdown_table(head, rows)


def study_ticks(draws: int) -> str:
    """Measure means over the ticks of one run, on autoregressive series of 4,032 ticks."""
    rng = np.random.default_rng([SEED, 5])
    rows = []
    for persistence in (0.0, 0.5, 0.9, 0.97, 0.99, 0.995):
        cells = [f"{4032 * (1 - persistence) / (1 + persistence):,.0f}"]
        for threshold in (None, 1.0):
            truth = 5.0 if threshold is None else 1.0 - _NORMAL.cdf(threshold)
            series = (5.0 + _autoregression(rng, 4032, persistence) for _ in range(draws))
            values = [one if threshold is None else (one > 5.0 + threshold).astype(np.float64) for one in series]
            found = [mean_over_ticks(one, CONFIDENCE) for one in values]
            given = [item for item in found if item.low is not None and item.high is not None]
            held = np.mean([item.low <= truth <= item.high for item in given]) if given else float("nan")  # type: ignore[operator]
            naive = np.mean([abs(one.mean() - truth) <= 1.96 * one.std() / math.sqrt(one.size) for one in values])
            cells.append(f"{held:.2f} of {len(given) / draws:.2f} given; {naive:.2f}")
        rows.append((f"{persistence:g}", *cells))
    head = ("correlation of neighbours", "effective ticks", "mean of the series", "share of ticks above a limit")
    lead = f"Interval holds, of those given; then what counting ticks as independent gives. {draws:,} runs a cell."
    return f"{lead}\n\n" + markdown_table(head, rows)


def main() -> None:
    """Run all parts and write them to the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=float, default=1.0, help="factor on the number of sweeps")
    factor = parser.parse_args().draws
    for name, part in _parts(factor):
        write_marked(PAGE, name, part)


def _parts(factor: float) -> Iterator[tuple[str, str]]:
    yield "coverage of methods", study_methods(round(8000 * factor))
    yield "coverage by cell", study_cells(round(400 * factor))
    yield "coverage of means", study_means(round(3000 * factor))
    yield "coverage of differences", study_paired(round(2000 * factor))
    yield "coverage over ticks", study_ticks(round(400 * factor))


def _threshold(levels: np.ndarray, risk: float) -> float:
    """Find the threshold that gives hosts of these levels this mean risk, by bisection."""
    low, high = -10.0, 10.0
    for _ in range(50):
        middle = (low + high) / 2.0
        share = sum(_NORMAL.cdf(level - middle) for level in levels.tolist()) / levels.size
        low, high = (middle, high) if share > risk else (low, middle)
    return high


def _student(values: np.ndarray) -> Interval | None:
    if np.ptp(values) == 0:
        return None
    quantile = student_t_quantile((1.0 + CONFIDENCE) / 2.0, values.size - 1)
    half = quantile * float(values.std(ddof=1)) / math.sqrt(values.size)
    return float(values.mean()) - half, float(values.mean()) + half


def _used(values: np.ndarray) -> Interval | None:
    return mean_interval(values, CONFIDENCE)


def _covered(draws: list[np.ndarray], truth: float, method: Callable[[np.ndarray], Interval | None]) -> float:
    found = [interval for values in draws if (interval := method(values)) is not None]
    return float(np.mean([low <= truth <= high for low, high in found]))


def _autoregression(rng: np.random.Generator, n_ticks: int, persistence: float) -> np.ndarray:
    noise = math.sqrt(1.0 - persistence**2) * rng.standard_normal(n_ticks)
    series = np.empty(n_ticks)
    last = float(rng.standard_normal())
    for tick, shock in enumerate(noise.tolist()):
        last = persistence * last + shock
        series[tick] = last
    return series


if __name__ == "__main__":
    main()
