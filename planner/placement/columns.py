"""Column generation for packing with several capacities and kinds of host (Gilmore, Gomory, Oper. Res. 9, 1961).

A column is what one host of a kind may hold: how many VMs of each type. The linear program over all columns bounds the
number of hosts from below better than the sum of sizes does; columns are found one at a time by a knapsack problem.

The bound does not need the program to be solved to its end. For any prices p >= 0 of the VM types, with z_k no less
than the dearest content of a host of kind k, sum(p x count) - sum over kinds of hosts_k x max(0, z_k - 1) is a lower
bound (linear duality); the best one met counts. Limits are counts of steps and nodes, so that the result is the same on
any machine.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_TOLERANCE = 1e-6
_KNAPSACK_GAP = 1e-3
"""A knapsack need not be filled to the optimum: the solver's upper value keeps the bound true, and 0.1 % weaker."""


class Shapes(NamedTuple):
    """VM types and kinds of host: int64 arrays.

    need : shape (n_types, n_limits). n_units : shape (n_types,). room : shape (n_kinds, n_limits). hosts : (n_kinds,).
    """

    need: np.ndarray
    n_units: np.ndarray
    room: np.ndarray
    hosts: np.ndarray


class Column(NamedTuple):
    """What one host of a kind holds: VMs by type, int64 array of shape (n_types,)."""

    kind: int
    held: np.ndarray


class Columns(NamedTuple):
    """What column generation found.

    Attributes
    ----------
    least_hosts : float
        Proven lower bound, up to the solver's tolerance of 1e-6.
    columns : list of Column
    """

    least_hosts: float
    columns: list[Column]


class Effort(NamedTuple):
    """How much is tried: columns found one after the other, and nodes of every integer program."""

    steps: int = 200
    nodes: int = 500


def generate_columns(shapes: Shapes, effort: Effort, enough: int, deadline_s: float = np.inf) -> Columns:
    """Generate columns until the bound rounded up reaches `enough`, or cannot be raised, or the steps are used up.

    Raises
    ------
    TimeoutError
        `time.monotonic()` has passed the deadline.
    ValueError
        The solver gave no prices.
    """
    master = _Master(shapes)
    knapsacks = [_Knapsack(shapes, kind, effort.nodes) for kind in range(len(shapes.hosts))]
    best = 0.0
    for _ in range(effort.steps):
        if time.monotonic() > deadline_s:
            raise TimeoutError("column generation took too long")
        value, prices, surcharges = master.solve()
        contents = [knapsack.fill(prices) for knapsack in knapsacks]
        worth = np.array([upper for _, upper in contents])
        found = float(prices @ shapes.n_units) - float((shapes.hosts * np.maximum(0.0, worth - 1.0)).sum())
        best = max(best, found)
        if round_up(best) >= min(enough, round_up(value)):
            break
        columns = [
            Column(kind, held)
            for kind, (held, _) in enumerate(contents)
            if held.any() and prices @ held - surcharges[kind] > 1.0 + _TOLERANCE
        ]
        if not columns:
            break
        for column in columns:
            master.add(column)
    return Columns(best, master.columns)


def choose_columns(shapes: Shapes, columns: list[Column], nodes: int) -> list[Column]:
    """Choose columns, repeated as often as hosts are to hold them, that cover all VMs with as few hosts as found.

    Returns
    -------
    list of Column
        Empty where no choice was found within the nodes.
    """
    solver = _new_solver(nodes)
    rows = _rows(shapes)
    for lower, upper in rows:
        solver.addRow(lower, upper, 0, _INT0, _FLOAT0)
    for column in columns:
        indices, values = _entries(shapes, column)
        solver.addCol(1.0, 0.0, float(shapes.hosts[column.kind]), len(indices), indices, values)
    _make_integer(solver, len(columns))
    solver.run()
    chosen = np.rint(np.array(solver.getSolution().col_value)[: len(columns)]).astype(np.int64)
    if not chosen.size or not _covers(shapes, columns, chosen):
        return []
    return [column for column, times in zip(columns, chosen.tolist(), strict=True) for _ in range(times)]


def round_up(bound: float) -> int:
    """Round a lower bound up to whole hosts, unless it is above a whole number by the tolerance only."""
    return int(np.ceil(bound - _TOLERANCE))


_INT0 = np.empty(0, dtype=np.int32)
_FLOAT0 = np.empty(0, dtype=np.float64)


class _Master:
    """The linear program over the columns known so far. VMs may stay outside at a price above that of all hosts."""

    def __init__(self, shapes: Shapes) -> None:
        self.columns: list[Column] = []
        self._shapes = shapes
        self._solver = _new_solver(0)
        for lower, upper in _rows(shapes):
            self._solver.addRow(lower, upper, 0, _INT0, _FLOAT0)
        outside = float(shapes.hosts.sum() + 1)
        for row in range(len(shapes.n_units)):
            self._solver.addCol(outside, 0.0, np.inf, 1, np.array([row], dtype=np.int32), np.ones(1))

    def add(self, column: Column) -> None:
        indices, values = _entries(self._shapes, column)
        self._solver.addCol(1.0, 0.0, np.inf, len(indices), indices, values)
        self.columns.append(column)

    def solve(self) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the least number of hosts, the price of each VM type, and the surcharge for each kind of host."""
        self._solver.run()
        n_types = len(self._shapes.n_units)
        duals = np.array(self._solver.getSolution().row_dual, dtype=np.float64)
        if duals.size != n_types + len(self._shapes.hosts):
            raise ValueError("the linear program over columns has no prices")
        value = float(self._solver.getInfo().objective_function_value)
        return value, np.maximum(0.0, duals[:n_types]), np.maximum(0.0, -duals[n_types:])


class _Knapsack:
    """Finds the dearest content of an empty host of one kind."""

    def __init__(self, shapes: Shapes, kind: int, nodes: int) -> None:
        room = shapes.room[kind].astype(np.float64)
        most = np.where(shapes.need > 0, shapes.room[kind] // np.maximum(1, shapes.need), shapes.n_units[:, None])
        self._most = np.maximum(0, np.minimum(shapes.n_units, most.min(axis=1)))
        self._need, self._room = shapes.need, shapes.room[kind]
        self._solver = _new_solver(nodes, _KNAPSACK_GAP)
        for _ in range(room.size):
            self._solver.addRow(-np.inf, 1.0, 0, _INT0, _FLOAT0)
        limits = np.arange(room.size, dtype=np.int32)
        for row, upper in enumerate(self._most.tolist()):
            shares = np.divide(shapes.need[row], room, out=np.zeros(room.size), where=room > 0)
            self._solver.addCol(0.0, 0.0, float(upper), limits.size, limits, shares)
        self._solver.changeObjectiveSense(_highs().ObjSense.kMaximize)
        _make_integer(self._solver, len(self._most))

    def fill(self, prices: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the VMs that a host should hold, by type, and a value that no content exceeds."""
        n_types = len(prices)
        self._solver.changeColsCost(n_types, np.arange(n_types, dtype=np.int32), prices)
        self._solver.run()
        info = self._solver.getInfo()
        held = np.rint(np.array(self._solver.getSolution().col_value)[:n_types]).astype(np.int64)
        if held.size != n_types or (held @ self._need > self._room).any() or (held < 0).any():
            held = np.zeros(n_types, dtype=np.int64)
        return held, max(float(info.mip_dual_bound), float(prices @ held)) * (1 + 1e-9) + 1e-9


def _rows(shapes: Shapes) -> list[tuple[float, float]]:
    cover = [(float(count), np.inf) for count in shapes.n_units]
    return [*cover, *((-np.inf, float(hosts)) for hosts in shapes.hosts)]


def _entries(shapes: Shapes, column: Column) -> tuple[np.ndarray, np.ndarray]:
    types = np.flatnonzero(column.held)
    indices = np.append(types, len(shapes.n_units) + column.kind).astype(np.int32)
    return indices, np.append(column.held[types], 1).astype(np.float64)


def _covers(shapes: Shapes, columns: list[Column], chosen: np.ndarray) -> bool:
    held = chosen @ np.array([column.held for column in columns])
    return bool((held >= shapes.n_units).all())


def _make_integer(solver: Any, n_columns: int) -> None:
    kinds = [_highs().HighsVarType.kInteger] * n_columns
    solver.changeColsIntegrality(n_columns, np.arange(n_columns, dtype=np.int32), np.array(kinds))


def _new_solver(nodes: int, gap: float = 0.0) -> Any:
    with _quiet_output():
        solver = _highs().Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("log_to_console", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("random_seed", 0)
    solver.setOptionValue("mip_rel_gap", gap)
    if nodes:
        solver.setOptionValue("mip_max_nodes", nodes)
    return solver


@contextmanager
def _quiet_output() -> Iterator[None]:
    """Keep the solver's first line off the standard output, where a program may read results: no option does."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # there is no standard output to keep clean
        yield
        return
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


def _highs() -> Any:
    """Import the solver where it is used: a sweep without a bound does not wait for it."""
    import highspy

    return highspy
