"""Tables as they are exported: columns with unit and meaning, rows of plain values.

Bytes become GiB and bytes/s MiB/s, by a power of two, so that no digit is lost. None is unknown, and an empty cell.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from planner.schema import Column

_UNITS = {"bytes": ("GiB", 2.0**-30), "bytes/s": ("MiB/s", 2.0**-20)}
_SHARES = ("swap_risk", "broken_share", "fraction", "overhead", "pressure")
_ENDINGS = ("_bytes_per_s", "_bytes", "_s")
Value = str | int | float | bool | None
Row = tuple[Value, ...]


class Head(NamedTuple):
    """The head of a column: `title` with the unit in brackets, if it has one; `shown` is a number format of Excel."""

    title: str
    unit: str
    meaning: str
    shown: str = ""

    @property
    def text(self) -> str:
        """Title and unit."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title


class Sheet(NamedTuple):
    """One table. `rows` may be made while they are written, and are read once."""

    name: str
    about: str
    heads: tuple[Head, ...]
    rows: Iterable[Row]


def head_of(column: Column, meaning: str) -> Head:
    """Make the head of a declared column: its name as words, its unit as it is exported."""
    unit = _UNITS.get(column.unit, (column.unit, 1.0))[0]
    parts = [part for part in column.name.split("_") if part]
    words = "_".join(parts)
    for ending in _ENDINGS if unit else ():
        words = words.replace(f"{ending}_", "_") if f"{ending}_" in words else words.removesuffix(ending)
    return Head(words.replace("_", " "), unit, meaning, _format_of(column))


def _format_of(column: Column) -> str:
    if column.unit in _UNITS:
        return "#,##0.00"
    if column.dtype == "float64":
        return "0.0%" if any(word in column.name for word in _SHARES) else "#,##0.000"
    return "#,##0" if column.dtype == "int64" else ""


def heads_of(columns: Sequence[Column]) -> tuple[Head, ...]:
    """Make heads; a meaning that goes on from the column above it is written out."""
    heads, whole = [], ""
    for column in columns:
        if column.meaning.startswith("..."):
            meaning = f"{whole.split(', ')[0]},{column.meaning.removeprefix('...')}"
        else:
            whole = meaning = column.meaning
        heads.append(head_of(column, meaning))
    return tuple(heads)


def rows_of(table: pd.DataFrame, columns: Sequence[Column]) -> Iterator[Row]:
    """Give the rows of a table, in the units of the heads."""
    values = []
    for column in columns:
        factor = _UNITS.get(column.unit, ("", 1.0))[1]
        series = table[column.name]
        known = (series if factor == 1.0 else series * factor).astype(object)
        values.append(known.where(series.notna(), None).tolist())
    yield from zip(*values, strict=True)


def row_of(entry: Mapping[str, Any], columns: Sequence[Column]) -> Row:
    """Give one row out of a mapping by the columns' names, in the units of the heads."""
    return tuple(_scaled(entry.get(column.name), column.unit) for column in columns)


def _scaled(value: Any, unit: str) -> Value:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    if value is None or isinstance(value, str | bool):
        return value
    factor = _UNITS.get(unit, ("", 1.0))[1]
    number: int | float = value if factor == 1.0 else value * factor
    return number


def columns_sheet(sheets: Sequence[Sheet]) -> Sheet:
    """Make the table that says what every column of the others means."""
    rows = [(sheet.name, head.title, head.unit, head.meaning) for sheet in sheets for head in sheet.heads]
    heads = tuple(Head(title, "", "") for title in ("table", "column", "unit", "meaning"))
    return Sheet("Columns", "What the columns mean", heads, rows)
