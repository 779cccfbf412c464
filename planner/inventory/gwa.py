"""Import VM traces of the Grid Workloads Archive (GWA-T-12, GWA-T-13) as a fleet.

Their "Memory usage" is the hypervisor's estimate of active memory and "Memory capacity provisioned" behaves as
granted memory; the configured memory is in neither and is inferred (`planner.inventory.sizes`).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from planner.errors import InputError
from planner.inventory.grid import check_grid, fill_rows, infer_tick_s, snap_to_grid
from planner.inventory.gwa_files import GwaFolder, Samples
from planner.inventory.progress import Progress, no_progress
from planner.inventory.sizes import SizeGuess, infer_size, size_from_percent
from planner.workload.fleet_records import FleetFiles, FleetInfo, VmRecord

ACKNOWLEDGEMENT = (
    "Traces from the Grid Workloads Archive, TU Delft. GWA-T-12: Bitbrains IT Services Inc.; cite S. Shen, "
    "V. van Beek, A. Iosup, Statistical Characterization of Business-Critical Workloads Hosted in Cloud Datacenters, "
    "CCGrid 2015. GWA-T-13: Materna GmbH."
)


class _VmSeries(NamedTuple):
    """One VM's samples over all its files, ascending, and the tick each belongs to."""

    name: str
    samples: Samples
    ticks: np.ndarray


def import_gwa(source: Path, progress: Progress = no_progress) -> FleetFiles:
    """Read a directory or zip file of GWA traces; files of the same name in several month folders are one VM.

    Raises
    ------
    InputError
        Missing, not a zip file, no CSV inside, a broken file, or a column missing.
    """
    files_of, warnings = _read_all(source, progress)
    tick_s = infer_tick_s([samples.times_s for files in files_of.values() for samples in files], str(source))
    series = [_join(name, files, tick_s) for name, files in files_of.items()]
    first = min(int(vm.ticks.min()) for vm in series)
    n_ticks = max(int(vm.ticks.max()) for vm in series) - first + 1
    check_grid(len(series), n_ticks, tick_s, str(source))
    doubles = sum(len(vm.ticks) - len(np.unique(vm.ticks)) for vm in series)
    if doubles:
        warnings.append(f"{doubles} samples fell into a tick that had one already; the later one was kept")
    guesses = [_guess_size(vm.samples, tick_s) for vm in series]
    busy = fill_rows([(vm.ticks, vm.samples.cpu_busy_vcpus) for vm in series], first, n_ticks)
    return FleetFiles(
        info=FleetInfo(
            source=f"gwa: {source.name}",
            acknowledgement=ACKNOWLEDGEMENT,
            tick_s=tick_s,
            first_time_s=first * tick_s,
            assumptions=_assumptions(guesses),
            warnings=tuple(warnings),
        ),
        vms=tuple(_record(vm, guess) for vm, guess in zip(series, guesses, strict=True)),
        active_bytes=fill_rows([(vm.ticks, vm.samples.active_bytes) for vm in series], first, n_ticks),
        granted_bytes=fill_rows([(vm.ticks, vm.samples.granted_bytes) for vm in series], first, n_ticks),
        cpu_busy_vcpus=None if np.isnan(busy).all() else busy,
    )


def _read_all(source: Path, progress: Progress) -> tuple[dict[str, list[Samples]], list[str]]:
    """Read every file, by VM; drop the VMs that were never on."""
    folder = GwaFolder(source)
    parts: dict[tuple[str, str], list[Samples]] = {}
    try:
        for done, member in enumerate(folder.members, start=1):
            parts.setdefault((member.dataset, member.stem), []).append(folder.read(member))
            progress(done, len(folder.members))
    finally:
        folder.close()
    has_data_sets = len({dataset for dataset, _ in parts}) > 1
    width = max(len(stem) for _, stem in parts)
    files_of: dict[str, list[Samples]] = {}
    silent = []
    for (dataset, stem), files in parts.items():
        name = f"vm{stem.zfill(width)}" if stem.isdigit() else stem
        name = f"{dataset or 'top'}/{name}" if has_data_sets else name
        if all(np.isnan(samples.granted_bytes).all() for samples in files):
            silent.append(name)
        else:
            files_of[name] = files
    if not files_of:
        raise InputError(str(source), "no file holds a sample of a running VM", "expected granted memory above 0")
    shown = ", ".join(silent[:3]) + (", ..." if len(silent) > 3 else "")
    return files_of, [f"{len(silent)} of {len(parts)} VMs were never on and are left out: {shown}"] if silent else []


def _join(name: str, files: list[Samples], tick_s: int) -> _VmSeries:
    """Join a VM's files in order of time. Each is snapped by itself: its phase may differ from the others'."""
    ticks = np.concatenate([snap_to_grid(samples.times_s, tick_s) for samples in files])
    joined = Samples(*(np.concatenate(columns) for columns in zip(*files, strict=True)))
    order = np.argsort(joined.times_s, kind="stable")
    return _VmSeries(name, Samples(*(column[order] for column in joined)), ticks[order])


def _guess_size(samples: Samples, tick_s: int) -> SizeGuess:
    by_percent = size_from_percent(samples.active_bytes, samples.active_percent)
    return by_percent or infer_size(samples.active_bytes, float(np.nanmax(samples.granted_bytes)), tick_s)


def _record(vm: _VmSeries, guess: SizeGuess) -> VmRecord:
    cores = vm.samples.cores[vm.samples.cores >= 1]
    vcpus = int(cores.max()) if len(cores) else None
    return VmRecord(vm.name, guess.configured_bytes, guess.source, vcpus)


def _assumptions(guesses: list[SizeGuess]) -> tuple[str, ...]:
    counts = {source: sum(guess.source == source for guess in guesses) for source in ("quantum", "percent", "granted")}
    how = {
        "quantum": "from the 1 % steps of the active counter",
        "percent": "from active memory given in KB and in per cent",
        "granted": "rounded up from the largest granted memory",
    }
    sizes = "; ".join(f"{count} of {len(guesses)} VMs {how[source]}" for source, count in counts.items() if count)
    return (
        '"Memory usage [KB]" is read as active memory, "Memory capacity provisioned [KB]" as granted memory, KB as KiB',
        f"configured memory is inferred: {sizes}",
        "granted memory of 0 is read as off; dates without a time zone are read as UTC",
    )
