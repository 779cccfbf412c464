"""From what a reader found to a fleet: VMs with unique names, configs with the hosts, a report of the import."""

from collections import Counter
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from planner.errors import InputError
from planner.inventory.assumed_hosts import AssumedHosts
from planner.inventory.config_of import config_texts
from planner.inventory.found import Found, FoundHost, FoundVm, Note, Power
from planner.inventory.import_report import ImportReport, make_report, told_text, trace_report
from planner.inventory.vm_groups import groups_by_name
from planner.inventory.window import window_of
from planner.workload.fleet_records import FleetFiles, FleetInfo, VmRecord

Grouping = Literal["names", "pools", "none"]
DEFAULT_TICK_S = 300


class FleetOptions(NamedTuple):
    """What the user adds to what was found.

    Attributes
    ----------
    groups : str
        What makes VMs a group whose demand moves together: their names, their pools (projects, namespaces), nothing.
    host_memory_bytes, host_cores : int or None
        Of hosts of which the source does not say; hosts without memory are left out.
    """

    groups: Grouping = "names"
    host_memory_bytes: int | None = None
    host_cores: int | None = None


PLAIN = FleetOptions()


class Imported(NamedTuple):
    """A fleet ready to be written.

    Attributes
    ----------
    configs : dict
        Name of a file to its text: fleet.yaml of the (largest) cluster, fleet-NAME.yaml of the others.
    """

    fleet: FleetFiles
    configs: dict[str, str]
    report: ImportReport


def make_fleet(found: Found, options: FleetOptions = PLAIN) -> Imported:
    """Make the fleet of what was found.

    Raises
    ------
    InputError
        No VM with known memory was found.
    """
    found = _completed(found, options)
    vms = _with_memory(found)
    if not vms:
        raise InputError(
            found.source, "holds no VM whose memory is known", "expected configured memory of at least one"
        )
    names = _unique_names(vms, found)
    groups = _groups(vms, options.groups, found)
    usable = {host.name for host in found.hosts if host.is_usable and host.memory_bytes is not None}
    records = tuple(_record(vm, name, group, usable) for vm, name, group in zip(vms, names, groups, strict=True))
    has_series = found.series is not None and _is_complete(found)
    _say_what_is_assumed(found, has_series)
    fleet = _fleet_files(found, records, vms, has_series)
    assumed = AssumedHosts(found.hypervisor, options.host_memory_bytes, options.host_cores)
    configs = config_texts(found, records, assumed, window_of(fleet))
    report = make_report(found, records, tuple(configs))
    told = tuple(told_text(item) for item in report.doubts)
    info = replace(fleet.info, assumptions=tuple(found.assumptions), warnings=told)
    return Imported(replace(fleet, info=info), configs, report)


def of_traces(fleet: FleetFiles, assumed: AssumedHosts) -> Imported:
    """Give a fleet of traces, whose source names no hosts, a config and a report."""
    info = fleet.info
    found = Found(
        source=info.source,
        hypervisor=assumed.hypervisor,
        read={"VMs with series": len(fleet.vms), "ticks": fleet.active_bytes.shape[1]},
        doubts=[Note(info.source, text) for text in info.warnings],
        assumptions=list(info.assumptions),
    )
    configs = config_texts(found, fleet.vms, assumed, window_of(fleet))
    report = trace_report(fleet, found, tuple(configs))
    return Imported(fleet, configs, report)


def _completed(found: Found, options: FleetOptions) -> Found:
    """Give hosts what the user says of them, and see to it that every host has a name of its own."""
    if options.host_memory_bytes is None and options.host_cores is None:
        return found
    lacking = [host for host in found.hosts if host.memory_bytes is None or host.cores is None]
    if lacking:
        found.assumptions.append(
            f"{len(lacking)} of {len(found.hosts)} hosts do not tell their memory or cores: they have what was stated"
        )

    def fill(host: FoundHost) -> FoundHost:
        memory = options.host_memory_bytes if host.memory_bytes is None else host.memory_bytes
        return replace(host, memory_bytes=memory, cores=options.host_cores if host.cores is None else host.cores)

    return replace(found, hosts=[fill(host) for host in found.hosts])


def _with_memory(found: Found) -> list[FoundVm]:
    kept = []
    for vm in found.vms:
        if vm.configured_bytes:
            kept.append(vm)
        else:
            found.skipped.append(Note(f"{vm.place} ({vm.name})", "the VM's configured memory is unknown"))
    return kept


def _unique_names(vms: list[FoundVm], found: Found) -> list[str]:
    """Name every VM apart: names that several have get their cluster, identifier or number."""
    counts = Counter(vm.name for vm in vms)
    taken = {name for name, count in counts.items() if count == 1}
    names = []
    for vm in vms:
        name = vm.name
        if counts[vm.name] > 1:
            wanted = f"{vm.name} ({vm.uuid or vm.cluster or vm.host or 'same name'})"
            name, number = wanted, 2
            while name in taken:
                name, number = f"{wanted} {number}", number + 1
            found.doubts.append(Note(vm.place, "has the name of another VM", f'it is called "{name}" here'))
        taken.add(name)
        names.append(name)
    return names


def _groups(vms: list[FoundVm], grouping: Grouping, found: Found) -> list[str | None]:
    if grouping == "names":
        groups = groups_by_name(vms)
        n_grouped = sum(group is not None for group in groups)
        found.assumptions.append(
            f"VMs whose names differ in numbers alone move together, as tenant groups do: {n_grouped} of {len(vms)} "
            f"VMs are in such a group, of which there are {len(set(groups) - {None})} (--groups says otherwise)"
        )
        return groups
    if grouping == "pools":
        found.assumptions.append("VMs of one pool, project or namespace move together, as tenant groups do")
        return [vm.group for vm in vms]
    found.assumptions.append("no VM's demand has more in common with another's than any two of a fleet have")
    return [None] * len(vms)


def _record(vm: FoundVm, name: str, group: str | None, usable: set[str]) -> VmRecord:
    return VmRecord(
        name=name,
        configured_bytes=vm.configured_bytes or 0,
        configured_from="inventory",
        vcpus=vm.vcpus,
        group=group,
        image=vm.image,
        host=vm.host if vm.host in usable else None,
        shares=vm.shares,
        reservation_bytes=vm.reservation_bytes,
        limit_bytes=vm.limit_bytes,
        has_balloon_driver=vm.has_balloon_driver,
        uuid=vm.uuid,
        cluster=vm.cluster,
        is_on=None if vm.power is Power.UNKNOWN else vm.power is Power.ON,
        consumed_bytes=vm.consumed_bytes,
        active_bytes=vm.active_bytes,
        ballooned_bytes=vm.ballooned_bytes,
        swapped_bytes=vm.swapped_bytes,
    )


def _is_complete(found: Found) -> bool:
    """Whether series tell both active and granted memory of some VM; one alone is no demand."""
    series = found.series
    return series is not None and not (np.isnan(series.active_bytes).all() or np.isnan(series.granted_bytes).all())


def _say_what_is_assumed(found: Found, has_series: bool) -> None:
    if has_series:
        return
    count, rank = len(found.taken_at_s), found.reading_rank
    basis = (
        "one reading"
        if count < 2
        else f"the {'largest' if not rank else f'number {rank} from below'} of {count} readings"
    )
    found.assumptions.append(
        f"there is no time series of demand: each VM takes after a VM of a recorded managed-hosting fleet that is like "
        f"what {basis} of consumed and active memory says; what is unknown is drawn, not zero"
    )


def _fleet_files(found: Found, records: tuple[VmRecord, ...], vms: list[FoundVm], has_series: bool) -> FleetFiles:
    series = found.series
    is_series = has_series and series is not None
    info = FleetInfo(
        source=found.source,
        acknowledgement="",
        tick_s=series.tick_s if is_series and series is not None else DEFAULT_TICK_S,
        first_time_s=series.first_time_s if is_series and series is not None else max(found.taken_at_s, default=0),
        readings=0 if is_series else max(len(found.taken_at_s), 1),
        reading_rank=0 if is_series else found.reading_rank,
    )
    if not is_series or series is None:
        nothing = np.empty((len(records), 0), dtype=np.float32)
        return FleetFiles(info, records, nothing, nothing)
    row_of = {id(vm): row for row, vm in enumerate(found.vms)}
    rows = [row_of[id(vm)] for vm in vms]
    busy = series.cpu_busy_vcpus
    return FleetFiles(
        info, records, series.active_bytes[rows], series.granted_bytes[rows], None if busy is None else busy[rows]
    )
