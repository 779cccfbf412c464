"""`planner validate`: the model against closed forms, published figures and measurements of a real kernel."""

import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, NoReturn

from rich.console import Console

from planner.cli.progress import note
from planner.cli.validation_table import print_targets, print_validation
from planner.config.suggest import name_problem
from planner.errors import EXIT_INCOMPLETE, EXIT_OK, EXIT_USAGE, ConfigError, InputError, Issue
from planner.validation.base import Target
from planner.validation.checks import load_checks
from planner.validation.live.machine import Machine
from planner.validation.live.measure import measure_machine
from planner.validation.load import check_unique, load_targets, shipped_target_files
from planner.validation.run import Outcome, Row, row_entry, run_targets
from planner.validation.runs.find import find_runs

_LOG_COLUMNS = 120
_HERE = f"measured on this machine just now, {platform.system()} {platform.release()}"


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
    allows_known : bool
        Known misses do not set the exit code.
    """

    target_files: tuple[Path, ...]
    run_folders: tuple[Path, ...]
    is_live: bool
    only: tuple[str, ...]
    out: Path | None
    is_json: bool
    is_list: bool
    allows_known: bool = False


class _Gathered(NamedTuple):
    """Targets to choose from, and inputs that could not be read: the others are judged all the same."""

    targets: list[Target]
    problems: list[ConfigError | InputError]


def validate_command(job: ValidateJob) -> int:
    """Run the asked targets and print the table.

    Returns
    -------
    int
        Exit code: 2 when an input could not be read (the others are judged), 3 when a target was missed, else 0.

    Raises
    ------
    ConfigError
        Something is wrong in the only targets file, or `only` names nothing.
    InputError
        Nothing that was named can be read, or the page cannot be written.
    """
    with TemporaryDirectory(prefix="planner-live-") as scratch:
        return _validate(job, Path(scratch) / "live")


def _validate(job: ValidateJob, scratch: Path) -> int:
    everything, problems = _gather(job, scratch)
    for problem in problems:
        note(f"not judged: {problem}")
    targets = _choose(everything, job.only)
    if job.is_list:
        _list(targets, job)
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

        render_validation(outcomes, job.out, [str(problem) for problem in problems])
        note(f"Page: {job.out}")
    _print(outcomes, job)
    if problems:
        note(f"Not judged, because it could not be read: {len(problems)} (see above)")
        return EXIT_USAGE
    return _exit_code([row for outcome in outcomes for row in outcome.rows], job.allows_known)


def _exit_code(rows: Sequence[Row], allows_known: bool) -> int:
    missed = [row for row in rows if row.counts_as_missed and not (allows_known and row.is_known_miss)]
    return EXIT_INCOMPLETE if missed else EXIT_OK


def _gather(job: ValidateJob, scratch: Path) -> _Gathered:
    """Gather all targets, those that were asked for in particular first. Live runs are measured into `scratch`."""
    targets: list[Target] = []
    problems: list[ConfigError | InputError] = []
    folders = list(job.run_folders)
    if job.is_live:
        scratch.mkdir()
        folders += [scratch] if measure_machine(Machine(), scratch, note) else []
    for folder, label in zip(folders, _labels(folders), strict=True):
        try:
            found = find_runs(folder, label)
        except InputError as error:
            problems.append(error)
            continue
        for text in found.notes:
            note(text)
        is_ours = folder == scratch
        targets += [replace(target, source=_HERE) for target in found.targets] if is_ours else found.targets
        problems += found.problems
    for path in job.target_files:
        try:
            targets += load_targets(path)
        except (ConfigError, InputError) as error:
            problems.append(error)
    if problems and not targets:
        _raise_all(problems)
    targets += [target for path in shipped_target_files() for target in load_targets(path)]
    check_unique(targets, "targets and runs" if folders else "targets")
    return _Gathered(targets, problems)


def _labels(folders: Sequence[Path]) -> list[str]:
    """Name folders of runs by their last part, the second of one name with a number."""
    names = [folder.resolve().name for folder in folders]
    earlier = [names[:n].count(name) for n, name in enumerate(names)]
    return [f"{name}-{count + 1}" if count else name for name, count in zip(names, earlier, strict=True)]


def _raise_all(problems: list[ConfigError | InputError]) -> NoReturn:
    """Report every problem: nothing that was named can be judged."""
    for problem in problems[:-1]:
        note(f"not judged: {problem}")
    raise problems[-1]


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


def _list(targets: Sequence[Target], job: ValidateJob) -> None:
    if job.is_json:
        names = ("name", "kind", "check", "title", "source")
        _print_json([{name: getattr(target, name) for name in names} for target in targets])
        return
    print_targets(targets, _console())


def _print(outcomes: Sequence[Outcome], job: ValidateJob) -> None:
    if job.is_json:
        _print_json([row_entry(row) for outcome in outcomes for row in outcome.rows])
        return
    print_validation(outcomes, _console())


def _print_json(entries: Sequence[dict[str, Any]]) -> None:
    sys.stdout.write(json.dumps(entries, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=_LOG_COLUMNS)
