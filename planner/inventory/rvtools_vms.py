"""The VMs of one RVTools export.

Memory is taken from vMemory, its size from vInfo where vMemory has none; never from columns of storage. "Consumed"
counts the overhead that the host pays for a VM ("Consumed" = "Private" + "Consumed Overhead" for a VM that shares
nothing), so that is taken off. Quick statistics of VMs that are not on tell nothing and are unknown.
"""

import re
from collections.abc import Sequence
from operator import methodcaller
from typing import Any, NamedTuple

from planner.inventory.found import FoundVm, Note, Power
from planner.inventory.rvtools_snapshot import Joiner, Row, Snapshot, joined
from planner.inventory.workbook_tab import Tab
from planner.units import MIB, format_bytes

_POWER = {
    "poweredon": Power.ON,
    "poweredoff": Power.OFF,
    "suspended": Power.SUSPENDED,
    "on": Power.ON,
    "off": Power.OFF,
}
_LOST_STATES = frozenset(("disconnected", "orphaned", "inaccessible", "invalid"))
_DRIVER = {"toolsok": True, "toolsold": True, "toolsnotinstalled": False, "toolsnotrunning": False}
_SIZE_STEP_BYTES = 4 * MIB
"""ESXi accepts memory sizes of VMs in this step."""
_VCLS = re.compile(r"^vCLS([- (]|$)")
_ROOT_POOL = re.compile(r"^/?(?:.*/)?Resources(?:/|$)")


class _Measures(NamedTuple):
    """What vMemory tells of a VM now, in bytes."""

    consumed: int | None
    consumed_overhead: int | None
    overhead: int | None
    active: int | None
    ballooned: int | None
    swapped: int | None
    shared: int | None


def read_vms(tabs: dict[str, Tab], snapshot: Snapshot) -> None:
    """Add the VMs of an export to its snapshot, with notes on those that are left out or look wrong."""
    info = tabs["vInfo"]
    joined_tabs: Sequence[str] = ("vMemory", "vCPU", "vTools")
    matches = {name: Joiner(info, tabs[name]).match() for name in joined_tabs if name in tabs}
    columns = _columns(tabs, matches)
    kept = []
    for row_idx, row in enumerate(_dicts(columns, len(info))):
        place = info.row_place(row_idx)
        reason = left_out(row)
        if reason:
            snapshot.skipped.append(Note(f'{place}, "{row["name"]}"', reason))
        elif row["size"] is None and row["info_size"] is None:
            remedy = 'check "Size MiB" in vMemory and "Memory" in vInfo'
            snapshot.skipped.append(Note(f'{place}, "{row["name"]}"', "VM without a size of memory", remedy))
        else:
            snapshot.rows.append(row_of_vm(row, place, snapshot))
            kept.append(row_idx)
    _note_unmatched(tabs, matches.get("vMemory", []), kept, snapshot)


def _columns(tabs: dict[str, Tab], matches: dict[str, list[int | None]]) -> dict[str, list[Any]]:
    info = tabs["vInfo"]
    texts = ("name", "power", "connection", "cluster", "host", "pool", "vapp", "uuid", "smbios", "vcenter")
    columns: dict[str, list[Any]] = {key: info.texts(key) for key in (*texts, "rules", "rule_names")}
    columns["os"] = _first(info.texts("os_tools"), info.texts("os_config"))
    columns |= {key: info.flags(key) for key in ("template", "placeholder")}
    columns["info_size"] = info.sizes_bytes("size")
    columns["vcpus"] = _first(info.wholes("vcpus"), joined(tabs, "vCPU", matches, lambda tab: tab.wholes("vcpus")))
    columns["tools"] = joined(tabs, "vTools", matches, lambda tab: tab.texts("tools"))
    for key in ("cluster", "host", "power"):
        columns[key] = _first(columns[key], joined(tabs, "vMemory", matches, methodcaller("texts", key)))
    for key in ("size", "reservation", "limit", *_Measures._fields):
        columns[key] = joined(tabs, "vMemory", matches, methodcaller("sizes_bytes", key))
    columns["shares"] = joined(tabs, "vMemory", matches, lambda tab: tab.wholes("shares"))
    columns["is_locked"] = joined(tabs, "vMemory", matches, lambda tab: tab.flags("is_locked"))
    return columns


def _first(preferred: list[Any], other: list[Any]) -> list[Any]:
    return [second if first is None else first for first, second in zip(preferred, other, strict=True)]


def _dicts(columns: dict[str, list[Any]], n_rows: int) -> list[dict[str, Any]]:
    keys = list(columns)
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(keys, row, strict=True)) for row in rows] if n_rows else []


def left_out(row: dict[str, Any]) -> str | None:
    """Return why a VM is none that takes memory; None where it is one."""
    if row["template"]:
        return "template"
    if row["placeholder"]:
        return "placeholder of Site Recovery Manager"
    connection = (row["connection"] or "").casefold()
    return f"VM whose connection state is {connection}" if connection in _LOST_STATES else None


def row_of_vm(row: dict[str, Any], place: str, snapshot: Snapshot) -> Row:
    """Make a VM of its values by our names for the columns; what is doubtful is noted in the snapshot."""
    power = _POWER.get((row["power"] or "").casefold(), Power.UNKNOWN)
    if row["power"] and power is Power.UNKNOWN:
        snapshot.doubts.append(Note(place, f'power state "{row["power"]}" is not known', "taken as unknown"))
    size = row["info_size"] if row["size"] is None else row["size"]
    _check_size(row, snapshot, place)
    amounts = _measured(row, size, power, snapshot, place)
    if _VCLS.match(row["name"]):
        message = "agent VM of vSphere Cluster Services; it is kept, since it takes memory of a host"
        snapshot.doubts.append(Note(place, message, "delete it from the fleet if you do not want to see it"))
    limit = row["limit"] or None  # exports write "no limit" as -1 or 0
    reservation = size if row["is_locked"] and row["reservation"] is None else row["reservation"]
    vm = FoundVm(
        name=row["name"], place=place, uuid=row["uuid"] or row["smbios"], power=power, configured_bytes=size,
        vcpus=row["vcpus"] or None, host=row["host"], cluster=row["cluster"], group=_group(row),
        shares=row["shares"], reservation_bytes=reservation, limit_bytes=limit,
        has_balloon_driver=_driver(row["tools"], power), **amounts,
    )  # fmt: skip
    if limit is not None and size is not None and limit < size:
        message = "the memory limit is below the configured size: the VM balloons or swaps beyond it on an idle host"
        snapshot.doubts.append(Note(place, message, "the limit is kept; remove it unless it is meant"))
    if reservation is not None and size is not None and reservation > size:
        snapshot.doubts.append(Note(place, "the memory reservation is above the configured size", "it is kept"))
    return Row(vm, row["vcenter"], row["smbios"], _rules(row))


def _rules(row: dict[str, Any]) -> tuple[str, str] | None:
    return (row["rules"] or "", row["rule_names"] or "") if row["rules"] or row["rule_names"] else None


def _check_size(row: dict[str, Any], snapshot: Snapshot, place: str) -> None:
    size, other = row["size"], row["info_size"]
    if size is not None and other is not None and size != other:
        message = "vInfo and vMemory give the VM other sizes; that of vMemory is taken"
        snapshot.doubts.append(Note(place, message, "was the VM or the file changed meanwhile?"))
    used = other if size is None else size
    if used % _SIZE_STEP_BYTES:
        message = "the size of memory is no multiple of 4 MiB, as ESXi has them"
        snapshot.doubts.append(Note(place, message, "was the number changed, or is it in another unit?"))


def _measured(row: dict[str, Any], size: int, power: Power, snapshot: Snapshot, place: str) -> dict[str, Any]:
    """Return the measured amounts by attribute of `FoundVm`, within what is possible."""
    raw = _Measures(*(row[key] for key in _Measures._fields))
    overhead = raw.consumed_overhead or raw.overhead or None
    if power in (Power.OFF, Power.SUSPENDED):
        if raw.consumed or raw.active:
            message = "the VM is not on, and has consumed or active memory; that is not used"
            snapshot.doubts.append(Note(place, message, "was the file changed?"))
        return {"overhead_bytes": raw.overhead or None}
    consumed, active = raw.consumed, raw.active
    if consumed is not None:
        consumed = max(0, consumed - (raw.consumed_overhead or 0))
        # What overhead is not told apart may be in the figure: 4 % and 128 MiB cover it for VMs of every size.
        slack = 0 if raw.consumed_overhead is not None else (raw.overhead or size // 25 + 128 * MIB)
        if consumed > size + slack:
            message = "the VM consumes more than its configured size and overhead; the size is taken"
            snapshot.doubts.append(Note(place, message, f"consumed: {format_bytes(consumed)}"))
        consumed = min(consumed, size)
    if active is not None and active > size:
        message = "more memory is active than the VM has; the configured size is taken"
        snapshot.doubts.append(Note(place, message, "was the VM made smaller lately?"))
        active = size
    return {
        "consumed_bytes": consumed, "active_bytes": active, "ballooned_bytes": raw.ballooned,
        "swapped_bytes": raw.swapped, "shared_bytes": raw.shared, "overhead_bytes": overhead,
    }  # fmt: skip


def _group(row: dict[str, Any]) -> str | None:
    """Return the resource pool below the root of its cluster, else the vApp."""
    pool = row["pool"]
    if pool:
        pool = _ROOT_POOL.sub("", pool, count=1) if _ROOT_POOL.match(pool) else pool.strip("/")
    return pool or row["vapp"] or None


def _driver(tools: str | None, power: Power) -> bool | None:
    """Tools that do not run tell of no driver only where the VM does."""
    state = (tools or "").casefold()
    if state == "toolsnotrunning" and power is not Power.ON:
        return None
    return _DRIVER.get(state)


def _note_unmatched(tabs: dict[str, Tab], found: list[int | None], kept: list[int], snapshot: Snapshot) -> None:
    """Tell of rows of vMemory and vInfo that found no partner."""
    if "vMemory" not in tabs:
        return
    info, memory = tabs["vInfo"], tabs["vMemory"]
    for row_idx in kept:
        if found[row_idx] is None:
            message = "the VM has no row of its own in vMemory: what it consumes is unknown"
            snapshot.doubts.append(Note(info.row_place(row_idx), message, "export all tabs at once"))
    used = {at for at in found if at is not None}
    for row_idx in range(len(memory)):
        if row_idx not in used:
            message = "the row is of no VM in vInfo, or of one of several of the same name; it is not used"
            snapshot.doubts.append(Note(memory.row_place(row_idx), message, "export all tabs at once"))
