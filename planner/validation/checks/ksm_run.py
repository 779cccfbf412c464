"""KSM runs that were measured on a real kernel, replayed on the stack page by page."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from planner.host.pages import UNIQUE_KEY, ZERO_KEY
from planner.kernels import timeline
from planner.validation.base import Computed
from planner.validation.contents import ScanHost, play, start_scan
from planner.validation.runs.ksm import KsmRun, KsmRunSpec, read_ksm_run, time_to_share_s

_TICK_S = 0.1
_FEWEST_PAGES = 1000
_MASK = 0xFFFF_FFFF_FFFF_FFFF
_SHUFFLE_SEED = 88172645463325252
_CURVE_POINTS = 200
_SCANS = 5  # the first pass that smart_scan skips, for a page that cannot be merged


def check_ksm_run(config: Mapping[str, Any]) -> Computed:
    """Replay the run `run` of folder `directory`: counters at their largest, and the time to 90 % of the sharing.

    Given from the measurement: what the processes held, the kernel's knobs, and the scanner's CPU time per page in each
    pass. Everything else is the model's: which pages merge when, chains, what is skipped, pauses between batches.
    """
    run = read_ksm_run(Path(config["directory"]), config["run"])
    t_s, rows = _replay(run)
    sharing = rows[:, timeline.PAGES_SHARING].astype(np.float64)
    scans = rows[:, timeline.FULL_SCANS]
    values = {
        "pages_shared": float(rows[:, timeline.PAGES_SHARED].max()),
        "pages_sharing": float(sharing.max()),
        "pages_unshared": float(rows[:, timeline.PAGES_UNSHARED].max()),
        "ksm_zero_pages": float(rows[:, timeline.KSM_ZERO_PAGES].max()),
        "stable_node_dups": float(rows[:, timeline.STABLE_NODE_DUPS].max()),
        "stable_node_chains": float(rows[:, timeline.STABLE_NODE_CHAINS].max()),
        "full_scans": float(rows[-1, timeline.FULL_SCANS]),
        "skipped_after_5_scans": float(rows[np.argmax(scans >= _SCANS), timeline.PAGES_SKIPPED]),
        "pages_volatile_late": float(rows[np.argmax(scans >= _SCANS - 1) - 1, timeline.PAGES_VOLATILE]),
        "time_to_90_s": time_to_share_s(t_s, sharing, 0.9) or 0.0,
    }
    curves = {
        "measured": _thin(run.t_s, run.series["pages_sharing"]),
        "planner": _thin(t_s, sharing),
    }
    return Computed(values, curves, ("time [s]", "pages_sharing [4 KiB pages]"))


def pass_costs_ns(run: KsmRun) -> np.ndarray | None:
    """Return the CPU time per scanned page in each full scan of a run, None if it was not recorded.

    Returns
    -------
    int64 array, shape (n_scans,)
        [ns]
    """
    if not {"full_scans", "pages_scanned", "ksmd_ns"} <= set(run.series):
        return None
    scans, scanned, cpu_ns = (run.series[name] for name in ("full_scans", "pages_scanned", "ksmd_ns"))
    costs: list[int] = []
    for number in range(int(scans.max()) + 1):
        rows = np.flatnonzero(scans == number)
        if rows.size:
            first, last = max(rows[0] - 1, 0), rows[-1]
            pages = scanned[last] - scanned[first]
            if pages >= _FEWEST_PAGES:
                costs.append(round((cpu_ns[last] - cpu_ns[first]) / pages))
                continue
        costs.append(costs[-1] if costs else 0)
    return np.array(costs, dtype=np.int64) if any(costs) else None


def process_contents(spec: KsmRunSpec, process: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what a process of the load program holds.

    Returns
    -------
    content : int64 array, shape (n_pages,)
        Content keys: zero pages, contents common to all processes, unique ones.
    volatile : int64 array
        Pages that it rewrites, all of them unique.
    """
    n_pages = int(spec.mib) * 256
    kind = np.full(n_pages, 3, dtype=np.int64)
    ends = np.cumsum([int(n_pages * share) for share in (spec.zero, spec.common, spec.volatile)])
    for number, (first, end) in enumerate(zip((0, *ends[:-1]), ends, strict=True)):
        kind[first:end] = number
    kind = kind[_shuffled(n_pages)]
    content = np.full(n_pages, UNIQUE_KEY, dtype=np.int64)
    content[kind == 0] = ZERO_KEY
    content[kind == 1] = 1 + np.arange((kind == 1).sum())
    return content, np.flatnonzero(kind == 2)


def _shuffled(n_pages: int) -> np.ndarray:
    """Return the load program's own shuffle: Fisher-Yates by a 64-bit xorshift, the same in every process."""
    order = list(range(n_pages))
    state = _SHUFFLE_SEED
    for i in range(n_pages - 1, 0, -1):
        state ^= (state << 13) & _MASK
        state ^= state >> 7
        state ^= (state << 17) & _MASK
        j = state % (i + 1)
        order[i], order[j] = order[j], order[i]
    return np.array(order, dtype=np.int64)


def _replay(run: KsmRun) -> tuple[np.ndarray, np.ndarray]:
    spec = run.spec
    n_ticks = int(np.ceil(run.t_s[-1] / _TICK_S)) + 1
    content, volatile = process_contents(spec, 0)
    written = [_rewrites(volatile, spec.rewrite_per_s, n_ticks)] * spec.procs if volatile.size else None
    ksm = {
        "pages_to_scan": spec.pages_to_scan,
        "sleep_millisecs": round(spec.sleep_millisecs),
        "use_zero_pages": bool(spec.use_zero_pages),
        "smart_scan": bool(spec.smart_scan),
        "max_page_sharing": spec.max_page_sharing,
    }
    host = ScanHost([content] * spec.procs, {"salting": False, "ksm": ksm}, _TICK_S, n_ticks, written=written)
    scan = start_scan(host)
    costs = pass_costs_ns(run)
    if costs is not None:
        _set_cost(scan.stack.sharing.cost_ns, int(costs[0]))
    for tick in play(scan):
        if costs is not None:
            number = int(scan.out.timeline[tick, timeline.FULL_SCANS])
            _set_cost(scan.stack.sharing.cost_ns, int(costs[min(number, costs.size - 1)]))
    return (np.arange(n_ticks) + 1) * _TICK_S, scan.out.timeline


def _set_cost(cost_ns: np.ndarray, per_page_ns: int) -> None:
    # Time for pages passed over is in the measured time per scanned page.
    cost_ns[:] = per_page_ns
    cost_ns[0] = 0


def _rewrites(volatile: np.ndarray, rewrite_per_s: float, n_ticks: int) -> list[np.ndarray]:
    """List the pages rewritten in each tick: in turn, each `rewrite_per_s` times a second."""
    ends = np.floor(volatile.size * rewrite_per_s * _TICK_S * np.arange(n_ticks + 1)).astype(np.int64)
    return [volatile[np.arange(first, end) % volatile.size] for first, end in pairwise(ends)]


def _thin(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    keep = np.unique(np.linspace(0, x.size - 1, min(x.size, _CURVE_POINTS)).astype(np.int64))
    return tuple(float(value) for value in x[keep]), tuple(float(value) for value in y[keep])


CHECKS = {"ksm-run": check_ksm_run}
