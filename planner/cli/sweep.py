"""`planner sweep`: arguments in, run directory and exit code out."""

import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from planner.cli.dry_run import dry_run_as_dict, estimate_run, print_dry_run
from planner.cli.interrupt import Interrupts, journaled, open_executor
from planner.cli.progress import note
from planner.cli.run_sweep import SweepJob, SweepResult, prepare_sweep, run_sweep, warm_up
from planner.cli.stages import note_failures
from planner.cli.summary_table import print_summary
from planner.config.check import KnownNames
from planner.config.load import load_config
from planner.config.spec import PlannerConfig
from planner.errors import EXIT_INCOMPLETE, EXIT_OK, naming_source
from planner.host.simulator import HostSim
from planner.kernel_cache import is_warm
from planner.placement import strategy_names
from planner.results.identity import identify_run
from planner.results.journal import open_journal
from planner.results.store import REPORT, check_target
from planner.sweep.plan import Plan, take_runs
from planner.workload.build import build_source
from planner.workload.source import DemandSource

_LOG_COLUMNS = 140


class SweepOptions(NamedTuple):
    """What was given on the command line.

    Attributes
    ----------
    config_path : Path
        The YAML file.
    overrides : list of str
        `path=value`, as given to `--set` and `--seed`.
    out : Path or None
        Run directory; None: `reports/` and the name of the config.
    workers : int or None
        Number of worker processes; None: one per CPU.
    ray_address : str or None
        Cluster to join.
    executor : str
        "ray", or "local" for this process alone.
    is_json : bool
        Print summary.json, or the estimate of a dry run, alone on stdout.
    is_dry_run : bool
        Say what would be run, and how long it would take; simulate and write nothing else.
    is_adaptive : bool
        Search the ratios, as if the config had `sweep.adaptive`.
    is_sensitivity : bool
        Vary the assumptions, as if the config had `sweep.sensitivity: true`.
    is_resumed : bool
        Go on with an interrupted run at `out`.
    """

    config_path: Path
    overrides: list[str]
    out: Path | None
    workers: int | None
    ray_address: str | None
    executor: str
    is_json: bool
    is_dry_run: bool = False
    is_adaptive: bool = False
    is_sensitivity: bool = False
    is_resumed: bool = False


def sweep_command(options: SweepOptions) -> int:
    """Run a sweep and print its summary.

    Returns
    -------
    int
        Exit code: 3 when a host failed, else 0.
    """
    config_path = options.config_path
    overrides = [*options.overrides, *(["sweep.sensitivity=true"] if options.is_sensitivity else [])]
    config = load_config(config_path, overrides, _known_names())
    if options.is_adaptive and config.sweep.adaptive is None:
        overrides.append("sweep.adaptive={}")
        config = load_config(config_path, overrides, _known_names())
    job = SweepJob(config, config_path, tuple(overrides), options.out or Path("reports") / config_path.stem)
    with naming_source(str(config_path)):
        check_target(job.out)
        source = build_source(config, config_path.parent)
        if options.is_dry_run:
            _print_dry_run(options, config, prepare_sweep(job, source)[1])
            return EXIT_OK
    result = _run(job, source, options)
    _print_result(result, job.out, options.is_json)
    return EXIT_INCOMPLETE if result.failures else EXIT_OK


def _run(job: SweepJob, source: DemandSource, options: SweepOptions) -> SweepResult:
    identity = identify_run("sweep", job.config, source.vms, job.config_path.parent)
    journal = journaled(open_journal(job.out, identity, options.is_resumed, note))
    # Workers start, and import what they need, while the VMs are placed here.
    workers = (options.executor, options.workers, options.ray_address)
    with Interrupts() as interrupts, journal as opened, open_executor(*workers, interrupts) as executor:
        with naming_source(str(job.config_path)):
            prepared = prepare_sweep(job, source)
        warm_up(HostSim, prepared[1])
        return run_sweep(job, prepared, executor, HostSim, opened)


def _known_names() -> KnownNames:
    return KnownNames(placements=strategy_names())


def _print_dry_run(options: SweepOptions, config: PlannerConfig, plan: Plan) -> None:
    n_cpus = len(os.sched_getaffinity(0))
    workers = 1 if options.executor == "local" else options.workers or n_cpus
    if config.sweep.adaptive:
        # At most this is simulated; which part of it, only the search will know.
        most = {item.scenario.id: (item.scenario, config.sweep.replicates) for item in plan.placed}
        plan = take_runs(plan, most)
    found = estimate_run(plan, config, HostSim, workers, is_compiled=is_warm())
    if options.is_json:
        _write_json(dry_run_as_dict(found))
    else:
        print_dry_run(found, _console())


def _print_result(result: SweepResult, out: Path, is_json: bool) -> None:
    if is_json:
        _write_json(result.summary)
    else:
        console = _console()
        print_summary(result.summary, console)
        console.print(f"Report: {out / REPORT}", markup=False, highlight=False, soft_wrap=True)
    note_failures(result.failures)


def _write_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=_LOG_COLUMNS)
