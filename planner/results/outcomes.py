"""What came of every host problem: rows in parts, on disk or in memory, and an index that says which row is whose.

The memory that it takes grows by the index alone, some hundred bytes per outcome, where the parts are files.
"""

import time
from array import array
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from planner.host.problem import HostProblem, HostResult, Outcome
from planner.results.part import IS_FINAL, KEY, MESSAGE, outcome_batch
from planner.sweep.outcome_keys import OutcomeKeys
from planner.workload.source import DemandSource

MOST_OUTCOMES = 1024
MOST_VM_ROWS = 1 << 15
EVERY_S = 2.0
"""A part is written as soon as it holds so many outcomes or rows of VMs, or an outcome comes so long after the last
part was written. Writing one took 2 to 20 ms."""

_LEAST_PAUSE_PER_WRITE = 50.0
"""Where a part takes long to write, parts are written less often: at most 2 % of the time goes into it."""


class Parts(Protocol):
    """Where parts are kept."""

    def append(self, batch: pa.RecordBatch) -> None:
        """Keep one more part."""
        ...

    def open(self, number: int) -> pa.RecordBatch:
        """Return a part by its number, counted from 0."""
        ...

    def __len__(self) -> int:
        """Count the parts."""
        ...


class MemoryParts:
    """Parts that are gone with the process, for tools and tests."""

    def __init__(self) -> None:
        self._batches: list[pa.RecordBatch] = []

    def append(self, batch: pa.RecordBatch) -> None:
        """Keep one more part."""
        self._batches.append(batch)

    def open(self, number: int) -> pa.RecordBatch:
        """Return a part."""
        return self._batches[number]

    def __len__(self) -> int:
        """Count the parts."""
        return len(self._batches)


class OutcomeStore:
    """Outcomes by key, each stored once.

    Parameters
    ----------
    parts : Parts
        Its outcomes are in the store from the start, but for failures that need not come again.
    salt : bytes
        What decides outcomes beside the problems; see `OutcomeKeys`.

    Attributes
    ----------
    messages : dict
        Number of an outcome that is a failure -> its message.
    """

    def __init__(self, parts: Parts | None = None, salt: bytes = b"") -> None:
        self.salt = salt
        self.messages: dict[int, str] = {}
        self._parts: Parts = MemoryParts() if parts is None else parts
        self._number_of: dict[bytes, int] = {}
        self._part, self._row = array("I"), array("I")
        self._waiting: list[tuple[bytes, Outcome]] = []
        self._waiting_vms = 0
        self._next_write_s = 0.0
        for number in range(len(self._parts)):
            self._index(number, self._parts.open(number))

    def __len__(self) -> int:
        """Count the outcomes."""
        return len(self._number_of)

    def count_written(self) -> int:
        """Count the outcomes that are in parts."""
        return len(self) - len(self._waiting)

    def number(self, key: bytes) -> int | None:
        """Return the number of an outcome; None where it is not known."""
        return self._number_of.get(key)

    def add(self, key: bytes, outcome: Outcome) -> int:
        """Store an outcome and return its number; one that is there already is kept as it is.

        Raises
        ------
        InputError
            A part cannot be written.
        """
        if (found := self._number_of.get(key)) is not None:
            return found
        number = self._add_row(key, len(self._parts), len(self._waiting))
        self._waiting.append((key, outcome))
        if isinstance(outcome, HostResult):
            self._waiting_vms += len(next(iter(outcome.vm_rows.values()), ()))
        else:
            self.messages[number] = outcome.message
        is_full = len(self._waiting) >= MOST_OUTCOMES or self._waiting_vms >= MOST_VM_ROWS
        if is_full or time.monotonic() >= self._next_write_s:
            self.flush()
        return number

    def flush(self) -> None:
        """Write what waits for its part. Raises InputError where that fails; then it goes on waiting."""
        if not self._waiting:
            return
        started_s = time.monotonic()
        self._parts.append(outcome_batch(*zip(*self._waiting, strict=True)))
        self._waiting.clear()
        self._waiting_vms = 0
        ended_s = time.monotonic()
        self._next_write_s = ended_s + max(EVERY_S, _LEAST_PAUSE_PER_WRITE * (ended_s - started_s))

    def take(self, numbers: np.ndarray, columns: Sequence[str]) -> pa.Table:
        """Return outcomes as a table with some columns of `PART_SCHEMA`, a row each, in the order asked for.

        Parameters
        ----------
        numbers : int64 array, shape (n,)
            As returned by `add`; any may come again.
        """
        self.flush()
        part = np.frombuffer(self._part, dtype=np.uint32)[numbers]
        row = np.frombuffer(self._row, dtype=np.uint32)[numbers]
        order = np.argsort(part, kind="stable")
        edges = np.flatnonzero(np.diff(part[order])) + 1
        pieces = [
            self._parts.open(int(part[group[0]])).select(list(columns)).take(pa.array(row[group]))
            for group in np.split(order, edges)
            if group.size
        ]
        if not pieces:
            return pa.Table.from_batches([], outcome_batch((), ()).select(list(columns)).schema)
        table = pa.Table.from_batches(pieces)
        if (order[1:] > order[:-1]).all():
            return table
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        return table.combine_chunks().take(pa.array(place))

    def _index(self, number: int, batch: pa.RecordBatch) -> None:
        columns = (batch.column(name).to_pylist() for name in (KEY, MESSAGE, IS_FINAL))
        for row, (key, message, is_final) in enumerate(zip(*columns, strict=True)):
            if is_final and key not in self._number_of:
                added = self._add_row(key, number, row)
                if message is not None:
                    self.messages[added] = message

    def _add_row(self, key: bytes, part: int, row: int) -> int:
        number = len(self._number_of)
        self._number_of[key] = number
        self._part.append(part)
        self._row.append(row)
        return number


class KnownOutcomes:
    """The outcomes that a command has asked for so far, of one fleet.

    Those are counted, whether they were simulated now or found in the store: so a resumed command decides as an
    undisturbed one does.

    Parameters
    ----------
    store : OutcomeStore, optional
        None: one in memory.
    fleet : str
        Name of the fleet, where a command has several: rows of one mean nothing in another.
    """

    def __init__(self, store: OutcomeStore | None = None, fleet: str = "") -> None:
        self.store = OutcomeStore() if store is None else store
        self._keys = OutcomeKeys(self.store.salt + fleet.encode())
        self._is_asked = bytearray()
        self._count = 0

    def __len__(self) -> int:
        """Count the outcomes asked for."""
        return self._count

    def key(self, source: DemandSource, problem: HostProblem) -> bytes:
        """Name a problem that counts in the rows of `source`."""
        return self._keys.key(source, problem)

    def is_asked(self, key: bytes) -> bool:
        """Whether this outcome was asked for."""
        number = self.store.number(key)
        return number is not None and number < len(self._is_asked) and bool(self._is_asked[number])

    def ask(self, keys: Sequence[bytes]) -> np.ndarray:
        """Count stored outcomes as asked for; return their numbers: int64 array, shape (len(keys),)."""
        self._is_asked.extend(bytes(len(self.store) - len(self._is_asked)))
        numbers = np.empty(len(keys), dtype=np.int64)
        for at, key in enumerate(keys):
            number = self.store.number(key)
            if number is None:
                raise KeyError(f"outcome {key.hex()} is not stored")
            self._count += not self._is_asked[number]
            self._is_asked[number] = 1
            numbers[at] = number
        return numbers
