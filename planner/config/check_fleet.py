"""Cross-field rules of the fleet: hosts, VMs, and whether the one can hold the other at all."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from os.path import normpath
from pathlib import Path

from planner.config.catalog import cpu_names, load_cpu, swap_device_names
from planner.config.measured import MEASURED
from planner.config.page_tables import find_level_problem
from planner.config.spec import GeneratedVms, HostGroupSpec, ImportedVms, PlannerConfig, VmSpec
from planner.config.suggest import name_problem, nearest_name
from planner.errors import Issue
from planner.units import format_bytes

MAX_REPORTED_NAMES = 3


def check_hardware_names(config: PlannerConfig) -> list[Issue]:
    """Check that CPU and swap device of every host group are presets that exist."""
    issues = []
    for position, group in enumerate(config.fleet.hosts):
        path = f"fleet.hosts[{position}]"
        if group.cpu not in cpu_names():
            issues.append(Issue(f"{path}.cpu", *name_problem("CPU", group.cpu, cpu_names())))
        if group.swap == MEASURED:
            if group.measured is None or group.measured.swap is None:
                hint = f"add {MEASURED}: FILE, as planner calibrate writes it, or name a preset"
                issues.append(Issue(f"{path}.swap", "nothing was measured of its swap device", hint))
        elif group.swap not in swap_device_names():
            issues.append(Issue(f"{path}.swap", *name_problem("swap device", group.swap, swap_device_names())))
    return issues


def check_host_names(config: PlannerConfig) -> list[Issue]:
    """Check that every host has a name of its own, after groups are counted out."""
    groups = config.fleet.hosts
    names = [(position, name) for position, group in enumerate(groups) for name in group.names()]
    return _duplicates(names, "fleet.hosts", "host", "give each group of hosts a name of its own")


def check_host_memory(config: PlannerConfig) -> list[Issue]:
    """Check that the hypervisor leaves something of the RAM."""
    return [
        Issue(
            f"fleet.hosts[{position}].reserved",
            f"{format_bytes(group.reserved_bytes)} leaves nothing of the {format_bytes(group.memory)} of RAM",
            "reserve less, e.g. 512 MiB",
        )
        for position, group in enumerate(config.fleet.hosts)
        if group.reserved_bytes >= group.memory
    ]


def check_numa_nodes(config: PlannerConfig) -> list[Issue]:
    """Check that every NUMA node has a core."""
    return [
        Issue(
            f"fleet.hosts[{position}].numa_nodes",
            f"{group.numa_nodes} nodes are more than the {group.cores} cores",
            f"use at most {group.cores}; servers have 1 to 8",
        )
        for position, group in enumerate(config.fleet.hosts)
        if group.numa_nodes > group.cores
    ]


def check_page_tables(config: PlannerConfig) -> list[Issue]:
    """Check that each host's CPU walks page tables of as many levels as guests and host have."""
    issues = []
    for position, group in enumerate(config.fleet.hosts):
        if group.cpu not in cpu_names():
            continue
        most_levels = load_cpu(group.cpu).page_table_levels
        for key in ("guest_levels", "host_levels"):
            problem = find_level_problem(getattr(group.page_tables, key), group.cpu, most_levels)
            if problem:
                issues.append(Issue(f"fleet.hosts[{position}].page_tables.{key}", *problem))
    return issues


def check_vm_names(config: PlannerConfig) -> list[Issue]:
    """Check that every VM has a name of its own, after entries are counted out."""
    names = [(position, name) for position, vm in _listed(config) for name in vm.names()]
    return _duplicates(names, "fleet.vms", "VM", "rename one; an entry with a count makes name-1, name-2, ...")


def check_vm_fits_some_host(config: PlannerConfig) -> list[Issue]:
    """Check that no VM is larger than the largest host."""
    largest = max(config.fleet.hosts, key=_usable_bytes)
    usable = _usable_bytes(largest)
    return [
        Issue(
            f"fleet.vms[{position}].memory",
            f"{format_bytes(vm.memory)} is more than any host can hold "
            f"(largest: {largest.name} with {format_bytes(usable)} usable)",
            "make the VM smaller or add a larger host",
        )
        for position, vm in _listed(config)
        if vm.memory > usable > 0
    ]


def check_vm_limits(config: PlannerConfig) -> list[Issue]:
    """Check reservation <= limit and reservation <= configured memory."""
    issues = []
    for position, vm in _listed(config):
        path = f"fleet.vms[{position}]"
        reserved = format_bytes(vm.reservation)
        if vm.reservation > vm.memory:
            message = f"{reserved} is more than the VM's memory ({format_bytes(vm.memory)})"
            issues.append(Issue(f"{path}.reservation", message, "reserve at most the configured memory"))
        if vm.limit is not None and vm.limit < vm.reservation:
            message = f"{format_bytes(vm.limit)} is less than the reservation ({reserved})"
            issues.append(Issue(f"{path}.limit", message, "raise the limit or lower the reservation"))
    return issues


def check_vm_demand(config: PlannerConfig) -> list[Issue]:
    """Check that granted is not below active."""
    return [
        Issue(
            f"fleet.vms[{position}].granted",
            f"{vm.granted * 100:g} % is less than active ({vm.active * 100:g} %)",
            "memory that is active has been granted: raise granted or lower active",
        )
        for position, vm in _listed(config)
        if vm.granted is not None and vm.active is not None and vm.granted < vm.active
    ]


def check_shares(config: PlannerConfig) -> list[Issue]:
    """Check that some VM has shares, or memory cannot be divided by them."""
    listed = [vm for _, vm in _listed(config)]
    if not listed or any(vm.shares != 0 for vm in listed):
        return []
    return [Issue("fleet.vms", "every VM has 0 shares", "leave shares out (10 per MiB) or give at least one VM some")]


def check_reservations_fit(config: PlannerConfig) -> list[Issue]:
    """Check that all reservations together fit into the RAM of all hosts."""
    reserved = sum(vm.reservation * vm.count for _, vm in _listed(config))
    usable = sum(max(0, _usable_bytes(group)) * group.count for group in config.fleet.hosts)
    if reserved <= usable:
        return []
    message = f"reservations add up to {format_bytes(reserved)}, the hosts have {format_bytes(usable)} usable"
    return [Issue("fleet.vms", message, "lower reservations or add hosts")]


def check_current_hosts(config: PlannerConfig) -> list[Issue]:
    """Check that VMs are on hosts that exist, and that as-is placement knows where every VM is."""
    wants_as_is = "as-is" in config.sweep.placement
    if isinstance(config.fleet.vms, GeneratedVms):
        hint = "use first-fit or another strategy; generated VMs run on no host yet"
        return [Issue("sweep.placement", "as-is needs VMs that are on hosts today", hint)] if wants_as_is else []
    known = set(chain.from_iterable(group.names() for group in config.fleet.hosts))
    issues = []
    for position, vm in _listed(config):
        if vm.host is None and wants_as_is:
            message = "is missing, and as-is placement was asked for"
            issues.append(Issue(f"fleet.vms[{position}].host", message, f"name the host {vm.name} runs on"))
        if vm.host is not None and vm.host not in known:
            nearest = nearest_name(vm.host, known)
            guess = f'did you mean "{nearest}"? ' if nearest else ""
            hint = f"{guess}hosts are named after their group: esx-01, esx-02, ...; a group of one keeps its name"
            issues.append(Issue(f"fleet.vms[{position}].host", f'there is no host "{vm.host}"', hint))
    return issues


def check_fleet_directory(config: PlannerConfig, base_dir: Path) -> list[Issue]:
    """Check that an imported fleet is where the config says."""
    if not isinstance(config.fleet.vms, ImportedVms):
        return []
    folder = Path(normpath(base_dir / config.fleet.vms.fleet))
    how = f"make it with: planner import gwa SOURCE --out {folder} (or: planner import table ...)"
    if not folder.exists():
        return [Issue("fleet.vms.fleet", f"there is no directory {folder}", how)]
    if not folder.is_dir() or not (folder / "vms.parquet").is_file():
        return [Issue("fleet.vms.fleet", f"{folder} is no fleet directory: it has no vms.parquet", how)]
    return []


def check_generator(config: PlannerConfig, known: tuple[str, ...]) -> list[Issue]:
    """Check that the generator is one that exists."""
    vms = config.fleet.vms
    if not isinstance(vms, GeneratedVms) or vms.generate in known:
        return []
    return [Issue("fleet.vms.generate", *name_problem("generator", vms.generate, known))]


def _listed(config: PlannerConfig) -> Iterator[tuple[int, VmSpec]]:
    vms = config.fleet.vms
    return iter(enumerate(vms) if isinstance(vms, tuple) else ())


def _usable_bytes(group: HostGroupSpec) -> int:
    return group.memory - group.reserved_bytes


def _duplicates(names: list[tuple[int, str]], path: str, kind: str, hint: str) -> list[Issue]:
    """Report names met before, at the entry that repeats them; a few per entry are enough."""
    counts = Counter(name for _, name in names)
    seen: set[str] = set()
    repeated: dict[int, list[str]] = {}
    for position, name in names:
        if counts[name] > 1 and name in seen:
            repeated.setdefault(position, []).append(name)
        seen.add(name)
    issues = []
    for position, again in repeated.items():
        shown = ", ".join(f'"{name}"' for name in again[:MAX_REPORTED_NAMES])
        more = f" and {len(again) - MAX_REPORTED_NAMES} more" if len(again) > MAX_REPORTED_NAMES else ""
        message = f"{shown}{more}: another {kind} has this name"
        issues.append(Issue(f"{path}[{position}].name", message, hint))
    return issues


FLEET_CHECKS = (
    check_hardware_names,
    check_host_names,
    check_host_memory,
    check_numa_nodes,
    check_page_tables,
    check_vm_names,
    check_vm_fits_some_host,
    check_vm_limits,
    check_vm_demand,
    check_shares,
    check_reservations_fit,
    check_current_hosts,
)
