"""Read files that users name, in bounded memory: text and JSON. Parquet is in `parquet_files`.

A file may be a device that never ends, a giant with nothing in it, or another file than its name says. Reading stops
one byte after the most that such a file may sensibly hold.
"""

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from planner.errors import InputError
from planner.units import MIB, format_bytes

_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
MAX_JSON_BYTES = 64 * MIB
"""A summary of 10,000 scenarios is half of this. Read in, JSON takes up to twenty times its size."""


def read_bytes(path: Path, most_bytes: int) -> bytes:
    """Read a whole file.

    Parameters
    ----------
    path : Path
    most_bytes : int
        Largest size that is read. [bytes]

    Raises
    ------
    FileNotFoundError
        There is none.
    InputError
        It cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise InputError(str(path), f"cannot be read ({reason})", "check the path and its permissions") from None
    if len(data) > most_bytes:
        message = f"is larger than {format_bytes(most_bytes)}"
        raise InputError(str(path), message, "files of this kind are never that large; is it the right one?")
    return data


def read_text(path: Path, most_bytes: int) -> str:
    """Read a whole text file, UTF-8 with or without a mark. Raises as `read_bytes`, and InputError for other bytes."""
    data = read_bytes(path, most_bytes)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"byte {error.start}"
        raise InputError(str(path), f"is not UTF-8 text ({place})", "save it as UTF-8 and try again") from None


def read_json(path: Path, again: str, most_bytes: int = MAX_JSON_BYTES) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path : Path
    again : str
        What to do when it is broken, for the message.
    most_bytes : int
        Largest size that is read. [bytes]

    Raises
    ------
    InputError
        It is missing, too large, no regular file or broken.
    """
    check_regular(path, again)
    try:
        return loads_json(read_text(path, most_bytes))
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise InputError(str(path), f"cannot be read as JSON: {reason}", again) from None


def loads_json(text: str | bytes, pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Turn JSON into values, without half characters: no name that is written as UTF-8 may have one.

    Raises
    ------
    ValueError, RecursionError
        It is broken, or nested too deeply.
    """
    values = json.loads(text, object_pairs_hook=pairs_hook)
    whole = text if isinstance(text, bytes) else text.encode()
    if _HALF_CHARACTER.search(whole):
        json.dumps(values, ensure_ascii=False).encode()
    return values


def check_regular(path: Path, again: str) -> None:
    """Refuse what is no regular file: opening a pipe waits for ever. Raises InputError, also where there is nothing."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise InputError(str(path), "is missing", again) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(str(path), f"cannot be read ({reason})", again) from None
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "no regular file"
        raise InputError(str(path), f"is {kind}", again)
