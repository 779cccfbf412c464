"""Import a VM table and demand series from CSV or Parquet files as a fleet."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from planner.errors import InputError
from planner.inventory.grid import check_grid
from planner.inventory.progress import Progress, no_progress
from planner.inventory.series_units import UnitChoice, infer_unit, parse_unit, to_bytes_factor, unit_of_name
from planner.inventory.table_files import Block, TableFiles, find_span, lay_out, read_block
from planner.inventory.vm_tables import TableVm, read_vms
from planner.units import MAX_BYTES
from planner.workload.fleet_files import MAX_VCPUS
from planner.workload.fleet_records import FleetFiles, FleetInfo


@dataclass(frozen=True)
class TableOptions:
    """What the user states about a table import; None is detected.

    Attributes
    ----------
    active_unit, granted_unit : str or None
        One of `planner.inventory.series_units.MEMORY_UNITS`.
    tick_s : int or None
        Length of a tick. [s]
    acknowledgement : str
        Text that the source asks users to print.
    """

    active_unit: str | None = None
    granted_unit: str | None = None
    tick_s: int | None = None
    acknowledgement: str = ""


def import_table(
    source_name: str, files: TableFiles, options: TableOptions, progress: Progress = no_progress
) -> FleetFiles:
    """Read the files and put them on one tick grid; months (several files of a kind) are joined.

    Raises
    ------
    InputError
        A file is missing or broken, VMs do not match, or a unit cannot be told.
    """
    vms = read_vms(files.vms)
    blocks = _read_all(files, progress)
    memory_blocks = [*blocks["active"], *blocks["granted"]]
    _check_names(memory_blocks + blocks["cpu"], vms, files.vms)
    span = find_span(memory_blocks, options.tick_s)
    warnings: list[str] = []
    kept = _with_series(vms, blocks, warnings)
    check_grid(len(kept), span[1], span[2], str(memory_blocks[0].place))
    assumptions: list[str] = [vms[0].size_note] if vms[0].size_note else []
    series = {
        "active": _memory(blocks["active"], kept, span, options.active_unit, assumptions.append),
        "granted": _memory(blocks["granted"], kept, span, options.granted_unit, assumptions.append),
    }
    series["active"][series["granted"] == 0] = np.nan
    series["granted"][series["granted"] == 0] = np.nan
    assumptions.append("an empty cell, or granted memory of 0, is read as off; times without a zone as UTC")
    _check_sizes(series, kept, warnings)
    busy_vcpus = _cpu(blocks["cpu"], kept, span, warnings)
    first, _, tick_s = span
    return FleetFiles(
        info=FleetInfo(
            source=f"table: {source_name}",
            acknowledgement=options.acknowledgement,
            tick_s=tick_s,
            first_time_s=first * tick_s,
            assumptions=tuple(assumptions),
            warnings=tuple(warnings),
        ),
        vms=tuple(vm.record for vm in kept),
        active_bytes=series["active"],
        granted_bytes=series["granted"],
        cpu_busy_vcpus=busy_vcpus,
    )


def _read_all(files: TableFiles, progress: Progress) -> dict[str, list[Block]]:
    total = sum(len(paths) for paths in files.series.values())
    done = 0
    blocks: dict[str, list[Block]] = {"active": [], "granted": [], "cpu": []}
    for kind in blocks:
        for path in files.series.get(kind, ()):
            block = read_block(kind, path, files.layout)
            if block is not None:
                blocks[kind].append(block)
            done += 1
            progress(done, total)
    for kind in ("active", "granted"):
        if not any(len(block.times_s) for block in blocks[kind]):
            hint = f"expected a file whose name begins with {kind}, or pass --{kind} FILE"
            raise InputError(str(files.vms.parent), f"no series of {kind} memory", hint)
    return blocks


def _check_names(blocks: list[Block], vms: list[TableVm], place: Path) -> None:
    known = {vm.record.name for vm in vms}
    for block in blocks:
        unknown = sorted(set(block.names) - known)
        if unknown:
            shown = ", ".join(f'"{name}"' for name in unknown[:3]) + (", ..." if len(unknown) > 3 else "")
            message = f"has series of {len(unknown)} VMs that are not in the VM table: {shown}"
            raise InputError(block.place, message, f"add them to {place}, with their configured memory")
        if len(set(block.names)) != len(block.names):
            double = next(name for name in block.names if block.names.count(name) > 1)
            raise InputError(block.place, f'two columns are named "{double}"', "give every VM one column")


def _with_series(vms: list[TableVm], blocks: dict[str, list[Block]], warnings: list[str]) -> list[TableVm]:
    """Keep the VMs that have both memory series; the others cannot be simulated, and are named."""
    named = [{name for block in blocks[kind] for name in block.names} for kind in ("active", "granted")]
    kept = [vm for vm in vms if all(vm.record.name in names for names in named)]
    if not kept:
        raise InputError(blocks["active"][0].place, "no VM has both an active and a granted series", "same names?")
    if len(kept) < len(vms):
        left = [vm.record.name for vm in vms if vm not in kept]
        shown = ", ".join(left[:3]) + (", ..." if len(left) > 3 else "")
        warnings.append(f"{len(left)} of {len(vms)} VMs lack an active or granted series and are left out: {shown}")
    return kept


def _memory(
    blocks: list[Block], vms: list[TableVm], span: tuple[int, int, int], stated: str | None, note: Callable[[str], None]
) -> np.ndarray:
    """Lay out one kind of memory series in bytes; says which unit was taken, and why."""
    matrix = lay_out(blocks, [vm.record.name for vm in vms], span)
    configured = np.array([vm.record.configured_bytes for vm in vms], dtype=np.int64)
    kind, place = blocks[0].kind, blocks[0].place
    units = {unit_of_name(block.label) for block in blocks}
    if stated is not None:
        choice = UnitChoice(parse_unit(stated, f"--{kind}-unit"), "as stated")
    elif len(units) > 1:
        raise InputError(place, f"the names of the {kind} files state different units", "import them in one unit")
    elif (unit := units.pop()) is not None:
        choice = UnitChoice(unit, f'by the name "{blocks[0].label}"')
    else:
        choice = infer_unit(kind, _peaks(matrix), configured, place)
    note(f"{kind} memory is read in {choice.unit}: {choice.reason}")
    matrix *= to_bytes_factor(choice.unit, configured).astype(np.float32)[:, np.newaxis]
    if (matrix > MAX_BYTES).any():
        raise InputError(place, f"{kind} memory read in {choice.unit} exceeds 1 EiB", f"pass --{kind}-unit")
    if (matrix < 0).any():
        row = int(np.argmax((matrix < 0).any(axis=1)))
        raise InputError(place, f'VM "{vms[row].record.name}" has negative {kind} memory', "expected 0 or more")
    return matrix


def _peaks(matrix: np.ndarray) -> np.ndarray:
    peaks: np.ndarray = np.fmax.reduce(matrix, axis=1, initial=np.nan)
    return peaks.astype(np.float64)


def _check_sizes(series: dict[str, np.ndarray], vms: list[TableVm], warnings: list[str]) -> None:
    configured = np.array([vm.record.configured_bytes for vm in vms], dtype=np.float64)
    for kind, matrix in series.items():
        above = np.flatnonzero(_peaks(matrix) > 1.02 * configured)
        if len(above):
            name = vms[int(above[0])].record.name
            message = f"{kind} memory exceeds configured memory in {len(above)} of {len(vms)} VMs, e.g. {name}; capped"
            warnings.append(message)


def _cpu(blocks: list[Block], vms: list[TableVm], span: tuple[int, int, int], warnings: list[str]) -> Any:
    """Lay out busy vCPUs; left out with a warning where the unit or the VMs' clock rates are unknown."""
    if not blocks:
        return None
    label = blocks[0].label.lower()
    vcpus = np.array([vm.record.vcpus or np.nan for vm in vms], dtype=np.float64)
    if "mhz" in label:
        factor = vcpus / np.array([vm.cpu_cap_mhz for vm in vms], dtype=np.float64)
    elif "percent" in label or "pct" in label:
        factor = vcpus / 100
    elif "fraction" in label:
        factor = vcpus
    elif "vcpus" in label or "cores" in label:
        factor = np.ones(len(vms))
    else:
        warnings.append(f'CPU series left out: no unit in "{blocks[0].label}" (mhz, percent, fraction or vcpus)')
        return None
    if np.isnan(factor).all():
        warnings.append("CPU series left out: the VM table lacks vcpus, or cpu_cap_mhz for series in MHz")
        return None
    matrix = lay_out(blocks, [vm.record.name for vm in vms], span)
    matrix *= factor.astype(np.float32)[:, np.newaxis]
    is_absurd = (matrix < 0) | (matrix > MAX_VCPUS)
    if is_absurd.any():
        row = int(np.argmax(is_absurd.any(axis=1)))
        message = f'VM "{vms[row].record.name}" has {matrix[row][is_absurd[row]][0]:g} busy vCPUs'
        raise InputError(blocks[0].place, message, f"expected 0 to {MAX_VCPUS}; is the unit right?")
    return matrix
