"""What a live measurement needs of this machine, and why it may not be had."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from planner.units import MIB


@dataclass(frozen=True)
class Machine:
    """Where the kernel shows itself; other places in tests.

    Attributes
    ----------
    sys, proc : Path
        Mount points of sysfs and procfs.
    cgroup : Path
        Mount point of the control groups.
    """

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")
    cgroup: Path = Path("/sys/fs/cgroup")

    @property
    def ksm(self) -> Path:
        """The KSM directory."""
        return self.sys / "kernel" / "mm" / "ksm"


def why_not_here() -> str | None:
    """Say why nothing can be measured on this machine at all, or None."""
    if not sys.platform.startswith("linux"):
        return f"this is {sys.platform}, not Linux"
    if os.geteuid() != 0:
        return "it takes root; run it with sudo"
    return None


def available_bytes(machine: Machine) -> int:
    """Return the memory in bytes that can be used without swapping, as the kernel estimates it; 0 if unknown."""
    try:
        lines = (machine.proc / "meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else 0


def why_too_little_memory(machine: Machine, wanted_bytes: int) -> str | None:
    """Say that less than four times the wanted memory is available, or None."""
    found = available_bytes(machine)
    if found >= 4 * wanted_bytes:
        return None
    return f"{found // MIB} MiB of memory are available, four times {wanted_bytes // MIB} MiB are wanted"
