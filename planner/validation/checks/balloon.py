"""Measured runs of a guest that is squeezed step by step, by its balloon or by a host limit with swap, replayed.

The guest is described by what it reported at rest, before anything was taken from it; nothing is fitted.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from planner.config.spec import WorkloadSpec
from planner.host.experiment import ExperimentRun
from planner.kernels import timeline
from planner.kernels.state import GUEST_ANON, GUEST_KERNEL
from planner.units import MIB, PAGE_BYTES
from planner.validation.base import Computed
from planner.validation.guests import Guest, HostRules, draw_pages, start_run
from planner.validation.runs.balloon import BalloonRun, find_knee_mib, read_balloon_runs

_LOAD_PAGES = 2048
"""The load has about so many pages of the model, whatever its size: enough for its miss ratio, few enough for speed."""

_TICK_S = 1.0
_SETTLING_TICKS, _JUDGED_TICKS = 12, 24
_KNEE_STEPS, _MOST_LEVELS = 64, 512
"""Levels between the measured ones are a 64th of the working set apart: the knee is the model's own."""

_NO_FREE_MEMORY_KEPT = 1e-9


def check_balloon_run(config: Mapping[str, Any]) -> Computed:
    """Replay `run` of `directory`: `knee_mib`, and `miss_LEVEL` at each measured level, misses per reference.

    Kernel memory is what was neither free nor the load's at rest; the reserve is what was free and not available. Where
    a run does not say, they are the planner's defaults.
    """
    run = next(run for run in read_balloon_runs(Path(config["directory"])) if run.name == config["run"])
    span_mib = run.level_mib[0] - run.level_mib[-1]
    step_mib = max(run.working_set_mib / _KNEE_STEPS, span_mib / _MOST_LEVELS)
    between = np.arange(run.level_mib[-1], run.level_mib[0], step_mib)
    levels = np.unique(np.concatenate([run.level_mib, between]))[::-1]
    miss = _squeeze(run, levels)
    knee = find_knee_mib(levels, miss)
    values = {"knee_mib": float("nan") if knee is None else knee}
    values |= {f"miss_{level:g}": float(miss[np.searchsorted(-levels, -level)]) for level in run.level_mib}
    curves = {
        "measured": (tuple(map(float, run.level_mib)), tuple(map(float, run.miss_ratio))),
        "planner": (tuple(map(float, levels)), tuple(map(float, miss))),
    }
    return Computed(values, curves, ("left to the guest [MiB]", "misses per reference"))


def page_scale(working_set_mib: float) -> int:
    """Return the 4 KiB pages that a page of the model stands for: a power of two."""
    return 1 << max(0, round(math.log2(working_set_mib * MIB / PAGE_BYTES / _LOAD_PAGES)))


def _pages(run: BalloonRun, memory_mib: float) -> int:
    return round(memory_mib * MIB / (page_scale(run.working_set_mib) * PAGE_BYTES))


def _squeeze(run: BalloonRun, levels: np.ndarray) -> np.ndarray:
    """Return the miss ratio of the guest at each of the falling `levels` [MiB], reached one after the other."""
    per_level = _SETTLING_TICKS + _JUDGED_TICKS
    n_ticks = levels.size * per_level + 1
    guest = _build_guest(run, n_ticks)
    experiment = start_run([guest], _rules(run, guest))
    _set_reserve(experiment, run)
    column = timeline.GUEST_PAGING if run.mode == "balloon" else timeline.SWAP_IN
    experiment.run_part(0, 1)
    miss = np.empty(levels.size)
    for n, level in enumerate(levels):
        first = 1 + n * per_level
        left_pages = _pages(run, level)
        if run.mode == "balloon":
            experiment.stack.balloons.wanted[0] = guest.n_pages - min(left_pages, guest.n_pages)
        else:
            stack = experiment.stack
            experiment.stack = stack._replace(knobs=stack.knobs._replace(frames=left_pages))
        experiment.run_part(first, first + per_level)
        judged = slice(first + _SETTLING_TICKS, first + per_level)
        referenced = sum(pages.size for pages in guest.touched[judged])
        miss[n] = experiment.out.timeline[judged, column].sum() / referenced
    return miss


def _build_guest(run: BalloonRun, n_ticks: int) -> Guest:
    configured_mib = run.level_mib[0]
    # What of the load had been paged out already was not in the guest's memory.
    kernel_mib = max(0.0, configured_mib - run.guest_free_mib[0] - run.working_set_mib * (1.0 - run.miss_ratio[0]))
    if np.isnan(kernel_mib):
        kernel_mib = WorkloadSpec().guest_kernel_fraction * configured_mib
    n_kernel, n_load = _pages(run, kernel_mib), max(4, _pages(run, run.working_set_mib))
    per_tick = n_load // 4
    drawn = n_kernel + draw_pages(1, n_ticks * per_tick, n_load, run.alpha)
    return Guest(
        n_pages=max(_pages(run, configured_mib), n_kernel + n_load),
        guest_class=np.concatenate([np.full(n_kernel, GUEST_KERNEL), np.full(n_load, GUEST_ANON)]),
        granted=np.full(n_ticks, n_kernel + n_load, dtype=np.int32),
        touched=tuple(np.split(drawn, n_ticks)),
    )


def _rules(run: BalloonRun, guest: Guest) -> HostRules:
    overrides: dict[str, Any] = {"page_sharing": {"enabled": False}}
    if run.mode == "hostswap":
        overrides["min_free_fraction"] = _NO_FREE_MEMORY_KEPT  # a memory limit keeps nothing free
    frames = 2 * guest.n_pages
    return HostRules(frames, "kvm", overrides, WorkloadSpec(), page_scale(run.working_set_mib), _TICK_S)


def _set_reserve(experiment: ExperimentRun, run: BalloonRun) -> None:
    reserve_mib = run.guest_free_mib[0] - run.guest_available_mib[0]
    if not np.isnan(reserve_mib):
        experiment.stack.guests.reserve[0] = _pages(run, reserve_mib)


CHECKS = {"balloon-run": check_balloon_run}
