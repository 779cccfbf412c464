"""Say which known name a wrong one was probably meant to be."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Find the known name most like `name`; None when nothing is close.

    Case, the kind of hyphen and leading zeros do not count: esx-3 is meant to be esx-03.
    """
    plain = {_plain(candidate): candidate for candidate in known}
    matches = get_close_matches(_plain(name), plain, n=1, cutoff=0.6)
    return plain[matches[0]] if matches else None


def name_problem(kind: str, name: str, known: Iterable[str]) -> tuple[str, str]:
    """Word an unknown name: (what is wrong, what would be right)."""
    names = sorted(known)
    nearest = nearest_name(name, names)
    guess = f'did you mean "{nearest}"? ' if nearest else ""
    return f'unknown {kind} "{name}"', f"{guess}use one of: {', '.join(names)}"


def _plain(name: str) -> str:
    return _LEADING_ZEROS.sub("", name.lower().replace("_", "-").replace(" ", "-"))
