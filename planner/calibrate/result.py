"""What a calibration asks for and what it finds: figures with their spread, and what is unknown and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from planner.units import GIB, MIB


class Figure(NamedTuple):
    """A measured figure.

    Attributes
    ----------
    name, unit : str
        E.g. "first_touch_4k", "ns".
    median, low, high : float
        Over the repeats; low and high are the quartiles.
    repeats : int
    how : str
        What was done, in a few words.
    """

    name: str
    unit: str
    median: float
    low: float
    high: float
    repeats: int
    how: str


class Unknown(NamedTuple):
    """What could not be measured here, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class CalibrationOptions:
    """How to calibrate.

    Attributes
    ----------
    repeats : int
        How often each figure is measured.
    memory_bytes : int
        Buffer of the memory measurements; less where less than four times as much is available. [bytes]
    chase_bytes : int
        Buffer of the pointer chase: it should be far larger than the last-level cache. [bytes]
    swap_path : Path or None
        Device or file to read from; None: the swap that is switched on.
    swap_s : float
        Time of reading per queue depth and repeat. [s]
    has_ksm : bool
        Whether to measure KSM where that is possible: it takes ten seconds a repeat.
    """

    repeats: int = 5
    memory_bytes: int = 256 * MIB
    chase_bytes: int = GIB
    swap_path: Path | None = None
    swap_s: float = 1.0
    has_ksm: bool = True


@dataclass(frozen=True)
class Calibration:
    """All that was found.

    Attributes
    ----------
    machine : dict
        What was measured: kernel, CPU, and how busy it was besides.
    cpu : str or None
        CPU preset of the config that this core is, as far as it can be told.
    swap_kind : str
        Description of the swap device that was read; empty: none was.
    is_zram : bool
        Whether that is compressed RAM.
    """

    machine: dict[str, str]
    figures: tuple[Figure, ...]
    unknown: tuple[Unknown, ...]
    cpu: str | None = None
    swap_kind: str = ""
    is_zram: bool = False

    def median(self, name: str) -> float | None:
        """Return the median of a figure, None if it is unknown."""
        return next((figure.median for figure in self.figures if figure.name == name), None)


def summarize_samples(name: str, unit: str, samples: Sequence[float], how: str) -> Figure:
    """Summarize repeats by their median and quartiles."""
    low, median, high = (float(value) for value in np.percentile(np.asarray(samples, dtype=np.float64), (25, 50, 75)))
    return Figure(name, unit, median, low, high, len(samples), how)
