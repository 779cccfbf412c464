"""Whether the adaptive search finds what simulating every ratio finds, and with how few host simulations.

Simulates the whole fine grid of each config once; the search is then answered from those outcomes, so both judge the
very same host runs. Run as `make adaptive-study SOURCE=FLEET_DIR` (minutes to half an hour); writes the table of
docs/adaptive.md. Without a fleet directory of Bitbrains its rows are left out.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from planner.cli.environment import prepare_environment

prepare_environment(will_join_cluster=False)

from planner.analysis.looks import plan_looks  # noqa: E402 (the environment is read at import)
from planner.analysis.wording import format_percent, format_ratio  # noqa: E402
from planner.cli.adaptive import SearchTools, final_stage, grid_problems, lines_of, run_searches  # noqa: E402
from planner.cli.run_sweep import warm_up  # noqa: E402
from planner.cli.stages import simulate_plan, summarize_stages  # noqa: E402
from planner.config.load import load_config  # noqa: E402
from planner.config.spec import PlannerConfig  # noqa: E402
from planner.fleet.base import Executor  # noqa: E402
from planner.fleet.ray_pool import RayExecutor  # noqa: E402
from planner.host.simulator import HostSim  # noqa: E402
from planner.results.outcomes import KnownOutcomes, OutcomeStore  # noqa: E402
from planner.sweep.adaptive import grid_config  # noqa: E402
from planner.sweep.expand import expand_scenarios  # noqa: E402
from planner.sweep.placing import SweepPlanner  # noqa: E402
from planner.sweep.plan import Plan, take_runs  # noqa: E402
from planner.workload.build import build_source  # noqa: E402
from tools.marked import DOCS, markdown_table, write_marked  # noqa: E402

CONFIGS = Path(__file__).parents[1] / "cluster_configs"
PAGE = DOCS / "adaptive.md"
HEAD = (
    "config", "replicates", "grid says", "search says", "grid simulates", "search simulates", "share",
)  # fmt: skip


class Case(NamedTuple):
    """A config, and the most replicates of a ratio."""

    name: str
    overrides: tuple[str, ...]
    replicates: Sequence[int]


def main() -> None:
    """Measure every case and write the page."""
    cases = [Case("demo", (), (10,))]
    if len(sys.argv) > 1:
        cases.append(Case("bitbrains", (f"fleet.vms={{fleet: {Path(sys.argv[1]).resolve()}}}",), (7,)))
    rows: list[tuple[str, ...]] = []
    with RayExecutor() as executor:
        for case in cases[::-1]:
            # Bitbrains first: it takes half as long, and each case is written when it is done.
            rows = [*measure(case, executor), *rows]
            write_marked(PAGE, "study", markdown_table(HEAD, rows, n_text=4))


def measure(case: Case, executor: RayExecutor) -> list[tuple[str, ...]]:
    """Compare grid and search for each number of replicates of a case."""
    path = CONFIGS / f"{case.name}.yaml"
    rows = []
    store = OutcomeStore()
    base = load_config(path, case.overrides)
    source = build_source(base, path.parent)
    for replicates in case.replicates:
        sets = [*case.overrides, f"sweep.adaptive={{replicates_max: {replicates}}}"]
        config = load_config(path, sets)
        grid = grid_config(config, source.independent_replicates())
        plan = SweepPlanner(grid, source).plan(expand_scenarios(grid))
        warm_up(HostSim, plan)
        stage = simulate_plan(plan, executor, HostSim, f"{case.name}, {replicates} replicates", KnownOutcomes(store))
        answers = summarize_stages([stage], grid)
        found = search(config, plan, executor, store)
        rows.append(_row(case.name, grid, plan, answers, found))
    return rows


def search(config: PlannerConfig, plan: Plan, executor: Executor, store: OutcomeStore) -> tuple[dict[str, Any], int]:
    """Search the plan, whose outcomes are stored; return the summary and the number of host problems asked for."""
    independent = plan.source.independent_replicates()
    most = max(item.config.sweep.replicates for item in plan.placed)
    looks = plan_looks(most, config.slo.confidence)
    tools = SearchTools(config, executor, HostSim, KnownOutcomes(store), looks, independent)
    lines = lines_of(plan, looks)
    run_searches(tools, plan, lines, "search", grid_problems(plan, config))
    return summarize_stages([final_stage(tools, plan, lines, 0)], config), len(tools.known)


def _row(
    name: str, grid: PlannerConfig, plan: Plan, answers: Mapping[str, Any], found: tuple[dict[str, Any], int]
) -> tuple[str, ...]:
    summary, simulated = found
    everything = {item.scenario.id: (item.scenario, grid.sweep.replicates) for item in plan.placed}
    total = len(take_runs(plan, everything).problems)
    return (
        name,
        f"{grid.sweep.replicates}",
        _answer(answers["recommendation"]),
        _answer(summary["recommendation"]),
        f"{total:,}",
        f"{simulated:,}",
        format_percent(simulated / total),
    )


def _answer(recommendation: Mapping[str, Any]) -> str:
    ratio = recommendation["overcommit_ratio"]
    return "none" if ratio is None else f"{format_ratio(ratio)}, {recommendation['placement']}"


if __name__ == "__main__":
    main()
