"""Linux's table of processes: who started whom."""

from pathlib import Path


def _stat(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    state, parent = rest.split()[:2]
    return name, state, int(parent)


def name_of(pid):
    """Return the name of a process by its command line, or by the system; empty when it has ended."""
    found = _stat(pid)
    if found is None or found[1] in "ZX":
        return ""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return words[0].decode(errors="replace") or found[0]


def children(root):
    """List the processes that one started and that have not ended."""
    stats = {int(path.name): _stat(int(path.name)) for path in Path("/proc").glob("[0-9]*")}
    return [pid for pid, found in stats.items() if found and found[2] == root and found[1] not in "ZX"]


def descendants(root):
    """List the processes that one started, and those that they started."""
    found = children(root)
    return [*found, *(pid for child in found for pid in descendants(child))]
