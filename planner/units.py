"""Parse and format quantities with units. Inside the program: int64 bytes, float seconds, plain fractions.

Covers memory, durations, rates and percentages as they appear in YAML and reports; knows nothing of configs.
"""

import re
from decimal import Decimal

PAGE_BYTES = 4096
LARGE_PAGE_BYTES = 2 * 1024 * 1024
PAGES_PER_LARGE_PAGE = LARGE_PAGE_BYTES // PAGE_BYTES
KIB = 1024
MIB = 1024**2
GIB = 1024**3
MAX_BYTES = 1024**6
"""1 EiB: larger amounts are slips, and their sums would not fit into 63 bits."""

_BYTE_UNITS = {
    "B": 1,
    "KiB": KIB,
    "MiB": MIB,
    "GiB": GIB,
    "TiB": 1024**4,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}
_TIME_UNITS = {
    "ns": "1e-9", "us": "1e-6", "ms": "1e-3",
    "s": "1", "sec": "1", "second": "1", "seconds": "1",
    "min": "60", "minute": "60", "minutes": "60",
    "h": "3600", "hour": "3600", "hours": "3600",
    "d": "86400", "day": "86400", "days": "86400",
    "week": "604800", "weeks": "604800",
}  # fmt: skip
_NUMBER_UNIT = re.compile(r"^\s*([+-]?\d+(?:\.\d+)?)\s*([A-Za-z%]+)\s*$")


def parse_bytes(text: object) -> int:
    """Turn "512 GiB" into bytes.

    Raises
    ------
    ValueError
        Not a string with a number and one of B, KiB, MiB, GiB, TiB, KB, MB, GB, TB; or not a whole number of bytes.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        raise ValueError(f'{text} has no unit; write the unit, e.g. "{text} GiB"')
    number, unit = _split(text, "512 GiB")
    scale = {name.lower(): value for name, value in _BYTE_UNITS.items()}.get(unit.lower())
    if scale is None:
        raise ValueError(f'unknown memory unit "{unit}"; use one of {", ".join(_BYTE_UNITS)}')
    value = number * scale
    if value > MAX_BYTES:
        raise ValueError(f"{str(text)[:40]} is more than any machine has; write at most 1048576 TiB")
    if value != int(value):
        raise ValueError(f'"{text}" is not a whole number of bytes; write it in a smaller unit, e.g. MiB')
    return int(value)


def parse_seconds(text: object) -> float:
    """Turn "5 min" into seconds. Raises ValueError on a bare number or an unknown unit."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        raise ValueError(f'{text} has no unit; write the unit, e.g. "{text} min"')
    number, unit = _split(text, "5 min")
    scale = _TIME_UNITS.get(unit.lower())
    if scale is None:
        raise ValueError(f'unknown time unit "{unit}"; use one of ns, us, ms, s, min, h, days, weeks')
    return float(number * Decimal(scale))


def parse_bytes_per_s(text: object) -> float:
    """Turn "1 MiB/s" into bytes per second. Raises ValueError without "/s"."""
    if not isinstance(text, str) or not text.strip().endswith("/s"):
        raise ValueError(f'{text!r} is not a rate; write e.g. "1 MiB/s"')
    return float(parse_bytes(text.strip()[:-2]))


def parse_fraction(text: object) -> float:
    """Turn "1 %" or 0.01 into 0.01. Raises ValueError when it is neither."""
    if isinstance(text, bool) or not isinstance(text, (int, float, str)):
        raise ValueError(f'{text!r} is not a fraction; write e.g. "1 %" or 0.01')
    if isinstance(text, (int, float)):
        return float(text)
    number, unit = _split(text, "1 %")
    if unit != "%":
        raise ValueError(f'unknown unit "{unit}" for a fraction; write e.g. "1 %" or 0.01')
    return float(number / 100)


def format_bytes(value_bytes: float) -> str:
    """Write bytes for a reader, three significant digits: 5.86 GiB. Not exact; see `format_bytes_exact`."""
    size = float(value_bytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if abs(size) < 1024 or unit == "PiB":
            digits = f"{size:.3g}" if abs(size) < 1000 and unit != "B" else f"{size:.0f}"
            return f"{digits} {unit}"
        size /= 1024
    raise AssertionError("unreachable")


def format_bytes_exact(value_bytes: int) -> str:
    """Write bytes so that `parse_bytes` gives the same number back."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if value_bytes and value_bytes % _BYTE_UNITS[unit] == 0:
            return f"{value_bytes // _BYTE_UNITS[unit]} {unit}"
    return f"{value_bytes} B"


def format_seconds(value_s: float) -> str:
    """Write a duration in the largest unit that divides it: 300 -> "5 min"; below a second in ms, us or ns."""
    for unit, scale in (("days", 86400), ("h", 3600), ("min", 60)):
        if value_s >= scale and value_s % scale == 0:
            return "1 day" if value_s == 86400 else f"{value_s / scale:.0f} {unit}"
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if value_s * factor >= 1 or value_s == 0:
            return f"{value_s * factor:.10g} {unit}"
    return f"{value_s * 1e9:.10g} ns"


def _split(text: object, example: str) -> tuple[Decimal, str]:
    """Decimal, so that "80 us" is 8e-05 s and not its neighbour."""
    match = _NUMBER_UNIT.match(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'{text!r} is not a quantity with a unit; write e.g. "{example}"')
    return Decimal(match.group(1)), match.group(2)


def format_value(value: bool | float | str) -> str:
    """Write a plain value as in YAML; whole numbers without a fraction, as counts are written.

    >>> format_value(2.0), format_value(0.25), format_value(True), format_value("4 GiB")
    ('2', '0.25', 'true', '4 GiB')
    """
    if isinstance(value, bool):
        return str(value).lower()
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if is_whole else value)
