"""Published experiments with ballooning: five guests that boot at once, and a ballooned guest against a smaller one."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from planner.config.spec import WorkloadSpec
from planner.host.pages import UNIQUE_KEY
from planner.kernels import timeline
from planner.kernels.contents import ZERO_KEY
from planner.kernels.draws import fill_uniform
from planner.kernels.state import GUEST_ANON, GUEST_FREE, STATE_SOFT
from planner.units import MIB, PAGE_BYTES
from planner.validation.base import Computed
from planner.validation.guests import Guest, HostRules, start_run

PAGE_SCALE = 64
_PAGES_PER_MIB = MIB // (PAGE_SCALE * PAGE_BYTES)
_TICK_S = 10.0
_HORIZON_S = 900.0


def check_boot_storm(config: Mapping[str, Any]) -> Computed:
    """Boot guests at once, with share-before-swap and without: `shared_mb`, `swapped_mb`, `swapped_unshared_mb`.

    Largest values over a quarter of an hour. `configured_mb` lists the guests; `usable_mb` is what the host has for
    them. Each touches `zeroed_share` of its memory within `driver_delay_s`, of which `used_share` is not zero, and has
    no balloon driver until then. `deepest_state` (0 high, 1 clear, 2 soft, 3 hard, 4 low) and `high_or_soft_percent` of
    the time are of the states after each tick's reclaim.
    """
    shared = _boot(config, is_sharing=True)
    unshared = _boot(config, is_sharing=False)
    rows = shared[:, [timeline.SHARED, timeline.SWAPPED, timeline.BALLOONED]] / _PAGES_PER_MIB
    values = {
        "shared_mb": float(rows[:, 0].max()),
        "swapped_mb": float(rows[:, 1].max()),
        "swapped_unshared_mb": float(unshared[:, timeline.SWAPPED].max() / _PAGES_PER_MIB),
    }
    states = shared[:, timeline.STATE]
    values["deepest_state"] = float(states.max())
    values["high_or_soft_percent"] = float(100.0 * np.mean(states <= STATE_SOFT))
    minutes = tuple(tick * _TICK_S / 60.0 for tick in range(len(rows)))
    names = ("shared", "swapped", "ballooned")
    curves = {name: (minutes, tuple(map(float, rows[:, n]))) for n, name in enumerate(names)}
    return Computed(values, curves, ("time [min]", "guest memory [MB]"))


def _boot(config: Mapping[str, Any], is_sharing: bool) -> np.ndarray:
    n_ticks = round(_HORIZON_S / _TICK_S)
    growing = np.minimum(np.arange(n_ticks) * _TICK_S / config["driver_delay_s"], 1.0)
    guests = [_boot_guest(v, mb, growing, config) for v, mb in enumerate(config["configured_mb"])]
    overrides: dict[str, Any] = {
        "min_free_fraction": 0.06,  # thresholds of ESX Server: high 6, soft 4, hard 2, low 1 % of memory
        "state_thresholds": (1.0, 2 / 3, 1 / 3, 1 / 6),
        "large_pages": False,
        "page_sharing": {"enabled": is_sharing, "salting": False, "pages_per_s_per_vm": 1e-3},
        "ballooning": {"driver_delay": config["driver_delay_s"]},
        "compression": {"enabled": False},
    }
    frames = config["usable_mb"] * _PAGES_PER_MIB
    workload = WorkloadSpec().model_copy(update={"guest_reserve": 0})
    run = start_run(guests, HostRules(frames, "esxi-8", overrides, workload, PAGE_SCALE, _TICK_S))
    run.run_all()
    filled: np.ndarray = run.out.timeline
    return filled


def _boot_guest(v: int, configured_mb: int, growing: np.ndarray, config: Mapping[str, Any]) -> Guest:
    n_pages = configured_mb * _PAGES_PER_MIB
    granted = np.round(growing * config["zeroed_share"] * n_pages).astype(np.int32)
    granted[0] = -1
    uniform = np.empty(n_pages)
    fill_uniform(np.uint32(v + 1), 3, uniform)
    is_used = uniform < config["used_share"]
    return Guest(
        n_pages=n_pages,
        guest_class=np.where(is_used, GUEST_ANON, GUEST_FREE),
        granted=granted,
        touched=(np.zeros(0, np.int32),) * granted.size,
        shares=configured_mb * 10,
        reservation_pages=n_pages // 2,
        content_key=np.where(is_used, UNIQUE_KEY, ZERO_KEY),
    )


def check_balloon_against_configured(config: Mapping[str, Any]) -> Computed:
    """Compare a guest ballooned to a size with one configured so: `overhead_MB` in % of the throughput, per size.

    Throughput by memory is taken as measured for guests configured so (`size_mb`, `configured_mb_s`, rising). A guest
    of `largest_mb` keeps a kernel of its own size when it is ballooned: the difference is lost to it.
    """
    size, throughput = np.array(config["size_mb"], float), np.array(config["configured_mb_s"])
    kernel_share = WorkloadSpec().guest_kernel_fraction
    left = size - kernel_share * (config["largest_mb"] - size)
    below = throughput[0] + (left - size[0]) * (throughput[1] - throughput[0]) / (size[1] - size[0])
    ballooned = np.where(left < size[0], below, np.interp(left, size, throughput))
    overhead = 100.0 * (1.0 - ballooned / throughput)
    values = {f"overhead_{int(mb)}": float(percent) for mb, percent in zip(size, overhead, strict=True)}
    curves = {
        "configured, measured": (tuple(size), tuple(throughput)),
        "ballooned, planner": (tuple(size), tuple(ballooned)),
    }
    return Computed(values, curves, ("memory [MB]", "throughput [MB/s]"))


CHECKS = {"boot-storm": check_boot_storm, "balloon-configured": check_balloon_against_configured}
