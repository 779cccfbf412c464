"""A tab with its header understood: columns by name.

Names are compared without case, blanks and signs, and never by position: exports gain, lose and move columns.
"""

import re
from collections.abc import Mapping, Sequence

from planner.errors import InputError
from planner.inventory.found import Note
from planner.inventory.workbook_cells import CellReader
from planner.inventory.workbook_sheet import Sheet, cell_name
from planner.units import MAX_BYTES, MIB

_HEADER_WITHIN_ROWS = 20
_MAX_WHOLE = 1 << 40
"""Shares of memory are the largest whole numbers that are read: 20 per MiB of a VM."""


def normal_header(header: object, tab: str = "") -> str:
    """Return a header as it is compared: letters a-z and digits only, and without the tab's name that raw ones have.

    >>> normal_header("# VMs total"), normal_header("vInfoVMName", "vInfo"), normal_header("Cluster rule name(s)")
    ('vmstotal', 'vmname', 'clusterrulenames')
    """
    name = re.sub(r"[^a-z0-9]", "", str(header).lower())
    prefix = tab.lower()
    return name[len(prefix) :] if prefix and name.startswith(prefix) and name != prefix else name


class Tab:
    """Columns of a sheet. Cells that cannot be read are collected; `check` raises them.

    Parameters
    ----------
    sheet : Sheet
    columns : mapping of str to sequence of str
        Keys to the normal headers that mean them; of several that are there, the first counts.
    key : str
        Key of the column that names the rows. Rows without a name are left out, with a note.

    Attributes
    ----------
    notes : list of Note
        What was odd about the sheet.

    Raises
    ------
    InputError
        The key's column is missing or a cell of it cannot be read; or a column is there twice, with other values.
    """

    def __init__(self, sheet: Sheet, columns: Mapping[str, Sequence[str]], key: str) -> None:
        self.notes = list(sheet.notes)
        self._tab = sheet.tab
        self._cells = CellReader(sheet)
        header_idx = _find_header(sheet, columns)
        self._columns = _find_columns(sheet, header_idx, columns, self._cells)
        if key not in self._columns:
            header = sheet.rows[header_idx] if sheet.rows else []
            found = ", ".join(str(cell) for cell in header if cell != "")[:200] or "nothing"
            expected = f"expected a column such as {columns[key][0]}; the header has: {found}"
            raise InputError(f"{sheet.file}, {sheet.tab}", "lacks the column that names its rows", expected)
        body = range(header_idx + 1, len(sheet.rows))
        filled = [row for row in body if any(cell not in ("", None) for cell in sheet.rows[row])]
        named = {row for row in filled if self._cells.text(row, self._columns[key]) is not None}
        self.check()
        for row in filled:
            if row not in named:
                self.notes.append(Note(f"{sheet.tab}, row {row + 1}", "the row has no name and was left out"))
        self._rows = [row for row in filled if row in named]

    def __len__(self) -> int:
        return len(self._rows)

    def has(self, key: str) -> bool:
        """Return whether there is such a column."""
        return key in self._columns

    def row_place(self, row_idx: int) -> str:
        """Return the name of a row for notes: "vInfo, row 12"."""
        return f"{self._tab}, row {self._rows[row_idx] + 1}"

    def texts(self, key: str) -> list[str | None]:
        """Return a column as text; empty cells and missing columns are None."""
        column = self._columns.get(key)
        return [None if column is None else self._cells.text(row, column) for row in self._rows]

    def numbers(self, key: str) -> list[float | None]:
        """Return a column as numbers; -1 and what is empty are None."""
        return self._bounded(key, 1.0, float(MAX_BYTES), "the most that any column may hold")

    def wholes(self, key: str) -> list[int | None]:
        """Return a column as whole numbers."""
        values = self._bounded(key, 1.0, float(_MAX_WHOLE), f"{_MAX_WHOLE:,}")
        return [None if value is None else round(value) for value in values]

    def sizes_bytes(self, key: str) -> list[int | None]:
        """Return a column of amounts of memory in MiB, in bytes."""
        values = self._bounded(key, float(MIB), float(MAX_BYTES), "1 EiB; is it in MiB?")
        return [None if value is None else round(value) for value in values]

    def flags(self, key: str) -> list[bool | None]:
        """Return a column of yes and no, in the languages that spreadsheet programs write them in."""
        column = self._columns.get(key)
        return [None if column is None else self._cells.flag(row, column) for row in self._rows]

    def check(self) -> None:
        """Raise InputError if a cell could not be read so far: names the first, and the next few."""
        self._cells.check()

    def _bounded(self, key: str, unit: float, most: float, most_text: str) -> list[float | None]:
        """Return a column of numbers of 0 or more, times a unit."""
        column = self._columns.get(key)
        if column is None:
            return [None] * len(self._rows)
        values: list[float | None] = []
        for row in self._rows:
            value = self._cells.number(row, column)
            if value is not None and value < 0:
                if value != -1:
                    hint = "expected 0 or more, or nothing if unknown"
                    self._cells.add_problem(row, column, f"{value:g} is negative", hint)
                value = None
            elif value is not None and value * unit > most:
                self._cells.add_problem(row, column, f"{value:g} is too large", f"expected at most {most_text}")
                value = None
            values.append(None if value is None else value * unit)
        return values


def _find_header(sheet: Sheet, columns: Mapping[str, Sequence[str]]) -> int:
    """Return the row that has most of the known names; titles may stand above it."""
    known = {alias for aliases in columns.values() for alias in aliases}
    rows = sheet.rows[:_HEADER_WITHIN_ROWS]
    matches = [len({normal_header(cell, sheet.tab) for cell in row} & known) for row in rows]
    return matches.index(max(matches)) if matches else 0


def _find_columns(
    sheet: Sheet, header_idx: int, columns: Mapping[str, Sequence[str]], cells: CellReader
) -> dict[str, int]:
    at: dict[str, list[int]] = {}
    for column, cell in enumerate(sheet.rows[header_idx] if sheet.rows else []):
        at.setdefault(normal_header(cell, sheet.tab), []).append(column)
    found = {}
    for key, aliases in columns.items():
        alias = next((alias for alias in aliases if alias in at), None)
        if alias is not None:
            found[key] = _one_of(at[alias], sheet, header_idx, cells)
    return found


def _one_of(same: list[int], sheet: Sheet, header_idx: int, cells: CellReader) -> int:
    """Choose among columns of one name: one that is not empty, if no other has other values."""
    if len(same) == 1:
        return same[0]
    body = range(header_idx + 1, len(sheet.rows))
    filled = [column for column in same if any(cells.raw(row, column) != "" for row in body)] or same[:1]
    for other in filled[1:]:
        differs = next((row for row in body if cells.raw(row, other) != cells.raw(row, filled[0])), None)
        if differs is not None:
            names = " and ".join(cell_name(sheet.tab, header_idx, column) for column in (filled[0], other))
            header = sheet.rows[header_idx][other]
            message = f'two columns are named "{header}", and differ in row {differs + 1}'
            raise InputError(f"{sheet.file}, {names}", message, "rename the one that is a custom attribute")
    return filled[0]
