"""Read recorded fleets for the fit tools: series as fractions of configured memory, cleaned; restarts found in them."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

WEEK_TICKS = 2016
DAY_TICKS = 288
HOUR_TICKS = 12


@dataclass(frozen=True)
class Recorded:
    """A recorded fleet. Series have shape (n_vms, n_ticks), the months one after the other; NaN = off or not recorded.

    The hour after each power-on is NaN in `active`: the hypervisor's estimate starts at three quarters of the
    configured memory there and decays, whatever the guest does.
    """

    names: tuple[str, ...]
    groups: tuple[str | None, ...]
    configured_mib: np.ndarray
    vcpus: np.ndarray
    active: np.ndarray
    granted: np.ndarray
    busy_fraction: np.ndarray
    month_start: dict[str, int]
    left_out: tuple[str, ...]
    tick_s: float = 300.0


@dataclass(frozen=True)
class RestartEvent:
    """A fall of granted memory: VM row, tick, granted before, and the granted series from the fall on."""

    row: int
    tick: int
    before: float
    granted: np.ndarray
    is_first_in_day: bool
    is_watched_for_a_week: bool

    def path_at(self, ages_s: tuple[float, ...], tick_s: float) -> list[float]:
        """Most granted up to each age."""
        return [float(np.nanmax(self.granted[: round(age_s / tick_s)])) for age_s in ages_s]


def load_recorded(folder: Path, largest_mib: int) -> Recorded:
    """Read a folder of monthly Parquet files and its VM table; VMs above `largest_mib` are left out."""
    with (folder / "vms.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    kept = [row for row in table if float(row["configured_mib"]) <= largest_mib]
    names = tuple(row["id"] for row in kept)
    configured = np.array([float(row["configured_mib"]) for row in kept])
    cap_mhz = np.array([float(row["cpu_cap_mhz"]) for row in kept])
    active, month_start = _read_months(folder, "active", names)
    granted, _ = _read_months(folder, "granted", names)
    cpu_mhz, _ = _read_months(folder, "cpu_mhz", names)
    granted = granted / configured[:, None]
    active = np.minimum(active / 10.0 / configured[:, None], granted)
    return Recorded(
        names=names,
        groups=tuple(row["group"] or None for row in kept),
        configured_mib=configured,
        vcpus=np.array([int(row["cores"]) for row in kept]),
        active=_without_boots(active, granted),
        granted=granted,
        busy_fraction=np.nanmean(cpu_mhz, axis=1) / cap_mhz,
        month_start=month_start,
        left_out=tuple(row["id"] for row in table if row not in kept),
    )


def restart_events(fleet: Recorded, below: float) -> list[RestartEvent]:
    """Find falls of granted memory to less than `below` of what it was."""
    events = []
    for row, series in enumerate(fleet.granted):
        known = np.flatnonzero(np.isfinite(series))
        before, after = series[known[:-1]], series[known[1:]]
        ticks = known[1:][after < below * before]
        last = -DAY_TICKS
        for tick, level in zip(ticks, before[after < below * before], strict=True):
            following = ticks[(ticks > tick) & (ticks < tick + WEEK_TICKS)]
            span = series[tick : tick + WEEK_TICKS]
            watched = not len(following) and len(span) == WEEK_TICKS and np.isnan(span).mean() < 0.2
            events.append(RestartEvent(row, int(tick), float(level), span, bool(tick - last >= DAY_TICKS), watched))
            last = tick
    return events


def power_on_events(fleet: Recorded, below: float) -> list[RestartEvent]:
    """Find restarts, and first power-ons within the recording (`before` is 0 there)."""
    events = restart_events(fleet, below)
    fallen = {(event.row, event.tick) for event in events}
    for row, series in enumerate(fleet.granted):
        tick = int(np.flatnonzero(np.isfinite(series))[0])
        span = series[tick : tick + WEEK_TICKS]
        falls = any((row, later) in fallen for later in range(tick, tick + WEEK_TICKS))
        if tick > 0:
            watched = not falls and len(span) == WEEK_TICKS and np.isnan(span).mean() < 0.2
            events.append(RestartEvent(row, tick, 0.0, span, True, bool(watched)))
    return events


def _read_months(folder: Path, kind: str, names: tuple[str, ...]) -> tuple[np.ndarray, dict[str, int]]:
    months, starts, length = [], {}, 0
    for path in sorted(folder.glob(f"{kind}_*.parquet")):
        table = pq.read_table(path, columns=list(names))
        months.append(np.array([column.to_numpy().astype(float) for column in table.columns]))
        starts[path.stem.removeprefix(f"{kind}_")] = length
        length += table.num_rows
    return np.concatenate(months, axis=1), starts


def _without_boots(active: np.ndarray, granted: np.ndarray) -> np.ndarray:
    """Blank the hour after power-on or restart."""
    cleaned = active.copy()
    for row, series in enumerate(granted):
        known = np.flatnonzero(np.isfinite(series))
        falls = known[1:][series[known[1:]] < 0.7 * series[known[:-1]]]
        starts = falls if known[0] == 0 else np.append(falls, known[0])
        for tick in starts:
            cleaned[row, tick : tick + HOUR_TICKS] = np.nan
    return cleaned
