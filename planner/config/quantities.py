"""Pydantic types for quantities: strings with units in YAML, int bytes and float seconds inside.

Writing and reading back gives the same number to the last bit, so that a resolved config stands for its run.
"""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from planner.units import (
    format_bytes_exact,
    format_seconds,
    parse_bytes,
    parse_bytes_per_s,
    parse_fraction,
    parse_seconds,
)


def _text(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


def _fraction_text(value: float) -> str | float:
    text = f"{value * 100:.12g} %"
    return text if "e" not in text and parse_fraction(text) == value else value


def _seconds_text(value: float) -> str:
    text = format_seconds(value)
    is_exact = "e" not in text.split()[0] and parse_seconds(text) == value
    return text if is_exact else f"{Decimal(repr(value)):f} s"


def _rate_text(value: float) -> str:
    return f"{format_bytes_exact(int(value))}/s"


_NUMBER = r"^\s*\d+(\.\d+)?\s*"
_FRACTION_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "string", "pattern": _NUMBER + r"%\s*$"}, {"type": "number"}],
    "examples": ["1 %"],
}

Bytes = Annotated[
    int,
    BeforeValidator(parse_bytes),
    PlainSerializer(format_bytes_exact),
    _text(_NUMBER + r"([KMGT]iB|[KMGT]?B)\s*$", "512 GiB"),
]
Seconds = Annotated[
    float,
    BeforeValidator(parse_seconds),
    PlainSerializer(_seconds_text),
    _text(_NUMBER + r"(ns|us|ms|s(ec(onds?)?)?|min(utes?)?|h(ours?)?|d(ays?)?|weeks?)\s*$", "5 min"),
]
BytesPerSecond = Annotated[
    float,
    BeforeValidator(parse_bytes_per_s),
    PlainSerializer(_rate_text),
    _text(_NUMBER + r"([KMGT]iB|[KMGT]?B)/s\s*$", "1 MiB/s"),
]
Fraction = Annotated[
    float, BeforeValidator(parse_fraction), PlainSerializer(_fraction_text), WithJsonSchema(_FRACTION_SCHEMA)
]
