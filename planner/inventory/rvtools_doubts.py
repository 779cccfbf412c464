"""What looks wrong in one RVTools export when its VMs are held against their hosts."""

from planner.inventory.found import FoundHost, FoundVm, Note, Power
from planner.inventory.rvtools_snapshot import Snapshot
from planner.units import format_bytes

PRESSURE_FRACTION = 0.9
"""Hosts below this share of memory in use take nothing from VMs: ESXi starts above 94 %, or 99 % if it is large."""


def check_against_hosts(snapshot: Snapshot) -> None:
    """Add doubts on VMs that swap or balloon without need, and on hosts that hold more than they have."""
    by_host: dict[str, list[FoundVm]] = {}
    for row in snapshot.rows:
        by_host.setdefault((row.vm.host or "").casefold(), []).append(row.vm)
    for key, vms in by_host.items():
        host = snapshot.hosts.get(key)
        pressed = _is_pressed(host, vms)
        for vm in vms:
            if vm.swapped_bytes or vm.ballooned_bytes:
                _check_reclaimed(vm, pressed, snapshot)
        if host is not None and host.memory_bytes is not None:
            _check_sums(host, vms, snapshot)


def _is_pressed(host: FoundHost | None, vms: list[FoundVm]) -> bool | None:
    """Return whether the host is short of memory; None where nothing tells."""
    if any(vm.ballooned_bytes and not _is_limited(vm) for vm in vms):
        return True
    if host is None or host.memory_bytes is None:
        return None
    used = host.used_bytes
    if used is None:
        consumed = [vm.consumed_bytes for vm in vms if vm.power is not Power.OFF and vm.consumed_bytes is not None]
        if not consumed:
            return None
        used = sum(consumed)
    return used >= PRESSURE_FRACTION * host.memory_bytes


def _is_limited(vm: FoundVm) -> bool:
    return vm.limit_bytes is not None and vm.configured_bytes is not None and vm.limit_bytes < vm.configured_bytes


def _check_reclaimed(vm: FoundVm, pressed: bool | None, snapshot: Snapshot) -> None:
    place = f'{vm.place}, "{vm.name}"'
    if _is_limited(vm):
        message = (
            "memory is swapped or ballooned, as the VM's own limit asks: no sign of a host that is short of memory"
        )
        snapshot.doubts.append(Note(place, message, "remove the limit unless it is meant"))
    elif vm.swapped_bytes and pressed is False:
        message = "memory is swapped and the host is not short of it: left over from an earlier shortage"
        snapshot.doubts.append(Note(place, message, "it stays swapped until the VM touches it, or restarts"))
    elif vm.swapped_bytes and pressed is None:
        message = "memory is swapped, and whether the host is short of it cannot be told"
        snapshot.doubts.append(Note(place, message, "export vHost with it"))


def _check_sums(host: FoundHost, vms: list[FoundVm], snapshot: Snapshot) -> None:
    assert host.memory_bytes is not None
    place = f'{host.place}, "{host.name}"'
    consumed = sum(vm.consumed_bytes or 0 for vm in vms)
    if consumed > host.memory_bytes:
        message = "the VMs of the host consume more memory than it has"
        remedy = f"{format_bytes(consumed)} of {format_bytes(host.memory_bytes)}; are both in MiB, and of one moment?"
        snapshot.doubts.append(Note(place, message, remedy))
    reserved = sum(vm.reservation_bytes or 0 for vm in vms if vm.power is Power.ON)
    if reserved > host.memory_bytes:
        message = "the VMs of the host have more memory reserved than it has"
        snapshot.doubts.append(Note(place, message, f"{format_bytes(reserved)} reserved"))
