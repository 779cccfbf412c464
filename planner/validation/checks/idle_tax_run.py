"""A host on which the idle memory tax is raised while it runs: who gets how much, how soon, and what it is worth."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from planner.config.spec import WorkloadSpec
from planner.host.experiment import ExperimentRun
from planner.kernels.state import BALLOONED, COMPRESSED, GUEST_ANON, SWAPPED, UNTOUCHED
from planner.units import MIB, PAGE_BYTES
from planner.validation.base import Computed, Curve
from planner.validation.guests import Guest, HostRules, start_run

_PAGE_SCALE = 16
_PAGES_PER_MIB = MIB // (_PAGE_SCALE * PAGE_BYTES)
_TICK_S = 10.0
_BEFORE_TICKS, _AFTER_TICKS = 90, 138
_JUDGED_TICKS = 30
_START_TICKS, _GROWING_TICKS = 12, 12
"""VMs start one after the other, and take memory for two minutes each."""

_HIGH_FRACTION = 0.06  # thresholds of ESX Server: high 6, soft 4, hard 2, low 1 % of memory
_OVERRIDES = {
    "idle_memory_tax": 0.0,
    "min_free_fraction": _HIGH_FRACTION,
    "state_thresholds": (1.0, 2 / 3, 1 / 3, 1 / 6),
    "large_pages": False,
    "page_sharing": {"enabled": False},
    "compression": {"enabled": False},
}
_NOT_HELD = (UNTOUCHED, BALLOONED, COMPRESSED, SWAPPED)
_SETTLED = 0.05
"""What a VM has, has settled when it stays within this of the mean: entitlements move with the sampled activity."""


def check_idle_tax_run(config: Mapping[str, Any]) -> Computed:
    """Run VMs of `configured_mb` that touch `active_mb` all the time; the tax goes from 0 to `tax` % after 15 minutes.

    The host has the first of `available_mb` for them until then, and the second from then on.

    `vmN_before`, `vmN_after`: what VM N from 1 on is entitled to, in MB: means of the last 5 minutes before, and from 5
    minutes after on. `vmN_held_after`: what its balloon leaves it. `settled_s`: until all have that within 5 %.
    `speedup`: throughput of the last VM after ÷ before, by what is measured for such a VM ballooned to sizes
    (`size_mb`, `throughput_mb_s`).
    """
    n_ticks = _BEFORE_TICKS + _AFTER_TICKS
    sizes = zip(config["configured_mb"], config["active_mb"], strict=True)
    guests = [_guest(v, configured, active, n_ticks) for v, (configured, active) in enumerate(sizes)]
    frames = [round(mb / (1.0 - _HIGH_FRACTION) * _PAGES_PER_MIB) for mb in config["available_mb"]]
    run = start_run(guests, HostRules(frames[0], "esxi-8", _OVERRIDES, WorkloadSpec(), _PAGE_SCALE, _TICK_S))
    entitled, held = _run(run, 0, _BEFORE_TICKS)
    cost = 1.0 / (1.0 - config["tax"] / 100.0)
    run.stack = run.stack._replace(knobs=run.stack.knobs._replace(idle_cost=cost, frames=frames[1]))
    entitled_after, held_after = _run(run, _BEFORE_TICKS, n_ticks)
    first, last = entitled[-_JUDGED_TICKS:].mean(axis=0), entitled_after[_JUDGED_TICKS:].mean(axis=0)
    values = {f"vm{v + 1}_before": float(mb) for v, mb in enumerate(first)}
    values |= {f"vm{v + 1}_after": float(mb) for v, mb in enumerate(last)}
    values |= {f"vm{v + 1}_held_after": float(mb) for v, mb in enumerate(held_after[_JUDGED_TICKS:].mean(axis=0))}
    is_off = (np.abs(held_after - last) > _SETTLED * last).any(axis=1)
    values["settled_s"] = float(_TICK_S * (np.flatnonzero(is_off)[-1] + 2 if is_off.any() else 1))
    speed = np.interp([first[-1], last[-1]], config["size_mb"], config["throughput_mb_s"])
    values["speedup"] = float(speed[1] / speed[0])
    minutes = tuple(tick * _TICK_S / 60.0 for tick in range(n_ticks))
    curves: dict[str, Curve] = {}
    for name, parts in (("entitled", (entitled, entitled_after)), ("left by the balloon", (held, held_after))):
        by_vm = np.concatenate(parts).T
        curves |= {f"VM {v + 1}, {name}": (minutes, tuple(map(float, mb))) for v, mb in enumerate(by_vm)}
    return Computed(values, curves, ("time [min]", "memory of the VM [MB]"))


def _guest(v: int, configured_mb: float, active_mb: float, n_ticks: int) -> Guest:
    n_pages, n_active = round(configured_mb * _PAGES_PER_MIB), round(active_mb * _PAGES_PER_MIB)
    grown = np.clip((np.arange(n_ticks) - v * _START_TICKS) / _GROWING_TICKS, -1.0, 1.0)
    granted = np.where(grown < 0.0, -1, np.ceil(grown * n_pages)).astype(np.int32)
    return Guest(
        n_pages=n_pages,
        guest_class=np.full(n_pages, GUEST_ANON),
        granted=granted,
        touched=tuple(np.arange(min(n_active, max(0, pages)), dtype=np.int32) for pages in granted),
    )


def _run(run: ExperimentRun, first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Run the ticks; return what each VM is entitled to and what it has after each, in MB.

    What has left the balloon counts as had from then on: a guest fills it with page cache.

    Returns
    -------
    float64 array, shape (n_ticks, n_vms), twice
    """
    entitled = np.empty((end - first, run.stack.vms.shares.size))
    held = np.empty_like(entitled)
    for tick in range(first, end):
        run.run_part(tick, tick + 1)
        counts = run.stack.vms.counts
        entitled[tick - first] = run.stack.vms.target / _PAGES_PER_MIB
        held[tick - first] = (counts.sum(axis=1) - counts[:, _NOT_HELD].sum(axis=1)) / _PAGES_PER_MIB
    return entitled, held


CHECKS = {"idle-tax-run": check_idle_tax_run}
