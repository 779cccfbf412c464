"""Closed forms of page sharing: KSM's two passes, chains, pass time, skips and late duplicates; ESXi's random scan."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from planner.host.pages import UNIQUE_KEY
from planner.kernels import timeline
from planner.kernels.state import GUEST_CACHE
from planner.validation.base import Computed
from planner.validation.contents import ScanHost, play, start_scan

_TICK_S = 1.0
_FINE_TICK_S = 0.02


def check_ksm_two_pass(config: Mapping[str, Any]) -> Computed:
    """Scan `pages` pages of which `copies` each are equal: pages saved by the end of the first and second pass."""
    n_pages, copies = int(config["pages"]), int(config["copies"])
    content = 1 + np.arange(n_pages) // copies
    # A batch is half a pass, a tick half its time, so that no pass begins and ends within a tick.
    rows = _scan_rows([content], {"pages_to_scan": n_pages // 2, "sleep_millisecs": 1000, "timer_hz": 1000}, 0.5, 40)
    scans = rows[:, timeline.FULL_SCANS]
    values = {
        f"saved_after_{number}": float(rows[np.argmax(scans >= number), timeline.SHARED_SAVED]) for number in (1, 2)
    }
    seconds = (np.arange(len(rows)) + 1) * 0.5
    curve = (tuple(seconds.tolist()), tuple(rows[:, timeline.SHARED_SAVED].astype(float).tolist()))
    return Computed(values, {"planner": curve}, ("time [s]", "saved [4 KiB pages]"))


def check_ksm_chaining(config: Mapping[str, Any]) -> Computed:
    """Scan `pages` identical pages with `max_page_sharing`: nodes, further mappings, chains and their copies."""
    knobs = {"pages_to_scan": 10_000, "max_page_sharing": int(config["max_page_sharing"]), "smart_scan": False}
    rows = _scan_rows([np.ones(int(config["pages"]), dtype=np.int64)], knobs, _TICK_S, 5)
    names = ("PAGES_SHARED", "PAGES_SHARING", "PAGES_UNSHARED", "STABLE_NODE_CHAINS", "STABLE_NODE_DUPS")
    return Computed({name.lower(): float(rows[-1, getattr(timeline, name)]) for name in names})


def check_ksm_pass_time(config: Mapping[str, Any]) -> Computed:
    """Time the first pass over `memory_mib` MiB of unique pages, `pages_to_scan` each `sleep_millisecs`."""
    n_pages = int(config["memory_mib"]) * 256
    knobs = {name: int(config[name]) for name in ("pages_to_scan", "sleep_millisecs", "timer_hz")}
    rows = _scan_rows([np.full(n_pages, UNIQUE_KEY)], knobs, _FINE_TICK_S, int(config["most_s"] / _FINE_TICK_S))
    return Computed({"pass_s": _FINE_TICK_S * float(np.argmax(rows[:, timeline.FULL_SCANS] >= 1) + 1)})


def check_smart_scan(config: Mapping[str, Any]) -> Computed:
    """Count the visits that smart_scan skips in the first `passes` passes over pages that cannot be merged."""
    n_pages, passes = 100, int(config["passes"])
    knobs = {"pages_to_scan": n_pages, "sleep_millisecs": 1000, "timer_hz": 1000}
    rows = _scan_rows([np.full(n_pages, UNIQUE_KEY)], knobs, 0.25, 16 * passes)
    scans, skipped = rows[:, timeline.FULL_SCANS], rows[:, timeline.PAGES_SKIPPED]
    by_pass = np.array([skipped[np.argmax(scans >= number)] for number in range(passes + 1)]) / n_pages
    return Computed(
        {
            "skipped_passes": float(by_pass[-1]),
            "first_skipped_pass": float(np.argmax(by_pass > 0)),
            "skipped_of_last_9": float(by_pass[-1] - by_pass[-10]),
        },
        {"planner": (tuple(map(float, range(passes + 1))), tuple(by_pass.tolist()))},
        ("passes", "of them skipped"),
    )


def check_late_duplicates(config: Mapping[str, Any]) -> Computed:
    """Let pages become equal to a merged page for an exponential time: the share of them that the scan merges.

    `life_in_passes` is the mean time in passes. Each page is written when its time is over; one that was merged by then
    breaks its sharing, and those are counted.
    """
    rng = np.random.default_rng(int(config["seed"]))
    n_late, ticks_per_pass, n_passes = int(config["pages"]), 100, 40
    mean_ticks = float(config["life_in_passes"]) * ticks_per_pass
    begin = rng.integers(4 * ticks_per_pass, 12 * ticks_per_pass, n_late)
    end = begin + np.ceil(rng.exponential(mean_ticks, n_late)).astype(np.int64)
    n_ticks = n_passes * ticks_per_pass
    kept = np.repeat(1 + np.arange(n_late), 2)
    # Written in the second tick, so unique; its content comes back at `begin` and is written over at `end`.
    events = np.concatenate([np.ones(n_late, dtype=np.int64), begin, np.minimum(end, n_ticks - 1)])
    pages = np.tile(np.arange(n_late), 3)
    order = np.argsort(events, kind="stable")
    by_tick = np.split(pages[order], np.searchsorted(events[order], np.arange(1, n_ticks)))
    nothing = [np.zeros(0, dtype=np.int64)] * n_ticks
    batches = 20
    knobs = {"pages_to_scan": 3 * n_late // batches, "sleep_millisecs": 1000, "timer_hz": 1000, "smart_scan": False}
    pass_s = (batches + 1) * 1.0005
    host = ScanHost(
        [kept, 1 + np.arange(n_late)],
        {"salting": False, "ksm": knobs, "cost": _NO_COST},
        pass_s / ticks_per_pass,
        n_ticks,
        written=[nothing, by_tick],
        guest_class=GUEST_CACHE,
    )
    run = start_scan(host)
    for _ in play(run):
        pass
    breaks = run.out.timeline[4 * ticks_per_pass :, timeline.COW_BREAK].sum()
    return Computed({"merged_share": float(breaks) / n_late})


def check_random_scan(config: Mapping[str, Any]) -> Computed:
    """Let ESXi scan classes of equal pages at random for `seconds`: pages saved, and the closed form.

    `classes` lists [classes, pages in each]; `rate` is in pages a second.
    """
    sizes = np.concatenate([np.full(int(count), int(copies)) for count, copies in config["classes"]])
    content = np.random.default_rng(1).permutation(np.repeat(1 + np.arange(sizes.size), sizes))
    seconds, rate = int(config["seconds"]), float(config["rate"])
    sharing = {
        "salting": False,
        "full_scan": f"{content.size / rate} s",
        "pages_per_s_per_vm": 1e9,
        "scan_per_ghz": "1 TiB/s",
    }
    run = start_scan(ScanHost([content], sharing, _TICK_S, seconds, preset="esxi-8"))
    saved = [float(run.out.timeline[tick, timeline.SHARED_SAVED]) for tick in play(run)]
    times = np.arange(1, seconds + 1) * _TICK_S
    form = [expected_saved(sizes, rate * t / content.size) for t in times]
    curves = {"closed form": (tuple(times.tolist()), tuple(form)), "planner": (tuple(times.tolist()), tuple(saved))}
    return Computed({"saved": saved[-1], "share_of_form": saved[-1] / form[-1]}, curves, ("time [s]", "saved [pages]"))


def expected_saved(sizes: np.ndarray, passes: float) -> float:
    """Return m q - 1 + (1 - q)^m summed over classes of m pages, with q = 1 - exp(-passes) of them scanned."""
    q = 1.0 - math.exp(-passes)
    return float((sizes * q - 1.0 + (1.0 - q) ** sizes).sum())


def _scan_rows(contents: list[np.ndarray], knobs: Mapping[str, Any], tick_s: float, n_ticks: int) -> np.ndarray:
    run = start_scan(ScanHost(contents, {"salting": False, "ksm": dict(knobs)}, tick_s, n_ticks))
    for _ in play(run):
        pass
    return run.out.timeline


_NO_COST = {name: "0 s" for name in ("checksum", "search", "merge", "merged", "passed_over")}

CHECKS = {
    "ksm-two-pass": check_ksm_two_pass,
    "ksm-chaining": check_ksm_chaining,
    "ksm-pass-time": check_ksm_pass_time,
    "smart-scan": check_smart_scan,
    "late-duplicates": check_late_duplicates,
    "random-scan": check_random_scan,
}
