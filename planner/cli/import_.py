"""`planner import`: turn traces and tables into a fleet directory, and say in a few lines what was found.

Modules that do the work are imported inside the commands, so that `planner --help` answers at once.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from planner.cli import import_inventory

if TYPE_CHECKING:
    from planner.inventory.progress import Progress
    from planner.workload.fleet_records import FleetFiles

_LINE_EVERY_S = 10.0

import_app = typer.Typer(help="Turn real inventories and traces into a fleet directory.", no_args_is_help=True)

OutDir = Annotated[Path, typer.Option("--out", metavar="FLEET", help="Fleet directory to write.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a fleet directory that exists.")]
for _command in (
    import_inventory.rvtools,
    import_inventory.libvirt,
    import_inventory.proxmox,
    import_inventory.openstack,
    import_inventory.kubevirt,
    import_inventory.prometheus,
):
    import_app.command()(_command)


@import_app.command()
def gwa(
    source: Annotated[Path, typer.Argument(metavar="DIR_OR_ZIP", help="Directory or zip file of CSV files.")],
    out: OutDir,
    force: Force = False,
) -> None:
    """Import VM traces of the Grid Workloads Archive (GWA-T-12 Bitbrains, GWA-T-13 Materna)."""
    from planner.inventory.gwa import import_gwa

    _run(out, force, lambda progress: import_gwa(source, progress))


@import_app.command()
def table(  # noqa: PLR0913, PLR0917 (an argument is an option of the command here)
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Directory of tables, or one long table.")],
    out: OutDir,
    vms: Annotated[Path | None, typer.Option(help="VM table; default SOURCE/vms.csv.")] = None,
    active: Annotated[list[Path] | None, typer.Option(help="Series of active memory; repeatable.")] = None,
    granted: Annotated[list[Path] | None, typer.Option(help="Series of granted memory; repeatable.")] = None,
    cpu: Annotated[list[Path] | None, typer.Option(help="Series of CPU use; repeatable.")] = None,
    layout: Annotated[
        Literal["auto", "wide", "long"], typer.Option(help="wide: a column per VM; long: a row per time and VM.")
    ] = "auto",
    active_unit: Annotated[str | None, typer.Option(help='Unit of active memory, e.g. "0.1 MiB".')] = None,
    granted_unit: Annotated[str | None, typer.Option(help="Unit of granted memory, e.g. MiB.")] = None,
    tick: Annotated[str | None, typer.Option(help='Time between samples, e.g. "5 min"; default detected.')] = None,
    acknowledgement: Annotated[str, typer.Option(help="Text that the source asks to print.")] = "",
    force: Force = False,
) -> None:
    """Import a VM table and wide or long CSV or Parquet series of active and granted memory."""
    from planner.inventory.table import TableOptions, import_table
    from planner.inventory.table_files import find_files

    options = TableOptions(active_unit, granted_unit, tick_seconds(tick), acknowledgement)
    given = {"active": tuple(active or ()), "granted": tuple(granted or ()), "cpu": tuple(cpu or ())}

    def load(progress: "Progress") -> "FleetFiles":
        return import_table(source.name, find_files(source, vms, given, layout), options, progress)

    _run(out, force, load)


def _run(out: Path, force: bool, load: Callable[["Progress"], "FleetFiles"]) -> None:
    """Load a fleet with progress on stderr, write it, print the summary. The target is checked before the work."""
    from planner.workload.fleet_files import check_target, write_fleet

    check_target(out, force)
    fleet = load(ShowFiles())
    write_fleet(out, fleet, force)
    typer.echo("\n".join([*_lines(fleet), f"  written to    {out}"]))


def _lines(fleet: "FleetFiles") -> list[str]:
    from planner.inventory.summary import summarize_fleet
    from planner.units import format_bytes, format_seconds

    found = summarize_fleet(fleet)
    first = _utc(found.first_time_s)
    last = _utc(found.first_time_s + (found.n_ticks - 1) * found.tick_s)
    days = found.n_ticks * found.tick_s / 86400
    span = f"{days:.4g} day" + ("" if days == 1 else "s")
    lines = [
        f"Imported {found.n_vms} VMs from {fleet.info.source}",
        f"  time          {first} to {last} ({span}), tick {format_seconds(found.tick_s)}",
        f"  configured    {format_bytes(found.configured_bytes)} in all",
        f"  granted       {found.granted_fraction:.1%} of configured on average; "
        f"sum of peaks ÷ peak of sum {found.granted_peaks_ratio:.2f}",
        f"  active        {found.active_fraction:.1%} of configured on average; "
        f"sum of peaks ÷ peak of sum {found.active_peaks_ratio:.2f}",
        *(f"  assumed       {text}" for text in fleet.info.assumptions),
        *(f"  warning       {text}" for text in fleet.info.warnings),
    ]
    if fleet.info.acknowledgement:
        lines.append(f"  please cite   {fleet.info.acknowledgement}")
    return lines


def _utc(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds)) + " UTC"


def tick_seconds(text: str | None) -> int | None:
    """Return the length of a tick as given by an option. Raises InputError where it does not divide a day."""
    from planner.errors import InputError
    from planner.units import parse_seconds

    if text is None:
        return None
    try:
        tick_s = parse_seconds(text)
    except ValueError as error:
        raise InputError("--tick", str(error)) from error
    if tick_s < 1 or tick_s != int(tick_s) or 86400 % int(tick_s):
        raise InputError("--tick", f'"{text}" does not divide a day', 'expected whole seconds such as "5 min"')
    return int(tick_s)


class ShowFiles:
    """Count files on stderr: in place on a terminal, a line every ten seconds elsewhere."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._started_s = self._last_s = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Take note of `done` of `total` files."""
        now_s = time.monotonic()
        is_last = done == total
        if now_s - self._last_s < (0.2 if self._is_terminal else _LINE_EVERY_S) and not is_last:
            return
        self._last_s = now_s
        left_s = (now_s - self._started_s) / done * (total - done)
        text = f"reading: {done} of {total} files" + ("" if is_last else f", about {left_s:.0f} s left")
        start, end = ("\r\033[K", "\n" if is_last else "") if self._is_terminal else ("", "\n")
        sys.stderr.write(start + text + end)
        sys.stderr.flush()
