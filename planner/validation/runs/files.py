"""Read tables and JSON that somebody measured: any order of columns, more columns than needed, any line ends."""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from planner.errors import InputError
from planner.input_files import check_regular, read_text
from planner.units import MIB

MAX_RUN_FILE_BYTES = 64 * MIB
"""A counter a second for a day is a twentieth of this."""
_LARGEST = 1e18
_DELIMITERS = (",", ";", "\t")
_SHOWN_COLUMNS = 12


class RunSpec(BaseModel):
    """Base of what a run's JSON says: unknown keys are other people's notes and are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


_Spec = TypeVar("_Spec", bound=RunSpec)


@dataclass(frozen=True)
class RunTable:
    """A table as text, a row per line of the file.

    Attributes
    ----------
    path : Path
    columns : tuple of str
    rows : tuple of (line number, cells by column)
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]

    def text(self, column: str, default: str = "") -> list[str]:
        """Return a column as text; `default` where there is no such column."""
        return [cells.get(column, default) for _, cells in self.rows]

    def numbers(self, column: str) -> np.ndarray:
        """Return a column that every row must have as finite numbers: float64 array, shape (n_rows,).

        Raises
        ------
        InputError
            A cell is empty, no number or not finite.
        """
        return np.array([self._number(line, column, cells[column]) for line, cells in self.rows], dtype=np.float64)

    def numbers_or_nan(self, column: str) -> np.ndarray:
        """Return a column as numbers: NaN where a cell is empty, all NaN where there is no such column."""
        cells = [(line, row.get(column, "")) for line, row in self.rows]
        return np.array(
            [math.nan if text in ("", "nan") else self._number(line, column, text) for line, text in cells],
            dtype=np.float64,
        )

    def _number(self, line: int, column: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not abs(value) <= _LARGEST:
            shown = f'"{text[:40]}" is no number that was measured' if text else "is empty"
            raise InputError(f"{self.path}, line {line}, column {column}", shown, "write a number")
        return value

    def check_range(self, column: str, values: np.ndarray, bounds: tuple[float, float]) -> None:
        """Refuse values outside of `bounds`; NaN is let through.

        Raises
        ------
        InputError
            There is one: its line is named.
        """
        is_bad = (values < bounds[0]) | (values > bounds[1])
        if is_bad.any():
            n = int(np.argmax(is_bad))
            wanted = f"{bounds[0]:g} or more" if np.isinf(bounds[1]) else f"{bounds[0]:g} to {bounds[1]:g}"
            place = f"{self.path}, line {self.rows[n][0]}, column {column}"
            raise InputError(place, f"{values[n]:g} makes no sense", f"expected {wanted}")


def read_run_table(path: Path, required: tuple[str, ...]) -> RunTable:
    """Read a CSV file with a header; commas, semicolons or tabs between cells.

    Parameters
    ----------
    path : Path
    required : tuple of str
        Columns that must be there, with at least one row below them.

    Raises
    ------
    InputError
        The file cannot be read, has no rows, lacks a column or has a row that is too short.
    """
    lines = read_run_text(path).splitlines()
    start = next((n for n, line in enumerate(lines) if line.strip()), None)
    if start is None:
        raise InputError(str(path), "is empty", f"expected a CSV file with the columns {', '.join(required)}")
    delimiter = max(_DELIMITERS, key=lines[start].count)
    reader = csv.reader(lines[start:], delimiter=delimiter, skipinitialspace=True)
    try:
        return _run_table(path, reader, start, required)
    except csv.Error as error:
        place = f"{path}, line {start + reader.line_num}"
        raise InputError(place, f"is not a row of a table ({error})", "is a quote missing?") from None


def _run_table(path: Path, reader: Any, start: int, required: tuple[str, ...]) -> RunTable:
    """Read the header and the rows below it; `start` is the line above the header."""
    columns = tuple(name.strip() for name in next(reader))
    missing = [name for name in required if name not in columns]
    if missing:
        found = ", ".join(columns[:_SHOWN_COLUMNS])
        raise InputError(f"{path}, line {start + 1}", f"has no column {', '.join(missing)}", f"found: {found}")
    rows = []
    for cells in reader:
        line = start + reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) < len(columns):
            message = f"has {len(cells)} cells, the header has {len(columns)}"
            raise InputError(f"{path}, line {line}", message, "is the file cut off?")
        rows.append((line, {name: cell.strip() for name, cell in zip(columns, cells, strict=False)}))
    if not rows:
        raise InputError(str(path), "has a header and no rows", "expected at least one measurement")
    return RunTable(path, columns, tuple(rows))


def read_run_text(path: Path) -> str:
    """Read a text file.

    Raises
    ------
    InputError
        It is missing, unreadable or not UTF-8.
    """
    if not path.exists():
        raise InputError(str(path), "no such file", "a run is described by a CSV file and the JSON beside it")
    check_regular(path, "name a folder of measured runs")
    return read_text(path, MAX_RUN_FILE_BYTES)


def read_run_spec(path: Path, model: type[_Spec]) -> _Spec:
    """Read the JSON object that says how a run was made.

    Raises
    ------
    InputError
        It is no JSON object, or a value is missing or of the wrong kind; all of these at once.
    """
    try:
        values: Any = json.loads(read_run_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}", f"is not JSON: {error.msg}", "is the file cut off?") from None
    except (ValueError, RecursionError):
        raise InputError(str(path), "is not JSON: nested too deeply, or a number too long", "write it anew") from None
    if not isinstance(values, dict):
        raise InputError(str(path), "is not a JSON object", "expected how the run was made, as keys and values")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg'].lower()}" for item in error.errors()]
        known = ", ".join(name for name, field in model.model_fields.items() if field.is_required())
        raise InputError(str(path), "; ".join(problems), f"needed: {known}") from None
