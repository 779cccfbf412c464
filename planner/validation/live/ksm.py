"""A live KSM run: processes with known contents, the scanner switched on, its counters sampled until they rest."""

import csv
import json
import platform
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from planner.errors import InputError
from planner.units import MIB
from planner.validation.live.children import start_module
from planner.validation.live.machine import Machine, why_too_little_memory
from planner.validation.live.undo import Undo, read_setting

NAME = "now"
PROCESSES, PROCESS_MIB = 4, 96
_ZERO, _COMMON = 0.1, 0.4
_SETTINGS = {
    "advisor_mode": "none",
    "pages_to_scan": "2000",
    "sleep_millisecs": "10",
    "use_zero_pages": "0",
    "smart_scan": "1",
    "merge_across_nodes": "1",
    "max_page_sharing": "256",
}
_COUNTERS = (
    "pages_shared", "pages_sharing", "pages_unshared", "pages_volatile", "pages_scanned", "pages_skipped",
    "full_scans", "ksm_zero_pages", "general_profit", "stable_node_chains", "stable_node_dups",
)  # fmt: skip
_FILL_S = 30.0
_LONGEST_S = 40.0
_SAMPLE_S = 0.1
_REST_S = 3.0
"""The run ends when nothing has been merged for this long, after two passes."""


def why_no_ksm(machine: Machine) -> str | None:
    """Say why KSM cannot be measured on this machine, or None."""
    if not (machine.ksm / "run").exists():
        return f"this kernel has no KSM ({machine.ksm} is missing)"
    shared = read_setting(machine.ksm / "pages_shared")
    if shared != "0":
        return (
            f"KSM is at work here ({shared} pages shared): its counters would mix with ours, and it would be disturbed"
        )
    return why_too_little_memory(machine, PROCESSES * PROCESS_MIB * MIB)


def measure_ksm(machine: Machine, folder: Path, longest_s: float = _LONGEST_S) -> None:
    """Measure a KSM run and write it to `folder` as NAME.csv and NAME.json. The kernel's settings end as they began.

    Parameters
    ----------
    machine : Machine
    folder : Path
        Made if it is not there.
    longest_s : float
        Longest time that the scanner runs. [s]

    Raises
    ------
    InputError
        The load could not be started, or a setting could not be written or restored.
    """
    run = machine.ksm / "run"
    settings = {name: value for name, value in _SETTINGS.items() if (machine.ksm / name).exists()}
    with Undo() as undo:
        undo.note("write", str(run), read_setting(run))
        run.write_text("0", encoding="ascii")
        for name, value in settings.items():
            undo.write(machine.ksm / name, value)
        # Undone first: what was merged is unmerged, before that some settings cannot be changed.
        undo.note("write", str(run), "2")
        with _load():
            base = _read_counters(machine)
            run.write_text("1", encoding="ascii")
            samples = _sample(machine, longest_s)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, settings, base, samples)


@contextmanager
def _load() -> Iterator[None]:
    """Run the processes that hold the memory; they end with the block, or with this process."""
    processes: list[subprocess.Popen[str]] = []
    try:
        for number in range(PROCESSES):
            processes.append(start_module("load_ksm", str(PROCESS_MIB), str(_ZERO), str(_COMMON), str(number)))
        for process in processes:
            _wait_ready(process)
        yield
    finally:
        for process in processes:
            process.communicate()


def _wait_ready(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    is_there = select.select([process.stdout], [], [], _FILL_S)[0]
    if not is_there or process.stdout.readline() != "ready\n":
        raise InputError("live KSM run", "a load process did not get its memory", "is there enough of it?")


def _sample(machine: Machine, longest_s: float) -> list[dict[str, float]]:
    """Read the counters every tenth of a second until merging has come to rest."""
    samples: list[dict[str, float]] = []
    scanner = _scanner_pid(machine)
    started_s = changed_s = time.monotonic()
    while True:
        now_s = time.monotonic()
        samples.append({"t": round(now_s - started_s, 4), **_read_counters(machine), **_cpu_ns(machine, scanner)})
        if len(samples) > 1 and samples[-1]["pages_sharing"] != samples[-2]["pages_sharing"]:
            changed_s = now_s
        has_merged = samples[-1]["pages_sharing"] > 0
        if now_s - started_s > longest_s or (has_merged and now_s - changed_s > _REST_S):
            return samples
        time.sleep(_SAMPLE_S)


def _read_counters(machine: Machine) -> dict[str, float]:
    """Read the counters that this kernel has."""
    paths = [machine.ksm / name for name in _COUNTERS]
    return {path.name: int(path.read_text(encoding="ascii")) for path in paths if path.exists()}


def _scanner_pid(machine: Machine) -> str | None:
    for comm in machine.proc.glob("[0-9]*/comm"):
        try:
            if comm.read_text(encoding="utf-8").strip() == "ksmd":
                return comm.parent.name
        except OSError:  # the process has ended meanwhile
            continue
    return None


def _cpu_ns(machine: Machine, pid: str | None) -> dict[str, float]:
    """Read the CPU time of the scanner, where the kernel counts it."""
    path = machine.proc / str(pid) / "schedstat"
    return {"ksmd_ns": int(path.read_text(encoding="ascii").split()[0])} if path.exists() else {}


def _write(folder: Path, settings: dict[str, str], base: dict[str, float], samples: list[dict[str, float]]) -> None:
    with (folder / f"{NAME}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, samples[0])
        writer.writeheader()
        writer.writerows(samples)
    numbers = {name: int(value) for name, value in settings.items() if value.isdigit()}
    described = {
        "procs": PROCESSES, "mib": PROCESS_MIB, "zero": _ZERO, "common": _COMMON, "volatile": 0.0,
        "rewrite_per_s": 0.0, **numbers, "base": base, "kernel": platform.release(),
    }  # fmt: skip
    (folder / f"{NAME}.json").write_text(json.dumps(described, indent=1), encoding="utf-8")
