"""Hosts on which no mechanism can ever act: found before anything is built, and counted without playing a page.

Most hosts of most sweeps are quiet: reclaim starts only where granted memory comes near the RAM.
"""

from typing import NamedTuple

import numpy as np

from planner.errors import InvariantError
from planner.host.balloons import policy_acts_below
from planner.host.build import HostVms, build_knobs, build_stays, reserved_pages
from planner.host.calm import build_calm_table
from planner.host.problem import HostProblem
from planner.host.sharing import hash_cost_ns, scan_budget
from planner.host.swap import build_limits
from planner.kernels.account import Costs, Out
from planner.kernels.overhead import OverheadTable
from planner.kernels.quiet import QuietRules, QuietScratch, QuietVms, measure_taken, run_quiet
from planner.kernels.state import Knobs
from planner.units import PAGE_BYTES


class QuietHost(NamedTuple):
    """A host that stays quiet: its VMs and rules as the kernel takes them."""

    vms: QuietVms
    rules: QuietRules


def find_quiet(problem: HostProblem, vms: HostVms) -> QuietHost | None:
    """Say whether no mechanism can ever act on a host: all that VMs take fits above all thresholds.

    Then no page's fate depends on when it is touched, and touches need not be played.

    Returns
    -------
    QuietHost or None
        None where something may act: the whole stack must be simulated.
    """
    if (vms.table.limit_bytes < vms.table.configured_bytes).any():
        return None
    knobs = build_knobs(problem, vms)
    if knobs.is_sharing and (knobs.sharing.is_ksm or not knobs.is_large):
        return None
    granted = vms.demand.granted
    if problem.workload.zeroed_at_boot:
        granted = np.where(granted >= 0, vms.demand.n_pages.astype(np.int32)[:, np.newaxis], granted)
    overhead = build_stays(problem, vms).overhead
    if not _fits(problem, knobs, granted, overhead) or not _may_all_be_on(problem, vms, knobs, overhead):
        return None
    rules = QuietRules(
        frames=knobs.frames,
        is_small=not knobs.is_large,
        is_scanning=knobs.is_sharing,
        scan_ns=hash_cost_ns(problem),
        metadata=knobs.sharing.table_bytes // problem.page_scale,
    )
    scan_per_tick = scan_budget(problem, vms.demand.n_pages, vms.tick_s)
    return QuietHost(QuietVms(granted, vms.demand.active, overhead, scan_per_tick), rules)


def count_quiet(host: QuietHost, costs: Costs, translation: OverheadTable, out: Out) -> None:
    """Count all ticks of a quiet host. Fills `out`.

    Raises
    ------
    InvariantError
        More memory was taken than the host has: it was not quiet.
    """
    n_ticks = out.timeline.shape[0]
    sums = np.zeros((3, n_ticks), dtype=np.int64)
    scratch = QuietScratch(
        granted=sums[0],
        active=np.zeros(n_ticks),
        overhead=sums[1],
        scanned=sums[2],
        calm_overhead=np.empty(n_ticks),
        calm_bin=np.empty(n_ticks, dtype=np.uint8),
    )
    calm = build_calm_table(translation, float(host.rules.is_small))
    least_free = run_quiet(host.vms, host.rules, costs, calm, scratch, out)
    if least_free < 0:
        raise InvariantError(f"a quiet host is {-least_free} frames short")


def _fits(problem: HostProblem, knobs: Knobs, granted: np.ndarray, overhead: np.ndarray) -> bool:
    """Say whether what is free stays above all thresholds: of faults within a tick, of everything else at its end."""
    acts_below = policy_acts_below(problem) / (problem.page_scale * PAGE_BYTES)
    wanted_free = max(knobs.clear_below, knobs.break_below if knobs.is_sharing else 0, acts_below)
    scratch = np.empty((2, granted.shape[1]), dtype=np.int64)
    at_end, within = measure_taken(granted, overhead, scratch[0], scratch[1])
    return bool(at_end + wanted_free <= knobs.frames and within + knobs.fault_below <= knobs.frames)


def _may_all_be_on(problem: HostProblem, vms: HostVms, knobs: Knobs, overhead: np.ndarray) -> bool:
    """Say whether every VM could be let on while all others are: where that takes promised memory and swap space."""
    limits = build_limits(problem, vms.tick_s)
    reserved = reserved_pages(problem, vms)
    has_frames = int((reserved + overhead).sum()) <= knobs.frames
    has_space = int((vms.demand.n_pages - reserved).sum()) <= limits.space
    return not limits.is_promised or (has_frames and has_space)
