"""Fit the popularity law's tail to how granted memory grows after power-on, and print what each law implies.

    python tools/fit_tail.py SOURCE --out planner/workload/data/tail.yaml

SOURCE as for fit_managed_hosting.py. For every power-on that is watched for a week: under the law, the active memory of
each tick says how far the touch clock advances, and the clock says how much of the week's footprint has been touched.
`alpha` is the exponent that predicts the growth from one hour to a week best. A second, independent reading is
turnover: what share of the memory granted before a restart is touched again within a week. Deterministic.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from fit_managed_hosting import LARGEST_MIB, SOURCE_TEXT
from recorded_fleet import DAY_TICKS, HOUR_TICKS, WEEK_TICKS, Recorded, load_recorded, power_on_events

ALPHAS = np.round(np.geomspace(0.3, 8.0, 48), 4)
CHECK_TICKS = (24, 48, 96, 144, 288, 576, 1152, 2015)
"""Ages at which predicted and observed growth are compared: 2 h to a week, about evenly in log time."""
LEAST_GROWTH = 0.02
"""Power-ons whose footprint grows by less after the first hour say nothing of the exponent."""
LEAST_KNOWN_FRACTION = 0.9
LONGER_THAN_S = {"120 s": 120.0, "5 min": 300.0, "1 h": 3600.0, "1 day": 86_400.0, "1 week": 604_800.0}
STEADY_MONTH = "2013-08"
LEFT_OPEN = (
    "The exponent is fitted to first touches after power-on; that touches of old pages follow it is an assumption. "
    "Pages touched once at boot or read once into the page cache count as growth, so the tail may be touched less "
    "often than any preset says. Exponents differ between VMs from below 1 to above 8; one law per fleet is a middle. "
    "Drift cannot be told from the tail: drift_per_day is the share of the footprint first touched per day between a "
    "day and a week after power-on, an upper bound."
)
HEADER = """\
# Popularity laws of guest pages. Written by tools/fit_tail.py; do not edit by hand.
# What the keys mean: planner/workload/popularity.py and docs/model/popularity.md.
"""


@dataclass(frozen=True)
class PowerOnFit:
    """What one power-on says; power-ons of VMs alike (one `unit`) count once. Errors are shares of the footprint."""

    unit: tuple[float, float]
    alpha: float
    alpha_of_later_footprint: float
    error: float
    flat_error: float
    new_per_day: float
    turnover_fraction: float
    turnover_alpha: float


class TouchedShare:
    """Share of n pages touched until the law's clock reads z: the integral of 1 - exp(-z y ** -alpha) over y."""

    def __init__(self, alpha: float) -> None:
        edges = np.concatenate([[0.0], np.geomspace(1e-6, 1.0, 1200)])
        middle = (edges[1:] + edges[:-1]) / 2
        self._log_clock = np.linspace(-40.0, 12.0, 2000)
        touched = -np.expm1(-np.exp(self._log_clock)[:, None] * middle**-alpha)
        self._share = touched @ np.diff(edges)

    def share(self, clock: np.ndarray) -> np.ndarray:
        """Share touched at a clock reading."""
        return np.interp(np.log(clock), self._log_clock, self._share)

    def clock(self, share: np.ndarray) -> np.ndarray:
        """Clock reading at which a share is touched."""
        return np.exp(np.interp(np.clip(share, 1e-9, 0.999), self._share, self._log_clock))


def fit_power_ons(fleet: Recorded, laws: dict[float, TouchedShare]) -> list[PowerOnFit]:
    """Fit every power-on and restart that is watched for a week and whose granted memory grows."""
    fits = []
    for event in power_on_events(fleet, below=0.7):
        active = fleet.active[event.row, event.tick : event.tick + WEEK_TICKS]
        known = np.isfinite(active)
        if not event.is_watched_for_a_week or known.mean() < LEAST_KNOWN_FRACTION:
            continue
        seen = np.fmax.accumulate(np.nan_to_num(event.granted))
        active = np.where(known, active, np.nanmedian(active))
        if seen[-1] - seen[HOUR_TICKS - 1] >= LEAST_GROWTH:
            unit = (float(fleet.configured_mib[event.row]), round(float(seen[-1]), 2))
            later = float(np.nanmax(fleet.granted[event.row, event.tick :]))
            fits.append(_fit_power_on(unit, (active, seen), (event.before, later), laws))
    return fits


def _fit_power_on(
    unit: tuple[float, float],
    series: tuple[np.ndarray, np.ndarray],
    levels: tuple[float, float],
    laws: dict[float, TouchedShare],
) -> PowerOnFit:
    """Fit one power-on. `series`: active, and most granted so far; `levels`: granted before, and largest later."""
    active, seen = series
    before, later = levels
    footprint = float(seen[-1])
    alphas = np.array(list(laws))
    errors = _growth_errors(active, seen / footprint, footprint, laws)
    later_errors = _growth_errors(active, seen / later, later, laws)
    observed = seen[np.array(CHECK_TICKS)] / footprint
    turned = footprint / before if before > 0 else np.nan
    turnover_alpha = np.nan
    if turned < 1:
        turnover = [float(law.share(law.clock(active / before).sum())) for law in laws.values()]
        turnover_alpha = float(np.interp(-turned, -np.array(turnover), alphas))
    return PowerOnFit(
        unit=unit,
        alpha=float(alphas[np.argmin(errors)]),
        alpha_of_later_footprint=float(alphas[np.argmin(later_errors)]),
        error=float(errors.min()),
        flat_error=float(np.sqrt(np.mean((seen[HOUR_TICKS - 1] / footprint - observed) ** 2))),
        new_per_day=float((footprint - seen[DAY_TICKS - 1]) / footprint / 6.0),
        turnover_fraction=turned,
        turnover_alpha=turnover_alpha,
    )


def _growth_errors(
    active: np.ndarray, seen_share: np.ndarray, footprint: float, laws: dict[float, TouchedShare]
) -> np.ndarray:
    """Root mean square error of the predicted growth at `CHECK_TICKS`, for each law."""
    ages = np.array(CHECK_TICKS)
    errors = []
    for law in laws.values():
        advance = law.clock(active / footprint)
        start = law.clock(seen_share[HOUR_TICKS - 1 : HOUR_TICKS])
        clock = start + np.cumsum(advance)[ages] - advance[:HOUR_TICKS].sum()
        errors.append(float(np.sqrt(np.mean((law.share(clock) - seen_share[ages]) ** 2))))
    return np.array(errors)


def pool(fits: list[PowerOnFit], field: str) -> list[float]:
    """Quartiles over units of the median within each unit; NaN left out."""
    units: dict[tuple[float, float], list[float]] = {}
    for fit in fits:
        value = getattr(fit, field)
        if not np.isnan(value):
            units.setdefault(fit.unit, []).append(value)
    return [float(value) for value in np.quantile([np.median(values) for values in units.values()], (0.25, 0.5, 0.75))]


def untouched_table(fleet: Recorded, law: TouchedShare) -> dict[str, list[float]]:
    """Share of granted memory untouched for longer than a while: median VM, and mean weighted by granted memory."""
    start = fleet.month_start[STEADY_MONTH]
    active = fleet.active[:, start : start + 4 * WEEK_TICKS]
    granted = np.nanmedian(fleet.granted[:, start : start + 4 * WEEK_TICKS], axis=1)
    active = np.where(np.isfinite(active), active, np.nanmedian(active, axis=1)[:, None])
    advance = law.clock(np.minimum(active / granted[:, None], 0.999))
    table = {}
    for name, span_s in LONGER_THAN_S.items():
        ticks = max(round(span_s / fleet.tick_s), 1)
        usable = advance[:, : advance.shape[1] // ticks * ticks].reshape(len(advance), -1, ticks).sum(axis=2)
        untouched = 1.0 - law.share(usable * min(span_s / fleet.tick_s, 1.0)).mean(axis=1)
        weighted = np.average(untouched, weights=granted * fleet.configured_mib)
        table[name] = [round(float(np.median(untouched)), 3), round(float(weighted), 3)]
    return table


def build_document(fleet: Recorded) -> dict[str, Any]:
    """Fit, choose the presets and tabulate what they imply."""
    laws = {float(alpha): TouchedShare(float(alpha)) for alpha in ALPHAS}
    fits = fit_power_ons(fleet, laws)
    alpha, turnover_alpha = pool(fits, "alpha"), pool(fits, "turnover_alpha")
    new_per_day = pool(fits, "new_per_day")
    # The two readings disagree; the presets span both. Low: the tail is touched least, by the turnover of restarts.
    exponents = {"low": turnover_alpha[2], "middle": alpha[1], "high": alpha[0]}
    presets = {
        name: {"alpha": round(exponent, 2), "drift_per_day": round(new_per_day[place], 4)}
        for place, (name, exponent) in enumerate(exponents.items())
    }
    evidence = {
        "power_ons": len(fits),
        "units": len({fit.unit for fit in fits}),
        "alpha_quartiles": np.round(alpha, 2).tolist(),
        "alpha_quartiles_of_later_footprint": np.round(pool(fits, "alpha_of_later_footprint"), 2).tolist(),
        "rms_error_median": round(pool(fits, "error")[1], 4),
        "rms_error_median_without_growth": round(pool(fits, "flat_error")[1], 4),
        "restarts_with_turnover_below_one": int(sum(fit.turnover_fraction < 1 for fit in fits)),
        "turnover_fraction_quartiles": np.round(pool(fits, "turnover_fraction"), 3).tolist(),
        "turnover_alpha_quartiles": np.round(turnover_alpha, 2).tolist(),
        "new_share_per_day_quartiles": np.round(new_per_day, 4).tolist(),
    }
    tables = {name: untouched_table(fleet, TouchedShare(law["alpha"])) for name, law in presets.items()}
    return {
        "source": SOURCE_TEXT,
        "laws": presets,
        "evidence": evidence,
        "left_open": LEFT_OPEN,
        "untouched_longer_than": tables,
    }


def main(arguments: list[str]) -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    document = build_document(load_recorded(options.source, LARGEST_MIB))
    text = HEADER + yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=118)
    options.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
