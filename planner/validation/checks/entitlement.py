"""Entitlements under the idle memory tax, and the estimate of active memory that they rest on."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from planner.config.spec import WorkloadSpec
from planner.host.experiment import ExperimentRun
from planner.kernels.active import step_active
from planner.kernels.draws import fill_uniform
from planner.kernels.policy import set_targets
from planner.kernels.state import GUEST_ANON, TICK_TOUCHED, BalloonKnobs
from planner.validation.base import Computed
from planner.validation.guests import Guest, HostRules, start_run

_PAGES_PER_MB = 100
"""Resolution of entitlements: a page stands for a hundredth of an MB."""


def check_idle_tax(config: Mapping[str, Any]) -> Computed:
    """Divide memory among VMs: `vmN_TAX` in MB for VM N from 1 on and each of `taxes` in %, with its `total_mb`.

    `configured_mb`, `active_mb` and `shares` list the VMs; all configured memory is granted.
    """
    configured = np.array(config["configured_mb"]) * _PAGES_PER_MB
    values = {}
    for tax, total_mb in zip(config["taxes"], config["total_mb"], strict=True):
        run = _idle_run(configured.astype(int), config["shares"], tax / 100.0)
        run.stack.active.pages[:] = np.array(config["active_mb"]) * _PAGES_PER_MB
        set_targets(run.stack, int(total_mb * _PAGES_PER_MB))
        for v, pages in enumerate(run.stack.vms.target):
            values[f"vm{v + 1}_{tax}"] = float(pages) / _PAGES_PER_MB
    return Computed(values)


def check_adjusted_price(config: Mapping[str, Any]) -> Computed:
    """Divide memory among random VMs: `price_spread`, largest less smallest adjusted price between bounds ÷ their mean.

    `vms` VMs, memory for `supply_share` of what they ask for, `tax` in %. The largest spread of `draws` draws.
    """
    n_vms, draws, tax = int(config["vms"]), int(config["draws"]), config["tax"] / 100.0
    uniform = np.empty((draws, 3, n_vms))
    fill_uniform(np.uint32(7), 1, uniform.reshape(-1))
    spreads, n_between = [], 0
    for size, active_fraction, shares in uniform:
        configured = (20_000 + 80_000 * size).astype(int)
        active = 0.5 * active_fraction * configured
        run = _idle_run(configured, (500 + 2500 * shares).astype(int), tax)
        run.stack.active.pages[:] = active
        set_targets(run.stack, int(config["supply_share"] * configured.sum()))
        target = run.stack.vms.target
        is_between = target < configured
        fraction = np.minimum(active / target, 1.0)
        price = run.stack.vms.shares / (target * (fraction + (1.0 - fraction) / (1.0 - tax)))
        n_between += int(is_between.sum())
        spreads.append(np.ptp(price[is_between]) / price[is_between].mean())
    return Computed({"price_spread": float(max(spreads)), "vms_between_bounds": float(n_between)})


def check_sampling(config: Mapping[str, Any]) -> Computed:
    """Run the estimator with its preset on a steady and on a stopped load.

    `sd_points_F`: standard deviation of one period's share at F % active; `sd_slow_points_F`: of the slow average;
    `rise_periods`: periods until the estimate has risen to 90 % of a load that starts; `slow_per_min`, `fast_per_min`:
    what is left of the averages a minute after the load stopped.
    """
    values = {}
    for percent in config["active_percent"]:
        shares, slow = _steady(percent / 100.0, int(config["periods"]))
        values[f"sd_points_{percent}"] = 100.0 * float(np.std(shares))
        values[f"sd_slow_points_{percent}"] = 100.0 * float(np.std(slow))
    rows = _periods([0.0] * 5 + [1.0] * 20 + [0.0] * 4)
    values["rise_periods"] = float(np.argmax(rows[5:, 2] >= 0.9) + 1)
    per_min = 60.0 / _preset_knobs().sample_period_s
    values["slow_per_min"] = float((rows[25, 0] / rows[24, 0]) ** per_min)
    values["fast_per_min"] = float((rows[25, 1] / rows[24, 1]) ** per_min)
    minutes = tuple(float(n) / per_min for n in range(len(rows)))
    curves = {name: (minutes, tuple(map(float, rows[:, n]))) for n, name in enumerate(("slow", "fast", "estimate"))}
    return Computed(values, curves, ("time [min]", "share of configured memory"))


def _steady(touched: float, n_periods: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each period's sampled share and the slow average, with `touched` of memory active throughout."""
    rows = _periods([touched] * n_periods)
    gain = _preset_knobs().slow_gain
    shares = (rows[1:, 0] - (1.0 - gain) * rows[:-1, 0]) / gain
    return shares, rows[50:, 0]


def _preset_knobs() -> BalloonKnobs:
    return _idle_run(np.array([1000]), [1000], 0.75).stack.balloon_knobs


def _periods(touched: list[float]) -> np.ndarray:
    """Return slow average, fast average and estimate after each period, by the share of memory touched in it."""
    n_pages = 10_000
    run = _idle_run(np.array([n_pages]), [1000], 0.75, n_ticks=len(touched))
    knobs = run.stack.balloon_knobs
    stack = run.stack._replace(balloon_knobs=knobs._replace(tick_s=knobs.sample_period_s))
    rows = np.empty((len(touched), 3))
    for tick, share in enumerate(touched):
        stack.vms.tick[0, TICK_TOUCHED] = math.floor(share * n_pages)
        step_active(stack, tick)
        rows[tick] = stack.active.slow[0], stack.active.fast[0], stack.active.pages[0] / n_pages
    return rows


def _idle_run(configured: np.ndarray, shares: Any, tax: float, n_ticks: int = 1) -> ExperimentRun:
    """Set up a host of VMs of `configured` pages, all granted, with the preset of ESXi and another tax."""
    guests = [
        Guest(
            n_pages=int(pages),
            guest_class=np.full(int(pages), GUEST_ANON),
            granted=np.full(n_ticks, int(pages), dtype=np.int32),
            touched=(np.zeros(0, np.int32),) * n_ticks,
            shares=int(share),
        )
        for pages, share in zip(configured, shares, strict=True)
    ]
    rules = HostRules(2 * int(configured.sum()), "esxi-8", {"idle_memory_tax": tax}, WorkloadSpec(), 1, 60.0)
    run = start_run(guests, rules)
    run.stack.vms.granted[:] = configured
    return run


CHECKS = {"idle-tax": check_idle_tax, "adjusted-price": check_adjusted_price, "active-sampling": check_sampling}
