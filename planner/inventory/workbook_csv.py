"""One tab of a workbook as a CSV file: which encoding and separator it has, and its cells.

Spreadsheet programs and Windows write them in the manner of the place: `;` where the comma is the decimal mark,
UTF-8 with a mark, UTF-16, or Windows-1252. Cells may hold line breaks.
"""

import codecs
import csv
import io

from planner.errors import InputError
from planner.inventory.found import Note
from planner.inventory.workbook_sheet import MAX_CELLS, MAX_ROWS, Sheet, check_rows

_SEPARATORS = ";,\t|"
_AGAIN = "export or copy it again"
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_MAX_CELL_CHARACTERS = 1 << 20


def parse_csv(data: bytes, tab: str, label: str) -> Sheet:
    """Parse a CSV file.

    Parameters
    ----------
    data : bytes
    tab, label : str
        The tab that it holds and the file's name, for messages.

    Raises
    ------
    InputError
        Not text, a row that does not fit, or more than should be.
    """
    text, encoding = _decode(data, f"{label}, {tab}")
    notes: tuple[Note, ...] = ()
    if encoding == "cp1252":
        message = "is not UTF-8 and was read as Windows-1252"
        notes = (Note(tab, message, "if names look wrong, save it as UTF-8"),)
    first, _, rest = text.partition("\n")
    declared = first.strip().strip('"')
    if declared.lower().startswith("sep=") and len(declared) == 5:
        text, separator = rest, declared[4]
    else:
        separator = _separator(text)
    return Sheet(tab, label, _rows(text, separator, tab, label), notes=notes)


def _decode(data: bytes, place: str) -> tuple[str, str]:
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if not encoding and data[:200].count(0) > len(data[:200]) // 3:
        # Text of UTF-16 without a mark: every other byte of Latin letters is 0.
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    for name in (encoding,) if encoding else ("utf-8", "cp1252"):
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text, name
    raise InputError(place, "is not text", "save it as CSV in UTF-8")


def _separator(text: str) -> str:
    """Return what separates the names of the header, which is the first line with any separator."""
    for line in text[: 1 << 16].splitlines():
        outside = "".join(line.split('"')[::2])
        counts = {mark: outside.count(mark) for mark in _SEPARATORS}
        best = max(counts, key=lambda mark: counts[mark])
        if counts[best]:
            return best
    return ","


def _rows(text: str, separator: str, tab: str, label: str) -> list[list[str]]:
    usual = csv.field_size_limit(_MAX_CELL_CHARACTERS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    width = cells = 0
    try:
        for row in reader:
            while len(row) > max(1, width) and not row[-1]:
                row.pop()
            width = width or (len(row) if len(row) > 1 else 0)
            _check_width(row, width, f"{label}, {tab}!A{len(rows) + 1}")
            rows.append(row)
            cells += len(row)
            if len(rows) > MAX_ROWS + 1 or cells > MAX_CELLS:
                check_rows(len(rows), len(row), f"{label}, {tab}")
    except csv.Error as error:
        place = f"{label}, {tab}, line {reader.line_num}"
        raise InputError(place, f"is no row of a CSV file ({error})", _AGAIN) from None
    finally:
        csv.field_size_limit(usual)  # of the whole process
    return rows


def _check_width(row: list[str], width: int, place: str) -> None:
    """Refuse rows of another length than the header's: cells would be taken for those of other columns."""
    if not width or len(row) == width or not any(row):
        return
    message = f"the row has {len(row)} cells, the header {width}"
    hint = "is the file whole? Numbers with the separator in them must be quoted"
    raise InputError(place, message, hint)
