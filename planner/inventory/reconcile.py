"""Set what VMs add up to beside what their hosts say of themselves, and hosts beside their clusters."""

from collections.abc import Sequence
from typing import NamedTuple

from planner.inventory.found import Found, FoundHost, FoundVm, Power

MOST_APART = 0.01
"""Sums within a per cent agree: sources round to MiB and take their figures some seconds apart."""


class Balance(NamedTuple):
    """One figure of one host by its VMs, or of a cluster by its hosts, and by its own account. [bytes] or a number."""

    host: str
    what: str
    is_bytes: bool
    from_vms: int
    own: int

    @property
    def agrees(self) -> bool:
        """Whether the two are the same, up to rounding."""
        return abs(self.from_vms - self.own) <= MOST_APART * max(self.own, self.from_vms)


def reconcile(found: Found) -> list[Balance]:
    """Set every host's own figures beside those of its VMs, where both are known, hosts in their order."""
    vms_of: dict[str, list[FoundVm]] = {}
    for vm in found.vms:
        if vm.host is not None:
            vms_of.setdefault(vm.host, []).append(vm)
    balances: list[Balance] = []
    for host in found.hosts:
        balances += _of_host(host, vms_of.get(host.name, []))
    for cluster in found.clusters:
        parts = [host.memory_bytes for host in found.hosts if host.cluster == cluster.name]
        known = [part for part in parts if part is not None]
        if cluster.memory_bytes is not None and known and len(known) == len(parts):
            balances.append(Balance(cluster.name, "memory of its hosts", True, sum(known), cluster.memory_bytes))
    return balances


def _of_host(host: FoundHost, vms: Sequence[FoundVm]) -> list[Balance]:
    counted = [vm for vm in vms if vm.power is Power.ON or not host.vm_memory_is_of_running]
    balances = []
    if host.n_vms is not None:
        balances.append(Balance(host.name, "VMs", False, len(counted), host.n_vms))
    for what, own, parts in (
        ("configured memory", host.vm_memory_bytes, [vm.configured_bytes for vm in counted]),
        ("ballooned", host.ballooned_bytes, [vm.ballooned_bytes for vm in vms]),
        ("swapped", host.swapped_bytes, [vm.swapped_bytes for vm in vms]),
    ):
        known = [part for part in parts if part is not None]
        if own is not None and len(known) == len(parts):
            balances.append(Balance(host.name, what, True, sum(known), own))
    return balances
