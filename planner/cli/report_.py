"""`planner report`: render the page of a stored run again, without simulating."""

from pathlib import Path

import typer

from planner.errors import EXIT_OK, InputError
from planner.report.page import render_report
from planner.results.store import REPORT


def report_command(run_dir: Path, out: Path | None) -> int:
    """Render the report of a run directory.

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
        render_report(run_dir, target)
    except OSError as error:
        raise InputError(str(target), f"cannot be written: {error.strerror}", "name another file with --out") from error
    typer.echo(f"Report: {target}")
    return EXIT_OK
