"""What a model must give for a measured KSM run, and what of the run it cannot know."""

import numpy as np

from planner.config.page_sharing import KsmSpec
from planner.validation.base import Expected
from planner.validation.runs.ksm import KsmRun, has_smart_scan, time_to_share_s
from planner.validation.runs.ksm_speed import batch_gaps_ns, pass_costs_ns, run_pause_ns, run_timer_hz

COUNTER_TOLERANCE = 0.005
TIME_TOLERANCE = 0.15
TIME_SHARE = 0.9
_EXPECTED = ("pages_shared", "pages_sharing", "pages_unshared", "ksm_zero_pages", "stable_node_dups")
_SHARED_AT_START = ("pages_shared", "pages_sharing")
_LONG_WAIT = 1.25
_NS_PER_MS = 1e6
_SELDOM = 3.0


def ksm_expectations(run: KsmRun) -> dict[str, Expected]:
    """Say what a model must give for a run: counters at their largest, and the time to 90 % of the final sharing.

    The largest value, not the last: a run may have been recorded until after its processes ended. The time is not known
    better than the samples lie apart, and not at all where most was shared when the recording began.
    """
    found = {
        name: Expected(
            float(run.series[name].max()),
            relative=COUNTER_TOLERANCE,
            unit="pages",
            note="; ".join([*_remarks(run), *(_unshared_remarks(run) if name == "pages_unshared" else [])]),
        )
        for name in _EXPECTED
        if name in run.series
    }
    pages_sharing = run.series["pages_sharing"]
    reached_s = time_to_share_s(run.t_s, pages_sharing, TIME_SHARE)
    after = int(np.argmax(pages_sharing >= TIME_SHARE * pages_sharing.max()))
    if reached_s is not None and after > 0:
        apart_s = float(run.t_s[after] - run.t_s[after - 1])
        why = "; ".join([*_remarks(run), *_time_remarks(run)])
        found["time_to_90_s"] = Expected(reached_s, apart_s, TIME_TOLERANCE, unit="s", note=why)
    return found


def _remarks(run: KsmRun) -> list[str]:
    """Say what the run does not tell or the model does not know."""
    spec, found = run.spec, []
    if spec.smart_scan is None:
        found.append(f"smart_scan is not noted: taken as {'on' if has_smart_scan(run) else 'off'}")
    missing = [name for name in ("pages_to_scan", "sleep_millisecs") if name not in spec.model_fields_set]
    if missing:
        found.append(f"{' and '.join(missing)} not noted: the kernel's default")
    if not spec.merge_across_nodes:
        found.append("merge_across_nodes 0: on which node the pages lay is not noted, replayed as one node")
    if any(run.spec.base.get(name) for name in _SHARED_AT_START):
        found.append("pages were shared before the run began: taken off, as if they had stayed so")
    return found


def _unshared_remarks(run: KsmRun) -> list[str]:
    n_passes = 1.0 + (float(run.series["full_scans"][-1]) if "full_scans" in run.series else 0.0)
    if run.spec.volatile and run.spec.rewrite_per_s * float(run.t_s[-1]) < _SELDOM * n_passes:
        return ["pages rewritten about once a pass: how many look unchanged depends on the phase of both"]
    return []


def _time_remarks(run: KsmRun) -> list[str]:
    found = []
    gaps, pause_ms = batch_gaps_ns(run), run_pause_ns(run) / _NS_PER_MS
    if pass_costs_ns(run) is None:
        found.append("the scanner's CPU time was not recorded: cost of a page as on another machine")
    if run.spec.advisor_mode != "none":
        found.append("advisor: in its first pass the kernel counts the scanner's CPU time since boot, not noted")
    if gaps is None:
        found.append("time between batches was not recorded: the timer's pause")
    elif float(gaps.max()) > _LONG_WAIT * max(run_pause_ns(run), _NS_PER_MS):
        most_ms = float(gaps.max()) / _NS_PER_MS
        found.append(f"up to {most_ms:.0f} ms between batches, of which {pause_ms:.1f} ms pause: the rest is given")
    if run.spec.timer_hz is None and run_timer_hz(run) != KsmSpec().timer_hz:
        found.append(f"timer_hz is not noted: {run_timer_hz(run)} Hz by the time between batches")
    return found
