"""Write a run directory as a whole or not at all; only the report, which can be rendered again, may be missing.

Everything goes into a hidden sibling of the target, which is renamed when it is complete. An earlier run at the target
is replaced only then; a directory that is not a run is never touched. Parquet bytes depend on the rows only: fixed
writer options, no times, no paths.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from planner.config.spec import PlannerConfig
from planner.errors import InputError, ReportError
from planner.input_files import read_json
from planner.results.columns import arrow_schema
from planner.results.files import sync_folder, sync_tree
from planner.schema import HOST_COLUMNS, VM_COLUMNS
from planner.targets import check_writable, resolve_target

RUN_FORMAT = "planner-run"
RUN_FORMAT_VERSION = 1

MANIFEST = "manifest.json"
CONFIG = "config.yaml"
HOSTS = "hosts.parquet"
VMS = "vms.parquet"
TIMELINE = "timeline"
SUMMARY = "summary.json"
REPORT = "report.html"

ROWS_PER_GROUP = 1 << 15
"""Rows of a row group of a Parquet file: some 8 MB of VMs, 40 MB of hosts."""


@dataclass(frozen=True)
class RunContents:
    """What a run directory is made of.

    Attributes
    ----------
    hosts, vms : iterable of Table
        Pieces as made by `planner.results.tables`, in order; taken once.
    timelines : mapping
        File name without suffix -> table.
    manifest, summary : mapping
        JSON-ready.
    """

    config: PlannerConfig
    hosts: Iterable[pa.Table]
    vms: Iterable[pa.Table]
    timelines: Mapping[str, pa.Table]
    manifest: Mapping[str, Any]
    summary: Mapping[str, Any]


def check_target(out: Path, run_format: str = RUN_FORMAT) -> None:
    """Refuse a target that holds something else than a run, or cannot be written. Leaves nothing behind.

    Called before a long simulation, not after.

    Parameters
    ----------
    out : Path
        Target directory.
    run_format : str
        Kind of directory that may be replaced.

    Raises
    ------
    InputError
        The target is a file, or a directory that is neither empty nor a run; or it cannot be made.
    """
    hint = "name another directory with --out"
    if out.exists() and not out.is_dir():
        raise InputError(str(out), "is a file, not a directory", hint)
    if out.is_dir() and any(out.iterdir()) and not is_run_directory(out, run_format):
        raise InputError(str(out), "holds something else than a run of this command, and is left alone", hint)
    check_writable(out)


def is_run_directory(path: Path, run_format: str = RUN_FORMAT) -> bool:
    """Whether a directory was written by the planner in this format, of any version."""
    try:
        manifest = read_json(path / MANIFEST, "")
    except InputError:
        return False
    return isinstance(manifest, dict) and manifest.get("format") == run_format


def write_run(
    out: Path,
    contents: RunContents,
    render: Callable[[Path, Path], None],
    when_done: Callable[[], None] = lambda: None,
) -> None:
    """Write a run directory, replacing an earlier run at the same place.

    Parameters
    ----------
    out : Path
        Target directory.
    render : callable
        Takes (run directory, HTML file to write) and writes the report; called when all else is written.
    when_done : callable
        Called when the directory is in place, with its report or without.

    Raises
    ------
    ReportError
        `render` failed; all else is in place.
    InputError
        The target is refused (see `check_target`) or cannot be written.
    """

    def write_files(folder: Path) -> None:
        (folder / TIMELINE).mkdir()
        _write_files(folder, contents)

    write_directory(out, RUN_FORMAT, write_files, render, when_done)


def write_directory(
    out: Path,
    run_format: str,
    write_files: Callable[[Path], None],
    render: Callable[[Path, Path], None],
    when_done: Callable[[], None] = lambda: None,
) -> None:
    """Write a directory as a whole or not at all, replacing an earlier one of the same format.

    Parameters
    ----------
    out : Path
        Target directory.
    run_format : str
        What the manifest that `write_files` writes says under "format".
    write_files : callable
        Takes an empty directory and writes everything but the report.
    render, when_done : callable
        As in `write_run`, which has the exceptions, too.
    """
    check_target(out, run_format)
    target = resolve_target(out)
    partial = target.parent / f".{target.name}.partial-{os.getpid()}"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        write_files(partial)
        failure = _try_to_render(partial, render)
        sync_tree(partial)
        _replace(partial, target)
        sync_folder(target.parent)
    except OSError as error:
        raise InputError(str(out), f"cannot be written: {error.strerror or error}", "check space and rights") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    when_done()
    if failure is not None:
        raise ReportError(str(out), f"{type(failure).__name__}: {failure}") from failure


def write_table(table: pa.Table, path: Path) -> None:
    """Write a Parquet file whose bytes depend on the table only."""
    write_tables([table], path, table.schema)


def write_tables(pieces: Iterable[pa.Table], path: Path, schema: pa.Schema) -> None:
    """Write the rows of many tables as one Parquet file.

    Its bytes depend on the rows only, not on how they are cut into pieces. One row group is in memory at a time.
    """
    with pq.ParquetWriter(
        path, schema, version="2.6", compression="zstd", compression_level=3,
        use_dictionary=True, write_statistics=True, data_page_version="1.0",
    ) as writer:  # fmt: skip
        waiting = schema.empty_table()
        for piece in pieces:
            waiting = pa.concat_tables([waiting, piece])
            while waiting.num_rows >= ROWS_PER_GROUP:
                writer.write_table(waiting.slice(0, ROWS_PER_GROUP).combine_chunks())
                waiting = waiting.slice(ROWS_PER_GROUP)
        if waiting.num_rows:
            writer.write_table(waiting.combine_chunks())


def config_as_yaml(config: PlannerConfig) -> str:
    """Write a resolved config as YAML that can be read again; keys in the order of the models."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _write_files(folder: Path, contents: RunContents) -> None:
    manifest = {"format": RUN_FORMAT, "format_version": RUN_FORMAT_VERSION, **contents.manifest}
    write_json(manifest, folder / MANIFEST)
    write_json(contents.summary, folder / SUMMARY)
    (folder / CONFIG).write_text(config_as_yaml(contents.config), encoding="utf-8")
    write_tables(contents.hosts, folder / HOSTS, arrow_schema(HOST_COLUMNS))
    write_tables(contents.vms, folder / VMS, arrow_schema(VM_COLUMNS))
    for name, table in contents.timelines.items():
        write_table(table, folder / TIMELINE / f"{name}.parquet")


def _try_to_render(folder: Path, render: Callable[[Path, Path], None]) -> Exception | None:
    try:
        render(folder, folder / REPORT)
    except Exception as error:  # whatever it is: the tables beside it may have taken hours
        with suppress(OSError):
            (folder / REPORT).unlink(missing_ok=True)
        return error
    return None


def write_json(value: Mapping[str, Any], path: Path) -> None:
    """Write a JSON file for people and programs: indented, no NaN."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _replace(partial: Path, out: Path) -> None:
    """Put the complete directory in place; an earlier run is moved aside first and deleted last."""
    if not out.exists():
        partial.rename(out)
        return
    earlier = out.parent / f".{out.name}.earlier-{os.getpid()}"
    try:
        out.rename(earlier)
        partial.rename(out)
    except BaseException:  # Ctrl-C, too
        if not out.exists():
            earlier.rename(out)
        raise
    shutil.rmtree(earlier, ignore_errors=True)
