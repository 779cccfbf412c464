"""`planner report`: render the page of a stored sweep or what-if again, without simulating."""

import warnings
from pathlib import Path

import typer

from planner.errors import EXIT_OK, InputError, PlannerError
from planner.report.page import render_report
from planner.report.whatif_page import render_whatif
from planner.results.store import REPORT, is_run_directory
from planner.results.whatif_store import WHATIF_FORMAT


def render_any(run_dir: Path, target: Path) -> None:
    """Render the page of a sweep, or of a what-if."""
    if is_run_directory(run_dir, WHATIF_FORMAT):
        render_whatif(run_dir, target)
    else:
        render_report(run_dir, target)


def report_command(run_dir: Path, out: Path | None) -> int:
    """Render the page of a sweep or of a what-if again.

    Parameters
    ----------
    out : Path or None
        HTML file to write; None: report.html in the run directory.

    Raises
    ------
    InputError
        The run directory is missing or broken, or the file cannot be written.
    """
    target = out or run_dir / REPORT
    try:
        with warnings.catch_warnings():
            # Of a value that is none, like a state that is not a number: wrong, whatever the page then shows.
            warnings.simplefilter("error", RuntimeWarning)
            render_any(run_dir, target)
    except OSError as error:
        raise InputError(str(target), f"cannot be written: {error.strerror}", "name another file with --out") from error
    except (PlannerError, MemoryError):
        raise
    except Exception as error:  # every file was of the right kind, and some value in it is not
        kind = "" if isinstance(error, Warning) else f"{type(error).__name__}: "
        message = f"holds something that the planner does not write ({kind}{error})"
        hint = "run it again; if nobody changed the files, please report it (-v shows where)"
        raise InputError(str(run_dir), message, hint) from error
    typer.echo(f"Report: {target}")
    return EXIT_OK
