"""Merge several RVTools exports: what a VM is by the newest, what it takes by the largest of all, or a percentile.

A VM is the same by VM UUID, else SMBIOS UUID, else name and cluster. One that a newer export of the same vCenter (of
the same cluster or host, where no vCenter is told) does not list is gone. Exports of different vCenters add up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from planner.inventory.found import FoundCluster, FoundHost, FoundVm, Note
from planner.inventory.rvtools_snapshot import Row, Snapshot

_AMOUNTS = ("consumed_bytes", "active_bytes", "ballooned_bytes", "swapped_bytes")
_GONE = "gone in a newer export"


@dataclass
class Merged:
    """What remains of the exports, in the order of the newest first."""

    rows: list[Row] = field(default_factory=list)
    hosts: dict[str, FoundHost] = field(default_factory=dict)
    clusters: dict[str, FoundCluster] = field(default_factory=dict)
    skipped: list[Note] = field(default_factory=list)
    doubts: list[Note] = field(default_factory=list)


class _Known:
    """VMs that are merged so far, and how to find them again."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.older: list[list[FoundVm]] = []
        """What older exports tell of each."""
        self._by_key: dict[tuple[str, ...], int | None] = {}

    def find(self, row: Row) -> int | None:
        """Return the position of the same VM; None if it is not known."""
        for key in _keys(row):
            at = self._by_key.get(key)
            if at is not None and not (key[0] == "name" and self._has_other_uuid(at, row)):
                return at
        return None

    def add(self, rows: Sequence[Row]) -> None:
        """Add the VMs that one export is the first to tell of."""
        for row in rows:
            for key in _keys(row):
                self._by_key[key] = None if key in self._by_key else len(self.rows)
            self.rows.append(row)
            self.older.append([])

    def _has_other_uuid(self, at: int, row: Row) -> bool:
        known = self.rows[at].vm.uuid
        return known is not None and row.vm.uuid is not None and known.casefold() != row.vm.uuid.casefold()


def rank_of(percentile: float, count: int) -> int:
    """Return which of `count` amounts, from the smallest, the percentile is: the nearest that is not below it."""
    return max(1, math.ceil(round(percentile * count / 100, 6)))


def merge_snapshots(snapshots: Sequence[Snapshot], percentile: float = 100.0) -> Merged:
    """Merge exports that are given from the oldest to the newest; a VM's amounts are the percentile of those told."""
    merged = Merged()
    known = _Known()
    newer: list[Snapshot] = []
    for snapshot in reversed(snapshots):
        rows = _told_apart(snapshot)
        fresh = []
        for row in rows:
            at = known.find(row)
            if at is not None:
                known.older[at].append(row.vm)
            elif _is_covered(row.vcenter, row.vm.cluster, row.vm.host, newer):
                merged.skipped.append(Note(f'{row.vm.place}, "{row.vm.name}"', f"VM that is {_GONE}"))
            else:
                fresh.append(row)
        known.add(fresh)
        _add_hosts(snapshot, newer, merged)
        merged.skipped += snapshot.skipped
        merged.doubts += snapshot.doubts
        newer.append(snapshot)
    merged.rows = [_reduced(row, older, percentile) for row, older in zip(known.rows, known.older, strict=True)]
    return merged


def _keys(row: Row) -> list[tuple[str, ...]]:
    vm = row.vm
    keys: list[tuple[str, ...]] = [("uuid", vm.uuid.casefold())] if vm.uuid else []
    keys += [("smbios", row.smbios.casefold())] if row.smbios else []
    return [*keys, ("name", (row.vcenter or "").casefold(), (vm.cluster or "").casefold(), vm.name.casefold())]


def _told_apart(snapshot: Snapshot) -> list[Row]:
    """Return the VMs of an export without rows that repeat one, and without UUIDs that several share."""
    by_uuid: dict[str, list[Row]] = {}
    for row in snapshot.rows:
        if row.vm.uuid:
            by_uuid.setdefault(row.vm.uuid.casefold(), []).append(row)
    by_smbios: dict[str, int] = {}
    for row in snapshot.rows:
        if row.smbios:
            by_smbios[row.smbios.casefold()] = by_smbios.get(row.smbios.casefold(), 0) + 1
    kept = []
    for row in snapshot.rows:
        same = by_uuid.get((row.vm.uuid or "").casefold(), [row])
        first = next(other for other in same if _is_repeated(other, row))
        if first is not row:
            message = "the row repeats a VM; the first row counts"
            snapshot.skipped.append(Note(f'{row.vm.place}, "{row.vm.name}", also {first.vm.place}', message))
            continue
        distinct = any(not _is_repeated(other, row) for other in same)
        if distinct:
            message = "VMs share a UUID (clones?); all are kept, and told apart by name"
            snapshot.doubts.append(Note(f'{row.vm.place}, "{row.vm.name}"', message, "check which is which"))
        is_smbios_shared = row.smbios is not None and by_smbios[row.smbios.casefold()] > 1
        vm = replace(row.vm, uuid=None) if distinct else row.vm
        kept.append(replace(row, vm=vm, smbios=None if is_smbios_shared else row.smbios))
    return kept


def _is_repeated(first: Row, second: Row) -> bool:
    return (first.vm.name, first.vm.host, first.vm.cluster) == (second.vm.name, second.vm.host, second.vm.cluster)


def _reduced(row: Row, older: Sequence[FoundVm], percentile: float) -> Row:
    if not older:
        return row
    amounts: dict[str, int | None] = {}
    for name in _AMOUNTS:
        told = sorted(value for vm in (row.vm, *older) if (value := getattr(vm, name)) is not None)
        amounts[name] = told[rank_of(percentile, len(told)) - 1] if told else None
    size = row.vm.configured_bytes
    for name in ("consumed_bytes", "active_bytes"):
        # An older export may be of a VM that was larger then.
        value = amounts[name]
        amounts[name] = value if value is None or size is None else min(value, size)
    return replace(row, vm=replace(row.vm, **amounts))  # type: ignore[arg-type]


def _is_covered(vcenter: str | None, cluster: str | None, host: str | None, newer: Sequence[Snapshot]) -> bool:
    """Return whether a newer export would list what is in this place, if it still were there."""
    if vcenter is not None:
        return any(vcenter in snapshot.vcenters for snapshot in newer)
    if cluster is not None:
        return any(cluster.casefold() in snapshot.clusters for snapshot in newer if not snapshot.vcenters)
    return host is None or any(host.casefold() in snapshot.hosts for snapshot in newer if not snapshot.vcenters)


def _add_hosts(snapshot: Snapshot, newer: Sequence[Snapshot], merged: Merged) -> None:
    vcenter = next(iter(snapshot.vcenters)) if len(snapshot.vcenters) == 1 else None
    for key, host in snapshot.hosts.items():
        if key in merged.hosts:
            # Sums of one moment do not match amounts picked from several.
            merged.hosts[key] = replace(
                merged.hosts[key], used_bytes=None, active_bytes=None, ballooned_bytes=None, swapped_bytes=None
            )
        elif newer and _is_covered(vcenter, host.cluster, host.name, newer):
            merged.skipped.append(Note(f'{host.place}, "{host.name}"', f"host that is {_GONE}"))
        else:
            merged.hosts[key] = host
    for key, cluster in snapshot.clusters.items():
        merged.clusters.setdefault(key, cluster)
