"""Exceptions of the planner and the exit code each leads to. Every one pickles (positional arguments only)."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

EXIT_OK = 0
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_INCOMPLETE = 3
EXIT_INTERRUPTED = 130


class Issue(NamedTuple):
    """One thing wrong with an input: where it is, what is wrong, what would be right."""

    path: str
    message: str
    hint: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.path} (line {self.line})" if self.line else self.path
        return f"{place}: {self.message}" + (f"; {self.hint}" if self.hint else "")


class PlannerError(Exception):
    """Base of all errors that the planner raises on purpose."""

    exit_code = EXIT_BUG


class ConfigError(PlannerError):
    """A config, an override or a command line is wrong. `issues` lists everything found, not the first only."""

    exit_code = EXIT_USAGE

    def __init__(self, issues: tuple[Issue, ...], source: str = "") -> None:
        super().__init__(issues, source)
        self.issues = issues
        self.source = source

    def __str__(self) -> str:
        count = f"{len(self.issues)} problem{'s' if len(self.issues) != 1 else ''}"
        head = f"{self.source}: {count}" if self.source else count
        return "\n".join([head, *(f"  {issue}" for issue in self.issues)])


@contextmanager
def naming_source(source: str) -> Iterator[None]:
    """Say of which file a config error is, where it was found too late for the loader to say so."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(error.issues, error.source or source) from None


class InputError(PlannerError):
    """A file that the user named (trace, inventory, run directory) is missing, broken or does not fit."""

    exit_code = EXIT_USAGE

    def __init__(self, place: str, message: str, hint: str = "") -> None:
        super().__init__(place, message, hint)
        self.place = place
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" + (f"; {self.hint}" if self.hint else "")


class ReportError(PlannerError):
    """The report of a run could not be made; the run itself is complete and stored."""

    def __init__(self, run_dir: str, reason: str) -> None:
        super().__init__(run_dir, reason)
        self.run_dir = run_dir
        self.reason = reason

    def __str__(self) -> str:
        again = f"planner report {shlex.quote(self.run_dir)}"
        return f"{self.run_dir}: all is written but the report, which failed ({self.reason}); try again with: {again}"


class StoppedError(PlannerError):
    """The work ended early because the user asked for it; what was done is stored."""

    exit_code = EXIT_INTERRUPTED

    def __init__(self, message: str = "interrupted") -> None:
        super().__init__(message)
        self.message = message


class LostError(StoppedError):
    """The work ended early because the workers were lost for good; what was done is stored."""

    exit_code = EXIT_INCOMPLETE


class InvariantError(PlannerError):
    """The simulator broke one of its own rules: our bug. Carries what is needed to replay the case."""

    def __init__(self, message: str, replay: str = "") -> None:
        super().__init__(message, replay)
        self.message = message
        self.replay = replay

    def __str__(self) -> str:
        return self.message + (f" [replay: {self.replay}]" if self.replay else "")
