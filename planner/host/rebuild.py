"""From a host problem to the limits of the rebuilding of large pages."""

import numpy as np

from planner.host.problem import HostProblem
from planner.kernels.state import Knobs, RebuildArrays, RebuildLimits


def build_rebuild(problem: HostProblem, knobs: Knobs, n_vms: int, tick_s: float) -> RebuildArrays:
    """Build the state of rebuilding before the first tick.

    ESXi breaks large pages to share them below `break_below`, so it rebuilds them only above; Linux needs free memory
    above its watermarks.
    """
    spec = problem.hypervisor.large_page_rebuild
    breaks_below = knobs.break_below if spec.by == "esxi" and knobs.is_sharing else 0
    pages_per_block = knobs.pages_per_block * problem.page_scale
    limits = RebuildLimits(
        is_on=knobs.is_large and spec.by != "none",
        blocks_per_tick=spec.pages_per_s * tick_s / pages_per_block,
        free_above=int(max(knobs.clear_below, breaks_below) * (1.0 + knobs.margin)) + 1,
        max_shared=spec.max_shared,
        max_swapped=spec.max_swapped,
    )
    return RebuildArrays(np.zeros(n_vms, dtype=np.int64), limits)
