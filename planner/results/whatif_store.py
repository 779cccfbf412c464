"""The directory of a what-if: the rows of base and cases, the changes, what was run, the summary and a page."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import yaml

from planner.config.spec import PlannerConfig
from planner.errors import InputError
from planner.results.columns import arrow_schema
from planner.results.read import read_config, read_json, read_table
from planner.results.store import (
    CONFIG,
    HOSTS,
    MANIFEST,
    SUMMARY,
    TIMELINE,
    VMS,
    config_as_yaml,
    write_directory,
    write_json,
    write_table,
    write_tables,
)
from planner.schema import HOST_COLUMNS, TIMELINE_COLUMNS, VM_COLUMNS

WHATIF_FORMAT = "planner-whatif"
WHATIF_FORMAT_VERSION = 1

CHANGES = "changes.yaml"


@dataclass(frozen=True)
class WhatifContents:
    """What the directory of a what-if is made of.

    Attributes
    ----------
    config : PlannerConfig
        Of the base.
    changes : mapping
        Name of a case -> its change file as read, plain values.
    hosts, vms : iterable of Table
        Rows of all scenarios, in pieces, in order; the manifest says which is which.
    timelines : mapping
        Scenario, as text -> time line of the host that a failure presses longest.
    manifest, summary : mapping
        JSON-ready.
    """

    config: PlannerConfig
    changes: Mapping[str, Any]
    hosts: Iterable[pa.Table]
    vms: Iterable[pa.Table]
    timelines: Mapping[str, pa.Table]
    manifest: Mapping[str, Any]
    summary: Mapping[str, Any]


def write_whatif(
    out: Path, contents: WhatifContents, render: Callable[[Path, Path], None], when_done: Callable[[], None]
) -> None:
    """Write the directory of a what-if, replacing an earlier one at the same place; see `store.write_directory`."""

    def write_files(folder: Path) -> None:
        manifest = {"format": WHATIF_FORMAT, "format_version": WHATIF_FORMAT_VERSION, **contents.manifest}
        write_json(manifest, folder / MANIFEST)
        write_json(contents.summary, folder / SUMMARY)
        (folder / CONFIG).write_text(config_as_yaml(contents.config), encoding="utf-8")
        changes = yaml.safe_dump(dict(contents.changes), sort_keys=False, allow_unicode=True)
        (folder / CHANGES).write_text(changes, encoding="utf-8")
        write_tables(contents.hosts, folder / HOSTS, arrow_schema(HOST_COLUMNS))
        write_tables(contents.vms, folder / VMS, arrow_schema(VM_COLUMNS))
        (folder / TIMELINE).mkdir()
        for name, table in contents.timelines.items():
            write_table(table, folder / TIMELINE / f"{name}.parquet")

    write_directory(out, WHATIF_FORMAT, write_files, render, when_done)


@dataclass(frozen=True)
class StoredWhatif:
    """A what-if as its page needs it; `timelines` by scenario, columns `planner.schema.TIMELINE_COLUMNS`."""

    config: PlannerConfig
    manifest: dict[str, Any]
    summary: dict[str, Any]
    timelines: dict[int, pd.DataFrame]


def read_whatif(folder: Path, summary_version: int) -> StoredWhatif:
    """Read a what-if back.

    Raises
    ------
    InputError
        A file is missing or broken, or another version of the planner wrote it.
    """
    manifest, summary = read_json(folder / MANIFEST), read_json(folder / SUMMARY)
    found = (manifest.get("format_version"), summary.get("whatif_version"))
    if found != (WHATIF_FORMAT_VERSION, summary_version):
        message = f"has version {found[0]}.{found[1]}; this planner reads {WHATIF_FORMAT_VERSION}.{summary_version}"
        raise InputError(str(folder), message, "run planner whatif again")
    timelines = {
        int(path.stem): read_table(path, TIMELINE_COLUMNS) for path in sorted((folder / TIMELINE).glob("*.parquet"))
    }
    return StoredWhatif(read_config(folder / CONFIG), manifest, summary, timelines)
