"""Read Google's cluster traces as the fleet of one moment: tasks, which run in containers, are taken for VMs.

ClusterData 2011 ("Google cluster-usage traces: format + schema", v2.1), files without a head:
task_usage (start, end [us], job, task, machine, CPU rate, canonical memory usage, ...), task_events (time, missing,
job, task, machine, event, user, class, priority, CPU request, memory request, ...), machine_events (time, machine,
event, platform, CPUs, memory). ClusterData 2019 (v3), exported from BigQuery to CSV with a head: instance_usage,
instance_events and machine_events, with `average_usage.memory` and `resource_request.memory` (or `_` for the point).
All memory is a share of the largest machine's, which is not told.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from planner.errors import InputError
from planner.inventory.found import Found, FoundHost, FoundVm, Note, Power
from planner.inventory.progress import Progress, no_progress
from planner.inventory.trace_rows import as_numbers, find_files, read_rows
from planner.units import format_bytes

_FORMATS: dict[str, dict[str, dict[str, Any]]] = {
    "2011": {
        "usage": {"start": 0, "end": 1, "job": 2, "task": 3, "machine": 4, "memory": 6},
        "request": {"time": 0, "job": 2, "task": 3, "memory": 10},
        "machine": {"time": 0, "machine": 1, "kind": 2, "memory": 5},
    },
    "2019": {
        "usage": {
            "start": ("start_time",), "end": ("end_time",), "job": ("collection_id",), "task": ("instance_index",),
            "machine": ("machine_id",), "memory": ("average_usage.memory", "average_usage_memory"),
        },
        "request": {
            "time": ("time",), "job": ("collection_id",), "task": ("instance_index",),
            "memory": ("resource_request.memory", "resource_request_memory"),
        },
        "machine": {
            "time": ("time",), "machine": ("machine_id",), "kind": ("type",),
            "memory": ("capacity.memory", "capacity_memory"),
        },
    },
}  # fmt: skip
_FILES = {
    "2011": {"usage": "task_usage", "request": "task_events", "machine": "machine_events"},
    "2019": {"usage": "instance_usage", "request": "instance_events", "machine": "machine_events"},
}
_REMOVALS = {"2011": ("1",), "2019": ("2", "REMOVE")}
"""How events of a machine that leaves are told."""
_US = 1e6
Key = tuple[int, int]


class _Used(NamedTuple):
    """What a task used at the moment: machine, and share of the largest machine's memory."""

    machine: int
    memory: float


def read_google(
    sources: Sequence[Path], machine_bytes: int, at_s: float | None = None, progress: Progress = no_progress
) -> Found:
    """Read the tasks that ran at a moment.

    Parameters
    ----------
    sources : sequence of Path
        Files of the trace, plain or .gz, or directories of them.
    machine_bytes : int
        Memory of the largest machine: what the trace's shares are of. [bytes]
    at_s : float, optional
        Time of the trace; None: the end of the first measurement in the first usage file. [s]

    Raises
    ------
    InputError
        Files are missing or broken, or no task ran then.
    """
    edition = "2019" if any("instance_" in str(path) for source in sources for path in _names(source)) else "2011"
    named, formats = _FILES[edition], _FORMATS[edition]
    files = find_files(sources, tuple(named.values()))
    for kind in ("usage", "request"):
        if not files[named[kind]]:
            names = ", ".join(str(source) for source in sources)
            raise InputError(names, f"has no file of {named[kind]}", "it tells what tasks use and ask for")
    moment_us = _first_us(files[named["usage"]][0], formats["usage"]) if at_s is None else at_s * _US
    n_files, done = sum(map(len, files.values())), 0
    used: dict[Key, _Used] = {}
    asked: dict[Key, tuple[float, float]] = {}
    machines: dict[int, tuple[float, float, bool]] = {}
    for kind, stem in named.items():
        for path in files[stem]:
            for rows in read_rows(path, formats[kind]):
                numbers = {name: as_numbers(column, path, name) for name, column in rows.items() if name != "kind"}
                if kind == "usage":
                    _add_used(used, numbers, moment_us)
                elif kind == "request":
                    _add_asked(asked, numbers, moment_us, used)
                else:
                    _add_machines(machines, numbers, rows["kind"].to_pylist(), moment_us, edition)
            done += 1
            progress(done, n_files)
    if not used:
        raise InputError(str(files[named["usage"]][0]), f"no task ran at {moment_us / _US:g} s", "name another --at")
    return _found(edition, moment_us, machine_bytes, (used, asked, machines))


def _names(source: Path) -> list[Path]:
    return [path.relative_to(source.parent) for path in source.rglob("*")] if source.is_dir() else [Path(source.name)]


def _first_us(path: Path, columns: Mapping[str, Any]) -> float:
    for rows in read_rows(path, columns):
        ends = as_numbers(rows["end"], path, "end")
        if len(ends) and not np.isnan(ends).all():
            return float(np.nanmin(ends)) - 1.0
    raise InputError(str(path), "has no rows", "expected what tasks used")


def _add_used(used: dict[Key, _Used], rows: Mapping[str, np.ndarray], moment_us: float) -> None:
    for row in np.flatnonzero((rows["start"] <= moment_us) & (rows["end"] > moment_us)).tolist():
        key = _key(rows, row)
        if key is not None and rows["memory"][row] >= 0:
            machine = rows["machine"][row]
            used[key] = _Used(-1 if np.isnan(machine) else int(machine), float(rows["memory"][row]))


def _add_asked(
    asked: dict[Key, tuple[float, float]], rows: Mapping[str, np.ndarray], moment_us: float, used: Mapping[Key, _Used]
) -> None:
    """Keep the last request before the moment of every task that ran then."""
    for row in np.flatnonzero((rows["time"] <= moment_us) & (rows["memory"] > 0)).tolist():
        key = _key(rows, row)
        if key is not None and key in used and (key not in asked or asked[key][0] <= rows["time"][row]):
            asked[key] = float(rows["time"][row]), float(rows["memory"][row])


def _add_machines(
    machines: dict[int, tuple[float, float, bool]],
    rows: Mapping[str, np.ndarray],
    kinds: Sequence[str | None],
    moment_us: float,
    edition: str,
) -> None:
    for row in np.flatnonzero(rows["time"] <= moment_us).tolist():
        machine, memory, time = rows["machine"][row], rows["memory"][row], float(rows["time"][row])
        if np.isnan(machine):
            continue
        before = machines.get(int(machine), (-1.0, float("nan"), False))
        if before[0] <= time:
            known = before[1] if np.isnan(memory) else float(memory)
            machines[int(machine)] = time, known, (kinds[row] or "").strip() in _REMOVALS[edition]


def _key(rows: Mapping[str, np.ndarray], row: int) -> Key | None:
    job, task = rows["job"][row], rows["task"][row]
    return None if np.isnan(job) or np.isnan(task) else (int(job), int(task))


def _found(edition: str, moment_us: float, machine_bytes: int, told: tuple[Any, Any, Any]) -> Found:
    used, asked, machines = told
    found = Found(source=f"google: cluster data {edition}", hypervisor="kvm")
    found.read = {"tasks that ran then": len(used), "machines": len(machines)}
    found.assumptions += [
        f"The fleet is that of {moment_us / _US:g} s of the trace's time.",
        f"Memory is told as a share of the largest machine's, which is taken for {format_bytes(machine_bytes)}.",
        "Tasks in containers are taken for VMs: a task's request for its configured memory, its usage for its consumed "
        "memory. How much of it is active the trace does not tell.",
        "Tasks of one job are of one group (--groups pools).",
    ]
    for number, (_, memory, is_removed) in sorted(machines.items()):
        place = f"machine_events, machine {number}"
        size = int(memory * machine_bytes) if 0 < memory <= 1 else None
        if is_removed:
            found.skipped.append(Note(place, "machine that was removed before"))
        else:
            found.hosts.append(FoundHost(f"machine-{number}", place, memory_bytes=size))
    known = {host.name for host in found.hosts}
    for (job, task), use in sorted(used.items()):
        place, request = f"job {job}, task {task}", asked.get((job, task))
        if request is None or request[1] > 1:
            found.skipped.append(Note(place, "task without a request of memory"))
            continue
        configured, host = int(request[1] * machine_bytes), f"machine-{use.machine}"
        if use.memory > request[1]:
            found.doubts.append(Note(place, "the task uses more memory than it asked for; what it asked for is taken"))
        vm = FoundVm(
            f"job-{job}/{task}", place, power=Power.ON, configured_bytes=configured,
            host=host if host in known else None, group=f"job-{job}",
            consumed_bytes=min(int(use.memory * machine_bytes), configured),
        )  # fmt: skip
        found.vms.append(vm)
    return found
