"""A live swap run: a process whose working set is larger than its memory limit, and how often it misses.

Where no swap is switched on, a swap file of our own is made beside the results and removed again.
"""

import csv
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from planner.errors import InputError
from planner.units import MIB
from planner.validation.live.children import start_module
from planner.validation.live.machine import Machine, why_too_little_memory
from planner.validation.live.memory_group import MemoryGroup, swap_in_use, why_no_memory_groups
from planner.validation.live.undo import Undo
from planner.validation.runs.swap import FILE

WORKING_SET_MIB = 48
_WORKING_SET_BYTES = WORKING_SET_MIB * MIB
_SWAP_FILE_MIB = 64
_MOST_LIMITS = 4
_SHARE_MARGIN = 0.004
_RUNS = (("u", 0.0, 0.9), ("u", 0.0, 0.7), ("u", 0.0, 0.5), ("z", 1.0, 0.7), ("z", 1.0, 0.5))
_WARM_UP_ACCESSES = 40_000
_ACCESSES = 60_000
_ANSWER_S = 60.0
_WRITE_SHARE = 0.3


def why_no_swap(machine: Machine, folder: Path) -> str | None:
    """Say why swapping cannot be measured on this machine with a swap file in `folder`, or None."""
    reason = why_no_memory_groups(machine) or why_too_little_memory(machine, 8 * _WORKING_SET_BYTES)
    if reason or swap_in_use(machine):
        return reason
    missing = [name for name in ("mkswap", "swapon", "swapoff") if shutil.which(name) is None]
    if missing:
        return f"no swap is switched on, and there is no {' and no '.join(missing)} to make some"
    if shutil.disk_usage(folder).free < 10 * _SWAP_FILE_MIB * MIB:
        return f"no swap is switched on, and {folder} has too little space for a swap file"
    return None


def measure_swap(machine: Machine, folder: Path) -> None:
    """Measure miss ratios under memory limits and write them to `folder`. Swap and settings end as they began.

    Raises
    ------
    InputError
        The load, its limit or the swap file could not be set up, or not be undone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with Undo() as undo:
        if not swap_in_use(machine):
            _add_swap_file(folder / "swapfile", undo)
        # A fault reads its page and no neighbours: what is counted is misses, not read-ahead.
        undo.write(machine.proc / "sys" / "vm" / "page-cluster", "0")
        group = MemoryGroup(machine, undo)
        with _load() as load:
            rows = _measure(load, group)
    with (folder / FILE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _measure(load: "subprocess.Popen[str]", group: MemoryGroup) -> list[dict[str, object]]:
    group.add(load.pid)
    _ask(load, "go", "ready")
    beside_bytes = group.usage_bytes() - _WORKING_SET_BYTES
    rows: list[dict[str, object]] = []
    for dist, alpha, fraction in _RUNS:
        # Beside the working set the process has page tables, library pages and the like; some of them leave under
        # pressure. So the limit is set again until the working set has the share that it is to have.
        for _ in range(_MOST_LIMITS):
            group.limit(beside_bytes + int(fraction * _WORKING_SET_BYTES))
            _, resident_bytes = _touch(load, dist, alpha, 0)
            if abs(resident_bytes / _WORKING_SET_BYTES - fraction) < _SHARE_MARGIN:
                break
            beside_bytes = group.usage_bytes() - resident_bytes
        misses, resident_bytes = _touch(load, dist, alpha, _ACCESSES)
        rows.append(
            {
                "tag": f"{dist}_f{fraction:g}", "W": WORKING_SET_MIB, "dist": dist, "alpha": alpha, "frac": fraction,
                "wf": _WRITE_SHARE, "resident_frac": round(resident_bytes / _WORKING_SET_BYTES, 4),
                "miss_measured": round(misses / _ACCESSES, 6),
            }
        )  # fmt: skip
    return rows


def _touch(load: "subprocess.Popen[str]", dist: str, alpha: float, accesses: int) -> tuple[int, int]:
    """Let the load warm up and make its accesses; return major faults, and the resident working set in bytes."""
    misses, resident_bytes = _ask(load, f"{dist} {alpha} {_WARM_UP_ACCESSES} {accesses}").split()
    return int(misses), int(resident_bytes)


def _ask(load: "subprocess.Popen[str]", line: str, wanted: str | None = None) -> str:
    assert load.stdin is not None
    assert load.stdout is not None
    load.stdin.write(f"{line}\n")
    load.stdin.flush()
    answer = load.stdout.readline().strip() if select.select([load.stdout], [], [], _ANSWER_S)[0] else ""
    if not answer or (wanted is not None and answer != wanted):
        raise InputError("live swap run", "the load process was killed or hangs", "is the machine short of memory?")
    return answer


@contextmanager
def _load() -> Iterator["subprocess.Popen[str]"]:
    """Run the process that touches the working set; it ends with the block, or with this process."""
    load = start_module("load_swap", str(WORKING_SET_MIB))
    try:
        yield load
    finally:
        load.kill()
        load.communicate()


def _add_swap_file(path: Path, undo: Undo) -> None:
    """Make a swap file and switch it on, behind all other swap."""
    undo.note("remove", str(path))
    path.touch(mode=0o600)
    with path.open("wb") as file:
        for _ in range(_SWAP_FILE_MIB):
            file.write(bytes(MIB))
        os.fsync(file.fileno())
    undo.note("swapoff", str(path))
    for command in (["mkswap", str(path)], ["swapon", str(path)]):
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            reason = (result.stderr or result.stdout).strip().splitlines()[-1:]
            hint = "no file on this file system can be swapped to" if command[0] == "swapon" else ""
            raise InputError("live swap run", f"{command[0]} failed: {' '.join(reason)}", hint)
