"""Page contents of real guests: `page_ids*.parquet`, a column per guest, a row per frame, equal ids = equal bytes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from planner.errors import InputError
from planner.parquet_files import read_parquet
from planner.validation.base import Expected

CHECK = "page-ids"
PATTERN = "page_ids*.parquet"
PAGES_PER_LARGE_PAGE = 512
_EXACT_BELOW = 2.0**53


def read_page_ids(path: Path) -> dict[str, np.ndarray]:
    """Read the content identity of every frame of every guest; 0 is the zero page.

    Returns
    -------
    dict
        Guest -> int64 array, shape (n_frames,). Frames after a guest's last one may be null and are dropped.

    Raises
    ------
    InputError
        The file cannot be read, has no column of whole numbers, or misses frames in the middle.
    """
    table = read_parquet(path, "expected a Parquet file with a column per guest; is it cut off?")
    index = _index_columns(table.schema)
    columns = {name: _as_whole(table[name]) for name in table.column_names if name not in index}
    guests = {name: _frames(path, name, column) for name, column in columns.items() if column is not None}
    if not any(frames.size for frames in guests.values()):
        raise InputError(str(path), "has no column of whole numbers", "expected a column of page ids per guest")
    return guests


def left_out_columns(path: Path, guests: Mapping[str, np.ndarray]) -> list[str]:
    """Name the columns of a readable file that are no guests: text, fractions, row numbers of pandas."""
    return [name for name in pq.read_schema(path).names if name not in guests]


def page_id_expectations(guests: Mapping[str, np.ndarray]) -> dict[str, Expected]:
    """Count duplicates: pages beyond the first of their content, which is what complete sharing saves.

    Quantities are `duplicates_GUEST` for each guest by itself, `duplicates_salted` (sum of these),
    `duplicates_unsalted` (between guests, too), and the same two for whole 2 MiB blocks, `duplicates_2mib_...`.
    """
    blocks = {name: _blocks(frames) for name, frames in guests.items()}
    found = {f"duplicates_{name}": _duplicates(frames) for name, frames in guests.items()}
    found["duplicates_salted"] = sum(found.values())
    found["duplicates_unsalted"] = _duplicates(np.concatenate(list(guests.values())))
    found["duplicates_2mib_salted"] = sum(_duplicates(rows) for rows in blocks.values())
    found["duplicates_2mib_unsalted"] = _duplicates(np.concatenate(list(blocks.values())))
    return {
        name: Expected(float(count), unit="blocks" if "_2mib_" in name else "pages") for name, count in found.items()
    }


def _index_columns(schema: pa.Schema) -> set[str]:
    """Name the columns in which pandas has stored row numbers: they are no guests."""
    try:
        stored = (schema.pandas_metadata or {}).get("index_columns", ())
    except (ValueError, AttributeError, RecursionError):
        return set()  # what pandas left there is broken, or not from pandas
    return {name for name in stored if isinstance(name, str)}


def _as_whole(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return a column of whole numbers, also one that pandas has made floats because it had nulls; None otherwise."""
    if pa.types.is_integer(column.type):
        return column
    if not pa.types.is_floating(column.type):
        return None
    values = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    if pc.any(pc.greater_equal(pc.abs(values), _EXACT_BELOW)).as_py():
        return None  # a float does not tell such numbers apart
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:
        return None


def _frames(path: Path, name: str, column: pa.ChunkedArray) -> np.ndarray:
    is_null = column.is_null().to_numpy()
    n_frames = int(np.argmax(is_null)) if is_null.any() else is_null.size
    if not is_null[n_frames:].all():
        raise InputError(f"{path}, column {name}, row {n_frames}", "has no id", "write 0 for a zero page")
    frames: np.ndarray = column.slice(0, n_frames).to_numpy().astype(np.int64)
    return frames


def _blocks(frames: np.ndarray) -> np.ndarray:
    """Cut into whole 2 MiB blocks: shape (n_blocks, 512); an incomplete last one is left out."""
    whole = frames.size // PAGES_PER_LARGE_PAGE * PAGES_PER_LARGE_PAGE
    return frames[:whole].reshape(-1, PAGES_PER_LARGE_PAGE)


def _duplicates(contents: np.ndarray) -> int:
    return int(contents.shape[0] - np.unique(contents, axis=0).shape[0])
