"""How finely a fleet is sampled: one sampled page stands for the same number of 4 KiB pages on every VM."""

import math

from planner.config.spec import PlannerConfig
from planner.errors import Issue
from planner.units import PAGE_BYTES, format_bytes
from planner.workload.fleet import VmTable

COARSEST_STEP = 0.5
"""Largest share of the swap-in objective that one sampled page a tick may be; above it one page decides the answer."""
MOST_PAGES_OF_HOST = 1 << 31
"""Every 4 KiB page of 8 TiB: about 90 GiB of state, at the 45 bytes a page of an exact host."""


def page_scale(vms: VmTable, config: PlannerConfig) -> int:
    """Return the power of two nearest to mean configured pages ÷ `fidelity.pages_per_vm`, at least 1."""
    wanted = float(vms.configured_bytes.mean()) / PAGE_BYTES / config.fidelity.pages_per_vm
    return int(2 ** max(0, round(math.log2(wanted))))


def check_sampling(vms: VmTable, config: PlannerConfig) -> list[Issue]:
    """Refuse a sampling so coarse that one page decides the answer, or so fine that a host does not fit into memory."""
    return [*_too_coarse(vms, config), *_too_fine(vms, config)]


def _too_fine(vms: VmTable, config: PlannerConfig) -> list[Issue]:
    """Refuse a host with more sampled pages than a worker can hold."""
    largest_bytes = max(group.memory for group in config.fleet.hosts) * max(config.sweep.overcommit_ratio)
    pages = min(int(vms.configured_bytes.sum()), largest_bytes) / PAGE_BYTES / page_scale(vms, config)
    if pages <= MOST_PAGES_OF_HOST:
        return []
    fitting = int(config.fidelity.pages_per_vm * MOST_PAGES_OF_HOST / pages)
    message = f"{config.fidelity.pages_per_vm} pages for a VM of mean size make {pages:,.0f} on one host"
    return [Issue("fidelity.pages_per_vm", message, f"use {max(8, fitting // 2)} or less")]


def _too_coarse(vms: VmTable, config: PlannerConfig) -> list[Issue]:
    """Refuse a sampling where a single sampled page read in a tick is half of the objective or more."""
    if config.slo.swap_in is None:
        return []
    page_bytes = page_scale(vms, config) * PAGE_BYTES
    step_per_s = page_bytes / config.tick
    if step_per_s < COARSEST_STEP * config.slo.swap_in:
        return []
    needed = math.ceil(config.fidelity.pages_per_vm * step_per_s / (COARSEST_STEP * config.slo.swap_in))
    # Sizes go by powers of two: aim past the limit, not at it.
    message = (
        f"{config.fidelity.pages_per_vm} pages for a VM of mean size make one stand for {format_bytes(page_bytes)}; a "
        f"single one read in a tick is {format_bytes(step_per_s)}/s, too coarse for an objective of "
        f"{format_bytes(config.slo.swap_in)}/s"
    )
    return [Issue("fidelity.pages_per_vm", message, f"use {2 * needed} or more")]
