"""`planner validate`: the model against closed forms, published figures and measurements of a real kernel."""

import json
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich.console import Console

from planner.cli.progress import note
from planner.cli.validation_table import print_targets, print_validation
from planner.config.suggest import name_problem
from planner.errors import EXIT_INCOMPLETE, EXIT_OK, ConfigError, InputError, Issue
from planner.validation.base import Target
from planner.validation.checks import load_checks
from planner.validation.live.machine import Machine
from planner.validation.live.measure import measure_machine
from planner.validation.load import check_unique, load_targets, shipped_target_files
from planner.validation.run import Outcome, row_entry, run_targets
from planner.validation.runs.find import find_runs

_LOG_COLUMNS = 120


class ValidateJob(NamedTuple):
    """What `planner validate` was asked.

    Attributes
    ----------
    target_files, run_folders : tuple of Path
        Targets and measured runs beside the shipped targets.
    is_live : bool
        Measure this machine first.
    only : tuple of str
        Names of targets, with * and ?; empty: all.
    out : Path or None
        HTML page to write.
    is_json, is_list : bool
        Print JSON; list the targets and run nothing.
    """

    target_files: tuple[Path, ...]
    run_folders: tuple[Path, ...]
    is_live: bool
    only: tuple[str, ...]
    out: Path | None
    is_json: bool
    is_list: bool


def validate_command(job: ValidateJob) -> int:
    """Run the asked targets and print the table.

    Returns
    -------
    int
        Exit code: 3 when a target was missed, else 0.

    Raises
    ------
    ConfigError
        Something is wrong in a targets file, or `only` names nothing.
    InputError
        A file or folder cannot be read or written.
    """
    with TemporaryDirectory(prefix="planner-live-") as scratch:
        return _validate(job, Path(scratch) / "live")


def _validate(job: ValidateJob, scratch: Path) -> int:
    targets = _choose(_gather(job, scratch), job.only)
    if job.is_list:
        print_targets(targets, _console())
        return EXIT_OK
    if job.out is not None:
        _check_page_target(job.out)
    checks = load_checks()
    usable = [target for target in targets if target.check in checks]
    for target in targets:
        if target not in usable:
            note(f'{target.name} is not run: this planner has no check "{target.check}"')
    outcomes = run_targets(usable, checks, _Announcer(len(usable)))
    if job.out is not None:
        from planner.report.validation_page import render_validation

        render_validation(outcomes, job.out)
        note(f"Page: {job.out}")
    _print(outcomes, job)
    missed = any(not row.passed and row.group != "shown" for outcome in outcomes for row in outcome.rows)
    return EXIT_INCOMPLETE if missed else EXIT_OK


def _gather(job: ValidateJob, scratch: Path) -> list[Target]:
    """Gather all targets, those that were asked for in particular first. Live runs are measured into `scratch`."""
    targets: list[Target] = []
    folders = list(job.run_folders)
    if job.is_live:
        scratch.mkdir()
        folders += [scratch] if measure_machine(Machine(), scratch, note) else []
    for folder in folders:
        found = find_runs(folder, folder.resolve().name)
        for text in found.notes:
            note(text)
        targets += found.targets
    given = len(targets)
    targets += [target for path in job.target_files for target in load_targets(path)]
    targets += [target for path in shipped_target_files() for target in load_targets(path)]
    check_unique(targets, "targets" if given == 0 else "targets and runs")
    return targets


def _choose(targets: list[Target], only: tuple[str, ...]) -> list[Target]:
    issues = [
        Issue("--only", *name_problem("target", pattern, [target.name for target in targets]))
        for pattern in only
        if not any(fnmatchcase(target.name, pattern) for target in targets)
    ]
    if issues:
        raise ConfigError(tuple(issues))
    return [target for target in targets if not only or any(fnmatchcase(target.name, name) for name in only)]


class _Announcer:
    """Says on stderr which target is being run: a check may take a while, the first one compiles the kernels."""

    def __init__(self, n_targets: int) -> None:
        self._n_targets = n_targets
        self._n_done = 0

    def __call__(self, target: Target) -> None:
        self._n_done += 1
        note(f"[{self._n_done}/{self._n_targets}] {target.name}: {target.title}")


def _check_page_target(out: Path) -> None:
    """Find out before the work whether the page will have a place."""
    if out.is_dir():
        raise InputError(str(out), "is a directory, not a file", "name a file with --out, e.g. validation.html")
    if not out.resolve().parent.is_dir():
        raise InputError(str(out), f"there is no directory {out.parent}", "make it, or name another file with --out")


def _print(outcomes: Sequence[Outcome], job: ValidateJob) -> None:
    if job.is_json:
        entries = [row_entry(row) for outcome in outcomes for row in outcome.rows]
        sys.stdout.write(json.dumps(entries, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return
    print_validation(outcomes, _console())


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=_LOG_COLUMNS)
