"""Files that are there as a whole or not at all, and still there after the power fails."""

import os
from pathlib import Path


def write_file(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside it, make it durable, and give it its name.

    A link is followed, and what is no plain file (a pipe, a device) is written to as it is.

    Raises
    ------
    OSError
        No space, no rights: then an earlier file of that name is as it was.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_tree(folder: Path) -> None:
    """Make every file and folder in a folder, and the folder itself, durable."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make durable what a folder lists: names of new and renamed files."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
