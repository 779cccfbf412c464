"""The fleet directory: what every importer writes and the sweep reads. Atomic to write, checked to read.

    fleet.json       format version, source, acknowledgement, tick, first time, counts, assumptions, warnings
    vms.parquet      a row per VM; null = unknown
    (an inventory without series has no more than these two, and fleet.json says of how many readings)
    active.parquet   a row per tick, `time_utc` and a float32 column per VM [bytes]; null = off or not recorded
    granted.parquet  the same
    cpu.parquet      optional, the same [busy vCPUs]

Knows nothing of foreign formats (`planner.inventory`) nor of how a trace becomes demand (`planner.workload.imported`).
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from planner.errors import InputError
from planner.input_files import read_json
from planner.parquet_files import read_parquet
from planner.targets import check_writable, resolve_target
from planner.units import MAX_BYTES
from planner.workload.fleet_records import FleetFiles, FleetInfo, VmRecord

FORMAT_VERSION = 1
DAY_S = 86_400
LAST_TIME_S = 253_402_300_799
"""End of the year 9999."""
TIME_COLUMN = "time_utc"
MAX_VCPUS = 65_536
MAX_SHARES = 10**12
_VM_SCHEMA = pa.schema(
    [
        pa.field("name", pa.string()),
        pa.field("configured_bytes", pa.int64()),
        pa.field("configured_from", pa.string()),
        pa.field("vcpus", pa.int64()),
        pa.field("group", pa.string()),
        pa.field("image", pa.string()),
        pa.field("host", pa.string()),
        pa.field("shares", pa.int64()),
        pa.field("reservation_bytes", pa.int64()),
        pa.field("limit_bytes", pa.int64()),
        pa.field("has_balloon_driver", pa.bool_()),
        pa.field("uuid", pa.string()),
        pa.field("cluster", pa.string()),
        pa.field("is_on", pa.bool_()),
        pa.field("consumed_bytes", pa.int64()),
        pa.field("active_bytes", pa.int64()),
        pa.field("ballooned_bytes", pa.int64()),
        pa.field("swapped_bytes", pa.int64()),
    ]
)
_SINCE_READINGS = ("uuid", "cluster", "is_on", "consumed_bytes", "active_bytes", "ballooned_bytes", "swapped_bytes")
"""Columns that directories written earlier lack; null in them."""
_SERIES = {
    "active": ("bytes", "Memory touched within the tick, as the hypervisor estimates it"),
    "granted": ("bytes", "Guest memory backed by the host"),
    "cpu": ("vCPUs", "Busy vCPUs, mean over the tick"),
}
_INFO_RANGES = {
    "tick_s": (1, DAY_S),
    "first_time_s": (-LAST_TIME_S, LAST_TIME_S),
    "ticks": (0, 10**9),
    "readings": (0, 10_000),
    "reading_rank": (0, 10_000),
}
_NOT_A_FLEET = "expected a fleet directory as written by `planner import`"


def check_target(directory: Path, force: bool) -> None:
    """Refuse a target that cannot be written, or exists, unless it is an empty directory, or a fleet with `force`.

    Raises
    ------
    InputError
        The target exists, or cannot be made. Also with `force`, when it is something other than a fleet: that is never
        deleted.
    """
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        if not (directory / "fleet.json").is_file():
            hint = "choose another --out; it is never overwritten"
            raise InputError(str(directory), "exists and is not a fleet", hint)
        if not force:
            raise InputError(str(directory), "exists already", "choose another --out, or pass --force to replace it")
    check_writable(directory)


def write_fleet(
    directory: Path, fleet: FleetFiles, force: bool = False, texts: Mapping[str, str] | None = None
) -> None:
    """Write a fleet directory, whole or not at all; `texts` are further files, by name.

    Everything is written to a temporary sibling, which is then renamed.

    Raises
    ------
    InputError
        The target exists (see `check_target`), cannot be written, or the fleet itself is not sound.
    """
    check_target(directory, force)
    target = resolve_target(directory)
    _check_vms(fleet.vms, directory)
    _check_shapes(fleet, directory)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise InputError(str(directory), f"cannot be written: {error.strerror}", "choose another --out") from error
    try:
        _write_files(temporary / "new", fleet)
        for name, text in (texts or {}).items():
            (temporary / "new" / name).write_text(text, encoding="utf-8")
        if target.exists():
            target.rename(temporary / "old")
        (temporary / "new").rename(target)
    except OSError as error:
        raise InputError(str(directory), f"cannot be written: {error.strerror}", "free space there?") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_fleet(directory: Path) -> FleetFiles:
    """Read a fleet directory and check that its files agree.

    Raises
    ------
    InputError
        A file is missing, broken, of another version, or does not fit the others.
    """
    info, n_ticks = _read_info(directory)
    vms = _read_vms(directory / "vms.parquet")
    names = [vm.name for vm in vms]
    if n_ticks == 0:
        nothing = np.empty((len(vms), 0), dtype=np.float32)
        return FleetFiles(info, vms, nothing, nothing)
    series = {}
    for kind in _SERIES:
        path = directory / f"{kind}.parquet"
        if kind == "cpu" and not path.exists():
            continue
        series[kind] = _read_series(path, names, info, n_ticks)
    return FleetFiles(info, vms, series["active"], series["granted"], series.get("cpu"))


def _read_table(path: Path) -> Any:
    """Read a Parquet file into a pyarrow Table."""
    if not path.is_file():
        raise InputError(str(path), "no such file", _NOT_A_FLEET)
    return read_parquet(path, "copy or import it again", uses_map=True)


def _write_files(directory: Path, fleet: FleetFiles) -> None:
    directory.mkdir()
    records = [asdict(vm) for vm in fleet.vms]
    pq.write_table(pa.Table.from_pylist(records, schema=_VM_SCHEMA), directory / "vms.parquet")
    names = [vm.name for vm in fleet.vms]
    for kind, values in _series_of(fleet).items() if fleet.active_bytes.shape[1] else ():
        _write_series(directory / f"{kind}.parquet", kind, names, values, fleet.info)
    about = {
        "format_version": FORMAT_VERSION,
        **asdict(fleet.info),
        "vms": len(fleet.vms),
        "ticks": int(fleet.active_bytes.shape[1]),
    }
    text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    with (directory / "fleet.json").open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _series_of(fleet: FleetFiles) -> dict[str, np.ndarray]:
    series = {"active": fleet.active_bytes, "granted": fleet.granted_bytes}
    if fleet.cpu_busy_vcpus is not None:
        series["cpu"] = fleet.cpu_busy_vcpus
    return series


def _write_series(path: Path, kind: str, names: list[str], values: np.ndarray, info: FleetInfo) -> None:
    unit, meaning = _SERIES[kind]
    columns = [pa.array(row, type=pa.float32(), mask=np.isnan(row)) for row in values]
    metadata = {"unit": unit, "meaning": meaning}
    vm_fields = [pa.field(name, pa.float32(), metadata=metadata) for name in names]
    time_field = pa.field(TIME_COLUMN, pa.timestamp("s", tz="UTC"), metadata={"meaning": "Start of the tick"})
    times = pa.array(_times(info, values.shape[1]), type=pa.timestamp("s", tz="UTC"))
    table = pa.Table.from_arrays([times, *columns], schema=pa.schema([time_field, *vm_fields]))
    pq.write_table(table, path, compression="zstd", row_group_size=max(1, values.shape[1]))


def _times(info: FleetInfo, n_ticks: int) -> np.ndarray:
    return info.first_time_s + info.tick_s * np.arange(n_ticks, dtype=np.int64)


def _read_info(directory: Path) -> tuple[FleetInfo, int]:
    path = directory / "fleet.json"
    if not directory.is_dir():
        raise InputError(str(directory), "no such directory", _NOT_A_FLEET)
    if not path.is_file():
        raise InputError(str(path), "no such file", _NOT_A_FLEET)
    try:
        about = read_json(path, "import the fleet again")
        version = about["format_version"]
    except (KeyError, TypeError) as error:
        raise InputError(str(path), "is not valid JSON with a format_version", "import the fleet again") from error
    if version != FORMAT_VERSION:
        hint = f"this planner reads version {FORMAT_VERSION}; import the fleet again"
        raise InputError(str(path), f"has format version {version}", hint)
    try:
        known = {
            field.name: about[field.name] if field.default is MISSING else about.get(field.name, field.default)
            for field in fields(FleetInfo)
        }
        n_ticks = about["ticks"]
    except KeyError as error:
        raise InputError(str(path), f"lacks {error}", "import the fleet again") from error
    garbled = [name for name, value in {**known, "ticks": n_ticks}.items() if not _fits(name, value)]
    if garbled:
        raise InputError(str(path), f"garbles {', '.join(garbled)}", "import the fleet again")
    known |= {name: tuple(known[name]) for name in ("assumptions", "warnings")}
    if known["reading_rank"] > known["readings"]:
        raise InputError(str(path), "has a reading_rank beyond its readings", "import the fleet again")
    if (n_ticks == 0) != (known["readings"] > 0):
        raise InputError(str(path), "has neither ticks nor readings, or both", "import the fleet again")
    return FleetInfo(**known), n_ticks


def _fits(name: str, value: Any) -> bool:
    """Whether a value of `fleet.json` is of the kind and in the range that is written there."""
    if name in _INFO_RANGES:
        low, high = _INFO_RANGES[name]
        return type(value) is int and low <= value <= high
    if name in ("assumptions", "warnings"):
        return isinstance(value, list | tuple) and all(isinstance(text, str) for text in value)
    return isinstance(value, str)


def _read_vms(path: Path) -> tuple[VmRecord, ...]:
    table = _read_table(path)
    missing = [field.name for field in _VM_SCHEMA if field.name not in table.column_names]
    for name in set(missing) & set(_SINCE_READINGS):
        table = table.append_column(name, pa.nulls(table.num_rows, _VM_SCHEMA.field(name).type))
        missing.remove(name)
    if missing:
        raise InputError(str(path), f"lacks the columns {', '.join(missing)}", "import the fleet again")
    try:
        rows = table.select(_VM_SCHEMA.names).cast(_VM_SCHEMA).to_pylist()
    except pa.ArrowException as error:
        raise InputError(str(path), f"has a column of the wrong type ({error})", "import the fleet again") from error
    vms = tuple(VmRecord(**row) for row in rows)
    _check_vms(vms, path)
    return vms


def _check_vms(vms: tuple[VmRecord, ...], place: Path) -> None:
    if not vms:
        raise InputError(str(place), "has no VMs", "expected at least one row")
    seen: set[str] = set()
    for row, vm in enumerate(vms, start=1):
        if not vm.name:
            raise InputError(f"{place}, row {row}", "the VM has no name", "give every VM a unique name")
        if vm.name in seen:
            raise InputError(f"{place}, row {row}", f'duplicated VM name "{vm.name}"', "give every VM a unique name")
        if vm.name == TIME_COLUMN:
            raise InputError(f"{place}, row {row}", f'"{vm.name}" is the name of the time column', "rename the VM")
        _check_numbers(vm, f"{place}, row {row}")
        seen.add(vm.name)


def _check_numbers(vm: VmRecord, place: str) -> None:
    """Refuse sizes that are none. What a VM may reserve is held against its size when the fleet is used."""
    if vm.configured_bytes is None or not 0 < vm.configured_bytes <= MAX_BYTES:
        message = f'VM "{vm.name}" has configured memory {vm.configured_bytes}'
        raise InputError(place, message, "expected a positive number of bytes, at most 1 EiB")
    if vm.vcpus is not None and not 1 <= vm.vcpus <= MAX_VCPUS:
        raise InputError(place, f'VM "{vm.name}" has {vm.vcpus} vCPUs', f"expected 1 or more, at most {MAX_VCPUS}")
    readings = dict.fromkeys(("consumed_bytes", "active_bytes", "ballooned_bytes", "swapped_bytes"), MAX_BYTES)
    rest = {"shares": MAX_SHARES, "reservation_bytes": MAX_BYTES, "limit_bytes": MAX_BYTES} | readings
    for key, most in rest.items():
        value = getattr(vm, key)
        if value is not None and not 0 <= value <= most:
            message = f'VM "{vm.name}" has {key} {value}'
            raise InputError(place, message, f"expected 0 to {most}, or leave it empty if unknown")


def _check_shapes(fleet: FleetFiles, place: Path) -> None:
    shape = (len(fleet.vms), fleet.active_bytes.shape[1])
    for kind, values in _series_of(fleet).items():
        if values.shape != shape or (shape[1] == 0) != (fleet.info.readings > 0):
            hint = "expected a row per VM and a column per tick; no ticks where there are readings, and only there"
            message = f"{kind} has shape {values.shape} for {shape[0]} VMs and {shape[1]} ticks"
            raise InputError(str(place), message, hint)


def _read_series(path: Path, names: list[str], info: FleetInfo, n_ticks: int) -> np.ndarray:
    table = _read_table(path)
    columns = [name for name in table.column_names if name != TIME_COLUMN]
    if len(columns) == len(table.column_names):
        raise InputError(str(path), f'lacks the column "{TIME_COLUMN}"', "import the fleet again")
    unknown = sorted(set(columns) - set(names))
    if unknown:
        raise InputError(str(path), f"has series of VMs that are not in vms.parquet: {_some(unknown)}", _NOT_A_FLEET)
    missing = sorted(set(names) - set(columns))
    if missing:
        raise InputError(str(path), f"lacks the series of VMs in vms.parquet: {_some(missing)}", _NOT_A_FLEET)
    if len(columns) != len(names):
        raise InputError(str(path), "has two series of one VM", _NOT_A_FLEET)
    times = table.column(TIME_COLUMN)
    if not pa.types.is_timestamp(times.type):
        raise InputError(str(path), f"{TIME_COLUMN} is {times.type}", "expected UTC timestamps")
    seconds = times.cast(pa.timestamp("s", tz="UTC"), safe=False).cast(pa.int64()).to_numpy()
    if not np.array_equal(seconds, _times(info, n_ticks)):
        raise InputError(str(path), f"its times are not the {n_ticks} ticks that fleet.json states", _NOT_A_FLEET)
    values = np.empty((len(names), n_ticks), dtype=np.float32)
    for row, name in enumerate(names):
        values[row] = _float_column(table.column(name), path, name)
    is_wrong = (values < 0) | (values > MAX_BYTES)
    if is_wrong.any():
        name = names[int(np.argmax(is_wrong.any(axis=1)))]
        raise InputError(str(path), f'the series of VM "{name}" has {values[is_wrong][0]:g}', "import the fleet again")
    return values


def _float_column(column: Any, path: Path, name: str) -> np.ndarray:
    try:
        return np.asarray(column.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float32)
    except pa.ArrowException as error:
        raise InputError(str(path), f'the series of VM "{name}" is {column.type}', "expected numbers") from error


def _some(names: list[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
