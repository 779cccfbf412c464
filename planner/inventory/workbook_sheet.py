"""A tab of a workbook as it is in the file, how its cells are named, and how large it may be."""

from dataclasses import dataclass, field
from typing import Any

from planner.errors import InputError
from planner.inventory.found import Note

MAX_ROWS = 200_000
"""The largest vCenter has 45,000 VMs."""
MAX_CELLS = 20_000_000
"""Each takes about 100 bytes in memory."""


@dataclass(frozen=True)
class Sheet:
    """A tab as it is in the file.

    Attributes
    ----------
    tab : str
        Its name, spelled as asked for: "vInfo".
    file : str
        File that it is in, for messages.
    rows : list of list
        Cells, all rows equally long or shorter at the end; an empty cell is "".
    faults : dict
        Row and column of cells that hold no value that can be taken, to the reason.
    notes : tuple of Note
        What was odd about it.
    """

    tab: str
    file: str
    rows: list[list[Any]]
    faults: dict[tuple[int, int], str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def cell_name(tab: str, row: int, column: int) -> str:
    """Return the name of a cell as spreadsheet programs show it.

    >>> cell_name("vInfo", 11, 27)
    'vInfo!AB12'
    """
    letters, number = "", column + 1
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(65 + letter) + letters
    return f"{tab}!{letters}{row + 1}"


def check_rows(rows: int, columns: int, place: str) -> None:
    """Refuse a tab that would not fit into memory. Raises InputError."""
    if rows > MAX_ROWS:
        message = f"has {rows:,} rows or more, and {MAX_ROWS:,} is the most"
        raise InputError(place, message, "is it the right file? Else split it by cluster and import the parts")
    if rows * columns > MAX_CELLS:
        message = f"spans {rows:,} rows and {columns:,} columns, more than {MAX_CELLS:,} cells"
        raise InputError(place, message, "delete what is beside the table, or export it again")
