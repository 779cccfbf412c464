"""Directories that a command is to write: whether it will be able to, found out before the work and not after it.

Asks by making a directory, not by looking at rights: root, read-only and virtual file systems ignore those.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from planner.errors import InputError

_HINT = "name another directory with --out"
_URL = re.compile(r"[a-z][a-z0-9+]+:/", re.IGNORECASE)


def resolve_target(out: Path) -> Path:
    """Follow links, so that what is replaced is a directory and has a name."""
    return Path(os.path.realpath(out))


def check_writable(out: Path) -> None:
    """Make a directory beside the target and remove it again, with all parents that had to be made.

    Raises
    ------
    InputError
        It cannot be made, or a directory at the target could not be replaced.
    """
    if _URL.match(str(out)):
        hint = "write to a directory and copy the run when it is done"
        raise InputError(str(out), "is a URL, not a directory", hint)
    target = resolve_target(out)
    if os.path.ismount(target):
        raise InputError(str(out), "is a mount point and cannot be replaced", "name a directory in it with --out")
    if Path.cwd().is_relative_to(target):
        raise InputError(str(out), "is where the command runs and cannot be replaced", _HINT)
    missing = [parent for parent in target.parents if not os.path.exists(parent)]  # noqa: PTH110 (false where Path raises)
    probe = target.parent / f".{target.name}.partial-{os.getpid()}"
    try:
        probe.mkdir(parents=True)
        probe.rmdir()
    except OSError as error:
        raise InputError(str(out), f"cannot be made: {error.strerror}", _HINT) from error
    finally:
        for parent in missing:
            with suppress(OSError):
                parent.rmdir()
