"""KSM runs that were measured on a real kernel, replayed on the stack page by page."""

from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from planner.host.pages import UNIQUE_KEY, ZERO_KEY
from planner.kernels import timeline
from planner.validation.base import Computed
from planner.validation.contents import ScanHost, play, start_scan
from planner.validation.runs.ksm import KsmRun, ProcessPages, has_smart_scan, read_ksm_run, time_to_share_s
from planner.validation.runs.ksm_expected import TIME_SHARE
from planner.validation.runs.ksm_speed import pass_costs_ns, pass_waits_ns, run_timer_hz

_LONGEST_TICK_S, _SHORTEST_TICK_S = 0.1, 0.002
_TICKS_TO_SHARE = 100
"""What is timed takes at least so many ticks."""

_TICKS_OF_SLOW_RUN, _LONGEST_SLOW_TICK_S = 1000, 1.0
"""Of runs that take minutes ticks are longer, or they would take minutes to replay."""

_MASK = 0xFFFF_FFFF_FFFF_FFFF
_SHUFFLE_SEED = 88172645463325252
_CURVE_POINTS = 200
_SCANS = 5  # the first pass that smart_scan skips, for a page that cannot be merged


def check_ksm_run(config: Mapping[str, Any]) -> Computed:
    """Replay the run `run` of folder `directory`: counters at their largest, and the time to 90 % of the sharing.

    Given from the measurement: what the processes held, the kernel's knobs, and by pass the scanner's CPU time per page
    and what it waited beyond its pauses. Everything else is the model's: which pages merge when, so how many must be
    scanned until 90 % are shared; chains; what is skipped; the pauses.
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
        "time_to_90_s": time_to_share_s(t_s, sharing, TIME_SHARE) or 0.0,
    }
    curves = {
        "measured": _thin(run.t_s, run.series["pages_sharing"]),
        "planner": _thin(t_s, sharing),
    }
    return Computed(values, curves, ("time [s]", "pages_sharing [4 KiB pages]"))


def process_contents(held: ProcessPages) -> tuple[np.ndarray, np.ndarray]:
    """Return what a process of the load program holds.

    Returns
    -------
    content : int64 array, shape (n_pages,)
        Content keys: zero pages, contents common to all processes, unique ones.
    volatile : int64 array
        Pages that it rewrites, all of them unique.
    """
    kind = np.full(held.pages, 3, dtype=np.int64)
    ends = np.cumsum([held.zero, held.common, held.volatile])
    for number, (first, end) in enumerate(zip((0, *ends[:-1]), ends, strict=True)):
        kind[first:end] = number
    kind = kind[_shuffled(held.pages)]
    content = np.full(held.pages, UNIQUE_KEY, dtype=np.int64)
    content[kind == 0] = ZERO_KEY
    content[kind == 1] = 1 + np.arange((kind == 1).sum())
    return content, np.flatnonzero(kind == 2)


@cache
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
    tick_s = _tick_s(run)
    n_ticks = int(np.ceil(run.t_s[-1] / tick_s)) + 1
    processes = run.spec.process_pages()
    rate = run.spec.rewrite_per_s * tick_s
    # Equal processes share their arrays: a long run rewrites many pages.
    held = {pages: process_contents(pages) for pages in processes}
    written = {pages: _rewrites(volatile, rate, n_ticks) for pages, (_, volatile) in held.items()}
    is_written = rate > 0 and any(volatile.size for _, volatile in held.values())
    host = ScanHost(
        [held[pages][0] for pages in processes],
        {"salting": False, "ksm": _knobs(run)},
        tick_s,
        n_ticks,
        written=[written[pages] for pages in processes] if is_written else None,
    )
    scan = start_scan(host)
    costs = pass_costs_ns(run)
    if costs is not None:
        waits = pass_waits_ns(run)
        costs = costs + waits if waits.size == costs.size else costs
        _set_cost(scan.stack.sharing.cost_ns, round(costs[0]))
    for tick in play(scan):
        if costs is not None:
            number = int(scan.out.timeline[tick, timeline.FULL_SCANS])
            _set_cost(scan.stack.sharing.cost_ns, round(costs[min(number, costs.size - 1)]))
    return (np.arange(n_ticks) + 1) * tick_s, scan.out.timeline


def _knobs(run: KsmRun) -> dict[str, Any]:
    """Return the settings of `page_sharing.ksm` under which the run was made."""
    spec = run.spec
    same = (
        "pages_to_scan", "max_page_sharing", "stable_node_chains_prune_millisecs", "advisor_mode",
        "advisor_target_scan_time", "advisor_max_cpu", "advisor_min_pages_to_scan", "advisor_max_pages_to_scan",
    )  # fmt: skip
    return {
        **{name: getattr(spec, name) for name in same},
        "timer_hz": run_timer_hz(run),
        "sleep_millisecs": round(spec.sleep_millisecs),
        "use_zero_pages": bool(spec.use_zero_pages),
        "smart_scan": has_smart_scan(run),
    }


def _tick_s(run: KsmRun) -> float:
    """Choose the length of a tick: short against what is timed."""
    reached_s = time_to_share_s(run.t_s, run.series["pages_sharing"], TIME_SHARE) or run.t_s[-1]
    slow_tick_s = min(_LONGEST_SLOW_TICK_S, reached_s / _TICKS_OF_SLOW_RUN)
    tick_s = min(_LONGEST_TICK_S, reached_s / _TICKS_TO_SHARE)
    return float(max(_SHORTEST_TICK_S, tick_s, slow_tick_s))


def _set_cost(cost_ns: np.ndarray, per_page_ns: int) -> None:
    # Time for pages passed over is in the measured time per scanned page.
    cost_ns[:] = per_page_ns
    cost_ns[0] = 0


def _rewrites(volatile: np.ndarray, rewrites_per_tick: float, n_ticks: int) -> list[np.ndarray]:
    """List the pages rewritten in each tick: in turn, each `rewrites_per_tick` times a tick."""
    if volatile.size == 0:
        return [volatile] * n_ticks
    ends = np.floor(volatile.size * rewrites_per_tick * np.arange(n_ticks + 1)).astype(np.int64)
    # A page that is rewritten twice in a tick has changed, no more.
    spans = ((max(first, end - volatile.size), end) for first, end in pairwise(ends))
    return [volatile[np.arange(first, end) % volatile.size].astype(np.int32) for first, end in spans]


def _thin(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    keep = np.unique(np.linspace(0, x.size - 1, min(x.size, _CURVE_POINTS)).astype(np.int64))
    return tuple(float(value) for value in x[keep]), tuple(float(value) for value in y[keep])


CHECKS = {"ksm-run": check_ksm_run}
