"""Host swap under a memory limit: miss ratios of measured runs, replayed on the stack."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from planner.units import MIB, PAGE_BYTES
from planner.validation.base import Computed
from planner.validation.references import References, measure_miss_ratio
from planner.validation.runs.swap import SwapRun, read_swap_runs

_WARM_UP_PER_PAGE = 24
"""References per page before counting starts: at 95 % of a Zipf 1.0 set the rarest pages are met once in 12 N."""


def check_swap_run(config: Mapping[str, Any]) -> Computed:
    """Replay every row of `directory`/host_swap_miss.csv: `miss_TAG`, misses per reference.

    One VM whose pages are all touched first and then referenced by the row's law, on a host with as many frames as the
    limit allows, least recently used pages paged out. Rows that differ only in what makes no difference to the model
    (repeat, device, share of writes, swap read-ahead) are replayed once.
    """
    runs = read_swap_runs(Path(config["directory"]))
    values = {f"miss_{run.name}": _replay(run.working_set_mib, run.alpha, run.limit_fraction) for run in runs}
    curves = {}
    for name in sorted({_law(run) for run in runs}):
        mine = sorted((run for run in runs if _law(run) == name), key=lambda run: run.limit_fraction)
        limits = tuple(run.limit_fraction for run in mine)
        curves[f"{name}, measured"] = (limits, tuple(run.miss_ratio for run in mine))
        curves[f"{name}, planner"] = (limits, tuple(values[f"miss_{run.name}"] for run in mine))
    return Computed(values, curves, ("memory limit ÷ working set", "misses per reference"))


def _law(run: SwapRun) -> str:
    return "uniform" if run.alpha == 0 else f"Zipf {run.alpha:g}"


@cache
def _replay(working_set_mib: float, alpha: float, limit_fraction: float) -> float:
    n_pages = max(1, round(working_set_mib * MIB / PAGE_BYTES))
    n_frames = max(1, round(limit_fraction * n_pages))
    if n_frames >= n_pages:
        return 0.0
    return measure_miss_ratio(
        References(n_pages, n_frames, alpha, n_warm_up=_WARM_UP_PER_PAGE * n_pages, n_judged=1_000_000, per_tick=64),
        "lru",
    )


CHECKS = {"swap-run": check_swap_run}
