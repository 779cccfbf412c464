"""Write tables as CSV files in a directory: UTF-8, commas, numbers with points and all their digits.

A text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection).
"""

import csv
from pathlib import Path

from planner.report.export.sheets import Sheet, Value

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_csv_files(folder: Path, sheets: list[Sheet]) -> None:
    """Write a file per table, named like it, into a directory that is there. Raises OSError where it cannot."""
    for sheet in sheets:
        with (folder / f"{sheet.name.lower()}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([head.text for head in sheet.heads])
            for row in sheet.rows:
                writer.writerow([_plain(value) for value in row])


def _plain(value: Value) -> Value:
    if value is None or value != value:
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
