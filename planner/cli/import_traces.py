"""`planner import gwa | table`: traces that tell VMs and their demand over time, and nothing of hosts."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from planner.cli.import_target import memory_bytes, write_imported

if TYPE_CHECKING:
    from planner.inventory.progress import Progress
    from planner.workload.fleet_records import FleetFiles

OutDir = Annotated[Path, typer.Option("--out", metavar="FLEET", help="Fleet directory to write.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a fleet directory that exists.")]
HostMemory = Annotated[
    str | None, typer.Option(help='Memory of the hosts in fleet.yaml, e.g. "768 GiB"; default: 512 GiB.')
]
HostCores = Annotated[int | None, typer.Option(min=1, max=65_536, help="Cores of the hosts; default: one per 8 GiB.")]
Hypervisor = Annotated[str, typer.Option(help="Preset of the hosts: esxi-8, kvm, proxmox, ...")]


def gwa(
    source: Annotated[Path, typer.Argument(metavar="DIR_OR_ZIP", help="Directory or zip file of CSV files.")],
    out: OutDir,
    host_memory: HostMemory = None,
    host_cores: HostCores = None,
    hypervisor: Hypervisor = "esxi-8",
    force: Force = False,
) -> None:
    """Import VM traces of the Grid Workloads Archive (GWA-T-12 Bitbrains, GWA-T-13 Materna)."""
    from planner.inventory.gwa import import_gwa

    _import(out, force, (host_memory, host_cores, hypervisor), lambda progress: import_gwa(source, progress))


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
    host_memory: HostMemory = None,
    host_cores: HostCores = None,
    hypervisor: Hypervisor = "esxi-8",
    force: Force = False,
) -> None:
    """Import a VM table and wide or long CSV or Parquet series of active and granted memory."""
    from planner.inventory.table import TableOptions, import_table
    from planner.inventory.table_files import find_files

    options = TableOptions(active_unit, granted_unit, tick_seconds(tick), acknowledgement)
    given = {"active": tuple(active or ()), "granted": tuple(granted or ()), "cpu": tuple(cpu or ())}

    def load(progress: "Progress") -> "FleetFiles":
        return import_table(source.name, find_files(source, vms, given, layout), options, progress)

    _import(out, force, (host_memory, host_cores, hypervisor), load)


def _import(out: Path, force: bool, hosts: tuple[Any, ...], load: Callable[["Progress"], "FleetFiles"]) -> None:
    """Load a fleet with progress on stderr, write it, print the report. The target is checked before the work."""
    from planner.cli.import_progress import ShowFiles
    from planner.inventory.assumed_hosts import AssumedHosts
    from planner.inventory.fleet_of import of_traces
    from planner.workload.fleet_files import check_target

    host_memory, host_cores, hypervisor = hosts
    assumed = AssumedHosts.stated(hypervisor, memory_bytes("--host-memory", host_memory), host_cores)
    check_target(out, force)
    write_imported(out, force, of_traces(load(ShowFiles()), assumed))


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
