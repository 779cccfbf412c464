"""`planner export`: the results of a sweep or a what-if as a workbook or as CSV files."""

import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Literal

import typer

from planner.cli.progress import note
from planner.errors import InputError, PlannerError
from planner.report.export.csv_files import write_csv_files
from planner.report.export.sheets import Sheet
from planner.report.export.sweep import WhichVms, sweep_sheets
from planner.report.export.whatif import whatif_sheets
from planner.report.export.xlsx import write_xlsx
from planner.results.store import is_run_directory
from planner.results.whatif_store import WHATIF_FORMAT

Kind = Literal["xlsx", "csv"]
_MARK = "columns.csv"


def export_command(run_dir: Path, out: Path, kind: Kind | None, vms: WhichVms, force: bool) -> None:
    """Write the tables of a stored run.

    Parameters
    ----------
    out : Path
        Workbook to write, or directory of CSV files.
    kind : str or None
        None: a workbook where `out` ends in .xlsx, else CSV files.
    vms : str
        Scenarios whose VM rows are written; see `sweep_sheets`.
    force : bool
        Replace what is there, if it is a file, or a directory of exported CSV files.

    Raises
    ------
    InputError
        The run is missing or broken, the target exists, or it cannot be written.
    """
    kind = kind or ("xlsx" if out.suffix.lower() == ".xlsx" else "csv")
    target = Path(os.path.realpath(out))
    _check_target(out, target, kind, force)
    note(f"writing {out} ...")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.partial-") as folder:
            partial = Path(folder) / "out"
            _write(run_dir, partial, kind, vms)
            _put(partial, target)
    except OSError as error:
        raise InputError(str(out), f"cannot be written: {error.strerror}", "name another place with --out") from error
    typer.echo(f"Written to {out}")


def _check_target(out: Path, target: Path, kind: Kind, force: bool) -> None:
    if not target.parent.is_dir():
        raise InputError(str(out), "its directory does not exist", f"make {target.parent} first")
    if not target.exists():
        return
    if kind == "xlsx":
        replaceable = target.is_file()
    else:
        replaceable = target.is_dir() and (target / _MARK).is_file() and all(_is_exported(p) for p in target.iterdir())
    if not replaceable:
        wanted = "a workbook" if kind == "xlsx" else "a directory of exported CSV files"
        raise InputError(str(out), f"exists and is not {wanted}", "name another place with --out")
    if not force:
        raise InputError(str(out), "exists already", "replace it with --force, or name another place with --out")


def _is_exported(path: Path) -> bool:
    return path.is_file() and path.suffix == ".csv"


def _write(run_dir: Path, partial: Path, kind: Kind, vms: WhichVms) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            sheets = _sheets(run_dir, vms)
            if kind == "xlsx":
                write_xlsx(partial, sheets)
            else:
                partial.mkdir()
                write_csv_files(partial, sheets)
    except (PlannerError, MemoryError, OSError):
        raise
    except Exception as error:  # every file was of the right kind, and some value in it is not
        what = "" if isinstance(error, Warning) else f"{type(error).__name__}: "
        message = f"holds something that the planner does not write ({what}{error})"
        hint = "run it again; if nobody changed the files, please report it (-v shows where)"
        raise InputError(str(run_dir), message, hint) from error


def _sheets(run_dir: Path, vms: WhichVms) -> list[Sheet]:
    if is_run_directory(run_dir, WHATIF_FORMAT):
        return whatif_sheets(run_dir)
    return sweep_sheets(run_dir, vms)


def _put(partial: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    partial.replace(target)
