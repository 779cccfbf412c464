"""Values of foreign records, read with bounds: what cannot be read becomes a doubt and counts as unknown.

Knows nothing of any hypervisor, only that memory is no more than 1 EiB, counts are whole and names are short.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from planner.errors import InputError
from planner.inventory.found import Note
from planner.units import MAX_BYTES

MAX_TEXT = 1000
MAX_COUNT = 10**12
_MAX_DIGITS = 40
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_BLANKS = re.compile(r"\s+")


class Values:
    """A record of a dump: named values, and the place to name where one of them is wrong.

    Attributes
    ----------
    raw : Mapping
        The values as they are.
    place : str
        Where the record is, for messages.
    doubts : list of Note
        Takes what cannot be read.
    """

    def __init__(self, raw: Any, place: str, doubts: list[Note]) -> None:
        self.raw: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
        self.place = place
        self.doubts = doubts

    def first(self, *keys: str) -> tuple[str, Any]:
        """Find the first of the keys that has a value; null and "" are none."""
        for key in keys:
            value = self.raw.get(key)
            if value is not None and value != "":
                return key, value
        return keys[0], None

    def text(self, *keys: str) -> str | None:
        """Read a name or word; numbers are taken as written."""
        key, value = self.first(*keys)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value) if abs(value) < 10**_MAX_DIGITS else value
        if value is not None and (not isinstance(value, str) or len(value) > MAX_TEXT):
            self._doubt(key, value, f'"{key}" is no text', f"expected at most {MAX_TEXT} characters")
            return None
        return _BLANKS.sub(" ", value).strip() or None if isinstance(value, str) else None

    def memory(self, *keys: str, unit_bytes: int = 1) -> int | None:
        """Read an amount of memory, in bytes."""
        return self._whole(keys, MAX_BYTES, unit_bytes)

    def needed_memory(self, *keys: str, unit_bytes: int = 1) -> int | None:
        """Read an amount of memory without which the record is of no use; None only where it is missing.

        Raises
        ------
        InputError
            It is there and cannot be read.
        """
        key, value = self.first(*keys)
        number = None if value is None else _number(value)
        if value is not None and (number is None or not 0 <= number * unit_bytes <= MAX_BYTES):
            hint = "expected a number from 0 to 1 EiB; export it again"
            raise InputError(f"{self.place}, {key}", f"{_shown(value)} is no amount of memory", hint)
        return None if number is None else int(number * unit_bytes)

    def whole(self, *keys: str, most: int = MAX_COUNT) -> int | None:
        """Read a count."""
        return self._whole(keys, most, 1)

    def ratio(self, *keys: str) -> float | None:
        """Read a number of 0 or more, fractions allowed."""
        key, value = self.first(*keys)
        number = None if value is None else _number(value)
        if value is not None and (number is None or not 0 <= number <= MAX_COUNT):
            self._doubt(key, value, f'"{key}" is no number', "")
            return None
        return None if number is None else float(number)

    def is_true(self, *keys: str) -> bool | None:
        """Read true or false; 1 and 0, yes and no are taken, too."""
        key, value = self.first(*keys)
        word = _WORDS.get(str(value)[:10].lower()) if isinstance(value, (bool, int, str)) else None
        if value is not None and word is None:
            self._doubt(key, value, f'"{key}" is not true or false', "")
        return word

    def section(self, *keys: str) -> "Values":
        """Go to a nested record; an empty one where there is none."""
        key, value = self.first(*keys)
        if value is not None and not isinstance(value, Mapping):
            self._doubt(key, value, f'"{key}" is no record', "")
        return Values(value, f"{self.place}, {key}", self.doubts)

    def items(self, *keys: str) -> list[Any]:
        """Read a list; an empty one where there is none."""
        key, value = self.first(*keys)
        if value is not None and not isinstance(value, list):
            self._doubt(key, value, f'"{key}" is no list', "")
        return value if isinstance(value, list) else []

    def _whole(self, keys: tuple[str, ...], most: int, unit: int) -> int | None:
        key, value = self.first(*keys)
        number = None if value is None else _number(value)
        if value is not None and (number is None or not 0 <= number * unit <= most):
            self._doubt(key, value, f'"{key}" cannot be a figure of this kind', "expected a number of 0 or more")
            return None
        return None if number is None else int(number * unit)

    def _doubt(self, key: str, value: Any, text: str, remedy: str) -> None:
        note = Note(f"{self.place}, {key}: {_shown(value)}", f"{text}; it is taken as unknown", remedy)
        self.doubts.append(note)


def _number(value: Any) -> Decimal | None:
    """Read a finite number; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, int) and abs(value) > 10**_MAX_DIGITS:
        return None
    text = str(value).strip()
    try:
        number = Decimal(text) if len(text) <= _MAX_DIGITS else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() and abs(number.adjusted()) <= _MAX_DIGITS else None


def _shown(value: Any) -> str:
    if isinstance(value, int) and abs(value) > 10**_MAX_DIGITS:
        return "a number of more than 40 digits"
    text = repr(value) if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
