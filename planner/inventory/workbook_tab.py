"""A tab with its header understood: columns by name, and cells as text, numbers, bytes and yes or no.

Names are compared without case, blanks and signs, and never by position: exports gain, lose and move columns. Cells
of numbers may be text in the manner of a place ("16,384", "1.234,5"); what can be read in two ways is refused.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from planner.errors import InputError
from planner.inventory.found import Note
from planner.inventory.workbook import Sheet
from planner.units import MAX_BYTES, MIB

_HEADER_WITHIN_ROWS = 20
_LISTED = 5
_UNKNOWN = frozenset(("", "-", "--", "n/a", "na", "nan", "null", "none", "unknown", "?"))
_ERROR = re.compile(r"^#(REF!|DIV/0!|NAME\?|VALUE!|NUM!|NULL!|N/A|SPILL!|CALC!|BEZUG!|WERT!|ZAHL!|NV)$", re.IGNORECASE)
_PLAIN = re.compile(r"^[+-]?\d+$")
_GROUPED = re.compile(r"^[+-]?[1-9]\d{0,2}(?:([.,' ])\d{3})(?:\1\d{3})*$")
_INDIAN = re.compile(r"^[+-]?\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?$")
_GROUPED_DECIMAL = re.compile(r"^[+-]?\d{1,3}(?:([.,' ])\d{3})+(?!\1)[.,]\d+$")
_DECIMAL = re.compile(r"^[+-]?\d+([.,])\d+$")
_SCIENTIFIC = re.compile(r"^[+-]?\d+(?:[.,]\d+)?[eE][+-]?\d{1,2}$")
_YES = ("true", "yes", "1", "wahr", "ja", "vrai", "oui", "verdadero", "sí", "si", "vero", "waar", "verdadeiro", "sim",
        "prawda", "tak", "sant", "sand", "tosi", "pravda", "doğru", "истина", "да", "真", "是")  # fmt: skip
_NO = ("false", "no", "0", "falsch", "nein", "faux", "non", "falso", "onwaar", "nee", "não", "fałsz", "nie",
       "falskt", "falsk", "nej", "nei", "epätosi", "nepravda", "yanlış", "ложь", "нет", "偽", "假", "否")  # fmt: skip
_FLAGS = dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)


def normal_header(header: object, tab: str = "") -> str:
    """Return a header as it is compared: letters a-z and digits only, and without the tab's name that raw ones have.

    >>> normal_header("# VMs total"), normal_header("vInfoVMName", "vInfo"), normal_header("Cluster rule name(s)")
    ('vmstotal', 'vmname', 'clusterrulenames')
    """
    name = re.sub(r"[^a-z0-9]", "", str(header).lower())
    prefix = tab.lower()
    return name[len(prefix) :] if prefix and name.startswith(prefix) and name != prefix else name


class Tab:
    """Columns of a sheet. What cannot be read is collected; `check` raises it.

    Parameters
    ----------
    sheet : Sheet
    columns : mapping of str to sequence of str
        Keys to the normal headers that mean them; of several that are there, the first counts.
    key : str
        Key of the column without which a row is none.

    Raises
    ------
    InputError
        The key's column is missing, or a column that is wanted is there twice, with other values.
    """

    def __init__(self, sheet: Sheet, columns: Mapping[str, Sequence[str]], key: str) -> None:
        self.tab, self.file = sheet.tab, sheet.file
        self.notes = list(sheet.notes)
        self._sheet = sheet
        self._problems: list[tuple[str, str, str]] = []
        self._decimal: dict[str, str] = {}
        self._grouped: dict[str, str] = {}
        self._header_idx = self._find_header(columns)
        self._columns = self._find_columns(columns)
        if key not in self._columns:
            found = ", ".join(str(cell) for cell in self._header() if cell != "")[:200] or "nothing"
            expected = f"expected a column such as {columns[key][0]}; the header has: {found}"
            raise InputError(f"{self.file}, {self.tab}", "lacks the column that names its rows", expected)
        column = self._columns[key]
        body = enumerate(sheet.rows[self._header_idx + 1 :], start=self._header_idx + 1)
        self._rows = [idx for idx, row in body if any(cell not in ("", None) for cell in row)]
        nameless = [idx for idx in self._rows if self._raw(idx, column) == "" and (idx, column) not in sheet.faults]
        for idx in nameless:
            self.notes.append(Note(f"{self.tab}, row {idx + 1}", "the row has no name and was left out"))
        if nameless:
            without = set(nameless)
            self._rows = [idx for idx in self._rows if idx not in without]

    def __len__(self) -> int:
        return len(self._rows)

    def has(self, key: str) -> bool:
        """Return whether there is such a column."""
        return key in self._columns

    def row_place(self, row_idx: int) -> str:
        """Return the name of a row for notes: "vInfo, row 12"."""
        return f"{self.tab}, row {self._rows[row_idx] + 1}"

    def cell_place(self, row_idx: int, key: str) -> str:
        """Return the name of a cell for notes, "vInfo!C12"; of its row if there is no such column."""
        if key not in self._columns:
            return self.row_place(row_idx)
        return self._cell_name(self._rows[row_idx], self._columns[key])

    def texts(self, key: str) -> list[str | None]:
        """Return a column as text; empty cells and missing columns are None."""
        return [self._text(idx, column, value) for idx, column, value in self._cells(key)]

    def numbers(self, key: str) -> list[float | None]:
        """Return a column as numbers, -1 and what is empty as None."""
        values = []
        for idx, column, value in self._cells(key):
            number = self._number(idx, column, value)
            if number is not None and number < 0 and number != -1:
                self._problem(idx, column, f"{number:g} is negative", "expected 0 or more, or nothing if unknown")
            values.append(None if number is None or number < 0 else number)
        return values

    def wholes(self, key: str) -> list[int | None]:
        """Return a column as whole numbers."""
        return [None if value is None else round(value) for value in self.numbers(key)]

    def sizes_bytes(self, key: str) -> list[int | None]:
        """Return a column of amounts of memory in MiB, in bytes."""
        values: list[int | None] = []
        for row_idx, value in enumerate(self.numbers(key)):
            if value is not None and value * MIB > MAX_BYTES:
                hint = "expected MiB; is the unit right?"
                self._problem(self._rows[row_idx], self._columns[key], f"{value:g} MiB is more than 1 EiB", hint)
                value = None
            values.append(None if value is None else round(value * MIB))
        return values

    def flags(self, key: str) -> list[bool | None]:
        """Return a column of yes and no, in the languages that spreadsheet programs write them in."""
        values = []
        for idx, column, value in self._cells(key):
            text = self._text(idx, column, value)
            flag = None if text is None else _FLAGS.get(text.casefold())
            if text is not None and flag is None:
                self._problem(idx, column, f'"{text[:40]}" is neither true nor false', "write True or False")
            values.append(flag)
        return values

    def check(self) -> None:
        """Raise what could not be read.

        Raises
        ------
        InputError
            Names the first cell, and the next few.
        """
        for mark in self._grouped.keys() & self._decimal.keys():
            message = f'"{mark}" separates thousands here and decimals in {self._decimal[mark]}'
            self._problems.append((self._grouped[mark], message, "export as .xlsx, or without separators of thousands"))
        if not self._problems:
            return
        problems = list(dict.fromkeys(self._problems))
        cell, message, hint = problems[0]
        others = ", ".join(problem[0] for problem in problems[1:_LISTED])
        if others:
            left = len(problems) - _LISTED
            hint += f"; likewise {others}" + (f" and {left:,} more" if left > 0 else "")
        raise InputError(f"{self.file}, {cell}", message, hint)

    def _header(self) -> list[Any]:
        return self._sheet.rows[self._header_idx] if self._sheet.rows else []

    def _find_header(self, columns: Mapping[str, Sequence[str]]) -> int:
        known = {alias for aliases in columns.values() for alias in aliases}
        rows = self._sheet.rows[:_HEADER_WITHIN_ROWS]
        matches = [len({normal_header(cell, self.tab) for cell in row} & known) for row in rows]
        return matches.index(max(matches)) if matches else 0

    def _find_columns(self, columns: Mapping[str, Sequence[str]]) -> dict[str, int]:
        at: dict[str, list[int]] = {}
        for column, cell in enumerate(self._header()):
            at.setdefault(normal_header(cell, self.tab), []).append(column)
        found = {}
        for key, aliases in columns.items():
            alias = next((alias for alias in aliases if alias in at), None)
            if alias is not None:
                found[key] = self._one_of(at[alias])
        return found

    def _one_of(self, same: list[int]) -> int:
        """Choose among columns of one name: one that is not empty, if no other has other values."""
        if len(same) == 1:
            return same[0]
        body = range(self._header_idx + 1, len(self._sheet.rows))
        filled = [column for column in same if any(self._raw(idx, column) != "" for idx in body)] or same[:1]
        for other in filled[1:]:
            differs = next((idx for idx in body if self._raw(idx, other) != self._raw(idx, filled[0])), None)
            if differs is not None:
                name = self._header()[other]
                cells = f"{self._cell_name(self._header_idx, filled[0])} and {self._cell_name(self._header_idx, other)}"
                message = f'two columns are named "{name}", and differ in row {differs + 1}'
                raise InputError(f"{self.file}, {cells}", message, "rename the one that is a custom attribute")
        return filled[0]

    def _raw(self, row: int, column: int) -> Any:
        cells = self._sheet.rows[row]
        value = cells[column] if column < len(cells) else ""
        return value.strip() if isinstance(value, str) else value

    def _cells(self, key: str) -> list[tuple[int, int, Any]]:
        column = self._columns.get(key)
        if column is None:
            return [(0, -1, "")] * len(self._rows)
        return [(idx, column, self._raw(idx, column)) for idx in self._rows]

    def _cell_name(self, row: int, column: int) -> str:
        letters, number = "", column + 1
        while number:
            number, letter = divmod(number - 1, 26)
            letters = chr(65 + letter) + letters
        return f"{self.tab}!{letters}{row + 1}"

    def _problem(self, row: int, column: int, message: str, hint: str) -> None:
        self._problems.append((self._cell_name(row, column), message, hint))

    def _is_empty(self, row: int, column: int, value: Any) -> bool:
        """Return whether a cell tells nothing, and take note of one that ought to."""
        if value == "" or value is None:
            fault = self._sheet.faults.get((row, column)) if column >= 0 else None
            if fault:
                self._problem(row, column, fault, "put the value in, or empty the cell if it is unknown")
            return True
        if isinstance(value, str) and _ERROR.match(value):
            hint = "put the value in, or empty the cell if it is unknown"
            self._problem(row, column, f"holds the error {value}", hint)
            return True
        return False

    def _text(self, row: int, column: int, value: Any) -> str | None:
        if self._is_empty(row, column, value):
            return None
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return str(value)

    def _number(self, row: int, column: int, value: Any) -> float | None:
        if type(value) is float and math.isfinite(value):
            return value
        if self._is_empty(row, column, value):
            return None
        text = str(value)
        if isinstance(value, str) and text.lower() in _UNKNOWN:
            return None
        number = (
            self._parse(text, row, column) if isinstance(value, (str, int)) and value not in (True, False) else None
        )
        if number is None or not math.isfinite(number):
            self._problem(row, column, f'"{text[:40]}" is not a number', "leave the cell empty if it is unknown")
        return number

    def _parse(self, text: str, row: int, column: int) -> float | None:
        """Parse a number as people write it; notes which mark separates what, where both readings are possible."""
        text = re.sub(r"[\u00a0\u2009\u202f]", " ", text).replace("\u2019", "'").removesuffix("%").strip()
        if _PLAIN.match(text):
            return float(text)
        if grouped := _GROUPED.match(text):
            if text.count(grouped.group(1)) == 1:
                self._grouped.setdefault(grouped.group(1), self._cell_name(row, column))
            return float(re.sub(r"[.,' ]", "", text))
        if _INDIAN.match(text):
            return float(text.replace(",", ""))
        if _GROUPED_DECIMAL.match(text):
            whole, decimals = re.split(r"[.,](?=\d+$)", text)
            return float(re.sub(r"[.,' ]", "", whole) + "." + decimals)
        if decimal := _DECIMAL.match(text):
            self._decimal.setdefault(decimal.group(1), self._cell_name(row, column))
        elif not _SCIENTIFIC.match(text):
            return None
        return float(text.replace(",", "."))
