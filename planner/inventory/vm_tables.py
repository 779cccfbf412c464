"""Read a VM table (CSV or Parquet): which columns it has under which names, in which units."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from planner.errors import InputError
from planner.inventory.series_units import MEMORY_UNITS, unit_of_name
from planner.inventory.table_files import NAME_NAMES, find_column, read_any
from planner.units import MAX_BYTES
from planner.workload.fleet_records import VmRecord

_TEXT = {
    "group": ("group", "tenant", "tenant_group"),
    "image": ("image", "template", "image_name"),
    "host": ("host", "host_name", "hypervisor"),
    "configured_from": ("configured_from",),
}
_WHOLE = {"vcpus": ("vcpus", "cores", "cpus", "vcpu"), "shares": ("shares", "mem_shares")}
_MEMORY = {
    "configured": ("configured", "memory", "size", "vram"),
    "reservation": ("reservation", "mem_reservation"),
    "limit": ("limit", "mem_limit"),
}
_DRIVER = ("has_balloon_driver", "balloon_driver", "balloon")
_CPU_CAP = ("cpu_cap_mhz", "cpu_mhz", "cap_mhz")


class TableVm(NamedTuple):
    """A VM of a table: the record, its CPU capacity [MHz, NaN if unknown], and how its size's unit was read."""

    record: VmRecord
    cpu_cap_mhz: float
    size_note: str


def read_vms(path: Path) -> list[TableVm]:
    """Read the VM table.

    Columns: a name, configured memory with its unit in the column's name (configured_mib), and if known vcpus, group,
    image, host, shares, reservation_mib, limit_mib, has_balloon_driver, cpu_cap_mhz. An empty cell is unknown.

    Raises
    ------
    InputError
        Broken file, a required column missing, a duplicated or empty name, a memory size that is none.
    """
    table = read_any(path)
    columns = table.column_names
    name_column = find_column(columns, NAME_NAMES)
    if name_column is None:
        hint = f"expected one of {', '.join(NAME_NAMES)}; found: {', '.join(columns)}"
        raise InputError(str(path), "lacks a column of VM names", hint)
    memory = {key: _memory_column(columns, stems, path) for key, stems in _MEMORY.items()}
    if memory["configured"] is None:
        hint = f"expected e.g. configured_mib or memory_gib; found: {', '.join(columns)}"
        raise InputError(str(path), "lacks a column of configured memory", hint)
    rows = table.to_pylist()
    if not rows:
        raise InputError(str(path), "has no VMs", "expected at least one row")
    vms = [_vm(row, name_column, memory, f"{path}, row {number}") for number, row in enumerate(rows, start=1)]
    seen: set[str] = set()
    for number, vm in enumerate(vms, start=1):
        if vm.record.name in seen:
            place = f"{path}, row {number}"
            raise InputError(place, f'duplicated VM name "{vm.record.name}"', "give every VM a unique name")
        seen.add(vm.record.name)
    return vms


def _memory_column(columns: Sequence[str], stems: Sequence[str], path: Path) -> tuple[str, float] | None:
    """Find a memory column and the bytes of its unit, which must be in its name."""
    for column in columns:
        lower = column.lower().strip()
        stem = next((stem for stem in stems if lower == stem or lower.startswith((f"{stem}_", f"{stem} "))), None)
        if stem is None or lower.endswith("_from"):
            continue
        factor = MEMORY_UNITS.get(unit_of_name(lower) or "")
        if factor is None:
            hint = f"name it {stem}_bytes, {stem}_mib or {stem}_gib"
            raise InputError(str(path), f'column "{column}" states no unit of memory', hint)
        return column, factor
    return None


def _vm(row: dict[str, Any], name_column: str, memory: dict[str, tuple[str, float] | None], place: str) -> TableVm:
    name = row[name_column]
    if name is None or not str(name).strip():
        raise InputError(place, "the VM has no name", "give every VM a unique name")
    sizes = {key: _bytes(row, found, place) for key, found in memory.items()}
    configured = sizes["configured"]
    if configured is None or configured <= 0:
        raise InputError(place, f'VM "{name}" has no configured memory', "expected a number above 0")
    text = {key: _text(row, names) for key, names in _TEXT.items()}
    whole = {key: _whole(row, names, place) for key, names in _WHOLE.items()}
    limit = sizes["limit"]
    record = VmRecord(
        name=str(name),
        configured_bytes=configured,
        configured_from=text["configured_from"] or "table",
        vcpus=whole["vcpus"] or None,
        group=text["group"],
        image=text["image"],
        host=text["host"],
        shares=whole["shares"],
        reservation_bytes=sizes["reservation"],
        # Exports write "no limit" as -1 or 0.
        limit_bytes=limit if limit is not None and limit > 0 else None,
        has_balloon_driver=_driver(row, place),
    )
    cap = _number(row, _CPU_CAP, place)
    column = (memory["configured"] or ("", 0.0))[0]
    note = f'configured memory is read from "{column}" in {unit_of_name(column)}'
    return TableVm(record, cap if cap else math.nan, note)


def _cell(row: dict[str, Any], names: Sequence[str]) -> tuple[str, Any]:
    column = find_column(list(row), names)
    value = row[column] if column else None
    is_missing = value is None or (isinstance(value, float) and math.isnan(value)) or value == ""
    return column or names[0], None if is_missing else value


def _text(row: dict[str, Any], names: Sequence[str]) -> str | None:
    value = _cell(row, names)[1]
    return None if value is None else str(value)


def _number(row: dict[str, Any], names: Sequence[str], place: str) -> float | None:
    column, value = _cell(row, names)
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{place}, column {column}", f'"{value}" is not a number', "leave it empty if unknown")
    return number


def _whole(row: dict[str, Any], names: Sequence[str], place: str) -> int | None:
    value = _number(row, names, place)
    if value is not None and value < 0:
        raise InputError(f"{place}, column {_cell(row, names)[0]}", f"{value:g} is negative", "expected 0 or more")
    return None if value is None else round(value)


def _bytes(row: dict[str, Any], found: tuple[str, float] | None, place: str) -> int | None:
    if found is None:
        return None
    value = _number(row, (found[0].lower().strip(),), place)
    if value is not None and value * found[1] > MAX_BYTES:
        if found[0].lower().startswith(_MEMORY["limit"]):
            return None  # exports write "no limit" as the largest number, too
        raise InputError(f"{place}, column {found[0]}", f"{value:g} is more than 1 EiB", "is the unit right?")
    return None if value is None else round(value * found[1])


def _driver(row: dict[str, Any], place: str) -> bool | None:
    column, value = _cell(row, _DRIVER)
    if value is None or isinstance(value, bool):
        return value
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).strip().lower() not in known:
        raise InputError(f"{place}, column {column}", f'"{value}" is not true or false', "leave it empty if unknown")
    return known[str(value).strip().lower()]
