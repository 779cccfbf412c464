"""Output of virsh: domstats, dommemstat, nodeinfo and nodememstats, alone or one after the other in one file.

Gives names and values as written; what they mean is in `planner.inventory.libvirt`.
"""

import re
from typing import Any, NamedTuple

_DOMAIN = re.compile(r"\s*Domain:?\s+(?:'(.*)'|(\S+))\s*$")
_STAT = re.compile(r"\s*([a-z][a-z0-9_-]*(?:\.[A-Za-z0-9_.-]+)+)=(.*)$")
_MEMORY_STAT = re.compile(r"\s*([a-z]+(?:[_-][a-z]+)*)[ \t]*[:=]?[ \t]+(\S+)\s*$")
_HOST_LINE = re.compile(r"\s*([A-Za-z() ]+?)\s*:\s*(.*?)\s*$")
MEMORY_STATS = {
    "actual", "swap_in", "swap_out", "major_fault", "minor_fault", "unused", "available", "usable", "last_update",
    "disk_caches", "hugetlb_pgalloc", "hugetlb_pgfail", "rss",
}  # fmt: skip
HOST_KEYS = {
    "CPU model": "cpu_model",
    "CPU(s)": "cpus",
    "CPU frequency": "cpu_frequency",
    "CPU socket(s)": "sockets",
    "Core(s) per socket": "cores_per_socket",
    "Thread(s) per core": "threads_per_core",
    "NUMA cell(s)": "numa_cells",
    "Memory size": "memory",
    "total": "total",
    "free": "free",
    "buffers": "buffers",
    "cached": "cached",
}


class DomainValues(NamedTuple):
    """Values of a VM by the names of domstats; `name` is None where the text does not say. `line` is its first."""

    name: str | None
    values: dict[str, Any]
    line: int


class VirshText(NamedTuple):
    """What a text of virsh holds.

    Attributes
    ----------
    domains : list of DomainValues
    host : dict
        Values of nodeinfo and nodememstats by the names in `HOST_KEYS`.
    unknown_lines : list of int
        Numbers of the lines that are nothing of that.
    is_cut_off : bool
        Whether the last line has no end.
    """

    domains: list[DomainValues]
    host: dict[str, str]
    unknown_lines: list[int]
    is_cut_off: bool

    @property
    def is_empty(self) -> bool:
        """Whether nothing of virsh was found."""
        return not self.host and not any(domain.values for domain in self.domains)


def parse_virsh(text: str) -> VirshText:
    """Find what virsh has written, line by line."""
    found = VirshText([], {}, [], not text.endswith(("\n", "\r")))
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not _take(line, number, found):
            found.unknown_lines.append(number)
    return found


def _take(line: str, number: int, found: VirshText) -> bool:
    """Store what a line says; tell whether it says anything."""
    if domain := _DOMAIN.match(line):
        name = domain[1] if domain[1] is not None else domain[2]
        found.domains.append(DomainValues(name, {}, number))
        return True
    if found.domains and (stat := _STAT.match(line)):
        found.domains[-1].values.setdefault(stat[1], stat[2].strip())
        return True
    if (stat := _MEMORY_STAT.match(line)) and stat[1].replace("-", "_") in MEMORY_STATS:
        if not found.domains:
            found.domains.append(DomainValues(None, {}, number))
        found.domains[-1].values.setdefault(memory_stat_key(stat[1]), stat[2])
        return True
    if (host := _HOST_LINE.match(line)) and host[1] in HOST_KEYS:
        found.host.setdefault(HOST_KEYS[host[1]], host[2])
        return True
    return False


def memory_stat_key(name: str) -> str:
    """Name a value of dommemstat as domstats does: "actual" is "balloon.current"."""
    plain = name.replace("-", "_")
    known = {"actual": "balloon.current", "last_update": "balloon.last-update"}
    return known.get(plain, f"balloon.{plain}")
