"""Read a run directory back; everything that can be wrong with it is said in one message."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from planner.config.spec import PlannerConfig
from planner.config.yaml_source import parse_yaml, read_text
from planner.errors import ConfigError, InputError
from planner.input_files import check_regular
from planner.input_files import read_json as read_bounded_json
from planner.parquet_files import read_parquet
from planner.results.columns import ARROW_TYPES
from planner.results.store import (
    CONFIG,
    HOSTS,
    MANIFEST,
    RUN_FORMAT,
    RUN_FORMAT_VERSION,
    SUMMARY,
    TIMELINE,
    VMS,
)
from planner.schema import HOST_COLUMNS, TIMELINE_COLUMNS, VM_COLUMNS, Column

_AGAIN = "run the sweep again"
KEYS = ("scenario_id", "replicate", "host", "vm", "status", "tick")
_SCENARIO = "scenario_id"


@dataclass(frozen=True)
class RunTables:
    """A run as read from its directory.

    Attributes
    ----------
    hosts, vms : DataFrame
        Columns `planner.schema.HOST_COLUMNS` and `VM_COLUMNS`; values of failed hosts are missing.
    timelines : dict
        Name -> DataFrame with `TIMELINE_COLUMNS`; the manifest's `timelines` says which host each one is.
    """

    hosts: pd.DataFrame
    vms: pd.DataFrame
    manifest: dict[str, Any]
    config: PlannerConfig
    summary: dict[str, Any]
    timelines: dict[str, pd.DataFrame]


def read_run(run_dir: Path, host_columns: Sequence[str] | None = None) -> RunTables:
    """Read a run directory.

    Parameters
    ----------
    host_columns : sequence of str, optional
        Of a large run these columns of the host rows alone, and no rows of VMs, which `read_vms` reads by scenario.

    Raises
    ------
    InputError
        It is missing, not a run of this version, or one of its files is missing, truncated or foreign.
    """
    if not run_dir.is_dir():
        raise InputError(str(run_dir), "there is no such directory", "name a directory that planner sweep has written")
    manifest = _read_manifest(run_dir)
    timelines = {
        path.stem: read_table(path, TIMELINE_COLUMNS) for path in sorted((run_dir / TIMELINE).glob("*.parquet"))
    }
    return RunTables(
        hosts=read_table(run_dir / HOSTS, HOST_COLUMNS, host_columns),
        vms=read_table(run_dir / VMS, VM_COLUMNS, scenarios=None if host_columns is None else ()),
        manifest=manifest,
        config=read_config(run_dir / CONFIG),
        summary=read_json(run_dir / SUMMARY),
        timelines=timelines,
    )


def read_vms(run_dir: Path, columns: Sequence[str], scenario_id: int) -> pd.DataFrame:
    """Read some columns of the VM rows of one scenario. Raises InputError as `read_run` does."""
    return read_table(run_dir / VMS, VM_COLUMNS, columns, (scenario_id,))


def _read_manifest(run_dir: Path) -> dict[str, Any]:
    if not (run_dir / MANIFEST).exists():
        hint = "name a directory that planner sweep has written"
        raise InputError(str(run_dir), f"is not a run of the planner: it has no {MANIFEST}", hint)
    manifest = read_json(run_dir / MANIFEST)
    if manifest.get("format") != RUN_FORMAT:
        raise InputError(str(run_dir / MANIFEST), "was not written by the planner", _AGAIN)
    if manifest.get("format_version") != RUN_FORMAT_VERSION:
        found = manifest.get("format_version")
        message = f"has format version {found}; this planner reads {RUN_FORMAT_VERSION}"
        raise InputError(str(run_dir / MANIFEST), message, f"{_AGAIN}, or use the planner that wrote it")
    return manifest


def read_table(
    path: Path, columns: Sequence[Column], wanted: Sequence[str] | None = None, scenarios: Sequence[int] | None = None
) -> pd.DataFrame:
    """Read a table that must have some columns.

    Parameters
    ----------
    wanted : sequence of str, optional
        Columns to read; None: all.
    scenarios : sequence of int, optional
        Scenarios whose rows are read; None: all. Row groups without them are left alone.

    Raises
    ------
    InputError
        It is missing, broken or foreign.
    """
    names = [column.name for column in columns if wanted is None or column.name in wanted]
    table = read_parquet(path, _AGAIN, choose=partial(_choose, names=names, scenarios=scenarios))
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise InputError(str(path), f"lacks the columns {', '.join(missing)}", _AGAIN)
    twice = sorted({name for name in names if table.column_names.count(name) > 1})
    if twice:
        raise InputError(str(path), f"has the columns {', '.join(twice)} twice", _AGAIN)
    unkeyed = [name for name in KEYS if name in names and table.column(name).null_count]
    if unkeyed:
        raise InputError(str(path), f"has rows without {', '.join(unkeyed)}", _AGAIN)
    if scenarios is not None:
        table = table.filter(pc.is_in(table.column(_SCENARIO), pa.array(scenarios, type=pa.int64())))
    arrays = [_typed(table.column(column.name), column, path) for column in columns if column.name in names]
    table = pa.table(arrays, names=names)
    del arrays
    # Column by column, each released when it is converted: else a large table is in memory twice.
    frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    return frame


def _choose(
    metadata: pq.FileMetaData, there: Sequence[str], names: Sequence[str], scenarios: Sequence[int] | None
) -> tuple[list[str], list[int]]:
    """Choose the columns of a file to read, and the row groups that may hold rows of some scenarios."""
    columns, groups = [name for name in names if name in there], list(range(metadata.num_row_groups))
    if scenarios is None or _SCENARIO not in there:
        return columns, groups
    at = list(there).index(_SCENARIO)
    found = []
    for number in groups:
        statistics = metadata.row_group(number).column(at).statistics
        is_known = statistics is not None and statistics.has_min_max
        if not is_known or any(statistics.min <= item <= statistics.max for item in scenarios):
            found.append(number)
    return columns, found


def _typed(values: Any, column: Column, path: Path) -> Any:
    """Hold a column to its declared type; what is declared is what everything above counts on."""
    try:
        typed = values.cast(ARROW_TYPES[column.dtype])
        if not pa.types.is_floating(typed.type) or not pc.any(pc.is_inf(typed)).as_py():
            return typed
        raise InputError(str(path), f"the column {column.name} holds infinite values", _AGAIN)
    except pa.ArrowException:
        message = f"the column {column.name} holds {values.type} values, not {column.dtype}"
        raise InputError(str(path), message, _AGAIN) from None


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of a run directory. Raises InputError where it is missing or broken."""
    value = read_bounded_json(path, _AGAIN)
    if not isinstance(value, dict):
        raise InputError(str(path), "holds no JSON object", _AGAIN)
    return value


def read_config(path: Path) -> PlannerConfig:
    """Read a resolved config. Raises InputError where it is missing or not one."""
    check_regular(path, _AGAIN)
    try:
        raw = parse_yaml(read_text(path, "config file"), str(path))
        if raw.issues:
            raise ConfigError(raw.issues, str(path))
        return PlannerConfig.model_validate(raw.values)
    except ConfigError as error:
        raise InputError(str(path), f"is not a resolved config: {error.issues[0]}", _AGAIN) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(str(path), f"is not a resolved config: {place}: {first['msg']}", _AGAIN) from error
