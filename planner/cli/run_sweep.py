"""The sweep from config to run directory: place, simulate, recommend, simulate the other tails, write, render."""

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from planner.analysis.looks import plan_looks
from planner.analysis.power import power_warnings
from planner.cli.adaptive import SearchTools, grid_problems, search_stages
from planner.cli.progress import note
from planner.cli.sensitivity import Line, analyse_sensitivity
from planner.cli.stages import Stage, failed_runs, simulate_plan, summarize_stages
from planner.cli.timelines import choose_hosts, simulate_timelines
from planner.config.spec import PlannerConfig
from planner.fleet.base import Executor, SimFactory
from planner.fleet.warm import warm_kernels
from planner.kernel_cache import is_warm
from planner.report.page import render_report
from planner.results import RunContents, write_run
from planner.results.journal import Journal
from planner.results.manifest import build_manifest
from planner.results.outcomes import KnownOutcomes
from planner.results.tables import Replay
from planner.sweep.adaptive import grid_config, most_replicates
from planner.sweep.expand import Scenario, expand_scenarios, expand_sensitivity
from planner.sweep.placing import SweepPlanner
from planner.sweep.plan import Plan
from planner.units import format_value
from planner.workload.source import DemandSource


@dataclass(frozen=True)
class SweepJob:
    """One sweep as asked for on the command line."""

    config: PlannerConfig
    config_path: Path
    overrides: tuple[str, ...]
    out: Path


class SweepResult(NamedTuple):
    """What the command prints."""

    summary: dict[str, Any]
    failures: list[dict[str, Any]]


def prepare_sweep(job: SweepJob, source: DemandSource) -> tuple[SweepPlanner, Plan]:
    """Find everything that is wrong before anything runs, and place the first stage's VMs.

    Raises
    ------
    ConfigError, InputError
        An axis, a placement or a VM's size is wrong.
    """
    config = grid_config(job.config, source.independent_replicates())
    planner = SweepPlanner(config, source)
    plan = planner.plan(expand_scenarios(config))
    note(f"{len(source.vms)} VMs; {_describe(plan, job.config, config.sweep.replicates)}")
    hosts = max((len(item.hosts) for item in plan.placed), default=0)
    for issue in power_warnings(config.slo, config.sweep.replicates, hosts, source.independent_replicates()):
        note(f"warning: {issue}")
    return planner, plan


def run_sweep(
    job: SweepJob, prepared: tuple[SweepPlanner, Plan], executor: Executor, sim_factory: SimFactory, journal: Journal
) -> SweepResult:
    """Simulate, summarise and write a prepared sweep; see the module's first line for the order.

    What is simulated goes into the journal as it comes, and what is there already is not simulated again. The journal
    is discarded when the run is in place.
    """
    planner, plan = prepared
    clock = RunClock(executor)
    journal.clock = clock.read
    known = KnownOutcomes(journal.store)
    independent = plan.source.independent_replicates()
    looks = plan_looks(most_replicates(job.config, independent), job.config.slo.confidence)
    tools = SearchTools(job.config, executor, sim_factory, known, looks, independent)
    if job.config.sweep.adaptive:
        stages, summary = search_stages(job.config, planner, plan, tools)
    else:
        stages, summary = _simulate_all(job, planner, plan, tools)
    if job.config.sweep.sensitivity:
        stages, summary = _with_sensitivity(tools, planner, stages, summary)
    replay = partial(replay_command, job)
    failures = [entry for stage in stages for entry in _failures(stage, replay)]
    chosen = choose_hosts(stages[0].rows_of, summary)
    timelines = simulate_timelines(chosen, stages[0].plan, sim_factory)
    run = {
        **run_times(clock, journal),
        "host_runs": sum(len(stage.plan.runs) for stage in stages),
        "host_problems": len(known),
        "failures": failures,
        "timelines": [item.entry() for item in chosen if item.name in timelines],
    }
    placed = tuple(item for stage in stages for item in stage.plan.placed)
    contents = RunContents(
        config=job.config,
        hosts=chain.from_iterable(stage.tables.host_pieces(replay) for stage in stages),
        vms=chain.from_iterable(stage.tables.vm_pieces() for stage in stages),
        timelines=timelines,
        manifest=build_manifest(job.config, placed, plan.source, run),
        summary=summary,
    )
    write_run(job.out, contents, render_report, journal.discard)
    return SweepResult(summary, failures)


def warm_up(sim_factory: SimFactory, plan: Plan) -> None:
    """Compile the kernels here, once, when that has not been done for this installation."""
    if plan.problems and not is_warm():
        note("compiling the simulation kernels (once per installation) ...")
        warm_kernels(sim_factory, plan.source, plan.problems[0])


def replay_command(job: SweepJob, scenario: Scenario, replicate: int, host: str) -> str:
    """Write the command that simulates one host of one scenario again, in this process."""
    sets = [
        *job.overrides,
        *(f"{path}={format_value(value)}" for path, value in scenario.axes.items()),
        f"workload.tail={scenario.tail}",
        f"seed={job.config.seed}",
    ]
    words = ["planner", "host", str(job.config_path), "--host", host, "--placement", scenario.placement]
    words += ["--ratio", repr(scenario.overcommit_ratio), "--replicate", str(replicate)]
    return shlex.join(words + [word for text in sets for word in ("--set", text)])


def _describe(plan: Plan, config: PlannerConfig, replicates: int) -> str:
    if config.sweep.adaptive:
        most = grid_problems(plan, config)
        return (
            f"a search among {len(plan.placed)} scenarios with up to {replicates} replicates: no more than the {most} "
            f"host problems that all of them have with {config.sweep.replicates}"
        )
    runs = f"{len(plan.runs)} host runs, {len(plan.problems)} of them different"
    return f"{len(plan.placed)} scenarios x {replicates} replicates: {runs}"


def _simulate_all(
    job: SweepJob, planner: SweepPlanner, plan: Plan, tools: SearchTools
) -> tuple[list[Stage], dict[str, Any]]:
    """Simulate every scenario, then what is needed to know the answer under the other tails."""
    executor, sim_factory, known = tools.executor, tools.sim_factory, tools.known
    stages = [simulate_plan(plan, executor, sim_factory, "sweep", known)]
    summary = summarize_stages(stages, job.config)
    while others := expand_sensitivity(job.config, summary, first_id=sum(len(stage.plan.placed) for stage in stages)):
        stages.append(simulate_plan(planner.plan(others), executor, sim_factory, _tail_label(others), known))
        summary = summarize_stages(stages, job.config)
    return stages, summary


def _with_sensitivity(
    tools: SearchTools, planner: SweepPlanner, stages: list[Stage], summary: dict[str, Any]
) -> tuple[list[Stage], dict[str, Any]]:
    """Vary the assumptions around the recommended line, over the ratios that it was chosen from."""
    chosen = summary["recommendation"]
    ratios = tuple(summary["adaptive"]["ratios"]) if "adaptive" in summary else _line_ratios(summary)
    start = chosen["overcommit_ratio"] or ratios[0]
    line = Line(chosen["placement"], chosen["axes"], chosen["tail"], ratios, start)
    replicates, independent = tools.config.sweep.replicates, tools.independent
    count = replicates if independent is None else min(replicates, independent)
    first_id = sum(len(stage.plan.placed) for stage in stages)
    more, found = analyse_sensitivity(tools, planner, line, count, first_id)
    stages = [*stages, *more]
    return stages, {**summarize_stages(stages, tools.config), **_extras(summary), "sensitivity": found}


def _line_ratios(summary: Mapping[str, Any]) -> tuple[float, ...]:
    chosen = summary["recommendation"]
    same = [
        item["overcommit_ratio"]
        for item in summary["scenarios"]
        if (item["role"], item["placement"], item["axes"]) == ("sweep", chosen["placement"], chosen["axes"])
    ]
    return tuple(sorted(same))


def _extras(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {"adaptive": summary["adaptive"]} if "adaptive" in summary else {}


def _failures(stage: Stage, replay: Replay) -> list[dict[str, Any]]:
    return [
        {**entry, "replay": replay(scenario, entry["replicate"], entry["host"])}
        for entry, scenario in failed_runs(stage)
    ]


def _tail_label(scenarios: Sequence[Scenario]) -> str:
    return "tail " + ", ".join(dict.fromkeys(scenario.tail for scenario in scenarios))


class RunClock:
    """Wall and CPU time since it was made, workers of the executor included."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._wall_s = time.monotonic()
        self._cpu_s = time.process_time()

    def read(self) -> tuple[float, float]:
        """Return wall and CPU time. [s]."""
        cpu_s = time.process_time() - self._cpu_s + self._executor.worker_cpu_s()
        return time.monotonic() - self._wall_s, cpu_s


def run_times(clock: RunClock, journal: Journal) -> dict[str, Any]:
    """Say for the manifest how long a run took over all its sessions, and how many there were."""
    wall_s, cpu_s = clock.read()
    earlier_wall_s, earlier_cpu_s = journal.earlier_s
    times = {"wall_s": round(wall_s + earlier_wall_s, 3), "cpu_s": round(cpu_s + earlier_cpu_s, 3)}
    return {**times, "sessions": journal.sessions}
