"""A control group that limits the memory of one process, in either version of the kernel's interface."""

import os
import time
from contextlib import suppress
from pathlib import Path

from planner.errors import InputError
from planner.validation.live.machine import Machine
from planner.validation.live.undo import Undo

_TRIES = 400
_WAIT_S = 0.05
_STEP_BYTES = 1 << 20


class MemoryGroup:
    """A control group of our own; `undo` removes it.

    Parameters
    ----------
    machine : Machine
        `why_no_memory_groups` must have nothing against it.
    undo : Undo
    """

    def __init__(self, machine: Machine, undo: Undo) -> None:
        legacy = machine.cgroup / "memory"
        is_legacy = (legacy / "memory.limit_in_bytes").exists()
        self.path = (legacy if is_legacy else machine.cgroup) / f"planner-{os.getpid()}"
        self._limit = self.path / ("memory.limit_in_bytes" if is_legacy else "memory.max")
        self._usage = self.path / ("memory.usage_in_bytes" if is_legacy else "memory.current")
        undo.note("rmdir", str(self.path))
        self.path.mkdir()

    def add(self, pid: int) -> None:
        """Move a process into the group; memory counts from then on."""
        (self.path / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def usage_bytes(self) -> int:
        """Return the memory in use, in bytes."""
        return int(self._usage.read_text(encoding="ascii"))

    def limit(self, limit_bytes: int) -> None:
        """Set the limit, and wait until the kernel has paged out what lies above it.

        Raises
        ------
        InputError
            It does not get there.
        """
        for _ in range(_TRIES):
            usage_bytes = self.usage_bytes()
            if usage_bytes <= limit_bytes:
                return self._set(limit_bytes)
            # In small steps: what is being written out cannot be taken yet, and a group with nothing to take is killed.
            self._set(max(limit_bytes, usage_bytes - _STEP_BYTES))
            time.sleep(_WAIT_S)
        raise InputError(str(self._limit), "the kernel does not page out enough", "is there swap space?")

    def _set(self, limit_bytes: int) -> None:
        with suppress(OSError):  # the legacy interface refuses while it cannot page out enough at once
            self._limit.write_text(str(limit_bytes), encoding="ascii")


def why_no_memory_groups(machine: Machine) -> str | None:
    """Say why no memory limit can be set on this machine, or None."""
    if (machine.cgroup / "memory" / "memory.limit_in_bytes").exists():
        return None
    control = machine.cgroup / "cgroup.subtree_control"
    if control.exists() and "memory" in control.read_text(encoding="ascii").split():
        return None
    return f"there is no memory controller for control groups in {machine.cgroup}"


def swap_in_use(machine: Machine) -> list[Path]:
    """List the swap devices and files that are switched on."""
    try:
        lines = (machine.proc / "swaps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [Path(line.split()[0]) for line in lines[1:] if line.strip()]
