"""What the template is given: figures and tables as finished text. No numbers are computed here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

MOST_ROWS = 50


@dataclass(frozen=True)
class Cell:
    """One table cell: what is shown, what it sorts by (empty sorts by the text), and a style class."""

    text: str
    sort: str = ""
    style: str = ""


@dataclass(frozen=True)
class TableBlock:
    """One table. `left_out` counts the rows beyond those shown."""

    id: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    text_columns: int = 1
    left_out: int = 0
    is_sortable: bool = False


@dataclass(frozen=True)
class FigureBlock:
    """One figure: heading (what it shows), how to read it, text for those who cannot see it, and its numbers."""

    id: str
    title: str
    alt: str
    caption: str
    figure_json: str
    table: TableBlock


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes
    ----------
    lead : str
        What the reader should take away, in a sentence or two.
    key : tuple of (text, colour, style class)
        Legend above the figures; colour or class may be empty.
    notes : tuple of str
        List at the end, under "Not modelled".
    is_map : bool
        Whether the tables are maps of coloured cells.
    """

    id: str
    title: str
    lead: str
    figures: tuple[FigureBlock, ...] = ()
    tables: tuple[TableBlock, ...] = ()
    key: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()
    is_map: bool = False


def number_cell(text: str, value: float | None, style: str = "") -> Cell:
    """Make a cell that sorts by its number; unknown sorts below everything."""
    is_known = value is not None and value == value
    return Cell(text, repr(float(value)) if is_known and value is not None else "-1e308", style)


def cap_rows(rows: Iterable[Sequence[Cell]], total: int) -> tuple[tuple[tuple[Cell, ...], ...], int]:
    """Keep the first rows only, and count the rest."""
    kept = tuple(tuple(row) for row, _ in zip(rows, range(MOST_ROWS), strict=False))
    return kept, max(0, total - len(kept))


def figure_text(figure: go.Figure) -> str:
    """Write a figure as JSON that is safe inside a script element."""
    text: str = figure.to_json()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
