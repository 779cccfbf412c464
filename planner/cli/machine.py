"""What this machine has: memory that a run can take."""

import os
from pathlib import Path

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Limit of the container or service that the process runs in, by version 2 and 1 of Linux's control groups."""


def available_memory_bytes(meminfo: Path = Path("/proc/meminfo"), limits: tuple[Path, ...] = _LIMITS) -> int:
    """Return the memory that can be taken now without swapping; what is installed where the system does not say.

    Parameters
    ----------
    meminfo : Path
        Linux's account of memory.
    limits : tuple of Path
        Files that hold a limit in bytes, or a word for none.
    """
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for line in _read(meminfo).splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            available = int(value.split()[0]) * 1024
    found = [_read(path).strip() for path in limits]
    return min([available, *(int(limit) for limit in found if limit.isdigit())])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
