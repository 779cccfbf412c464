"""How fast the scanner of a measured KSM run was, pass by pass: CPU time per page, and time between its batches.

Both are properties of the machine, given to a replay. The pause of the kernel's timer is the model's; what passed
beyond it, the scanner waited for a CPU that others used, and that is given, too.
"""

import numpy as np

from planner.config.page_sharing import KsmSpec
from planner.host.sharing import pause_ns
from planner.validation.runs.ksm import KsmRun

_FEWEST_PAGES = 1000
_NS_PER_S = 1e9
_NEEDED = {"full_scans", "pages_scanned", "ksmd_ns"}
_FASTER_TIMERS_HZ = (300, 1000)
_TIMER_MARGIN = 0.05


def pass_costs_ns(run: KsmRun) -> np.ndarray | None:
    """Return the CPU time per scanned page in each full scan; one for all or None where it was not recorded.

    Returns
    -------
    float64 array, shape (n_scans,)
        [ns]
    """
    if not set(run.series) >= _NEEDED:
        cost_ns = run.spec.result.ns_per_page
        return None if cost_ns is None else np.array([cost_ns])
    costs = _by_pass(run, run.series["ksmd_ns"])
    return costs if costs.any() else None


def batch_gaps_ns(run: KsmRun) -> np.ndarray | None:
    """Return the mean time between two batches in each full scan, None where it was not recorded or varied by itself.

    Returns
    -------
    float64 array, shape (n_scans,)
        Wall time without the scanner's CPU time. [ns]
    """
    if not set(run.series) >= _NEEDED or run.spec.advisor_mode != "none":
        return None
    idle_ns = run.t_s * _NS_PER_S - run.series["ksmd_ns"]
    gaps: np.ndarray = np.maximum(0.0, _by_pass(run, idle_ns) * run.spec.pages_to_scan)
    return gaps


def run_pause_ns(run: KsmRun) -> int:
    """Return how long the kernel's pause between two batches is by the model, in ns."""
    return _pause_ns(run, run_timer_hz(run))


def run_timer_hz(run: KsmRun) -> int:
    """Return the timer ticks a second: as noted, else the preset's, or more where the batches came faster than that."""
    default_hz = KsmSpec().timer_hz
    if run.spec.timer_hz is not None:
        return run.spec.timer_hz
    gaps = batch_gaps_ns(run)
    if gaps is None or run.spec.sleep_millisecs == 0:
        return default_hz
    most_ns = float(np.median(gaps)) * (1.0 + _TIMER_MARGIN)
    fitting = [hz for hz in (default_hz, *_FASTER_TIMERS_HZ) if _pause_ns(run, hz) <= most_ns]
    return fitting[0] if fitting else _FASTER_TIMERS_HZ[-1]


def pass_waits_ns(run: KsmRun) -> np.ndarray:
    """Return the time per scanned page that the scanner waited beyond its pauses, in each full scan, in ns."""
    gaps = batch_gaps_ns(run)
    if gaps is None:
        return np.zeros(1)
    waits: np.ndarray = np.maximum(0.0, gaps - run_pause_ns(run)) / run.spec.pages_to_scan
    return waits


def _pause_ns(run: KsmRun, timer_hz: int) -> int:
    return pause_ns(KsmSpec(sleep_millisecs=round(run.spec.sleep_millisecs), timer_hz=timer_hz))


def _by_pass(run: KsmRun, total: np.ndarray) -> np.ndarray:
    """Return how much of a rising total went into a scanned page, by pass; too short a pass has that of the last."""
    scans, scanned = run.series["full_scans"], run.series["pages_scanned"]
    found: list[float] = []
    for number in range(int(scans.max()) + 1):
        first = max(int(np.searchsorted(scans, number)) - 1, 0)
        # A pass between two samples ends at the first one after it.
        last = int(np.searchsorted(scans, number, side="right"))
        last = min(last if scans[last - 1] < number else last - 1, scans.size - 1)
        pages = scanned[last] - scanned[first]
        enough = pages >= _FEWEST_PAGES
        found.append(float((total[last] - total[first]) / pages) if enough else found[-1] if found else np.nan)
    by_pass = np.array(found)
    known = by_pass[~np.isnan(by_pass)]
    filled: np.ndarray = np.nan_to_num(by_pass, nan=float(known[0]) if known.size else 0.0)
    return filled
