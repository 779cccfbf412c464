"""Read the VM table of the Azure Public Dataset, V1 or V2, as the fleet of one moment.

Columns (github.com/Azure/AzurePublicDataset, AzurePublicDatasetV1.md and V2.md): VM, subscription, deployment, time
created and deleted [s since the trace began], max, mean and 95th percentile of CPU [%], category, virtual cores, memory
[GB]. V2 tells cores and memory as buckets: "2", "4", "8", "24", ">24"; "2", "4", "8", "32", "64", ">64". Memory in use
is in neither: demand comes from the fitted model.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from planner.errors import InputError
from planner.inventory.found import Found, FoundVm, Note, Power
from planner.inventory.progress import Progress, no_progress
from planner.inventory.trace_rows import as_numbers, find_files, read_rows
from planner.units import GIB, MAX_BYTES, format_bytes

_COLUMNS = {"vm": 0, "deployment": 2, "created": 3, "deleted": 4, "cores": 9, "memory": 10}
_ASSUMED = (
    "A bucket of memory is taken for its upper end, and GB for GiB.",
    "CPU readings are not used: the trace tells no memory in use, so how VMs move is drawn from the fitted model.",
)


def read_azure(
    sources: Sequence[Path],
    at_s: float | None = None,
    largest_bytes: int | None = None,
    progress: Progress = no_progress,
) -> Found:
    """Read the VMs that ran at a moment.

    Parameters
    ----------
    sources : sequence of Path
        vmtable.csv, plain or .gz, or directories with it.
    at_s : float, optional
        Since the trace began; None: when most VMs ran. [s]
    largest_bytes : int, optional
        Memory of VMs in the open bucket (">64"); None: they are left out.

    Raises
    ------
    InputError
        No such file, a broken one, or no VM ran then.
    """
    paths = find_files(sources, ("vmtable",))["vmtable"]
    tables = []
    for done, path in enumerate(paths, start=1):
        tables += [_numbers(rows, path) for rows in read_rows(path, _COLUMNS)]
        progress(done, len(paths))
    texts = {name: pa.chunked_array([table[name] for table in tables]) for name in ("vm", "deployment")}
    created, deleted, memory, cores = (
        np.concatenate([table[name] for table in tables]) for name in ("created", "deleted", "memory", "cores")
    )
    moment = _busiest(created, deleted) if at_s is None else at_s
    rows = np.flatnonzero((created <= moment) & (deleted > moment))
    if not len(rows):
        raise InputError(str(paths[0]), f"no VM ran at {moment:g} s", "name another moment with --at")
    found = Found(source=f"azure: {', '.join(path.name for path in paths)}", hypervisor="hyper-v")
    found.read = {"VMs in the table": len(created), "VMs that ran then": len(rows)}
    chosen = "asked for" if at_s is not None else "when most VMs ran"
    found.assumptions += [f"The fleet is that of {moment:g} s after the trace began, {chosen}.", *_ASSUMED]
    names, groups = (texts[name].take(pa.array(rows)).to_pylist() for name in ("vm", "deployment"))
    for row, name, group in zip(rows.tolist(), names, groups, strict=True):
        place = f"vmtable, row {row + 1}"
        size = largest_bytes if np.isinf(memory[row]) else _size(memory[row])
        if size is None:
            text, remedy = "VM of the open bucket of memory, or without any", "--largest-memory says the bucket's"
            found.skipped.append(Note(place, text, remedy))
            continue
        vcpus = int(cores[row]) if np.isfinite(cores[row]) and 1 <= cores[row] <= 65_536 else None
        vm = FoundVm(
            f"vm-{row + 1}", place, uuid=name or None, power=Power.ON, configured_bytes=size, vcpus=vcpus,
            group=group or None,
        )  # fmt: skip
        found.vms.append(vm)
    if largest_bytes is not None:
        found.assumptions.append(f"VMs of the open bucket have {format_bytes(largest_bytes)}, as stated.")
    return found


def _numbers(rows: dict[str, pa.Array], path: Path) -> dict[str, np.ndarray | pa.Array]:
    found: dict[str, np.ndarray | pa.Array] = {"vm": rows["vm"], "deployment": rows["deployment"]}
    for name in ("created", "deleted"):
        found[name] = as_numbers(rows[name], path, f"times {name}")
    for name in ("memory", "cores"):
        is_open = pc.fill_null(pc.starts_with(pc.utf8_trim_whitespace(rows[name]), ">"), False)
        numbers = as_numbers(pc.if_else(is_open, pa.scalar("inf"), rows[name]), path, name)
        found[name] = numbers
    return found


def _size(gib: float) -> int | None:
    size = gib * GIB if np.isfinite(gib) else 0.0
    return int(size) if 0 < size <= MAX_BYTES else None


def _busiest(created: np.ndarray, deleted: np.ndarray) -> float:
    """Return the first moment at which most VMs run."""
    is_known = ~(np.isnan(created) | np.isnan(deleted))
    starts, ends = np.sort(created[is_known]), np.sort(deleted[is_known])
    if not len(starts):
        return 0.0
    running = np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, side="right")
    return float(starts[int(np.argmax(running))])
