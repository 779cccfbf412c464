"""Outcomes of host problems -> the two result tables, in the order and with the columns of `planner.schema`.

Rows are sorted by (scenario_id, replicate, host, VM), whatever order the outcomes came in. A host that failed keeps its
row: its simulated columns are null and `status` says why; its VMs have no rows. Tables are made in pieces, so that a
large run is never in memory as a whole.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from planner.host.problem import Outcome
from planner.results.columns import ARROW_TYPES, arrow_schema
from planner.results.outcomes import OutcomeStore
from planner.results.part import MESSAGE, VM_VALUES, vm_field
from planner.schema import HOST_COLUMNS, TIMELINE_COLUMNS, VM_COLUMNS, Column
from planner.sweep.expand import Scenario
from planner.sweep.plan import PlacedHost, Plan

HOSTS_PER_PIECE = 2048
"""Host runs of which rows are made at once. A piece of the VM table takes some 10 MiB then."""

_REPLAY = "replay"
_VM_NAMES = tuple(vm_field(column.name) for column in VM_VALUES)


Replay = Callable[[Scenario, int, str], str]
"""Writes the command that simulates a host again: of a scenario, a replicate and the host's name."""


class PlanTables:
    """The rows of a plan whose host problems are all stored.

    Parameters
    ----------
    plan : Plan
    store : OutcomeStore
    numbers : int64 array, shape (n_problems,)
        Number, in the store, of what came of each of `plan.problems`.
    """

    def __init__(self, plan: Plan, store: OutcomeStore, numbers: np.ndarray) -> None:
        self._plan = plan
        self._store = store
        self._numbers = numbers
        self._runs = sorted_runs(plan)
        self._scenario_ids = np.array([item.scenario.id for item in plan.placed], dtype=np.int64)

    def hosts_of(self, scenario_id: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the host rows of a scenario, with all columns of `HOST_COLUMNS` or some."""
        return self._host_rows(self._of(scenario_id), columns)

    def vms_of(self, scenario_id: int) -> pa.Table:
        """Return the VM rows of a scenario."""
        return _whole(self.vm_pieces(scenario_id), VM_COLUMNS)

    def host_pieces(self, replay: Replay | None = None, scenario_id: int | None = None) -> Iterator[pa.Table]:
        """Yield the host table, or that of one scenario, piece by piece.

        Parameters
        ----------
        replay : callable, optional
            Writes the commands that failed rows have.
        """
        for piece in _pieces(self._of(scenario_id)):
            table = self._host_rows(piece)
            if replay is not None and not self._is_ok(piece).all():
                table = self._with_replay(table, piece, replay)
            yield table

    def vm_pieces(self, scenario_id: int | None = None) -> Iterator[pa.Table]:
        """Yield the VM table, or that of one scenario, piece by piece."""
        return (self._vm_rows(piece) for piece in _pieces(self._of(scenario_id)))

    def failures(self) -> list[tuple[int, int, int, str]]:
        """List the host runs that failed in the order of their rows: placed, replicate, host, message."""
        numbers = self._numbers[self._runs[:, 3]]
        messages = self._store.messages
        found = zip(self._runs[~self._is_ok(self._runs)].tolist(), numbers[~self._is_ok(self._runs)], strict=True)
        return [(placed, replicate, host, messages[int(number)]) for (placed, replicate, host, _), number in found]

    def vm_names(self) -> set[str]:
        """Name the VMs that have rows."""
        vms = self._plan.source.vms
        is_there = np.zeros(len(vms), dtype=bool)
        for host in self._hosts(self._runs[self._is_ok(self._runs)])[0]:
            is_there[list(host.rows)] = True
        return {vms.names[vm] for vm in np.flatnonzero(is_there)}

    def _of(self, scenario_id: int | None) -> np.ndarray:
        """Return the runs of a scenario, or all of them."""
        if scenario_id is None:
            return self._runs
        return np.asarray(self._runs[self._scenario_ids[self._runs[:, 0]] == scenario_id])

    def _is_ok(self, runs: np.ndarray) -> np.ndarray:
        """Say of each run whether its simulation finished: bool array, shape (n_runs,)."""
        failed = np.fromiter(self._store.messages, dtype=np.int64)
        return ~np.isin(self._numbers[runs[:, 3]], failed)

    def _host_rows(self, runs: np.ndarray, columns: Sequence[str] | None = None) -> pa.Table:
        wanted = [column for column in HOST_COLUMNS if columns is None or column.name in columns]
        stored = [column.name for column in wanted if column.simulated]
        found = self._store.take(self._numbers[runs[:, 3]], [MESSAGE, *stored])
        given = self._given(runs, found.column(MESSAGE))
        arrays = [
            found.column(column.name) if column.simulated else given[column.name].cast(ARROW_TYPES[column.dtype])
            for column in wanted
        ]
        return pa.Table.from_arrays(arrays, schema=arrow_schema(wanted))

    def _with_replay(self, table: pa.Table, runs: np.ndarray, replay: Replay) -> pa.Table:
        commands: list[str | None] = [None] * len(runs)
        for at in np.flatnonzero(~self._is_ok(runs)):
            placed = self._plan.placed[runs[at, 0]]
            commands[at] = replay(placed.scenario, int(runs[at, 1]), placed.hosts[runs[at, 2]].hardware.name)
        at = table.column_names.index(_REPLAY)
        return table.set_column(at, table.schema.field(at), pa.array(commands, type=pa.string()))

    def _given(self, runs: np.ndarray, messages: pa.ChunkedArray) -> dict[str, pa.Array | pa.ChunkedArray]:
        hosts, which = self._hosts(runs)
        per_host = {
            "vms": [host.most_vms for host in hosts],
            "configured_bytes": [host.configured_bytes for host in hosts],
            "usable_bytes": [host.usable_bytes for host in hosts],
            "vcpus": [host.vcpus for host in hosts],
        }
        return {
            "scenario_id": pa.array(self._scenario_ids[runs[:, 0]]),
            "replicate": pa.array(runs[:, 1]),
            "host": _texts(which, [host.hardware.name for host in hosts]),
            "status": messages.fill_null("ok"),
            _REPLAY: pa.nulls(len(runs), type=pa.string()),
            **{name: pa.array(np.array(values, dtype=np.int64)[which]) for name, values in per_host.items()},
        }

    def _vm_rows(self, runs: np.ndarray) -> pa.Table:
        runs = runs[self._is_ok(runs)]
        found = self._store.take(self._numbers[runs[:, 3]], _VM_NAMES).combine_chunks()
        hosts, which = self._hosts(runs)
        rows = [np.array(host.rows, dtype=np.int64) for host in hosts]
        vm_idx = np.concatenate([rows[at] for at in which]) if which.size else np.empty(0, dtype=np.int64)
        counts = np.array([len(row) for row in rows], dtype=np.int64)[which]
        vms = self._plan.source.vms
        given = {
            "scenario_id": pa.array(np.repeat(self._scenario_ids[runs[:, 0]], counts)),
            "replicate": pa.array(np.repeat(runs[:, 1], counts)),
            "vm": _texts(vm_idx, vms.names),
            "host": _texts(np.repeat(which, counts), [host.hardware.name for host in hosts]),
            "configured_bytes": pa.array(vms.configured_bytes[vm_idx]),
        }
        arrays = [
            _flat(found.column(vm_field(column.name)))
            if column.simulated
            else given[column.name].cast(ARROW_TYPES[column.dtype])
            for column in VM_COLUMNS
        ]
        return pa.Table.from_arrays(arrays, schema=arrow_schema(VM_COLUMNS))

    def _hosts(self, runs: np.ndarray) -> tuple[list[PlacedHost], np.ndarray]:
        """List the placed hosts of some runs, each once, and which of them each run is of."""
        pairs, which = np.unique(runs[:, [0, 2]], axis=0, return_inverse=True)
        return [self._plan.placed[placed].hosts[host] for placed, host in pairs], which.reshape(-1)


def tables_of(plan: Plan, outcomes: Sequence[Outcome]) -> PlanTables:
    """Make the tables of a plan from what came of each of `plan.problems`."""
    store = OutcomeStore()
    keys = (number.to_bytes(8, "little") for number in range(len(outcomes)))
    numbers = [store.add(key, outcome) for key, outcome in zip(keys, outcomes, strict=True)]
    return PlanTables(plan, store, np.array(numbers, dtype=np.int64))


def host_table(plan: Plan, outcomes: Sequence[Outcome]) -> pa.Table:
    """Build the whole host table of a plan from what came of each of `plan.problems`."""
    return _whole(tables_of(plan, outcomes).host_pieces(), HOST_COLUMNS)


def vm_table(plan: Plan, outcomes: Sequence[Outcome]) -> pa.Table:
    """Build the whole VM table of a plan; parameters as in `host_table`."""
    return _whole(tables_of(plan, outcomes).vm_pieces(), VM_COLUMNS)


def timeline_table(timeline: np.ndarray) -> pa.Table:
    """Build the table of a host's time line from its int64 array of shape (n_ticks, len(TIMELINE_COLUMNS))."""
    arrays = [pa.array(np.ascontiguousarray(timeline[:, idx])) for idx in range(len(TIMELINE_COLUMNS))]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(TIMELINE_COLUMNS))


def sorted_runs(plan: Plan) -> np.ndarray:
    """Return the plan's host runs by (scenario_id, replicate, host name): int64 array, shape (n_runs, 4).

    The columns are the fields of `planner.sweep.plan.HostRun`.
    """
    runs = np.array(plan.runs, dtype=np.int64).reshape(-1, 4)
    names = sorted({host.hardware.name for item in plan.placed for host in item.hosts})
    place = {name: number for number, name in enumerate(names)}
    first = np.cumsum([0, *(len(item.hosts) for item in plan.placed)])
    ranks = np.array([place[host.hardware.name] for item in plan.placed for host in item.hosts], dtype=np.int64)
    ids = np.array([item.scenario.id for item in plan.placed], dtype=np.int64)
    placed, replicate, host = runs[:, 0], runs[:, 1], runs[:, 2]
    order = np.lexsort((ranks[first[placed] + host], replicate, ids[placed]))
    return np.asarray(runs[order])


def _pieces(runs: np.ndarray) -> Iterator[np.ndarray]:
    for at in range(0, len(runs), HOSTS_PER_PIECE):
        yield runs[at : at + HOSTS_PER_PIECE]


def _whole(pieces: Iterator[pa.Table], columns: Sequence[Column]) -> pa.Table:
    return pa.concat_tables([arrow_schema(columns).empty_table(), *pieces]).combine_chunks()


def _flat(lists: pa.ChunkedArray) -> pa.Array:
    """Join the values of lists, a list per host, into one column."""
    parts = [chunk.flatten() for chunk in lists.chunks]
    return pa.concat_arrays(parts) if parts else pa.array([], type=lists.type.value_type)


def _texts(idx: np.ndarray, names: Sequence[str]) -> pa.Array:
    """Return names[idx] without making a Python string of each."""
    return pa.DictionaryArray.from_arrays(pa.array(idx, type=pa.int64()), pa.array(names, type=pa.string()))
