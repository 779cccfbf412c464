"""Rows of published cloud traces: CSV files, plain or gzip, of any size; some of their columns, batch by batch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from planner.errors import InputError
from planner.input_files import check_regular

BLOCK_BYTES = 16 << 20
MAX_FILES = 10_000
_AGAIN = "expected a CSV file of the trace, or such a file compressed by gzip"


def find_files(sources: Sequence[Path], stems: Sequence[str]) -> dict[str, list[Path]]:
    """Sort files, also those in directories, by what their names begin with; in the order of their names.

    Raises
    ------
    InputError
        A source is missing, or none of its files has such a name.
    """
    found: dict[str, list[Path]] = {stem: [] for stem in stems}
    for source in sources:
        if not source.exists():
            raise InputError(str(source), "no such file or directory", "name the files of the trace")
        files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
        for path in files[:MAX_FILES]:
            folder_or_file = (path.name, path.parent.name)
            stem = next((stem for stem in stems if any(name.startswith(stem) for name in folder_or_file)), None)
            if stem is not None:
                found[stem].append(path)
    if not any(found.values()):
        names = ", ".join(str(source) for source in sources)
        raise InputError(names, "has no file of the trace", f"names begin with {' or '.join(stems)}")
    return found


def read_rows(path: Path, columns: Mapping[str, int | Sequence[str]]) -> Iterator[dict[str, pa.Array]]:
    """Read some columns as text, a batch at a time.

    Parameters
    ----------
    columns : mapping
        Our name to the position in files without a head, or to the names that it has in files with one.

    Raises
    ------
    InputError
        The file is broken, or has too few columns.
    """
    check_regular(path, _AGAIN)
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            first = stream.read(1 << 16).partition(b"\n")[0].decode("utf-8").strip().split(",")
        names, has_head = _positions(first, columns, path)
        options = pacsv.ReadOptions(block_size=BLOCK_BYTES, column_names=[f"f{n}" for n in range(len(first))])
        options.skip_rows = int(has_head)
        convert = pacsv.ConvertOptions(
            include_columns=[f"f{position}" for position in names.values()],
            column_types={f"f{position}": pa.string() for position in names.values()},
        )
        with (
            pa.input_stream(str(path), compression="detect") as stream,
            pacsv.open_csv(stream, options, convert_options=convert) as reader,
        ):
            for batch in reader:
                yield {name: batch.column(f"f{position}") for name, position in names.items()}
    except (pa.ArrowException, OSError, UnicodeDecodeError, EOFError) as error:
        raise InputError(str(path), f"not a whole CSV file ({str(error).splitlines()[0][:200]})", _AGAIN) from error


def _positions(first: list[str], columns: Mapping[str, int | Sequence[str]], path: Path) -> tuple[dict[str, int], bool]:
    """Find the columns by their names, where the first row has these, else by position."""
    heads = {head.strip().strip('"').casefold(): position for position, head in enumerate(first)}
    known = [name for at in columns.values() if not isinstance(at, int) for name in at]
    has_head = any(name in heads for name in known)
    found = {}
    for name, at in columns.items():
        if isinstance(at, int):
            position: int | None = at if at < len(first) else None
        else:
            position = next((heads[head] for head in at if head in heads), None)
        if position is None:
            wanted = f"column {at + 1}" if isinstance(at, int) else f"a column {' or '.join(at)}"
            raise InputError(str(path), f"has no {wanted}", _AGAIN)
        found[name] = position
    return found, has_head


def as_numbers(column: pa.Array, path: Path, what: str) -> np.ndarray:
    """Turn texts into float64; NaN where a cell is empty. Raises InputError where a text is no number."""
    text = pc.utf8_trim_whitespace(column)
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    try:
        numbers = text.cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise InputError(str(path), f"the column of {what} holds no numbers ({error})", _AGAIN) from error
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
