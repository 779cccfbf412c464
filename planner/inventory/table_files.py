"""Find and read the files of a table import: a VM table and series, CSV or Parquet, wide or long.

Wide: a time column and a column per VM, one kind of series per file. Long: a row per time and VM, with columns for
the time, the VM and one or more kinds. Units and VM records are made in `planner.inventory.table`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from planner.errors import InputError
from planner.inventory.grid import check_times, infer_tick_s, snap_to_grid
from planner.parquet_files import read_parquet
from planner.units import GIB, format_bytes

KINDS = ("active", "granted", "cpu")
TIME_NAMES = ("time_utc", "time", "timestamp", "datetime", "date", "ts", "timestamp_ms", "timestamp_s", "time_s")
NAME_NAMES = ("name", "id", "vm", "vm_name", "vm_id", "vmid")
LARGEST_NUMBER = 2.0**60
"""In bytes 1 EiB; what is above it, and infinity, is no measurement."""
MAX_CSV_BYTES = 8 * GIB
_AGAIN = "export or copy it again"
_VM_TABLE_STEMS = ("vms", "vm", "vm_table", "inventory")
_SUFFIXES = (".parquet", ".csv")


@dataclass(frozen=True)
class TableFiles:
    """Which files hold what. `layout`: "auto", "wide" or "long"."""

    vms: Path
    series: dict[str, tuple[Path, ...]]
    layout: str = "auto"


class Block(NamedTuple):
    """One kind of series out of one file, long or wide: sample i is of VM `names[vm_idx[i]]` or of all, a row each.

    Attributes
    ----------
    label : str
        File's or column's name, which may carry the unit.
    times_s : int64 array, shape (n_rows,)
        [s]
    values : float64 array
        Shape (n_rows, n_vms) if wide, (n_rows,) if long.
    vm_idx : int64 array, shape (n_rows,), or None
        VM of each row; None if wide.
    """

    kind: str
    label: str
    place: str
    names: tuple[str, ...]
    times_s: np.ndarray
    values: np.ndarray
    vm_idx: np.ndarray | None


def find_files(source: Path, vms: Path | None, series: dict[str, tuple[Path, ...]], layout: str) -> TableFiles:
    """Find the VM table and the series: what the user named, and the rest by name in the directory `source`.

    A directory holds `vms.csv` and files that begin with active, granted or cpu; a file that begins with series or
    demand is long and holds all kinds. `source` may also be such a long file itself.

    Raises
    ------
    InputError
        `source` or the VM table is missing.
    """
    if source.is_file():
        files, shared = [], [source]
    elif source.is_dir():
        files = sorted(path for path in source.iterdir() if path.suffix.lower() in _SUFFIXES)
        shared = [path for path in files if re.match(r"(series|demand)", path.stem.lower())]
    else:
        raise InputError(str(source), "no such file or directory", "expected a directory with a VM table and series")
    if source.is_dir() and not files and vms is None:
        raise InputError(str(source), "holds no CSV or Parquet file", "expected vms.csv, active_*.parquet, ...")
    found = {kind: [path for path in files if path.stem.lower().startswith(kind)] for kind in KINDS}
    chosen = {kind: series.get(kind) or tuple(found[kind] or shared) for kind in KINDS}
    return TableFiles(vms or _find_vm_table(source, files), chosen, layout)


def _find_vm_table(source: Path, files: list[Path]) -> Path:
    tables = [path for path in files if path.stem.lower() in _VM_TABLE_STEMS]
    if len(tables) > 1:
        names = ", ".join(path.name for path in tables)
        raise InputError(str(source), f"has several VM tables: {names}", "choose one with --vms FILE")
    if not tables:
        raise InputError(str(source), "has no VM table", "expected vms.csv or vms.parquet; or pass --vms FILE")
    return tables[0]


def read_any(path: Path) -> Any:
    """Read a CSV or Parquet file into a pyarrow Table. Raises InputError when missing or broken."""
    if not path.is_file():
        raise InputError(str(path), "no such file", "expected a CSV or Parquet file")
    if path.suffix.lower() == ".parquet":
        return read_parquet(path, _AGAIN)
    if path.stat().st_size > MAX_CSV_BYTES:
        message = f"is larger than {format_bytes(MAX_CSV_BYTES)}"
        raise InputError(str(path), message, "export it as Parquet, or in several files")
    try:
        table = csv.read_csv(path)
        names = table.column_names  # decoded here
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or ["broken"])[0]
        raise InputError(str(path), f"not a whole CSV table ({reason})", _AGAIN) from error
    for field in table.schema:
        if pa.types.is_binary(field.type):
            raise InputError(f"{path}, column {field.name}", "holds bytes that are not UTF-8", _AGAIN)
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise InputError(str(path), f'two columns are named "{double}"', "give every column a name of its own")
    return table


def find_column(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    """Find the first of `wanted` among column names, in any case."""
    by_lower = {name.lower().strip(): name for name in reversed(names)}
    return next((by_lower[name] for name in wanted if name in by_lower), None)


def read_block(kind: str, path: Path, layout: str) -> Block | None:
    """Read one kind of series from a file; None if it is a long file without a CPU column.

    Raises
    ------
    InputError
        Broken, no time column, no column of that kind in a long file, or values that are no numbers.
    """
    table = read_any(path)
    time_name = find_column(table.column_names, TIME_NAMES) or _only_timestamp(table)
    if time_name is None:
        found = ", ".join(table.column_names[:6])
        hint = f"expected one named {', '.join(TIME_NAMES[:4])}; found: {found}"
        raise InputError(str(path), "lacks a time column", hint)
    times_s = _times_s(table.column(time_name), f"{path}, column {time_name}")
    vm_name = find_column(table.column_names, NAME_NAMES)
    is_long = layout == "long" or (layout == "auto" and vm_name is not None and _holds_text(table, vm_name))
    if is_long:
        return _long_block(kind, path, table, times_s, (time_name, vm_name))
    names = tuple(name for name in table.column_names if name != time_name)
    values = np.empty((len(times_s), len(names)), dtype=np.float64)
    for position, name in enumerate(names):
        values[:, position] = _numbers(table.column(name), f"{path}, column {name}")
    return Block(kind, path.stem, str(path), names, times_s, values, None)


def lay_out(blocks: list[Block], names: list[str], span: tuple[int, int, int]) -> np.ndarray:
    """Put blocks of one kind on the tick grid.

    Parameters
    ----------
    span : tuple of int
        First tick, number of ticks, length of a tick [s].

    Returns
    -------
    float32 array, shape (len(names), n_ticks)
        In the blocks' own unit; NaN where there is no sample. Later blocks win.
    """
    first, n_ticks, tick_s = span
    matrix = np.full((len(names), n_ticks), np.nan, dtype=np.float32)
    row_of = {name: row for row, name in enumerate(names)}
    for block in blocks:
        ticks = _ticks(block, tick_s) - first
        is_inside = (ticks >= 0) & (ticks < n_ticks)
        rows = np.array([row_of.get(name, -1) for name in block.names], dtype=np.int64)
        if block.vm_idx is None:
            kept = rows >= 0
            values = block.values[is_inside][:, kept].T
            cells = np.ix_(rows[kept], ticks[is_inside])
            matrix[cells] = np.where(np.isnan(values), matrix[cells], values)
        else:
            row = rows[block.vm_idx]
            kept = is_inside & (row >= 0) & ~np.isnan(block.values)
            matrix[row[kept], ticks[kept]] = block.values[kept]
    return matrix


def find_span(blocks: list[Block], tick_s: int | None) -> tuple[int, int, int]:
    """Find the grid that holds all blocks: first tick, number of ticks, length of a tick [s]."""
    if tick_s is None:
        stamps = [block.times_s[rows] for block in blocks for rows in _rows_by_clock(block)]
        tick_s = infer_tick_s(stamps, blocks[0].place)
    ticks = [_ticks(block, tick_s) for block in blocks if len(block.times_s)]
    first = min(int(numbers.min()) for numbers in ticks)
    return first, max(int(numbers.max()) for numbers in ticks) - first + 1, tick_s


def _rows_by_clock(block: Block) -> list[np.ndarray]:
    """Group the rows by the clock that stamped them: in a long file every VM may be sampled at its own moment."""
    if block.vm_idx is None:
        return [np.arange(len(block.times_s))]
    order = np.argsort(block.vm_idx, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(block.vm_idx[order])) + 1)


def _ticks(block: Block, tick_s: int) -> np.ndarray:
    ticks = np.zeros(len(block.times_s), dtype=np.int64)
    for rows in _rows_by_clock(block):
        ticks[rows] = snap_to_grid(block.times_s[rows], tick_s)
    return ticks


def _long_block(kind: str, path: Path, table: Any, times_s: np.ndarray, keys: tuple[str, str | None]) -> Block | None:
    time_name, vm_name = keys
    if vm_name is None:
        found = ", ".join(table.column_names)
        raise InputError(str(path), "lacks a VM column", f"expected one named {', '.join(NAME_NAMES)}; found: {found}")
    others = [name for name in table.column_names if name not in (time_name, vm_name)]
    fitting = [name for name in others if name.lower().startswith(kind)] or (others if len(others) == 1 else [])
    if kind == "cpu" and not any(name.lower().startswith(kind) for name in others):
        return None
    if len(fitting) != 1:
        found = ", ".join(table.column_names)
        hint = f'expected one column whose name begins with "{kind}"; found: {found}'
        raise InputError(str(path), f"lacks a column of {kind} values" if not fitting else f"has {len(fitting)}", hint)
    codes = pc.dictionary_encode(table.column(vm_name).cast(pa.string())).combine_chunks()
    if codes.null_count:
        raise InputError(f"{path}, column {vm_name}", "a row has no VM name", "name the VM in every row")
    values = _numbers(table.column(fitting[0]), f"{path}, column {fitting[0]}")
    vm_idx = np.asarray(codes.indices.to_numpy(), dtype=np.int64)
    return Block(kind, fitting[0], str(path), tuple(codes.dictionary.to_pylist()), times_s, values, vm_idx)


def _only_timestamp(table: Any) -> str | None:
    stamps = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
    return stamps[0] if len(stamps) == 1 else None


def _holds_text(table: Any, name: str) -> bool:
    return len(table.column_names) <= 8 and not pa.types.is_floating(table.schema.field(name).type)


def _numbers(column: Any, place: str) -> np.ndarray:
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_null(column.type)
    if not is_number and not pa.types.is_decimal(column.type):
        raise InputError(place, f"holds {column.type} values", "expected numbers; an empty cell means off")
    values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    is_absurd = np.abs(values) > LARGEST_NUMBER
    if is_absurd.any():
        message = f"row {int(np.argmax(is_absurd)) + 1} has {values[is_absurd][0]:g}"
        raise InputError(place, message, f"expected at most {LARGEST_NUMBER:g}; an empty cell means off")
    return values


def _times_s(column: Any, place: str) -> np.ndarray:
    if column.null_count:
        raise InputError(place, f"{column.null_count} rows have no time", "give every row a time")
    if pa.types.is_timestamp(column.type):
        seconds = column.cast(pa.timestamp("s", tz=column.type.tz), safe=False).cast(pa.int64())
        return check_times(seconds.to_numpy(), place)
    if pa.types.is_date(column.type):
        return check_times(column.cast(pa.timestamp("s")).cast(pa.int64()).to_numpy(), place)
    if not pa.types.is_integer(column.type) and not pa.types.is_floating(column.type):
        raise InputError(place, f"holds {column.type}", "expected times such as 2026-01-31T00:05:00Z, or epoch seconds")
    numbers = column.cast(pa.float64(), safe=False).to_numpy()
    scale = 1.0
    if len(numbers):
        typical = float(np.median(numbers))
        scale = 1e-3 if 1e11 < typical < 1e14 else 1e-6 if 1e14 <= typical < 1e17 else 1e-9 if typical >= 1e17 else 1.0
    return check_times(numbers * scale, place)
