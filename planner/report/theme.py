"""Colours, labels and fonts of the page: one accent, one colour per byte class and per memory state, everywhere.

The colours are of middle lightness, so that the same figure reads on a light and on a dark page. Text, axes and grid
take theirs from the style sheet.
"""

from typing import NamedTuple

ACCENT = "#2f6fde"
NEUTRAL = "#8a94a3"
WARM = ("#e0a030", "#dd7a36", "#c8453b", "#9c2f4b")


class ByteClass(NamedTuple):
    """A class of guest memory: its label in figures and tables, and its colour."""

    label: str
    color: str


BYTE_CLASSES = {
    "private": ByteClass("private", "#3f73ad"),
    "shared": ByteClass("shared", "#4fa39b"),
    "ballooned": ByteClass("ballooned", "#dba63f"),
    "evicted": ByteClass("evicted by the guest", "#b3875c"),
    "compressed": ByteClass("compressed", "#9a6fb5"),
    "swapped": ByteClass("swapped", "#cf4a40"),
    "never_touched": ByteClass("never touched", "#aab3bf"),
    "free": ByteClass("free", "#8fb996"),
    "consumed": ByteClass("consumed", "#3f73ad"),
}

STATES = (
    ("high", "#7fb08a"),
    ("clear", "#b9c46a"),
    ("soft", "#e3b341"),
    ("hard", "#dd7a36"),
    ("low", "#b5332e"),
)

TAIL_MEANING = {
    "low": "touched again less often",
    "middle": "the middle assumption",
    "high": "touched again more often",
}

SYMBOLS = ("circle", "square", "diamond", "cross", "x", "pentagon", "star")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def ratio_color(position: int, recommended: int | None, n_ratios: int) -> str:
    """Colour of a ratio: grey below the recommended one, accent at it, warmer and warmer above it."""
    limit = -1 if recommended is None else recommended
    if position == limit:
        return ACCENT
    if position < limit:
        return NEUTRAL
    above = position - limit - 1
    n_above = max(1, n_ratios - limit - 1)
    return WARM[min(len(WARM) - 1, above * len(WARM) // n_above)]
