"""`planner whatif`: changes against a base, always paired; change files in, a directory and a page out."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
from rich.console import Console

from planner.analysis.whatif_summary import WhatifTables, summarize_whatif
from planner.cli.check import known_names
from planner.cli.interrupt import Interrupts, journaled, open_executor
from planner.cli.one_scenario import load_one_scenario
from planner.cli.progress import note
from planner.cli.recovery import describe_recovery
from planner.cli.run_sweep import warm_up
from planner.cli.stages import Stage, failed_runs, note_failures, simulate_plan
from planner.cli.whatif_table import print_whatif
from planner.config.change import ChangeSpec
from planner.config.change_file import changed_config, load_change
from planner.config.spec import PlannerConfig
from planner.errors import EXIT_INCOMPLETE, EXIT_OK, ConfigError, Issue, naming_source
from planner.fleet.base import Executor
from planner.host.simulator import HostSim
from planner.report.whatif_page import render_whatif
from planner.results.identity import identify_run
from planner.results.journal import Journal, open_journal
from planner.results.manifest import build_manifest, scenario_entry
from planner.results.outcomes import KnownOutcomes
from planner.results.store import REPORT, check_target
from planner.results.tables import timeline_table
from planner.results.whatif_store import WHATIF_FORMAT, WhatifContents, write_whatif
from planner.sweep.plan import PlacedScenario, Plan, build_plan
from planner.sweep.whatif import Case, WhatifPlanner
from planner.workload.build import build_source
from planner.workload.source import DemandSource

_LOG_COLUMNS = 140
_VM_ORDER = [(name, "ascending") for name in ("scenario_id", "replicate", "host", "vm")]


@dataclass(frozen=True)
class WhatifJob:
    """A what-if as asked for on the command line; None: what the config says first, or the default."""

    config_path: Path
    changes: tuple[Path, ...]
    overrides: tuple[str, ...]
    placement: str | None
    ratio: float | None
    out: Path | None
    workers: int | None
    ray_address: str | None
    executor: str
    is_json: bool
    is_resumed: bool = False

    def target(self) -> Path:
        """Return the directory to write: as given, or named after the config."""
        return self.out or Path("reports") / f"{self.config_path.stem}-whatif"


def whatif_command(job: WhatifJob) -> int:
    """Compare every change with the base, write the directory, print a table.

    Returns
    -------
    int
        Exit code: 3 when a host failed, else 0.

    Raises
    ------
    ConfigError, InputError
        The config, a change file, an option or the target is wrong.
    """
    config = load_one_scenario(job.config_path, job.overrides, job.ratio, job.placement)
    _check_question(config)
    check_target(job.target(), WHATIF_FORMAT)
    changes = _load_changes(job.changes)
    source = build_source(config, job.config_path.parent)
    written = {item.name or "": item.model_dump(mode="json", exclude_none=True) for item in changes}
    identity = identify_run("whatif", config, source.vms, job.config_path.parent, written)
    with Interrupts() as interrupts, journaled(open_journal(job.target(), identity, job.is_resumed, note)) as journal:
        with open_executor(job.executor, job.workers, job.ray_address, interrupts) as executor:
            # Ray starts while VMs are placed.
            with naming_source(str(job.config_path)):
                planner = WhatifPlanner(config, source)
            cases = _make_cases(planner, config, changes, job)
            plans = _plans(planner.base, cases, planner.source)
            note(_describe(planner.base, cases, plans))
            warm_up(HostSim, plans[0])
            stages = _simulate(plans, executor, journal)
        failures = [entry for stage in stages for entry, _ in failed_runs(stage)]
        found = _summarize(job, config, cases, stages, failures)
        contents = WhatifContents(config, written, _hosts(stages), _vms(stages), *found)
        write_whatif(job.target(), contents, render_whatif, journal.discard)
    summary = found.summary
    _print(job, summary, failures)
    return EXIT_INCOMPLETE if failures else EXIT_OK


def _describe(base: PlacedScenario, cases: Sequence[Case], plans: Sequence[Plan]) -> str:
    count = sum(len(plan.problems) for plan in plans)
    return (
        f"base: {len(base.hosts)} hosts, {base.vms_placed} VMs; {len(cases)} cases, "
        f"{sum(len(case.variants) for case in cases)} scenarios, about {count} different host runs"
    )


def _check_question(config: PlannerConfig) -> None:
    if config.question == "grow":
        message = "a what-if compares changes of one fleet, and a grown fleet is another one at every change"
        raise ConfigError((Issue("question", message, "add --set question=consolidate"),))


def _load_changes(paths: Sequence[Path]) -> list[ChangeSpec]:
    """Load every change file; all that is wrong in all of them is said at once."""
    changes, problems = [], []
    for path in paths:
        try:
            changes.append(load_change(path))
        except ConfigError as error:
            problems += [item._replace(path=f"{path}: {item.path}") for item in error.issues]
    names = [item.name for item in changes]
    problems += [
        Issue(str(name), "is the name of two cases", "give one of them another `name:`")
        for name in sorted({name for name in names if names.count(name) > 1}, key=str)
    ]
    if problems:
        raise ConfigError(tuple(problems), "change files")
    return changes


def _make_cases(
    planner: WhatifPlanner, config: PlannerConfig, changes: Sequence[ChangeSpec], job: WhatifJob
) -> list[Case]:
    cases, problems = [], []
    for change in changes:
        try:
            cases.append(planner.case(change, changed_config(config, change, job.config_path.parent, known_names())))
        except ConfigError as error:
            problems += [item._replace(path=f"{change.name}: {item.path}") for item in error.issues]
    if problems:
        raise ConfigError(tuple(problems), "change files")
    return cases


def _plans(base: PlacedScenario, cases: Sequence[Case], source: DemandSource) -> list[Plan]:
    """Make one plan of all that happens to the fleet as it is, and one for each case with a fleet of its own."""
    placed = {base.scenario.id: base}
    for case in cases:
        if case.is_base_fleet:
            placed |= {item.scenario.id: item for item in (case.base, *(variant.placed for variant in case.variants))}
    # A base that is judged from an event on is simulated over the fleet as it is, whatever the case's own fleet.
    placed |= {case.base.scenario.id: case.base for case in cases}
    own = [build_plan(case.source, [item.placed for item in case.variants]) for case in cases if not case.is_base_fleet]
    return [build_plan(source, list(placed.values())), *own]


def _simulate(plans: Sequence[Plan], executor: Executor, journal: Journal) -> list[Stage]:
    """Simulate plan after plan. Rows of a plan's source mean nothing in another's, so nothing is shared."""
    stages = []
    for number, plan in enumerate(plans):
        known = KnownOutcomes(journal.store, fleet=f"{number}")
        label = "what-if" if number == 0 else f"what-if, fleet {number + 1}"
        stages.append(simulate_plan(plan, executor, HostSim, label, known))
    return stages


class _Found(NamedTuple):
    """What is written beside the tables of hosts and VMs; fields as in `WhatifContents`."""

    timelines: dict[str, pa.Table]
    manifest: dict[str, Any]
    summary: dict[str, Any]


def _summarize(
    job: WhatifJob,
    config: PlannerConfig,
    cases: Sequence[Case],
    stages: Sequence[Stage],
    failures: list[dict[str, Any]],
) -> _Found:
    stage_of = {item.scenario.id: stage for stage in stages for item in stage.plan.placed}
    placed = sorted((item for stage in stages for item in stage.plan.placed), key=lambda item: item.scenario.id)
    source = stages[0].plan.source
    entries = [case_entry(case, config) for case in cases]
    run = {"config": str(job.config_path), "cases": entries, "failures": failures}
    manifest = build_manifest(config, tuple(placed), source, run)

    def vms_of(scenario_id: int) -> pd.DataFrame:
        frame: pd.DataFrame = stage_of[scenario_id].tables.vms_of(scenario_id).sort_by(_VM_ORDER).to_pandas()
        return frame

    gone = {item.scenario.id: _gone(item) for item in placed}
    tables = WhatifTables(lambda scenario_id: stage_of[scenario_id].rows_of(scenario_id), vms_of, gone)
    scenarios = [scenario_entry(item) for item in placed]
    summary = summarize_whatif(tables, scenarios, entries, config, source.independent_replicates())
    timelines: dict[str, pa.Table] = {}
    for case, item in zip(cases, summary["cases"], strict=True):
        item["recovery"], item["timeline_host"] = [], None
        if case.kind == "lose_hosts" and case.at_tick is not None and case.is_base_fleet:
            ids = (case.base.scenario.id, item["scenario_id"])
            recovery = describe_recovery(stages[0].plan, ids, case.at_tick, config, HostSim)
            item["recovery"], item["timeline_host"] = recovery.rows, recovery.host
            if recovery.timeline is not None:
                timelines[str(item["scenario_id"])] = timeline_table(recovery.timeline)
    return _Found(timelines, manifest, summary)


def _by_scenario(stages: Sequence[Stage]) -> list[tuple[int, Stage]]:
    found = [(item.scenario.id, stage) for stage in stages for item in stage.plan.placed]
    return sorted(found, key=lambda pair: pair[0])


def _hosts(stages: Sequence[Stage]) -> Iterator[pa.Table]:
    for scenario_id, stage in _by_scenario(stages):
        yield from stage.tables.host_pieces(scenario_id=scenario_id)


def _vms(stages: Sequence[Stage]) -> Iterator[pa.Table]:
    """Yield the rows of all VMs; those of a host are in the order of their names, whatever fleet they are of."""
    for scenario_id, stage in _by_scenario(stages):
        # A piece holds whole hosts, so what is sorted within pieces is sorted.
        yield from (piece.sort_by(_VM_ORDER) for piece in stage.tables.vm_pieces(scenario_id))


def _gone(item: PlacedScenario) -> list[str]:
    """List the hosts that are gone when judging starts."""
    first_tick = round(item.config.warm_up / item.config.tick)
    return [host.hardware.name for host in item.hosts if host.gone_tick is not None and host.gone_tick <= first_tick]


def case_entry(case: Case, config: PlannerConfig) -> dict[str, Any]:
    """Describe a case for manifest and summary."""
    return {
        "name": case.name,
        "kind": case.kind,
        "what": case.what,
        "base_scenario_id": case.base.scenario.id,
        "variants": [{"scenario_id": item.placed.scenario.id, "label": item.label} for item in case.variants],
        "warn_above": case.warn_above,
        "at_s": None if case.at_tick is None else case.at_tick * config.tick,
        "judged_from_s": case.base.config.warm_up,
        "hosts_affected": config.slo.hosts_affected,
    }


def _print(job: WhatifJob, summary: dict[str, Any], failures: Sequence[dict[str, Any]]) -> None:
    if job.is_json:
        sys.stdout.write(json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    else:
        console = Console() if sys.stdout.isatty() else Console(width=_LOG_COLUMNS)
        print_whatif(summary, console)
        console.print(f"Report: {job.target() / REPORT}", markup=False, highlight=False, soft_wrap=True)
    note_failures(failures)
