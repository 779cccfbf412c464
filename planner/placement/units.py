"""Rules and VMs that stay -> units to be placed, and which hosts each may go to."""

from typing import NamedTuple

import numpy as np

from planner.placement.base import PlacementRequest


class Units(NamedTuple):
    """What is placed as one: a VM, or VMs that stay together. Numbered by the row of the first VM.

    Attributes
    ----------
    n_units : int
    unit_of : int64 array, shape (n_vms,)
        Unit of each VM; -1: it stays where it is.
    names : tuple of str
        The first name of each unit's VMs in alphabetical order, whatever the order of the rows.
    allow_row, allowed, apart_start, apart_rules, taken
        As in `planner.kernels.packing_ledger.Ledger`; hosts that are not available are allowed to none.
    """

    n_units: int
    unit_of: np.ndarray
    names: tuple[str, ...]
    allow_row: np.ndarray
    allowed: np.ndarray
    apart_start: np.ndarray
    apart_rules: np.ndarray
    taken: np.ndarray


def find_units(request: PlacementRequest) -> Units:
    """Group VMs that stay together, and give each group the hosts that its rules allow.

    Notes
    -----
    Where a VM of a set that stays together already stands on a host, the others may go to that host alone; where
    several stand on different hosts, to the first of these.
    """
    rules = request.limits.rules
    standing = request.standing_idx
    if not rules:
        return _plain_units(request, standing)
    row_of = {name: row for row, name in enumerate(request.vms.names)}
    rows_of = [[row_of[name] for name in sorted(rule.vms) if name in row_of] for rule in rules.together]
    label = _labels(len(request.vms), rows_of)
    unit_of, members = _number(label, standing)
    allowed = np.broadcast_to(request.hosts.is_available, (len(members), len(request.hosts))).copy()
    for rule in rules.run_on:
        named = np.array([name in rule.hosts for name in request.hosts.names])
        touched = {unit_of[row_of[name]] for name in rule.vms if name in row_of} - {-1}
        allowed[sorted(touched)] &= named
    _join_standing(allowed, label, unit_of, standing)
    rows, allow_row = np.unique(allowed, axis=0, return_inverse=True)
    start, apart, taken = _apart(request, row_of, unit_of, standing)
    names = tuple(min(request.vms.names[row] for row in unit) for unit in members)
    return Units(len(members), unit_of, names, allow_row.reshape(-1).astype(np.int64), rows, start, apart, taken)


def _plain_units(request: PlacementRequest, standing: np.ndarray) -> Units:
    unit_of = np.where(standing < 0, np.cumsum(standing < 0) - 1, -1).astype(np.int64)
    count = int((standing < 0).sum())
    names = tuple(request.vms.names[row] for row in np.flatnonzero(standing < 0))
    nothing = np.zeros(0, dtype=np.int64)
    n_hosts = len(request.hosts)
    return Units(
        count, unit_of, names, np.zeros(count, dtype=np.int64), request.hosts.is_available.reshape(1, n_hosts).copy(),
        np.zeros(count + 1, dtype=np.int64), nothing, np.zeros((0, n_hosts), dtype=bool),
    )  # fmt: skip


def _labels(n_vms: int, sets: list[list[int]]) -> np.ndarray:
    """Give VMs that are linked by sets the same label: the least row among them."""
    label = list(range(n_vms))

    def root(row: int) -> int:
        while label[row] != row:
            label[row] = label[label[row]]
            row = label[row]
        return row

    for rows in sets:
        for row in rows[1:]:
            first, second = sorted((root(rows[0]), root(row)))
            label[second] = first
    return np.array([root(row) for row in range(n_vms)], dtype=np.int64)


def _number(label: np.ndarray, standing: np.ndarray) -> tuple[np.ndarray, list[list[int]]]:
    """Count units by the row of their first VM that is to be placed, and list the rows of each."""
    unit_of = np.full(label.size, -1, dtype=np.int64)
    members: list[list[int]] = []
    unit_of_label: dict[int, int] = {}
    for row in np.flatnonzero(standing < 0).tolist():
        unit = unit_of_label.setdefault(int(label[row]), len(members))
        if unit == len(members):
            members.append([])
        members[unit].append(row)
        unit_of[row] = unit
    return unit_of, members


def _join_standing(allowed: np.ndarray, label: np.ndarray, unit_of: np.ndarray, standing: np.ndarray) -> None:
    host_of_label: dict[int, int] = {}
    for row in np.flatnonzero(standing >= 0).tolist():
        host = int(standing[row])
        host_of_label[int(label[row])] = min(host, host_of_label.get(int(label[row]), host))
    for row in np.flatnonzero(unit_of >= 0).tolist():
        joined = host_of_label.get(int(label[row]))
        if joined is not None:
            keep = allowed[unit_of[row], joined]
            allowed[unit_of[row]] = False
            allowed[unit_of[row], joined] = keep


def _apart(
    request: PlacementRequest, row_of: dict[str, int], unit_of: np.ndarray, standing: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rules = request.limits.rules.apart
    taken = np.zeros((len(rules), len(request.hosts)), dtype=bool)
    rules_of: list[set[int]] = [set() for _ in range(int(unit_of.max(initial=-1)) + 1)]
    for number, rule in enumerate(rules):
        for row in (row_of[name] for name in rule.vms if name in row_of):
            if standing[row] >= 0:
                taken[number, standing[row]] = True
            else:
                rules_of[unit_of[row]].add(number)
    start = np.concatenate([[0], np.cumsum([len(found) for found in rules_of])]).astype(np.int64)
    flat = [number for found in rules_of for number in sorted(found)]
    return start, np.array(flat, dtype=np.int64), taken
