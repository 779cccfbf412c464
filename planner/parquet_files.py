"""Read Parquet files that users name, in bounded memory: what a file declares is looked at before anything is read.

Parquet writes a value that repeats once, so a file of kilobytes may stand for terabytes of cells. Text stays encoded
until its length is known.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from planner.errors import InputError
from planner.input_files import check_regular
from planner.units import GIB, format_bytes

MAX_TABLE_BYTES = 8 * GIB
"""48,000 VMs with 8,640 ticks of 4 bytes, the largest series foreseen, are a fifth of this."""
MAX_TEXT_BYTES = 2 * GIB
_CELLS_AT_ONCE, _LEAST_ROWS = 1 << 26, 1024
_WIDTH_BYTES = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "BYTE_ARRAY": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}
_TEXT = "BYTE_ARRAY"


Choose = Callable[[pq.FileMetaData, list[str]], tuple[list[str], list[int]]]
"""Says of a file, by its metadata and the names of its columns, which columns and row groups are to be read."""


def read_parquet(path: Path, again: str, uses_map: bool = False, choose: Choose | None = None) -> pa.Table:
    """Read a Parquet file.

    Parameters
    ----------
    path : Path
    again : str
        What to do when it is broken, for the message.
    uses_map : bool
        Map the file instead of reading it: for tables that are copied anyway.
    choose : callable, optional
        None: the whole file is read.

    Raises
    ------
    InputError
        It is missing, no regular file, broken, or declares more than fits into memory.
    """
    check_regular(path, again)
    try:
        with pq.ParquetFile(path, memory_map=uses_map) as file:
            names, groups = file.schema_arrow.names, list(range(file.num_row_groups))
            _check_names(names, path, again)
            columns, groups = (None, groups) if choose is None else choose(file.metadata, names)
            leaves = [file.schema.column(position) for position in range(len(file.schema))]
            is_flat = all(leaf.max_repetition_level == 0 for leaf in leaves)
            _check_declared(file, groups, is_flat, path, again)
            text = [leaf.path for leaf in leaves if _is_flat_text(leaf)]
        with pq.ParquetFile(path, memory_map=uses_map, read_dictionary=text) as file:
            if is_flat:
                table = _read_flat(file, groups, columns, path, again)
            else:
                table = file.read_row_groups(groups, columns=columns, use_threads=True)
        return _decoded(table, path, again)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"not a whole Parquet file ({_first_line(error)})", again) from error


def _check_declared(file: pq.ParquetFile, groups: Sequence[int], is_flat: bool, path: Path, again: str) -> None:
    """Add up what the columns would take once they are read. In a flat file each has a value per row."""
    metadata = file.metadata
    n_rows = sum(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
    if n_rows != metadata.num_rows:
        message = f"declares {metadata.num_rows:,} rows, and {n_rows:,} in its parts"
        raise InputError(str(path), message, again)
    widths = []
    for position in range(metadata.num_columns):
        column = metadata.schema.column(position)
        widths.append(_WIDTH_BYTES.get(column.physical_type) or max(1, column.length))
    declared_bytes = 0
    for group in groups:
        row_group = metadata.row_group(group)
        if is_flat:
            declared_bytes += sum(widths) * max(0, row_group.num_rows)
            continue
        # Asking broken metadata for a column ends the process; reading a row says that they are broken.
        next(file.iter_batches(1, row_groups=[group]), None)
        for position, width in enumerate(widths):
            declared_bytes += width * max(0, row_group.column(position).num_values)
    if declared_bytes > MAX_TABLE_BYTES:
        message = f"declares {format_bytes(declared_bytes)} of values, more than {format_bytes(MAX_TABLE_BYTES)}"
        raise InputError(str(path), message, again)


def _read_flat(
    file: pq.ParquetFile, groups: Sequence[int], columns: list[str] | None, path: Path, again: str
) -> pa.Table:
    """Read as many rows as the groups declare: that is all that is kept of pages that hold more."""
    declared = sum(file.metadata.row_group(group).num_rows for group in groups)
    rows_at_once = max(_LEAST_ROWS, _CELLS_AT_ONCE // max(1, len(file.schema)))
    batches = list(file.iter_batches(rows_at_once, row_groups=groups, columns=columns, use_threads=True))
    n_rows = sum(batch.num_rows for batch in batches)
    if n_rows != declared:
        raise InputError(str(path), f"holds {n_rows:,} of the {declared:,} rows that it declares", again)
    return pa.Table.from_batches(batches) if batches else file.read_row_groups([], columns=columns)


def _check_names(names: list[str], path: Path, again: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InputError(str(path), f'two columns are named "{twice[0]}"', again)


def _is_flat_text(column: Any) -> bool:
    return column.physical_type == _TEXT and column.max_repetition_level == 0 and "." not in column.path


def _decoded(table: pa.Table, path: Path, again: str) -> pa.Table:
    """Write texts out where they were encoded for reading, if that is not too long."""
    text_bytes = 0
    for position, field in enumerate(table.schema):
        if not pa.types.is_dictionary(field.type):
            continue
        for chunk in table.column(position).chunks:
            lengths = pc.take(pc.binary_length(chunk.dictionary), chunk.indices)
            text_bytes += pc.sum(lengths).as_py() or 0
        if text_bytes > MAX_TEXT_BYTES:
            message = f"holds {format_bytes(text_bytes)} of text, more than {format_bytes(MAX_TEXT_BYTES)}"
            raise InputError(str(path), message, again)
        value_type = field.type.value_type
        table = table.set_column(position, field.with_type(value_type), table.column(position).cast(value_type))
    return table


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
