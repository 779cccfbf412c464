"""Problems of a config that show only once the VMs are known: reported before anything runs."""

import numpy as np

from planner.config.spec import PlannerConfig
from planner.errors import ConfigError, Issue
from planner.placement import HostCapacities
from planner.placement.resolve import resolve_rules
from planner.sweep.sampling import check_sampling
from planner.units import format_bytes
from planner.workload.fleet import VmTable
from planner.workload.overhead import vm_overhead_bytes

_NAMED_VMS = 3


def check_vms_fit(vms: VmTable, hosts: HostCapacities, config: PlannerConfig) -> None:
    """Refuse a fleet with a VM that no host could ever hold, or as-is placement that knows no host.

    Raises
    ------
    ConfigError
        A VM has more configured memory than any empty host has usable memory; or `as-is` is swept and no VM's host is
        among the fleet's hosts; or one sampled page is too large a step for the objective; or placement rules name
        no VM or host, or contradict each other; or a class of the objective holds no VM.
    """
    issues = [*_too_large(vms, hosts, config), *_no_host_known(vms, hosts, config), *check_sampling(vms, config)]
    issues += _wrong_names(vms, hosts, config)
    if issues:
        raise ConfigError(tuple(issues))


def check_names(vms: VmTable, hosts: HostCapacities, config: PlannerConfig) -> None:
    """Refuse rules and classes of a config whose VMs are not placed anew.

    Raises
    ------
    ConfigError
        Placement rules name no VM or host, or contradict each other; or a class of the objective holds no VM.
    """
    issues = _wrong_names(vms, hosts, config)
    if issues:
        raise ConfigError(tuple(issues))


def _wrong_names(vms: VmTable, hosts: HostCapacities, config: PlannerConfig) -> list[Issue]:
    return [*resolve_rules(config.placement_rules, vms, hosts.names).issues, *_empty_classes(vms, config)]


def _too_large(vms: VmTable, hosts: HostCapacities, config: PlannerConfig) -> list[Issue]:
    largest_bytes = int((hosts.memory_bytes - hosts.reserved_bytes).max())
    too_large = np.flatnonzero(vms.configured_bytes + vm_overhead_bytes(vms, config.hypervisor) > largest_bytes)
    if not too_large.size:
        return []
    named = [f"{vms.names[vm]} ({format_bytes(vms.configured_bytes[vm])})" for vm in too_large[:_NAMED_VMS]]
    more = f" and {too_large.size - _NAMED_VMS} more" if too_large.size > _NAMED_VMS else ""
    message = (
        f"{', '.join(named)}{more}: larger than any host can hold "
        f"({format_bytes(largest_bytes)} usable on the largest, before overhead memory of VMs)"
    )
    return [Issue("fleet.vms", message, "add larger hosts to fleet.hosts or take these VMs out")]


def _empty_classes(vms: VmTable, config: PlannerConfig) -> list[Issue]:
    named = list(zip(vms.names, vms.groups, strict=True))
    groups = sorted({group for group in vms.groups if group is not None})
    known = {
        "match": f"VMs are named {', '.join(vms.names[:_NAMED_VMS])}, ...",
        "group": f"groups are {', '.join(groups[:_NAMED_VMS])}, ..." if groups else "no VM of this fleet has a group",
    }
    return [
        Issue(f"slo.classes[{number}].{key}", f'"{getattr(item, key)}" holds no VM of the fleet', known[key])
        for number, item in enumerate(config.slo.classes)
        if not any(item.holds(name, group) for name, group in named)
        for key in ("match" if item.match is not None else "group",)
    ]


def _no_host_known(vms: VmTable, hosts: HostCapacities, config: PlannerConfig) -> list[Issue]:
    if "as-is" not in config.sweep.placement or set(vms.hosts) & set(hosts.names):
        return []
    named = sorted({name for name in vms.hosts if name is not None})
    if named:
        message = f"as-is: no VM runs on a host of this fleet (VMs name {', '.join(named[:_NAMED_VMS])}, ...)"
        hint = (
            f"name the hosts in fleet.hosts as the inventory does; they are {', '.join(hosts.names[:_NAMED_VMS])}, ..."
        )
    else:
        message = "as-is: it is not known on which host each VM runs today"
        hint = "give each VM its `host`, or use another strategy, e.g. first-fit"
    return [Issue("sweep.placement", message, hint)]
