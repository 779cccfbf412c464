"""Rules of the placement section that need no VMs: what is given twice or not at all, and reserves beyond the fleet.

Names of VMs and groups, and rules that contradict each other, are checked once the VMs are known
(`planner.placement.resolve`).
"""

from planner.config.placement_rules import VmSetSpec
from planner.config.spec import PlannerConfig
from planner.errors import Issue


def check_vm_sets(config: PlannerConfig) -> list[Issue]:
    """Check that every rule says which VMs it is about, in one way."""
    rules = config.placement_rules
    issues = []
    for key in ("affinity", "anti_affinity", "must_run_on"):
        for position, item in enumerate(getattr(rules, key)):
            path = f"placement_rules.{key}[{position}]"
            issues += _check_vm_set(item, path)
    return issues


def _check_vm_set(item: VmSetSpec, path: str) -> list[Issue]:
    if bool(item.vms) != (item.group is not None):
        return []
    message = "names VMs and a group" if item.vms else "names neither VMs nor a group"
    return [Issue(path, message, "write one of the two: {vms: [db-*]} or {group: shop}")]


def check_ha_reserve(config: PlannerConfig) -> list[Issue]:
    """Check that the reserve is given in one way and leaves hosts to run on."""
    reserve = config.placement_rules.ha_reserve
    n_hosts = sum(group.count for group in config.fleet.hosts)
    if reserve.hosts and reserve.fraction:
        message = f"gives {reserve.hosts} hosts and {reserve.fraction * 100:g} %"
        return [Issue("placement_rules.ha_reserve", message, "give one of the two")]
    if reserve.hosts >= n_hosts:
        message = f"{reserve.hosts} of {n_hosts} hosts kept free leave none to run on"
        hint = f"keep at most {n_hosts - 1}" if n_hosts > 1 else "add hosts"
        return [Issue("placement_rules.ha_reserve.hosts", message, hint)]
    return []


PLACEMENT_CHECKS = (check_vm_sets, check_ha_reserve)
