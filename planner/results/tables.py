"""Outcomes of host problems -> the two result tables, in the order and with the columns of `planner.schema`.

Rows are sorted by (scenario_id, replicate, host, VM), whatever order the outcomes came in. A host that failed keeps its
row: its simulated columns are null and `status` says why; its VMs have no rows.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from planner.host.problem import HostResult
from planner.schema import HOST_COLUMNS, RESULTS_VERSION, TIMELINE_COLUMNS, VM_COLUMNS, Column
from planner.sweep.plan import HostRun, PlacedHost, Plan

ARROW_TYPES: dict[str, pa.DataType] = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "list<int64>": pa.list_(pa.int64()),
}
VERSION_KEY = b"planner.results_version"


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the Arrow schema of a table; each field carries its unit and meaning."""
    fields = [
        pa.field(column.name, ARROW_TYPES[column.dtype], metadata={"unit": column.unit, "meaning": column.meaning})
        for column in columns
    ]
    return pa.schema(fields, metadata={VERSION_KEY: str(RESULTS_VERSION)})


def host_table(plan: Plan, outcomes: Sequence[object]) -> pa.Table:
    """Build the host table of a plan.

    Parameters
    ----------
    outcomes : sequence of HostResult or object with `message`
        What came of each of `plan.problems`.
    """
    runs = sorted_runs(plan)
    hosts = [_host(plan, run) for run in runs]
    given: dict[str, Iterable[Any]] = {
        "scenario_id": [plan.placed[run.placed].scenario.id for run in runs],
        "replicate": [run.replicate for run in runs],
        "host": [host.hardware.name for host in hosts],
        "status": [_status(outcomes[run.problem]) for run in runs],
        "vms": [host.most_vms for host in hosts],
        "configured_bytes": [host.configured_bytes for host in hosts],
        "usable_bytes": [host.usable_bytes for host in hosts],
        "vcpus": [host.vcpus for host in hosts],
    }
    rows = [_host_row(outcomes[run.problem]) for run in runs]
    arrays = [
        pa.array(
            [row.get(column.name) for row in rows] if column.simulated else given[column.name],
            type=ARROW_TYPES[column.dtype],
        )
        for column in HOST_COLUMNS
    ]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(HOST_COLUMNS))


def vm_table(plan: Plan, outcomes: Sequence[object]) -> pa.Table:
    """Build the VM table of a plan; parameters as in `host_table`."""
    results = [(run, outcome) for run in sorted_runs(plan) if isinstance(outcome := outcomes[run.problem], HostResult)]
    runs = [run for run, _ in results]
    hosts = [_host(plan, run) for run in runs]
    counts = np.array([len(host.rows) for host in hosts], dtype=np.int64)
    vm_idx = np.array([vm for host in hosts for vm in host.rows], dtype=np.int64)
    host_names = sorted({host.hardware.name for host in hosts})
    host_idx = {name: idx for idx, name in enumerate(host_names)}
    given = {
        "scenario_id": np.repeat(_ints(plan.placed[run.placed].scenario.id for run in runs), counts),
        "replicate": np.repeat(_ints(run.replicate for run in runs), counts),
        "vm": _texts(vm_idx, plan.source.vms.names),
        "host": _texts(np.repeat(_ints(host_idx[host.hardware.name] for host in hosts), counts), host_names),
        "configured_bytes": plan.source.vms.configured_bytes[vm_idx],
    }
    arrays = [
        _joined([outcome.vm_rows[column.name] for _, outcome in results], column)
        if column.simulated
        else pa.array(given[column.name]).cast(ARROW_TYPES[column.dtype])
        for column in VM_COLUMNS
    ]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(VM_COLUMNS))


def timeline_table(timeline: np.ndarray) -> pa.Table:
    """Build the table of a host's time line from its int64 array of shape (n_ticks, len(TIMELINE_COLUMNS))."""
    arrays = [pa.array(np.ascontiguousarray(timeline[:, idx])) for idx in range(len(TIMELINE_COLUMNS))]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(TIMELINE_COLUMNS))


def sorted_runs(plan: Plan) -> list[HostRun]:
    """Return the plan's host runs by (scenario_id, replicate, host name)."""
    return sorted(
        plan.runs,
        key=lambda run: (plan.placed[run.placed].scenario.id, run.replicate, _host(plan, run).hardware.name),
    )


def _host(plan: Plan, run: HostRun) -> PlacedHost:
    return plan.placed[run.placed].hosts[run.host]


def _host_row(outcome: object) -> dict[str, Any]:
    return outcome.host_row if isinstance(outcome, HostResult) else {}


def _status(outcome: object) -> str:
    return "ok" if isinstance(outcome, HostResult) else str(getattr(outcome, "message", outcome))


def _joined(parts: list[np.ndarray], column: Column) -> pa.Array:
    values = np.concatenate(parts) if parts else np.empty(0)
    return pa.array(values).cast(ARROW_TYPES[column.dtype])


def _ints(values: Iterable[int]) -> np.ndarray:
    return np.fromiter(values, dtype=np.int64)


def _texts(idx: np.ndarray, names: Sequence[str]) -> pa.Array:
    """Return names[idx] without making a Python string of each."""
    return pa.DictionaryArray.from_arrays(pa.array(idx, type=pa.int64()), pa.array(names, type=pa.string()))
