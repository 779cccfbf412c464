"""Cells of a tab as text, numbers, and yes or no. What cannot be read is collected, and raised together.

Cells of numbers may be text in the manner of a place ("16,384", "1.234,5"); what can be read in two ways is refused.
"""

import math
import re
from typing import Any

from planner.errors import InputError
from planner.inventory.workbook_sheet import Sheet, cell_name

_LISTED = 5
_FILL = "put the value in, or empty the cell if it is unknown"
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


class CellReader:
    """Reads cells of a sheet by row and column, counted from 0, and remembers what is wrong."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._problems: list[tuple[str, str, str]] = []
        self._decimal: dict[str, str] = {}
        self._grouped: dict[str, str] = {}

    def raw(self, row: int, column: int) -> Any:
        """Return a cell as it is; "" beyond the end of its row."""
        cells = self._sheet.rows[row]
        value = cells[column] if column < len(cells) else ""
        return value.strip() if isinstance(value, str) else value

    def text(self, row: int, column: int) -> str | None:
        """Return a cell as text; None if it is empty."""
        value = self.raw(row, column)
        if self._is_empty(row, column, value):
            return None
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return str(value)

    def number(self, row: int, column: int) -> float | None:
        """Return a cell as a number; None if it is empty, or says that it is unknown."""
        value = self.raw(row, column)
        if type(value) is float and math.isfinite(value):
            return value
        if self._is_empty(row, column, value):
            return None
        if isinstance(value, str) and value.lower() in _UNKNOWN:
            return None
        number = self._parse(value, row, column) if isinstance(value, str) else None
        if type(value) is int:
            number = float(value)
        if number is None or not math.isfinite(number):
            hint = "leave the cell empty if it is unknown"
            self.add_problem(row, column, f'"{str(value)[:40]}" is not a number', hint)
            return None
        return number

    def flag(self, row: int, column: int) -> bool | None:
        """Return a cell as yes or no; None if it is empty."""
        text = self.text(row, column)
        flag = None if text is None else _FLAGS.get(text.casefold())
        if text is not None and flag is None:
            self.add_problem(row, column, f'"{text[:40]}" is neither true nor false', "write True or False")
        return flag

    def add_problem(self, row: int, column: int, message: str, hint: str) -> None:
        """Remember what is wrong with a cell."""
        self._problems.append((cell_name(self._sheet.tab, row, column), message, hint))

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
        raise InputError(f"{self._sheet.file}, {cell}", message, hint)

    def _is_empty(self, row: int, column: int, value: Any) -> bool:
        """Return whether a cell tells nothing, and take note of one that ought to."""
        if value == "" or value is None:
            fault = self._sheet.faults.get((row, column))
            if fault:
                self.add_problem(row, column, fault, _FILL)
            return True
        if isinstance(value, str) and _ERROR.match(value):
            self.add_problem(row, column, f"holds the error {value}", _FILL)
            return True
        return False

    def _parse(self, text: str, row: int, column: int) -> float | None:
        """Parse a number as people write it; notes which mark separates what, where both readings are possible."""
        text = re.sub(r"[\u00a0\u2009\u202f]", " ", text).replace("\u2019", "'").removesuffix("%").strip()
        if _PLAIN.match(text):
            return float(text)
        if grouped := _GROUPED.match(text):
            if text.count(grouped.group(1)) == 1:
                self._grouped.setdefault(grouped.group(1), cell_name(self._sheet.tab, row, column))
            return float(re.sub(r"[.,' ]", "", text))
        if _INDIAN.match(text):
            return float(text.replace(",", ""))
        if _GROUPED_DECIMAL.match(text):
            whole, decimals = re.split(r"[.,](?=\d+$)", text)
            return float(re.sub(r"[.,' ]", "", whole) + "." + decimals)
        if decimal := _DECIMAL.match(text):
            self._decimal.setdefault(decimal.group(1), cell_name(self._sheet.tab, row, column))
        elif not _SCIENTIFIC.match(text):
            return None
        return float(text.replace(",", "."))
