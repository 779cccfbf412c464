"""Units of imported numbers: from a name's suffix, from an option, or inferred from what is physically possible.

The rule for memory series without a stated unit: configured memory bounds them, and over a trace the median VM's peak
reaches a tenth of it at least. A unit passes when the median peak lies in (0.102, 1.02] of configured memory and at
most 2 % of the VMs peak above 1.02. The band is just one decade wide, so tenths of a MiB and MiB cannot both pass.
Exactly one unit must pass; otherwise the user is asked. GiB, fractions and per cent are never inferred: small numbers
fit them too easily (15 MiB of an idle VM would pass as 15 %).
"""

import re
from typing import NamedTuple

import numpy as np

from planner.errors import InputError
from planner.units import GIB, KIB, MIB

MEMORY_UNITS: dict[str, float | None] = {
    "bytes": 1.0,
    "KiB": float(KIB),
    "0.1 MiB": MIB / 10,
    "MiB": float(MIB),
    "GiB": float(GIB),
    "fraction": None,
    "percent": None,
}
"""Bytes per unit; None where it is relative to configured memory."""
_SUFFIXES = {
    "bytes": "bytes",
    "kib": "KiB",
    "kb": "KiB",
    "mib": "MiB",
    "mb": "MiB",
    "gib": "GiB",
    "gb": "GiB",
    "fraction": "fraction",
    "percent": "percent",
    "pct": "percent",
}
_INFERRED = ("bytes", "KiB", "0.1 MiB", "MiB")
_BAND = (0.102, 1.02)
_MAX_ABOVE = 0.02


class UnitChoice(NamedTuple):
    """A unit of `MEMORY_UNITS` and why it was chosen, for the user to check."""

    unit: str
    reason: str


def unit_of_name(name: str) -> str | None:
    """Read the unit off a column's or file's name, None if it has none. KB is read as KiB, MB as MiB."""
    for part in re.split(r"[^a-z0-9]+", name.lower()):
        if part in _SUFFIXES:
            return _SUFFIXES[part]
    return None


def parse_unit(text: str, place: str) -> str:
    """Match a unit that the user wrote, in any case. Raises InputError for an unknown one."""
    for unit in MEMORY_UNITS:
        if text.strip().lower() in (unit.lower(), unit.lower().replace(" ", "")):
            return unit
    raise InputError(place, f'unknown unit "{text}"', f"use one of {', '.join(MEMORY_UNITS)}")


def to_bytes_factor(unit: str, configured_bytes: np.ndarray) -> np.ndarray:
    """Give the bytes that one unit stands for, per VM: float64 array, shape as `configured_bytes`."""
    if unit == "fraction":
        return configured_bytes.astype(np.float64)
    if unit == "percent":
        return configured_bytes / 100.0
    return np.full(len(configured_bytes), MEMORY_UNITS[unit], dtype=np.float64)


def infer_unit(kind: str, peaks: np.ndarray, configured_bytes: np.ndarray, place: str) -> UnitChoice:
    """Infer the unit of a memory series by the rule above.

    Parameters
    ----------
    kind : str
        "active" or "granted", for messages.
    peaks : float array, shape (n_vms,)
        Largest sample of each VM, in the unknown unit; NaN where it has none.
    configured_bytes : int64 array, shape (n_vms,)

    Raises
    ------
    InputError
        No unit passes, or several do; says what each would mean and which option settles it.
    """
    passed, seen = [], []
    for unit in _INFERRED:
        share = peaks * to_bytes_factor(unit, configured_bytes) / configured_bytes
        share = share[~np.isnan(share)]
        if len(share) == 0:
            continue
        median, above = float(np.median(share)), float((share > _BAND[1]).mean())
        seen.append(f"as {unit} {median:.2g}")
        if _BAND[0] < median <= _BAND[1] and above <= _MAX_ABOVE:
            passed.append(UnitChoice(unit, f"then the median VM peaks at {median:.0%} of its configured memory"))
    if len(passed) == 1:
        return passed[0]
    units = " or ".join(choice.unit for choice in passed) or "none of those that can be inferred"
    message = f"cannot tell the unit of the {kind} series: it may be {units}"
    hint = f"pass --{kind}-unit; the median VM's peak ÷ configured memory is {', '.join(seen) or 'unknown'}"
    raise InputError(place, message, hint)
