"""Quantities: parsing, formatting, and that one undoes the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512 GiB", 512 * 2**30),
        ("512GiB", 512 * 2**30),
        (" 1 gib ", 2**30),
        ("1.5 MiB", 1_572_864),  # 1.5 * 1,048,576
        ("2.3 KB", 2_300),  # binary floats would give 2,299.9999999999995
        ("1 TB", 10**12),
        ("0 B", 0),
        ("-4 KiB", -4_096),
        ("9007199254740993 B", 2**53 + 1),  # beyond what a float holds
    ],
)
def test_parse_bytes(text: str, expected: int) -> None:
    assert units.parse_bytes(text) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (512, 'no unit; write the unit, e.g. "512 GiB"'),
        (1.5, "no unit"),
        (True, "True is not a quantity with a unit"),
        (None, "None is not a quantity"),
        ("512", 'is not a quantity with a unit; write e.g. "512 GiB"'),
        ("5 min", 'unknown memory unit "min"'),
        ("0.3 B", "not a whole number of bytes; write it in a smaller unit"),
        ("1e3 MiB", "is not a quantity"),
        ("", "is not a quantity"),
        (["1 GiB"], "is not a quantity"),
    ],
)
def test_parse_bytes_refuses(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        units.parse_bytes(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5 min", 300.0),
        ("14 days", 1_209_600.0),
        ("1 week", 604_800.0),
        ("80 us", 8e-05),
        ("2 h", 7_200.0),
        ("0 s", 0.0),
    ],
)
def test_parse_seconds(text: str, expected: float) -> None:
    assert units.parse_seconds(text) == expected


@pytest.mark.parametrize(
    ("value", "message"), [(5, "no unit"), ("5 GiB", 'unknown time unit "GiB"'), (False, "False is")]
)
def test_parse_seconds_refuses(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        units.parse_seconds(value)


def test_parse_rates() -> None:
    assert units.parse_bytes_per_s("1 MiB/s") == 1_048_576.0
    assert units.parse_bytes_per_s("10 MB/s") == 10_000_000.0


@pytest.mark.parametrize("value", ["1 MiB", 5, None, "MiB/s"])
def test_parse_rates_refuses(value: object) -> None:
    with pytest.raises(ValueError, match=r"write e\.g\."):
        units.parse_bytes_per_s(value)


@pytest.mark.parametrize(("value", "expected"), [("1 %", 0.01), (0.01, 0.01), ("95%", 0.95), (1, 1.0), ("-5 %", -0.05)])
def test_parse_fraction(value: object, expected: float) -> None:
    assert units.parse_fraction(value) == expected


@pytest.mark.parametrize("value", [True, None, "5", "5 GiB", [1]])
def test_parse_fraction_refuses(value: object) -> None:
    with pytest.raises(ValueError, match=r"write e\.g\."):
        units.parse_fraction(value)


@pytest.mark.parametrize(
    ("value_bytes", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (6_291_456_000, "5.86 GiB"),  # 6,291,456,000 / 2**30 = 5.859
        (1023 * 2**30, "1023 GiB"),  # three digits would say 1.02e+03
        (-(2**30), "-1 GiB"),
        (2**60, "1024 PiB"),
    ],
)
def test_format_bytes(value_bytes: float, expected: str) -> None:
    assert units.format_bytes(value_bytes) == expected


@pytest.mark.parametrize(
    ("value_s", "expected"),
    [
        (300.0, "5 min"),
        (86_400.0, "1 day"),
        (90.0, "90 s"),
        (0.0, "0 s"),
        (8e-05, "80 us"),
        (5e-09, "5 ns"),
        (0.25, "250 ms"),
    ],
)
def test_format_seconds(value_s: float, expected: str) -> None:
    assert units.format_seconds(value_s) == expected


@given(st.integers(min_value=0, max_value=units.MAX_BYTES))
def test_bytes_survive_writing(value_bytes: int) -> None:
    assert units.parse_bytes(units.format_bytes_exact(value_bytes)) == value_bytes


def test_pages_per_large_page() -> None:
    assert units.PAGES_PER_LARGE_PAGE == 512
