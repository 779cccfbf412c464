"""The command line: which commands there are, what their options are called, and which exit code an error has.

Modules that do the work are imported inside the commands, so that `planner --help` answers at once.
"""

import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer._click.exceptions import ClickException

from planner import __version__
from planner.cli.environment import prepare_environment
from planner.cli.import_ import import_app
from planner.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_USAGE,
    ConfigError,
    InputError,
    PlannerError,
    ReportError,
    StoppedError,
)

_VERBOSE = ("-v", "--verbose")
_RESUME_HELP = "Go on with an interrupted run at --out; begins one where there is none."

app = typer.Typer(
    name="planner",
    help="How far can this fleet overcommit its memory before it swaps, and which placement gets there?",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.add_typer(import_app, name="import")

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="Config, a YAML file.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Override one value of the config; repeatable.")
]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; never raises, never exits.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; `sys.argv[1:]` if omitted.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    is_verbose = any(word in _VERBOSE for word in given)
    words = [word for word in given if word not in _VERBOSE]
    prepare_environment(will_join_cluster=any(word.startswith("--ray-address") for word in words))
    try:
        return _run(words)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted; nothing was written", EXIT_INTERRUPTED, is_verbose)
    except (ConfigError, InputError, ReportError, StoppedError) as error:
        return _fail(f"{error}{_how_to_resume(error, given)}", error.exit_code, is_verbose)
    except PlannerError as error:
        text = f"{error}\nThis is a bug in planner; please report it.{_how_to_resume(error, given)}"
        return _fail(text, error.exit_code, is_verbose)
    except Exception as error:  # the last line of defence: a stranger gets a message, not a traceback
        lack = _lack_of_machine(error)
        if lack:
            return _fail(f"{lack}{_how_to_resume(error, given)}", EXIT_USAGE, is_verbose)
        hint = "" if is_verbose else " Run again with -v for details."
        text = f"{type(error).__name__}: {error}\nThis is a bug in planner; please report it.{hint}"
        return _fail(f"{text}{_how_to_resume(error, given)}", EXIT_BUG, is_verbose)


def _lack_of_machine(error: Exception) -> str:
    """Word what the machine, and not the planner, is short of; empty where it is neither memory nor a file."""
    if isinstance(error, MemoryError):
        return "memory: there is not enough for this; lower fidelity.pages_per_vm or --workers, see --dry-run"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{error.filename or 'output'}: {error.strerror}; check the path, its permissions and free space"
    return ""


def _how_to_resume(error: Exception, given: Sequence[str]) -> str:
    """Say what is stored of the work that an error has ended, and the command that goes on with it."""
    notes = getattr(error, "__notes__", [])
    if not notes:
        return ""
    command = ["planner", *(word for word in given if word != "--resume"), "--resume"]
    return "\n" + "\n".join([*notes, f"go on with: {shlex.join(command)}"])


def _run(words: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        code = command.main(args=words, prog_name="planner", standalone_mode=False)
    except ClickException as error:
        error.show()
        return EXIT_USAGE
    if code == EXIT_INTERRUPTED:  # typer catches the interrupt and returns its exit code
        raise KeyboardInterrupt
    return code if isinstance(code, int) else EXIT_OK


def _fail(message: str, exit_code: int, is_verbose: bool) -> int:
    if is_verbose:
        traceback.print_exc()
    sys.stderr.write(f"{message}\n")
    return exit_code


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"planner {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    verbose: Annotated[bool, typer.Option(*_VERBOSE, help="Show tracebacks of errors.")] = False,
) -> None:
    """Plan the memory of a virtualized fleet."""


@app.command()
def sweep(  # noqa: PLR0913, PLR0917 (an argument is an option of the command here)
    config: ConfigPath,
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="Run directory to write; default reports/NAME.")] = None,
    seed: Annotated[int | None, typer.Option(help="Root seed, instead of the config's.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes; default one per CPU.")] = None,
    ray_address: Annotated[str | None, typer.Option(help="Join a Ray cluster instead of starting one here.")] = None,
    executor: Annotated[Literal["ray", "local"], typer.Option(help="Workers on Ray, or this process alone.")] = "ray",
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json alone on stdout.")] = False,
    adaptive: Annotated[bool, typer.Option("--adaptive", help="Search the ratios instead of simulating each.")] = False,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Vary the assumptions that no data pin down; say which matters most.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help=_RESUME_HELP)] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be run, how long it takes and its memory; write nothing.")
    ] = False,
) -> int:
    """Simulate every scenario of a config, recommend a ratio and a placement, write a run directory."""
    from planner.cli.sweep import SweepOptions, sweep_command

    changes = [*(overrides or []), *([f"seed={seed}"] if seed is not None else [])]
    return sweep_command(
        SweepOptions(
            config, changes, out, workers, ray_address, executor, as_json, dry_run, adaptive, sensitivity, resume
        )
    )


@app.command()
def host(  # noqa: PLR0913, PLR0917 (an argument is an option of the command here)
    config: ConfigPath,
    name: Annotated[str, typer.Option("--host", help="Name of the host, e.g. esx-01.")],
    exact: Annotated[bool, typer.Option("--exact", help="Simulate every 4 KiB page instead of a sample.")] = False,
    placement: Annotated[str | None, typer.Option(help="Placement; default the config's first.")] = None,
    ratio: Annotated[float | None, typer.Option(help="Overcommit ratio; default the config's first.")] = None,
    replicate: Annotated[int, typer.Option(min=0, help="Replicate.")] = 0,
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="Directory to write; default reports/NAME-host-HOST.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json alone on stdout.")] = False,
) -> int:
    """Simulate one host of a config in full detail: time line, VMs, mechanisms, a page."""
    from planner.cli.host import HostJob, host_command

    job = HostJob(config, tuple(overrides or ()), name, placement, ratio, replicate, exact, out, as_json)
    return host_command(job)


@app.command()
def whatif(  # noqa: PLR0913, PLR0917 (an argument is an option of the command here)
    config: ConfigPath,
    changes: Annotated[list[Path], typer.Argument(metavar="CHANGE...", help="Change files, a case each.")],
    placement: Annotated[str | None, typer.Option(help="Placement of the base; default the config's first.")] = None,
    ratio: Annotated[
        float | None, typer.Option(help="Overcommit ratio of the base; default the config's first.")
    ] = None,
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="Directory to write; default reports/NAME-whatif.")] = None,
    seed: Annotated[int | None, typer.Option(help="Root seed, instead of the config's.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes; default one per CPU.")] = None,
    ray_address: Annotated[str | None, typer.Option(help="Join a Ray cluster instead of starting one here.")] = None,
    executor: Annotated[Literal["ray", "local"], typer.Option(help="Workers on Ray, or this process alone.")] = "ray",
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json alone on stdout.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help=_RESUME_HELP)] = False,
) -> int:
    """Compare changes (a host lost, more memory, growth, ...) with the fleet as it is, on the same demand."""
    from planner.cli.whatif import WhatifJob, whatif_command

    sets = (*(overrides or []), *((f"seed={seed}",) if seed is not None else ()))
    given = (config, tuple(changes), sets, placement, ratio, out)
    return whatif_command(WhatifJob(*given, workers, ray_address, executor, as_json, resume))


@app.command()
def report(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Directory that planner sweep has written.")],
    out: Annotated[Path | None, typer.Option(help="HTML file to write; default RUN_DIR/report.html.")] = None,
) -> int:
    """Render the report of a stored run again, without simulating."""
    from planner.cli.report_ import report_command

    return report_command(run_dir, out)


@app.command()
def export(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Directory of a sweep or a what-if.")],
    out: Annotated[Path, typer.Option(metavar="PATH", help="Workbook (.xlsx), or directory of CSV files, to write.")],
    kind: Annotated[
        Literal["xlsx", "csv"] | None, typer.Option("--format", help="Default: by the ending of PATH.")
    ] = None,
    vms: Annotated[
        Literal["described", "all", "none"],
        typer.Option(help="Rows of VMs: of the scenarios that the report describes, of all, of none."),
    ] = "described",
    force: Annotated[bool, typer.Option("--force", help="Replace an export that exists.")] = False,
) -> None:
    """Write the results of a stored run as an Excel workbook or as CSV files."""
    from planner.cli.export import export_command

    export_command(run_dir, out, kind, vms, force)


@app.command()
def check(config: ConfigPath, overrides: Overrides = None) -> None:
    """Say everything that is wrong with a config, all at once."""
    from planner.cli.check import check_command

    check_command(config, overrides or [])


@app.command()
def validate(  # noqa: PLR0913, PLR0917 (an argument is an option of the command here)
    targets: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Further targets; repeatable.")] = None,
    runs: Annotated[list[Path] | None, typer.Option(metavar="DIR", help="Measured runs; repeatable.")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Measure this Linux host now, too (as root; its settings are restored).")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only targets of this name, * and ? allowed; repeatable.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write a page with a plot per target.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the rows, or the list, as JSON alone on stdout.")
    ] = False,
    as_list: Annotated[bool, typer.Option("--list", help="List the targets and run nothing.")] = False,
    allow_known: Annotated[
        bool,
        typer.Option("--allow-known-misses", help="End with 0 where only known misses, with a reason, are missed."),
    ] = False,
) -> int:
    """Hold the model against closed forms, published figures and measurements of real machines."""
    from planner.cli.validate import ValidateJob, validate_command

    given = (tuple(targets or ()), tuple(runs or ()), live, tuple(only or ()))
    return validate_command(ValidateJob(*given, out, as_json, as_list, allow_known))


@app.command()
def calibrate(
    out: Annotated[Path | None, typer.Option(metavar="FILE.yaml", help="File to write, which configs include.")] = None,
    swap: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Device or file to read from; default the swap in use.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=3, max=100, help="How often each figure is measured.")] = 5,
    ksm: Annotated[bool, typer.Option("--ksm/--no-ksm", help="Measure KSM, too (as root; settings restored).")] = True,
) -> None:
    """Measure this Linux host's own constants: memory, page walks, swap device, KSM."""
    from planner.calibrate import CalibrationOptions
    from planner.cli.calibrate import calibrate_command

    calibrate_command(CalibrationOptions(repeats=repeats, swap_path=swap, has_ksm=ksm), out)


@app.command()
def schema(
    of_targets: Annotated[bool, typer.Option("--targets", help="Of a targets file of planner validate.")] = False,
    of_changes: Annotated[bool, typer.Option("--changes", help="Of a change file of planner whatif.")] = False,
) -> None:
    """Print the JSON Schema of a config, for editors."""
    from planner.cli.schema import schema_command

    schema_command(of_targets, of_changes)
