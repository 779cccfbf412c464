"""Read RVTools exports: one or several workbooks or sets of CSV files, merged to one inventory.

An export is a sample of a moment. Several, of busy and quiet hours, tell more; what a VM takes is then the largest
that any of them shows, or a percentile of many.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from planner.inventory.found import Found, Note, Power
from planner.inventory.progress import Progress, no_progress
from planner.inventory.rvtools_columns import INFO_SIGNATURE, TABS
from planner.inventory.rvtools_doubts import check_against_hosts
from planner.inventory.rvtools_hosts import check_pools, read_clusters, read_hosts
from planner.inventory.rvtools_merge import Merged, merge_snapshots, rank_of
from planner.inventory.rvtools_rules import build_rules
from planner.inventory.rvtools_snapshot import Snapshot, open_tabs, taken_at_s
from planner.inventory.rvtools_vms import read_vms
from planner.inventory.workbook import Workbook, WorkbookFiles

_ASSUMED = (
    "Amounts of memory are MiB under every spelling of the headers, also where these say MB.",
    "Consumed memory is RVTools' less the overhead that it counts in, where the export tells it.",
    "Whether a VM has a balloon driver is whether VMware Tools run in it; a driver that came with a Linux kernel is "
    "not seen.",
    "A host has a NUMA node per socket.",
    "A host's own sums are of VMs that are on; memory in use is its usage in whole percent, of its memory.",
)
_MOMENT = (
    "Consumed, active, ballooned and swapped memory is of one moment; peaks are not in the export. VMs that are off "
    "have none known."
)


def read_rvtools(sources: Sequence[Path], progress: Progress = no_progress, percentile: float = 100.0) -> Found:
    """Read RVTools exports.

    Parameters
    ----------
    sources : sequence of Path
        .xlsx workbooks, directories of them, or CSV files of tabs: a directory, single files or a zip file.
    progress : Progress
        Called after each export.
    percentile : float
        Of several exports, what a VM's amounts of memory are; 100: the largest. The nearest amount that is not below.

    Returns
    -------
    Found
        VMs in the order of vInfo, the newest export first.

    Raises
    ------
    InputError
        A file cannot be read, vInfo is missing or empty, or a cell holds what cannot be taken: names file, tab and
        cell, and what to do.
    """
    files = WorkbookFiles(sources, TABS, "vInfo", INFO_SIGNATURE)
    snapshots = []
    for done, workbook in enumerate(files, start=1):
        snapshots.append(_snapshot(workbook))
        progress(done, len(files))
    is_dated = all(snapshot.taken_at_s is not None for snapshot in snapshots)
    if is_dated:
        snapshots.sort(key=lambda snapshot: snapshot.taken_at_s or 0)
    if len(snapshots) > 1:
        snapshots = [_labelled(snapshot, number) for number, snapshot in enumerate(snapshots, start=1)]
    merged = merge_snapshots(snapshots, percentile)
    rank = rank_of(percentile, len(snapshots))
    rules, notes = build_rules(merged.rows)
    return Found(
        source="rvtools: " + ", ".join(snapshot.name for snapshot in snapshots),
        hypervisor="esxi-8",
        hosts=list(merged.hosts.values()),
        vms=[row.vm for row in merged.rows],
        clusters=list(merged.clusters.values()),
        rules=rules,
        taken_at_s=tuple(snapshot.taken_at_s for snapshot in snapshots if snapshot.taken_at_s is not None),
        reading_rank=0 if rank == len(snapshots) else rank,
        read={tab: count for snapshot in snapshots for tab, count in snapshot.read.items()},
        skipped=merged.skipped,
        doubts=[*merged.doubts, *notes],
        assumptions=_assumptions(snapshots, merged, is_dated, percentile),
    )


def _snapshot(workbook: Workbook) -> Snapshot:
    tabs, doubts = open_tabs(workbook)
    read = {name: len(tab) for name, tab in tabs.items()}
    snapshot = Snapshot(workbook.name, taken_at_s(workbook), read, doubts=doubts)
    read_vms(tabs, snapshot)
    read_hosts(tabs, snapshot)
    read_clusters(tabs, snapshot)
    check_pools(tabs, snapshot)
    for tab in tabs.values():
        tab.check()
    snapshot.vcenters = frozenset(row.vcenter for row in snapshot.rows if row.vcenter is not None)
    check_against_hosts(snapshot)
    return snapshot


def _labelled(snapshot: Snapshot, number: int) -> Snapshot:
    """Put the export's number and name before each place, so that places tell exports apart."""
    label = f"export {number} ({snapshot.name})"
    rows = [replace(row, vm=replace(row.vm, place=f"{label}: {row.vm.place}")) for row in snapshot.rows]
    return replace(
        snapshot,
        read={f"{label}: {tab}": count for tab, count in snapshot.read.items()},
        rows=rows,
        hosts={key: replace(host, place=f"{label}: {host.place}") for key, host in snapshot.hosts.items()},
        clusters={key: replace(item, place=f"{label}: {item.place}") for key, item in snapshot.clusters.items()},
        skipped=_placed(snapshot.skipped, label),
        doubts=_placed(snapshot.doubts, label),
    )


def _placed(notes: Sequence[Note], label: str) -> list[Note]:
    return [replace(note, place=f"{label}: {note.place}") for note in notes]


def _assumptions(snapshots: Sequence[Snapshot], merged: Merged, is_dated: bool, percentile: float) -> list[str]:
    assumptions = list(_ASSUMED)
    versions = sorted({host.hypervisor for host in merged.hosts.values() if host.hypervisor})
    if any(not version.replace("VMware ESXi ", "").startswith("8") for version in versions):
        assumptions.append(f"All hosts behave as ESXi 8; they run {', '.join(versions[:5])}.")
    if any(row.vm.power is Power.UNKNOWN for row in merged.rows):
        assumptions.append("VMs whose power state is unknown may be on; their amounts of memory are taken as told.")
    if len(snapshots) == 1:
        return [*assumptions, _MOMENT]
    moments = [snapshot.taken_at_s for snapshot in snapshots if snapshot.taken_at_s is not None]
    order = "by the times they state" if is_dated else "in the order given, the newest last"
    which = "largest" if percentile >= 100 else f"{percentile:g}th percentile (nearest not below)"
    assumptions.append(
        f"Consumed, active, ballooned and swapped memory of a VM is the {which} of {len(snapshots)} exports in which "
        f"it was on; all else is as in the newest. Exports are ordered {order}."
    )
    if moments:
        written = ", ".join(datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M") for moment in moments)
        assumptions.append(f"The exports are of {written}; the local times that they state are taken for UTC.")
    assumptions.append("Hosts' own sums of one moment are not compared with amounts picked from several.")
    return assumptions
