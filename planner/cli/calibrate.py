"""`planner calibrate`: measure this Linux host, print the figures with their spread, write them for configs."""

from pathlib import Path

import typer

from planner.calibrate import Calibration, CalibrationOptions, calibrate, write_preset
from planner.cli.progress import note
from planner.errors import InputError


def calibrate_command(options: CalibrationOptions, out: Path | None) -> None:
    """Measure, print, write.

    Raises
    ------
    InputError
        Nothing can be measured here, or `out` cannot be written.
    """
    if out is not None and (out.is_dir() or not out.resolve().parent.is_dir()):
        raise InputError(str(out), "is no place for a file", "name a file in a directory that exists, with --out")
    found = calibrate(options, note)
    typer.echo("\n".join(_lines(found)))
    if out is not None:
        write_preset(out, found)
        typer.echo(f"written to {out}; a config takes it with `measured: {out.name}`, see its first lines")


def _lines(found: Calibration) -> list[str]:
    rows = [(f.name, f"{f.median:,.4g}", f"{f.low:,.4g} to {f.high:,.4g}", f.unit, f.how) for f in found.figures]
    head = ("figure", "median", "quartiles", "unit", "how")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(4)]
    lines = [
        f"{name:<{widths[0]}}  {median:>{widths[1]}}  {spread:>{widths[2]}}  {unit:<{widths[3]}}  {how}"
        for name, median, spread, unit, how in (head, *rows)
    ]
    lines += [f"{unknown.name:<{widths[0]}}  unknown: {unknown.reason}" for unknown in found.unknown]
    return [", ".join(f"{key} {value}" for key, value in found.machine.items()), *lines]
