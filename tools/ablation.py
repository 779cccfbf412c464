"""What each mechanism is worth: switch it off alone, on the same fleet, and compare.

Every variant meets the same demand on the same placement, replicate by replicate, so differences are paired. Run as
`make docs-measured`; writes the tables of docs/model/ablation.md.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from planner.cli.environment import prepare_environment

prepare_environment(will_join_cluster=False)

from planner.analysis.intervals import student_t_quantile  # noqa: E402 (the environment is read at import)
from planner.config.load import load_config  # noqa: E402
from planner.fleet.base import Outcome  # noqa: E402
from planner.fleet.local import LocalExecutor  # noqa: E402
from planner.host.simulator import HostSim  # noqa: E402
from planner.results.tables import host_table, vm_table  # noqa: E402
from planner.sweep.expand import expand_scenarios  # noqa: E402
from planner.sweep.placing import SweepPlanner  # noqa: E402
from planner.units import GIB, MIB  # noqa: E402
from planner.workload.build import build_source  # noqa: E402
from tools.marked import DOCS, markdown_table, write_marked  # noqa: E402

CONFIG = Path(__file__).parents[1] / "cluster_configs" / "demo.yaml"
PAGE = DOCS / "model" / "ablation.md"
RATIOS = (1.4, 1.8)
REPLICATES = 4
BASE = "all on"
VARIANTS: dict[str, tuple[str, ...]] = {
    BASE: (),
    "page sharing off": ("hypervisor.page_sharing.enabled=false",),
    "sharing between VMs, too": ("hypervisor.page_sharing.salting=false",),
    "ballooning off": ("hypervisor.ballooning.enabled=false",),
    "compression off": ("hypervisor.compression.enabled=false",),
    "host swapping off": ("hypervisor.swap.enabled=false",),
    "ballooning and compression off": ("hypervisor.ballooning.enabled=false", "hypervisor.compression.enabled=false"),
    "large pages off": ("hypervisor.large_pages=false",),
    "idle memory tax 0": ("hypervisor.idle_memory_tax=0",),
}


class Measure(NamedTuple):
    """A column of the table: what it is called, where it comes from, how it is scaled."""

    title: str
    column: str
    scale: float
    digits: int


MEASURES = (
    Measure("hosts that break the objective (%)", "slo_is_broken", 0.01, 1),
    Measure("swap-in (MiB/s)", "swap_in_bytes_per_s_mean", MIB, 3),
    Measure("guest paging (MiB/s)", "guest_paging_bytes_per_s_mean", MIB, 3),
    Measure("ballooned (GiB)", "ballooned_bytes_mean", GIB, 1),
    Measure("saved by sharing (GiB)", "shared_saved_bytes_mean", GIB, 2),
    Measure("saved by compression (GiB)", "compressed_saved_bytes_mean", GIB, 2),
    Measure("swapped (GiB)", "swapped_bytes_mean", GIB, 1),
    Measure("denied (GiB)", "denied_bytes", GIB, 2),
    Measure("page walks (%)", "translation_overhead_mean", 0.01, 2),
    Measure("slowdown (%)", "slowdown_excess", 0.01, 2),
)


def main() -> None:
    """Run all variants and write the page."""
    frames = []
    for name, overrides in VARIANTS.items():
        sys.stderr.write(f"{name} ...\n")
        frames.append(run_variant(overrides).assign(variant=name))
    parts = [_ratio_part(pd.concat(frames), ratio) for ratio in RATIOS]
    write_marked(PAGE, "tables", "\n\n".join(parts))


def run_variant(overrides: tuple[str, ...]) -> pd.DataFrame:
    """Run one variant: a row per ratio and replicate, means over hosts."""
    ratios = ", ".join(map(str, RATIOS))
    sets = (f"sweep.overcommit_ratio=[{ratios}]", "sweep.placement=[first-fit]", f"sweep.replicates={REPLICATES}")
    config = load_config(CONFIG, [*sets, *overrides])
    source = build_source(config, CONFIG.parent)
    plan = SweepPlanner(config, source).plan(expand_scenarios(config))
    found: dict[int, Outcome] = {}
    LocalExecutor().run_problems(plan.problems, HostSim, source, found.__setitem__, lambda _: None)
    outcomes = [found[position] for position in range(len(plan.problems))]
    keys = ["scenario_id", "replicate"]
    hosts = host_table(plan, outcomes).to_pandas()
    if (hosts["status"] != "ok").any():
        raise RuntimeError(hosts.loc[hosts["status"] != "ok", "status"].iloc[0])
    vms = vm_table(plan, outcomes).to_pandas().groupby(keys)["slowdown_mean"].mean() - 1.0
    columns = [measure.column for measure in MEASURES if measure.column != "slowdown_excess"]
    table = hosts.astype({"slo_is_broken": float}).groupby(keys)[columns].mean()
    ratio_of = {item.scenario.id: item.scenario.overcommit_ratio for item in plan.placed}
    return table.assign(slowdown_excess=vms).reset_index().assign(ratio=lambda rows: rows["scenario_id"].map(ratio_of))


def _ratio_part(table: pd.DataFrame, ratio: float) -> str:
    """Write the table of one ratio: the base as it is, the others as paired differences."""
    mine = table[table["ratio"] == ratio]
    base = mine[mine["variant"] == BASE].sort_values("replicate")
    rows = [(f"**{BASE}**", *(_value(base[item.column].to_numpy(), item) for item in MEASURES))]
    for name in list(VARIANTS)[1:]:
        other = mine[mine["variant"] == name].sort_values("replicate")
        cells = (_difference(other[item.column].to_numpy() - base[item.column].to_numpy(), item) for item in MEASURES)
        rows.append((name, *cells))
    return f"### Overcommit ratio {ratio:g}\n\n{markdown_table(('', *(item.title for item in MEASURES)), rows)}"


def _value(values: np.ndarray, item: Measure) -> str:
    return f"{values.mean() / item.scale:.{item.digits}f}"


def _difference(values: np.ndarray, item: Measure) -> str:
    """Write a mean difference with its half width at 95 %; a dot where nothing changed."""
    if not values.any():
        return "·"
    half = student_t_quantile(0.975, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    return f"{values.mean() / item.scale:+.{item.digits}f} ± {half / item.scale:.{item.digits}f}"


if __name__ == "__main__":
    main()
