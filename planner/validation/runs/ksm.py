"""KSM runs: `ksm/NAME.csv` with the kernel's counters over time, `ksm/NAME.json` with how the run was made."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from planner.errors import InputError
from planner.validation.base import Expected
from planner.validation.runs.files import RunSpec, RunTable, read_run_spec, read_run_table

CHECK = "ksm-run"
COUNTER_TOLERANCE = 0.005
TIME_TOLERANCE = 0.15
_REQUIRED = ("t", "pages_shared", "pages_sharing")
_GAUGES = ("pages_unshared", "pages_volatile", "ksm_zero_pages", "stable_node_chains", "stable_node_dups")
_COUNTERS = ("pages_scanned", "pages_skipped", "full_scans", "ksmd_ns")
_EXPECTED = ("pages_shared", "pages_sharing", "pages_unshared", "ksm_zero_pages", "stable_node_dups")


class KsmRunSpec(RunSpec):
    """How a KSM run was made: what `procs` equal processes held, and how the kernel scanned them."""

    procs: int = Field(gt=0)
    mib: float = Field(gt=0, description="Memory of each process [MiB]")
    zero: float = Field(ge=0, le=1, description="Share of zero pages")
    common: float = Field(ge=0, le=1, description="Share of pages that every process holds once")
    volatile: float = Field(default=0.0, ge=0, le=1, description="Share of unique pages that are rewritten")
    rewrite_per_s: float = Field(default=0.0, ge=0, description="Rewrites of each volatile page [1/s]")
    pages_to_scan: int = Field(gt=0)
    sleep_millisecs: float = Field(ge=0)
    use_zero_pages: int = Field(default=0, ge=0, le=1)
    smart_scan: int = Field(default=0, ge=0, le=1)
    max_page_sharing: int = Field(default=256, ge=2)
    base: Mapping[str, float] = Field(default_factory=dict, description="Counters before the run")


@dataclass(frozen=True)
class KsmRun:
    """One measured run.

    Attributes
    ----------
    name : str
    spec : KsmRunSpec
    t_s : float64 array, shape (n_samples,)
        Time since the scanner was started. [s]
    series : dict
        Counter of the kernel -> float64 array, shape (n_samples,); those of `pages_scanned`, `pages_skipped`,
        `full_scans` and `ksmd_ns` (CPU time of the scanner) from the start of the run on. Only what was recorded.
    """

    name: str
    spec: KsmRunSpec
    t_s: np.ndarray
    series: Mapping[str, np.ndarray]


def find_ksm_runs(folder: Path) -> list[str]:
    """List the names of the KSM runs in a folder: each CSV file with a JSON file of its name beside it."""
    return sorted(path.stem for path in folder.glob("*.csv") if path.with_suffix(".json").exists())


def read_ksm_run(folder: Path, name: str) -> KsmRun:
    """Read one run.

    Raises
    ------
    InputError
        A file is missing or broken, or time does not rise.
    """
    spec = read_run_spec(folder / f"{name}.json", KsmRunSpec)
    table = read_run_table(folder / f"{name}.csv", _REQUIRED)
    t_s = table.numbers("t")
    if np.any(np.diff(t_s) < 0):
        line = table.rows[int(np.argmax(np.diff(t_s) < 0)) + 1][0]
        raise InputError(f"{table.path}, line {line}, column t", "time runs backwards", "keep the rows in order")
    if spec.zero + spec.common + spec.volatile > 1 + 1e-9:
        place = str(folder / f"{name}.json")
        raise InputError(place, "zero, common and volatile add up to more than 1", "write shares of all pages")
    series = {column: table.numbers(column) for column in _REQUIRED[1:]}
    series |= {column: table.numbers(column) for column in _GAUGES if column in table.columns}
    series |= {column: _since_start(table, column, spec) for column in _COUNTERS if column in table.columns}
    return KsmRun(name, spec, t_s, series)


def ksm_expectations(run: KsmRun) -> dict[str, Expected]:
    """Say what a model must give for a run: counters at their largest, and the time to 90 % of the final sharing.

    The largest value, not the last: a run may have been recorded until after its processes ended.
    """
    found = {
        name: Expected(float(run.series[name].max()), relative=COUNTER_TOLERANCE, unit="pages")
        for name in _EXPECTED
        if name in run.series
    }
    reached_s = time_to_share_s(run.t_s, run.series["pages_sharing"], 0.9)
    if reached_s is not None:
        found["time_to_90_s"] = Expected(reached_s, relative=TIME_TOLERANCE, unit="s")
    return found


def time_to_share_s(t_s: np.ndarray, pages: np.ndarray, share: float) -> float | None:
    """Return when `pages` first reaches `share` of its largest value, between samples by line; None if all are 0."""
    goal = share * float(pages.max())
    if goal <= 0.0:
        return None
    after = int(np.argmax(pages >= goal))
    if after == 0:
        return float(t_s[0])
    part = (goal - pages[after - 1]) / (pages[after] - pages[after - 1])
    return float(t_s[after - 1] + part * (t_s[after] - t_s[after - 1]))


def _since_start(table: RunTable, column: str, spec: KsmRunSpec) -> np.ndarray:
    """Subtract the counter's value before the run; where that was not noted, its first value."""
    values = table.numbers(column)
    since: np.ndarray = values - spec.base.get(column, values[0])
    return since
