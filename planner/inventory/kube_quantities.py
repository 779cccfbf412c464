"""Quantities of Kubernetes: "1Gi", "1024M", "128974848000m", "1e9", or a bare number of bytes."""

import re
from decimal import ROUND_CEILING, Decimal
from typing import Any

_QUANTITY = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))([eE][+-]?[0-9]{1,3}|[numkMGTPE]|[KMGTPE]i)?")
_MAX_CHARACTERS = 60
_SCALES = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}  # fmt: skip


def parse_quantity(value: Any) -> Decimal:
    """Turn a quantity into a number.

    Raises
    ------
    ValueError
        It is none.

    Examples
    --------
    >>> parse_quantity("1.5Gi"), parse_quantity("250m")
    (Decimal('1610612736.0'), Decimal('0.250'))
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"a {type(value).__name__} is no quantity")
    text = repr(value) if isinstance(value, float) else str(value) if isinstance(value, str) or value < 10**50 else "?"
    match = _QUANTITY.fullmatch(text) if len(text) <= _MAX_CHARACTERS else None
    if match is None:
        raise ValueError(f'"{text[:40]}" is no quantity of Kubernetes')
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in _SCALES:
        return number * _SCALES[suffix]
    return number.scaleb(int(suffix[1:]))


def round_up(number: Decimal) -> int:
    """Round up to a whole number, as Kubernetes does. Only for numbers of some bounded size."""
    return int(number.to_integral_value(rounding=ROUND_CEILING))
