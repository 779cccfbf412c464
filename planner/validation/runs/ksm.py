"""KSM runs: `ksm/NAME.csv` with the kernel's counters over time, `ksm/NAME.json` with how the run was made."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import BeforeValidator, Field

from planner.config.page_sharing import LONGEST_PAUSE_MS, MOST_OF_A_KNOB, MOST_SHARING, KsmSpec
from planner.errors import InputError
from planner.validation.runs.files import RunSpec, RunTable, read_run_spec, read_run_table

CHECK = "ksm-run"
_REQUIRED = ("t", "pages_shared", "pages_sharing")
_GAUGES = ("pages_unshared", "pages_volatile", "ksm_zero_pages", "stable_node_chains", "stable_node_dups")
_COUNTERS = ("pages_scanned", "pages_skipped", "full_scans", "ksmd_ns")
_SMART_SCAN_SINCE = (6, 7)
_READY = re.compile(r"pages=(\d+) zero=(\d+) common=(\d+) volatile=(\d+)")
_NS_PER_TICK = 10_000_000
"""Unit of CPU times in /proc: a hundredth of a second."""


class ProcessPages(NamedTuple):
    """Pages that a process holds: all, and of these the zero, common and rewritten ones."""

    pages: int
    zero: int
    common: int
    volatile: int


def _chosen(value: Any) -> Any:
    """Take the choice out of what the kernel shows for a setting: "none [scan-time]"."""
    found = re.search(r"\[(.*)\]", value) if isinstance(value, str) else None
    return found[1] if found else value


_DEFAULTS = KsmSpec()
_MOST_SCANS = 1_000_000


class KsmResultSpec(RunSpec):
    """What whoever measured worked out from a run."""

    ns_per_page: float | None = Field(default=None, gt=0, description="CPU time of the scanner per scanned page [ns]")


class KsmRunSpec(RunSpec):
    """How a KSM run was made: what `procs` processes held, and how the kernel scanned them. Defaults: the kernel's."""

    procs: int = Field(gt=0, le=10_000)
    mib: float = Field(ge=1 / 256, le=2**30, description="Memory of each process [MiB]")
    zero: float = Field(ge=0, le=1, description="Share of zero pages")
    common: float = Field(ge=0, le=1, description="Share of pages that every process holds once")
    volatile: float = Field(default=0.0, ge=0, le=1, description="Share of unique pages that are rewritten")
    rewrite_per_s: float = Field(default=0.0, ge=0, le=1e9, description="Rewrites of each volatile page [1/s]")
    ready: tuple[str, ...] = Field(default=(), description="What each process said that it holds, in pages")
    pages_to_scan: int = Field(default=_DEFAULTS.pages_to_scan, gt=0, le=MOST_OF_A_KNOB)
    sleep_millisecs: float = Field(default=_DEFAULTS.sleep_millisecs, ge=0, le=LONGEST_PAUSE_MS)
    use_zero_pages: int = Field(default=0, ge=0, le=1)
    smart_scan: int | None = Field(default=None, ge=0, le=1)
    max_page_sharing: int = Field(default=_DEFAULTS.max_page_sharing, ge=2, le=MOST_SHARING)
    stable_node_chains_prune_millisecs: int = Field(
        default=_DEFAULTS.stable_node_chains_prune_millisecs, ge=0, le=MOST_OF_A_KNOB
    )
    advisor_mode: Annotated[Literal["none", "scan-time"], BeforeValidator(_chosen)] = "none"
    advisor_target_scan_time: int = Field(default=_DEFAULTS.advisor_target_scan_time, ge=1, le=MOST_OF_A_KNOB)
    advisor_max_cpu: int = Field(default=_DEFAULTS.advisor_max_cpu, ge=1, le=100)
    advisor_min_pages_to_scan: int = Field(default=_DEFAULTS.advisor_min_pages_to_scan, ge=1, le=MOST_OF_A_KNOB)
    advisor_max_pages_to_scan: int = Field(default=_DEFAULTS.advisor_max_pages_to_scan, ge=1, le=MOST_OF_A_KNOB)
    merge_across_nodes: int = Field(default=1, ge=0, le=1)
    timer_hz: int | None = Field(default=None, ge=24, le=1000, description="CONFIG_HZ of the kernel")
    kernel: str = Field(default="", description="Version, as uname -r says")
    result: KsmResultSpec = KsmResultSpec()
    base: Mapping[str, float] = Field(default_factory=dict, description="Counters before the run")

    def process_pages(self) -> list[ProcessPages]:
        """List what each process holds: as it said itself, else as its shares give it, rounded down."""
        said = [_READY.search(line) for line in self.ready]
        if len(said) == self.procs and all(said):
            return [ProcessPages(*map(int, found.groups())) for found in said if found]
        pages = int(self.mib * 256)
        shares = (int(pages * share) for share in (self.zero, self.common, self.volatile))
        return [ProcessPages(pages, *shares)] * self.procs


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


def is_ksm_table(path: Path) -> bool:
    """Tell whether a CSV file has the columns of a KSM run."""
    try:
        read_run_table(path, _REQUIRED)
    except InputError:
        return False
    return True


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
    place = str(folder / f"{name}.json")
    if spec.zero + spec.common + spec.volatile > 1 + 1e-9:
        raise InputError(place, "zero, common and volatile add up to more than 1", "write shares of all pages")
    if any(said.zero + said.common + said.volatile > said.pages for said in spec.process_pages()):
        raise InputError(place, "ready: zero, common and volatile pages are more than all pages", "is a digit missing?")
    gauges = (*_REQUIRED[1:], *(column for column in _GAUGES if column in table.columns))
    series = {column: table.numbers(column) - spec.base.get(column, 0.0) for column in gauges}
    series |= {column: _since_start(table, column, spec) for column in _COUNTERS if column in table.columns}
    if "full_scans" in series:
        table.check_range("full_scans", series["full_scans"], (0, _MOST_SCANS))
    if "ksmd_ns" not in series and "ksmd_ticks" in table.columns:
        series["ksmd_ns"] = _since_start(table, "ksmd_ticks", spec) * _NS_PER_TICK
    return KsmRun(name, spec, t_s, series)


def has_smart_scan(run: KsmRun) -> bool:
    """Tell whether the kernel skipped pages: as noted, else on where the kernel has it, as is its default."""
    if run.spec.smart_scan is not None:
        return bool(run.spec.smart_scan)
    version = re.match(r"(\d+)\.(\d+)", run.spec.kernel)
    if version is None:
        return "pages_skipped" in run.series
    return (int(version[1]), int(version[2])) >= _SMART_SCAN_SINCE


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
