"""`planner sweep`: arguments in, run directory and exit code out."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from planner.cli.progress import note
from planner.cli.run_sweep import SweepJob, SweepResult, prepare_sweep, run_sweep, warm_up
from planner.cli.summary_table import print_summary
from planner.config.check import KnownNames
from planner.config.load import load_config
from planner.errors import EXIT_INCOMPLETE, EXIT_OK
from planner.fleet.base import Executor
from planner.fleet.local import LocalExecutor
from planner.host.simulator import HostSim
from planner.placement import strategy_names
from planner.results.store import REPORT
from planner.workload.build import build_source

_SHOWN_FAILURES = 5
_LOG_COLUMNS = 140


def sweep_command(
    config_path: Path, overrides: list[str], out: Path | None, workers: int | None, ray_address: str | None,
    executor: str, is_json: bool,
) -> int:  # fmt: skip
    """Run a sweep and print its summary.

    Parameters
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
        Print summary.json alone on stdout.

    Returns
    -------
    int
        Exit code: 3 when a host failed, else 0.
    """
    config = load_config(config_path, overrides, KnownNames(placements=strategy_names()))
    job = SweepJob(config, config_path, tuple(overrides), out or Path("reports") / config_path.stem)
    planner, plan = prepare_sweep(job, build_source(config, config_path.parent))
    warm_up(HostSim, plan)
    with open_executor(executor, workers, ray_address) as opened:
        result = run_sweep(job, planner, plan, opened, HostSim)
    _print_result(result, job.out, is_json)
    return EXIT_INCOMPLETE if result.failures else EXIT_OK


@contextmanager
def open_executor(kind: str, workers: int | None, ray_address: str | None) -> Iterator[Executor]:
    """Open the executor of that kind, and close it afterwards. Ray is imported only when it is asked for."""
    if kind == "local":
        yield LocalExecutor()
        return
    from planner.fleet.ray_pool import RayExecutor

    with RayExecutor(workers, ray_address) as executor:
        yield executor


def _print_result(result: SweepResult, out: Path, is_json: bool) -> None:
    if is_json:
        sys.stdout.write(json.dumps(result.summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    else:
        console = Console() if sys.stdout.isatty() else Console(width=_LOG_COLUMNS)
        print_summary(result.summary, console)
        console.print(f"Report: {out / REPORT}", markup=False, highlight=False, soft_wrap=True)
    if not result.failures:
        return
    note(f"{len(result.failures)} host runs failed; their rows say why. The first of them:")
    for failure in result.failures[:_SHOWN_FAILURES]:
        note(f"  scenario {failure['scenario_id']}, replicate {failure['replicate']}, host {failure['host']}: ")
        note(f"    {failure['message']}")
        note(f"    replay: {failure['replay']}")
