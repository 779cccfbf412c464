"""Read a run directory back; everything that can be wrong with it is said in one message."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pydantic import ValidationError

from planner.config.spec import PlannerConfig
from planner.errors import InputError
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


def read_run(run_dir: Path) -> RunTables:
    """Read a run directory.

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
        hosts=read_table(run_dir / HOSTS, HOST_COLUMNS),
        vms=read_table(run_dir / VMS, VM_COLUMNS),
        manifest=manifest,
        config=read_config(run_dir / CONFIG),
        summary=read_json(run_dir / SUMMARY),
        timelines=timelines,
    )


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


def read_table(path: Path, columns: Sequence[Column]) -> pd.DataFrame:
    """Read a table that must have some columns. Raises InputError where it is missing, broken or foreign."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise InputError(str(path), "is missing", _AGAIN) from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(str(path), f"cannot be read as Parquet: {str(error).splitlines()[0]}", _AGAIN) from error
    missing = [column.name for column in columns if column.name not in table.column_names]
    if missing:
        raise InputError(str(path), f"lacks the columns {', '.join(missing)}", _AGAIN)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of a run directory. Raises InputError where it is missing or broken."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(str(path), "is missing", _AGAIN) from None
    except (OSError, ValueError) as error:
        raise InputError(str(path), f"cannot be read as JSON: {error}", _AGAIN) from error
    if not isinstance(value, dict):
        raise InputError(str(path), "holds no JSON object", _AGAIN)
    return value


def read_config(path: Path) -> PlannerConfig:
    """Read a resolved config. Raises InputError where it is missing or not one."""
    try:
        return PlannerConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InputError(str(path), "is missing", _AGAIN) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(str(path), f"cannot be read as YAML: {str(error).splitlines()[0]}", _AGAIN) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(str(path), f"is not a resolved config: {place}: {first['msg']}", _AGAIN) from error
