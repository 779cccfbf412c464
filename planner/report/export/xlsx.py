"""Write tables as a workbook, row by row: a million rows take no memory. The same tables give the same bytes."""

import datetime
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xlsxwriter

from planner.report.export.sheets import Head, Row, Sheet, Value

MOST_ROWS = 1_048_576
"""Rows of a worksheet, the head among them; longer tables go on in another one."""
MOST_TEXT = 32_767
_CREATED = datetime.datetime(1980, 1, 1)  # the clock would make every file another one
_WIDEST, _NARROWEST = 60, 9
_CUT = " ... (cut)"
_HEAD = "head"


def write_xlsx(path: Path, sheets: list[Sheet]) -> None:
    """Write a workbook with a worksheet per table; raises OSError where it cannot be written."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        book.set_properties({"title": "planner", "created": _CREATED})
        shown = sorted({head.shown for sheet in sheets for head in sheet.heads})
        formats = {text: book.add_format({"num_format": text} if text else {}) for text in shown}
        formats[_HEAD] = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
        for sheet in sheets:
            _write_sheet(book, sheet, formats)


def _write_sheet(book: Any, sheet: Sheet, formats: Mapping[str, Any]) -> None:
    page, row_idx, part = None, MOST_ROWS, 0
    for row in sheet.rows:
        if row_idx == MOST_ROWS:
            _finish(page, sheet, row_idx)
            part += 1
            page, row_idx = _begin(book, sheet, part, formats), 1
        _write_row(page, row_idx, row)
        row_idx += 1
    if page is None:
        page, row_idx = _begin(book, sheet, 1, formats), 1
    _finish(page, sheet, row_idx)


def _begin(book: Any, sheet: Sheet, part: int, formats: Mapping[str, Any]) -> Any:
    page = book.add_worksheet(sheet.name if part == 1 else f"{sheet.name} {part}")
    page.freeze_panes(1, 0)
    for position, head in enumerate(sheet.heads):
        page.set_column(position, position, _width(head, position, len(sheet.heads)), formats[head.shown])
        page.write_string(0, position, head.text, formats[_HEAD])
    return page


def _width(head: Head, position: int, n_columns: int) -> int:
    """Wide where texts are read, as in tables of few columns; as wide as half the head elsewhere."""
    if n_columns <= 5:
        return _WIDEST if position else _WIDEST // 2
    return max(_NARROWEST, min(len(head.text) // 2 + 4, _WIDEST))


def _write_row(page: Any, row_idx: int, row: Row) -> None:
    for position, value in enumerate(row):
        _write_value(page, row_idx, position, value)


def _write_value(page: Any, row_idx: int, position: int, value: Value) -> None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return
    if isinstance(value, bool):
        page.write_boolean(row_idx, position, value)
    elif isinstance(value, str) or math.isinf(value):
        text = str(value)
        page.write_string(row_idx, position, text if len(text) <= MOST_TEXT else text[: MOST_TEXT - len(_CUT)] + _CUT)
    else:
        page.write_number(row_idx, position, value)


def _finish(page: Any, sheet: Sheet, n_rows: int) -> None:
    if page is not None and n_rows > 1:
        page.autofilter(0, 0, n_rows - 1, len(sheet.heads) - 1)
