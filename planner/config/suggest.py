"""Say which known name a wrong one was probably meant to be."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Find the known name most like `name`, ignoring case and the kind of hyphen; None when nothing is close."""
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
    return name.lower().replace("_", "-").replace(" ", "-")
