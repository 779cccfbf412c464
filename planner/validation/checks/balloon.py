"""Measured runs of a guest that is squeezed step by step, by its balloon or by a host limit with swap, replayed.

The guest is described by what it reported at rest, before anything was taken from it; nothing is fitted.
"""

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

PAGE_SCALE = 64
_PAGES_PER_MIB = MIB // (PAGE_SCALE * PAGE_BYTES)
_TICK_S = 1.0
_SETTLING_TICKS, _JUDGED_TICKS = 12, 24
_KNEE_STEPS = 64
"""Levels between the measured ones are a 64th of the working set apart: the knee is the model's own."""

_NO_FREE_MEMORY_KEPT = 1e-9


def check_balloon_run(config: Mapping[str, Any]) -> Computed:
    """Replay `run` of `directory`: `knee_mib`, and `miss_LEVEL` at each measured level, misses per reference.

    Kernel memory is what was neither free nor the load's at rest; the reserve is what was free and not available. Where
    a run does not say, they are the planner's defaults.
    """
    run = next(run for run in read_balloon_runs(Path(config["directory"])) if run.name == config["run"])
    step_mib = run.working_set_mib / _KNEE_STEPS
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
        left_pages = round(level * _PAGES_PER_MIB)
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
    kernel_mib = configured_mib - run.guest_free_mib[0] - run.working_set_mib
    if np.isnan(kernel_mib):
        kernel_mib = WorkloadSpec().guest_kernel_fraction * configured_mib
    n_kernel, n_load = round(kernel_mib * _PAGES_PER_MIB), round(run.working_set_mib * _PAGES_PER_MIB)
    per_tick = n_load // 4
    drawn = n_kernel + draw_pages(1, n_ticks * per_tick, n_load, run.alpha)
    return Guest(
        n_pages=round(configured_mib * _PAGES_PER_MIB),
        guest_class=np.concatenate([np.full(n_kernel, GUEST_KERNEL), np.full(n_load, GUEST_ANON)]),
        granted=np.full(n_ticks, n_kernel + n_load, dtype=np.int32),
        touched=tuple(np.split(drawn, n_ticks)),
    )


def _rules(run: BalloonRun, guest: Guest) -> HostRules:
    overrides: dict[str, Any] = {"page_sharing": {"enabled": False}}
    if run.mode == "hostswap":
        overrides["min_free_fraction"] = _NO_FREE_MEMORY_KEPT  # a memory limit keeps nothing free
    frames = 2 * guest.n_pages
    return HostRules(frames, "kvm", overrides, WorkloadSpec(), PAGE_SCALE, _TICK_S)


def _set_reserve(experiment: ExperimentRun, run: BalloonRun) -> None:
    reserve_mib = run.guest_free_mib[0] - run.guest_available_mib[0]
    if not np.isnan(reserve_mib):
        experiment.stack.guests.reserve[0] = round(reserve_mib * _PAGES_PER_MIB)


CHECKS = {"balloon-run": check_balloon_run}
