"""What every `planner import` of an inventory shares: its options, and from what was read to the written fleet."""

import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_type_hints

import typer

from planner.errors import InputError

if TYPE_CHECKING:
    from planner.inventory.fleet_of import FleetOptions, Imported
    from planner.inventory.found import Found
    from planner.inventory.progress import Progress

Read = Callable[["Progress"], "Found"]
Grouping = Literal["names", "pools", "none"]


class Target(NamedTuple):
    """Options of every import of an inventory, as `takes_target` adds them to a command."""

    out: Annotated[Path, typer.Option("--out", metavar="FLEET", help="Fleet directory to write.")]
    groups: Annotated[
        Grouping,
        typer.Option(help="VMs whose demand moves together: named alike, of one pool (project, namespace), or none."),
    ] = "names"
    host_memory: Annotated[
        str | None,
        typer.Option(help='Memory of hosts that do not tell theirs, e.g. "512 GiB"; else they are left out.'),
    ] = None
    host_cores: Annotated[
        int | None, typer.Option(min=1, max=65_536, help="Cores of hosts that do not tell theirs.")
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Replace a fleet directory that exists.")] = False

    def options(self) -> "FleetOptions":
        """Return what is added to what is found. Raises InputError where the memory is none."""
        from planner.inventory.fleet_of import FleetOptions

        return FleetOptions(self.groups, memory_bytes("--host-memory", self.host_memory), self.host_cores)


def memory_bytes(option: str, text: str | None) -> int | None:
    """Return the memory given by an option. Raises InputError where it is none."""
    from planner.units import parse_bytes

    try:
        return None if text is None else parse_bytes(text)
    except ValueError as error:
        raise InputError(option, str(error)) from error


def takes_target(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Target` in place of its argument `target`."""
    own = [item for item in inspect.signature(command).parameters.values() if item.name != "target"]
    hints = get_type_hints(Target, include_extras=True)
    shared = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=Target._field_defaults.get(name, inspect.Parameter.empty),
            annotation=hints[name],
        )
        for name in Target._fields
    ]

    def run(**given: Any) -> None:
        target = Target(**{name: given.pop(name) for name in Target._fields})
        command(target=target, **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [item.replace(kind=keyword) for item in own] + shared
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {item.name: item.annotation for item in parameters}
    return run


def import_inventory(target: Target, read: Read) -> None:
    """Read an inventory, write its fleet directory with configs and report, print the report."""
    from planner.cli.import_progress import ShowFiles
    from planner.inventory.fleet_of import make_fleet
    from planner.workload.fleet_files import check_target

    options = target.options()
    check_target(target.out, target.force)
    write_imported(target.out, target.force, make_fleet(read(ShowFiles()), options))


def write_imported(out: Path, force: bool, made: "Imported") -> None:
    """Write a fleet directory with its configs and the report of the import; print the report."""
    from planner.inventory.import_report import report_lines
    from planner.report.import_page import render_import_page
    from planner.workload.fleet_files import write_fleet

    lines = report_lines(made.report)
    texts = {"import-report.txt": "\n".join(lines) + "\n", "import-report.html": render_import_page(made.report)}
    write_fleet(out, made.fleet, force, {**made.configs, **texts})
    typer.echo("\n".join([*lines, "", f"Written to {out}; read {out / 'import-report.html'} first"]))
    for name in made.configs:
        typer.echo(f"Next: planner sweep {out / name}")


def check_one_of(sources: list[Path] | None, option: str, value: str | None) -> None:
    """Refuse both files and a live source, and neither. Raises InputError."""
    if bool(sources) == (value is not None):
        what = "both were given" if sources else "neither was given"
        raise InputError(f"SOURCE or {option}", what, f"give files, or a live source by {option}")


def ask_secret(variable: str, prompt: str) -> str:
    """Return a secret from the environment, or ask for it where somebody can answer. Raises InputError elsewhere."""
    found = os.environ.get(variable)
    if found:
        return found
    if not sys.stdin.isatty():
        raise InputError(variable, "is not set, and nobody can be asked", f"set the environment variable {variable}")
    answer: str = typer.prompt(prompt, hide_input=True, err=True)
    return answer
