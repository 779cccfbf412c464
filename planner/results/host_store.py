"""The directory of one host in full: its row, its VMs, its time line, what was run, and a page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from planner.config.spec import PlannerConfig
from planner.results.store import (
    CONFIG,
    MANIFEST,
    SUMMARY,
    VMS,
    config_as_yaml,
    write_directory,
    write_json,
    write_table,
)

HOST_FORMAT = "planner-host"
HOST_FORMAT_VERSION = 1

HOST = "host.parquet"
TIMELINE_TABLE = "timeline.parquet"


@dataclass(frozen=True)
class HostContents:
    """What the directory of a host is made of.

    Attributes
    ----------
    host, vms, timeline : Table
        One row of `HOST_COLUMNS`; a row per VM; a row per tick.
    manifest, summary : mapping
        JSON-ready.
    """

    config: PlannerConfig
    host: pa.Table
    vms: pa.Table
    timeline: pa.Table
    manifest: Mapping[str, Any]
    summary: Mapping[str, Any]


def write_host(out: Path, contents: HostContents, render: Callable[[Path, Path], None]) -> None:
    """Write the directory of a host, replacing an earlier one at the same place; see `store.write_directory`."""

    def write_files(folder: Path) -> None:
        manifest = {"format": HOST_FORMAT, "format_version": HOST_FORMAT_VERSION, **contents.manifest}
        write_json(manifest, folder / MANIFEST)
        write_json(contents.summary, folder / SUMMARY)
        (folder / CONFIG).write_text(config_as_yaml(contents.config), encoding="utf-8")
        write_table(contents.host, folder / HOST)
        write_table(contents.vms, folder / VMS)
        write_table(contents.timeline, folder / TIMELINE_TABLE)

    write_directory(out, HOST_FORMAT, write_files, render)
