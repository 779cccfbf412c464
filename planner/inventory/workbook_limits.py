"""How large a tab may be."""

from planner.errors import InputError

MAX_ROWS = 200_000
"""The largest vCenter has 45,000 VMs."""
MAX_CELLS = 40_000_000
"""Each takes about 100 bytes in memory."""


def check_rows(rows: int, columns: int, place: str) -> None:
    """Refuse a tab that would not fit into memory. Raises InputError."""
    if rows > MAX_ROWS:
        message = f"has {rows:,} rows or more, and {MAX_ROWS:,} is the most"
        raise InputError(place, message, "is it the right file? Else split it by cluster and import the parts")
    if rows * columns > MAX_CELLS:
        message = f"spans {rows:,} rows and {columns:,} columns, more than {MAX_CELLS:,} cells"
        raise InputError(place, message, "delete what is beside the table, or export it again")
