"""How finely a fleet is sampled: one sampled page stands for the same number of 4 KiB pages on every VM."""

import math

from planner.config.spec import PlannerConfig
from planner.errors import Issue
from planner.units import PAGE_BYTES, format_bytes
from planner.workload.fleet import VmTable

COARSEST_STEP = 0.5
"""Largest share of the swap-in objective that one sampled page a tick may be; above it one page decides the answer."""


def page_scale(vms: VmTable, config: PlannerConfig) -> int:
    """Return the power of two nearest to mean configured pages ÷ `fidelity.pages_per_vm`, at least 1."""
    wanted = float(vms.configured_bytes.mean()) / PAGE_BYTES / config.fidelity.pages_per_vm
    return int(2 ** max(0, round(math.log2(wanted))))


def check_sampling(vms: VmTable, config: PlannerConfig) -> list[Issue]:
    """Refuse a sampling so coarse that a single sampled page read in a tick is half of the objective or more."""
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
