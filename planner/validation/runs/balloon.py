"""Balloon runs: `balloon/summary.csv`, a row per level to which a guest was squeezed, several runs in one file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from planner.errors import InputError
from planner.validation.base import Expected
from planner.validation.runs.files import read_run_table

CHECK = "balloon-run"
FILE = "summary.csv"
KNEE_MISS_RATIO = 0.01
"""The knee is where the miss ratio crosses this: far above the measured noise at rest, far below what follows."""
KNEE_TOLERANCE = 0.05
MISS_TOLERANCE = 0.03
_REQUIRED = ("run", "W", "level")
_SMALLEST_MIB = 1e-3
_LARGEST_ALPHA = 5.0
_OPTIONAL = ("guest_free", "guest_avail", "alpha", "oom_stalls", "host_majflt_per_s", "acc_s_median")
_MODES = {"balloon": "guest_miss", "hostswap": "host_miss"}


@dataclass(frozen=True)
class BalloonRun:
    """One guest, squeezed step by step; steps on the way back up are left out.

    Attributes
    ----------
    name : str
    mode : "balloon" or "hostswap"
        Squeezed by its balloon, or by a memory limit of the host with host swap.
    distribution : str
        "u" (uniform) or "z" (Zipf), as written.
    alpha : float
    working_set_mib : float
        Memory that the load touches. [MiB]
    level_mib : float64 array, shape (n_levels,)
        What the guest was left with, falling; the first is the guest at rest. [MiB]
    miss_ratio : float64 array, shape (n_levels,)
        Page-ins per access: by the guest in mode "balloon", by the host in mode "hostswap".
    guest_free_mib, guest_available_mib : float64 array, shape (n_levels,)
        As the guest reports them; NaN where not recorded. [MiB]
    has_stalled : bool
        The guest ran short of memory altogether at one of the levels.
    """

    name: str
    mode: Literal["balloon", "hostswap"]
    distribution: str
    alpha: float
    working_set_mib: float
    level_mib: np.ndarray
    miss_ratio: np.ndarray
    guest_free_mib: np.ndarray
    guest_available_mib: np.ndarray
    has_stalled: bool = False


def read_balloon_runs(folder: Path) -> list[BalloonRun]:
    """Read all runs of a folder, in the order of the file.

    Raises
    ------
    InputError
        The file is missing or broken, or a run's mode is not known.
    """
    table = read_run_table(folder / FILE, _REQUIRED)
    names, modes = table.text("run"), table.text("mode", "balloon")
    distributions = [text.lower()[:1] for text in table.text("dist", "u")]
    level, working_set = table.numbers("level"), table.numbers("W")
    columns = {name: table.numbers_or_nan(name) for name in (*_MODES.values(), *_OPTIONAL)}
    _fill_host_miss(columns)
    for column, values in (("level", level), ("W", working_set)):
        table.check_range(column, values, (_SMALLEST_MIB, np.inf))
    for column in _MODES.values():
        table.check_range(column, columns[column], (0.0, 1.0))
    table.check_range("alpha", columns["alpha"], (0.0, _LARGEST_ALPHA))
    runs = []
    for name in dict.fromkeys(names):
        rows = [n for n, other in enumerate(names) if other == name]
        first, place = rows[0], f"{table.path}, line {table.rows[rows[0]][0]}"
        mode = modes[first]
        if mode not in _MODES:
            raise InputError(f"{place}, column mode", f'"{mode}" is not known', f"write {' or '.join(_MODES)}")
        _check_distribution(place, distributions[first], columns["alpha"][first])
        stalls = columns["oom_stalls"][rows]
        rows = _falling(rows, level)
        miss = columns[_MODES[mode]][rows]
        if np.isnan(miss).any():
            raise InputError(f"{place}, column {_MODES[mode]}", "is empty or missing", f"mode {mode} needs it")
        runs.append(
            BalloonRun(
                name, "balloon" if mode == "balloon" else "hostswap", distributions[first],
                0.0 if distributions[first] == "u" else float(columns["alpha"][first]), float(working_set[first]),
                level[rows], miss, columns["guest_free"][rows], columns["guest_avail"][rows],
                bool(np.nansum(stalls) > 0),
            )
        )  # fmt: skip
    return runs


def balloon_expectations(run: BalloonRun) -> dict[str, Expected]:
    """Say what a model must give for a run: its knee, and the miss ratio at each level past it.

    The knee is not known better than the measured levels on both sides of it.
    """
    knee_mib = find_knee_mib(run.level_mib, run.miss_ratio)
    if knee_mib is None:
        return {}
    note = "; ".join(_remarks(run))
    found = {"knee_mib": Expected(knee_mib, _levels_apart(run, knee_mib), KNEE_TOLERANCE, unit="MiB", note=note)}
    for level_mib, miss in zip(run.level_mib, run.miss_ratio, strict=True):
        if level_mib < knee_mib:
            found[f"miss_{level_mib:g}"] = Expected(float(miss), absolute=MISS_TOLERANCE, note=note)
    return found


def find_knee_mib(level_mib: np.ndarray, miss_ratio: np.ndarray) -> float | None:
    """Return the level at which the miss ratio crosses `KNEE_MISS_RATIO`, between levels by line; None if never."""
    over = np.flatnonzero(miss_ratio > KNEE_MISS_RATIO)
    if not over.size:
        return None
    n = int(over[0])
    if n == 0:
        return float(level_mib[0])
    part = (KNEE_MISS_RATIO - miss_ratio[n - 1]) / (miss_ratio[n] - miss_ratio[n - 1])
    return float(level_mib[n - 1] + part * (level_mib[n] - level_mib[n - 1]))


def _levels_apart(run: BalloonRun, knee_mib: float) -> float:
    """Return how far the knee is from the farther one of the levels between which it lies."""
    above, below = run.level_mib[run.level_mib >= knee_mib], run.level_mib[run.level_mib <= knee_mib]
    return float(max(above.min() - knee_mib, knee_mib - below.max()))


def _remarks(run: BalloonRun) -> list[str]:
    """Say what the run does not tell or the model does not know."""
    found = []
    if np.isnan(run.guest_free_mib[0]):
        found.append("guest_free is not recorded: memory of the guest's kernel as the planner assumes it")
    elif np.isnan(run.guest_available_mib[0]) and run.mode == "balloon":
        found.append("guest_avail is not recorded: the guest's reserve as the planner assumes it")
    if run.miss_ratio[0] > KNEE_MISS_RATIO:
        found.append("the guest was short at the first level: its kernel's memory is reckoned from what was resident")
    if run.has_stalled:
        found.append("the guest stalled for want of memory, which is not modelled")
    if run.mode == "hostswap":
        found.append("host_miss holds the faults of the whole VM process, the model those of the load and its kernel")
    return found


def _fill_host_miss(columns: dict[str, np.ndarray]) -> None:
    """Work host_miss out of faults and accesses per second, where it was not recorded."""
    missing = np.isnan(columns["host_miss"])
    accesses = np.where(columns["acc_s_median"] > 0, columns["acc_s_median"], np.nan)
    columns["host_miss"][missing] = (columns["host_majflt_per_s"] / accesses)[missing]


def _check_distribution(place: str, distribution: str, alpha: float) -> None:
    if distribution not in ("u", "z"):
        raise InputError(
            f"{place}, column dist", f'"{distribution}" is no distribution', "write u (uniform) or z (Zipf)"
        )
    if distribution == "z" and np.isnan(alpha):
        raise InputError(f"{place}, column alpha", "is empty", "a Zipf run needs its exponent")


def _falling(rows: list[int], level: np.ndarray) -> list[int]:
    """Keep the rows of a run whose level is below all before it."""
    kept: list[int] = []
    for n in rows:
        if not kept or level[n] < level[kept[-1]]:
            kept.append(n)
    return kept
