"""Which host a dump of libvirt is of: a hostname file, its own name or its directory says it, not its content."""

import re
from collections import defaultdict
from pathlib import Path

from planner.inventory.dump_files import Dump

_WORDS = (
    "virsh", "domstats", "dommemstat", "dommemstats", "nodeinfo", "nodememstats", "memstats", "memstat", "stats",
    "domains", "domain", "balloon", "host", "node", "dump", "dumpxml", "all", "output",
)  # fmt: skip
_NOISE = re.compile(rf"(^|[-_. ])({'|'.join(_WORDS)})(?=[-_. ]|$)", re.IGNORECASE)
_ENDING = re.compile(r"\.(txt|json|xml|log|out|stats|lst)$", re.IGNORECASE)
_NO_HOSTS = {*_WORDS, "xml", "qemu", "vms", "vm", "libvirt", "tmp"}


def own_name(dump: Dump) -> str:
    """Take the words that name a command off a file's name: "kvm-01-domstats.txt" is "kvm-01"; may be empty."""
    name = _ENDING.sub("", dump.path.name)
    return _NOISE.sub("", name).strip("-_. ")


class HostPlaces:
    """Learns which hosts the directories hold, file by file, and tells it of other files in and below them."""

    def __init__(self) -> None:
        self._by_hostname_file: dict[Path, str] = {}
        self._hosts: dict[Path, set[str]] = defaultdict(set)

    def add_hostname(self, dump: Dump, name: str) -> None:
        """Take a file that holds the host's name."""
        self._by_hostname_file[dump.path.parent] = name

    def host_of(self, dump: Dump) -> str | None:
        """Tell the host of a file of its own: by a hostname file, else by the file's name; None where neither does."""
        host = self._named_above(dump) or own_name(dump) or None
        if host:
            self._hosts[dump.path.parent].add(host)
        return host

    def host_by_folder(self, dump: Dump) -> str:
        """Tell the host of a file that has no name of its own: the only one of its directory, else the directory."""
        known = self._hosts[dump.path.parent]
        if len(known) == 1:
            return next(iter(known))
        host = dump.path.resolve().parent.name or "host"
        known.add(host)
        return host

    def hosts_of_vm(self, dump: Dump) -> set[str]:
        """List the hosts that a file of a single VM may be of; empty: nothing says."""
        if name := self._named_above(dump):
            return {name}
        for folder in _folders(dump):
            if self._hosts.get(folder):
                return self._hosts[folder]
        below = [part for part in dump.parts[:-1] if part.lower() not in _NO_HOSTS]
        return {below[-1]} if below else set()

    def _named_above(self, dump: Dump) -> str | None:
        names = (self._by_hostname_file.get(folder) for folder in _folders(dump))
        return next((name for name in names if name), None)


def _folders(dump: Dump) -> list[Path]:
    """List the directories from the file's own up to the one that the user named."""
    return list(dump.path.parents)[: len(dump.parts)]
