"""Pydantic types for quantities: strings with units in YAML, int bytes and float seconds inside."""

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


def _fraction_text(value: float) -> str:
    return f"{value * 100:.12g} %"


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
    _text(_NUMBER + r"([KMGT]iB|[KMG]?B)\s*$", "512 GiB"),
]
Seconds = Annotated[
    float,
    BeforeValidator(parse_seconds),
    PlainSerializer(format_seconds),
    _text(_NUMBER + r"(ns|us|ms|s|min|h|days?|weeks?)\s*$", "5 min"),
]
BytesPerSecond = Annotated[
    float,
    BeforeValidator(parse_bytes_per_s),
    PlainSerializer(_rate_text),
    _text(_NUMBER + r"([KMGT]iB|[KMG]?B)/s\s*$", "1 MiB/s"),
]
Fraction = Annotated[
    float, BeforeValidator(parse_fraction), PlainSerializer(_fraction_text), WithJsonSchema(_FRACTION_SCHEMA)
]
