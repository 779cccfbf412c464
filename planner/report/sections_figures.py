"""The table of what a planner signs besides the risk: headline figures of the recommended line with their intervals."""

import pandas as pd

from planner.analysis.wording import format_percent, format_ratio
from planner.report.blocks import Cell, TableBlock, number_cell
from planner.units import format_bytes

_FIGURES = (
    ("swap_in_bytes_per_s_p99", "swap-in p99, worst host"),
    ("ballooned_bytes_mean", "ballooned"),
    ("swapped_bytes_mean", "swapped"),
    ("slowdown_p99", "slowdown p99"),
)
NO_SPREAD = "no spread seen"


def figures_table(frame: pd.DataFrame, confidence: float) -> TableBlock:
    """Make the table with a row per ratio of the recommended line, and each figure with its interval.

    Parameters
    ----------
    frame : DataFrame
        `planner.analysis.tables.scenario_frame`.
    confidence : float
        Chance that an interval holds.
    """
    line = frame[frame["is_line"]]
    return TableBlock(
        id="figures-table",
        caption=f"Figures of the recommended placement with their {format_percent(confidence)} intervals",
        columns=("ratio", *(label for _, label in _FIGURES)),
        rows=tuple(
            (Cell(format_ratio(row["overcommit_ratio"])), *(_cell(row, name) for name, _ in _FIGURES))
            for _, row in line.iterrows()
        ),
    )


def _cell(row: pd.Series, name: str) -> Cell:
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if pd.isna(value):
        return number_cell("not known", None)
    between = NO_SPREAD if pd.isna(low) else f"{_text(name, low)} to {_text(name, high)}"
    return number_cell(f"{_text(name, value)} ({between})", float(value))


def _text(name: str, value: float) -> str:
    if name == "slowdown_p99":
        return f"{value:.3f}"
    return format_bytes(value) + ("/s" if "per_s" in name else "")
