"""What looks wrong in an inventory, whatever it came from: figures of VMs and hosts that do not go together.

Says it, and changes nothing.
"""

from collections import Counter, defaultdict

from planner.inventory.found import Found, FoundHost, FoundVm, Note, Power
from planner.units import format_bytes

PRESSURE_FRACTION = 0.9
"""Share of a host's memory in use from which on reclaim is to be expected; Proxmox alone begins at 80 %."""


def find_suspicions(found: Found) -> list[Note]:
    """List what looks wrong with VMs and hosts.

    Parameters
    ----------
    found : Found
        What a reader found, complete.
    """
    hosts = {host.name: host for host in found.hosts}
    notes: list[Note] = []
    running: dict[str, list[FoundVm]] = defaultdict(list)
    for vm in found.vms:
        notes += _of_vm(vm, hosts.get(vm.host or ""))
        if vm.host and vm.power is Power.ON:
            running[vm.host].append(vm)
        if vm.host and vm.host not in hosts:
            notes.append(Note(vm.place, "runs on a host that is not among the files", f"add the dumps of {vm.host}"))
    for host in found.hosts:
        notes += _of_host(host, running[host.name])
    counts = Counter(vm.name for vm in found.vms)
    text = "the rule names a VM whose name several have"
    notes += [
        Note(f"{rule.place}, {rule.name}", text, "give VMs names of their own")
        for rule in found.rules
        if any(counts[name] > 1 for name in rule.vms)
    ]
    return notes


def has_room(host: FoundHost | None) -> bool:
    """Tell whether a host is known to have memory to spare: nothing need be reclaimed on it."""
    if host is None or not host.memory_bytes or host.used_bytes is None:
        return False
    return host.used_bytes < PRESSURE_FRACTION * host.memory_bytes


def _of_vm(vm: FoundVm, host: FoundHost | None) -> list[Note]:
    notes = []
    size = vm.configured_bytes
    above = {
        "the guest uses more memory than it was given": vm.used_bytes,
        "more of its memory is active than it was given": vm.active_bytes,
        "its reservation is above its memory": vm.reservation_bytes,
    }
    notes += [
        Note(f"{vm.place}: {format_bytes(value)} of {format_bytes(size)}", text, "check the VM's settings")
        for text, value in above.items()
        if size is not None and value is not None and value > size
    ]
    if size is not None and vm.limit_bytes is not None and vm.limit_bytes < size:
        text = "its limit is below its memory: the rest can never be backed"
        notes.append(
            Note(f"{vm.place}: {format_bytes(vm.limit_bytes)} of {format_bytes(size)}", text, "raise the limit")
        )
    if vm.ballooned_bytes and has_room(host):
        text = "memory is ballooned although the host has room"
        notes.append(Note(vm.place, text, "was it set by hand below the maximum, or is it left from a shortage?"))
    if vm.swapped_bytes and has_room(host):
        text = "memory is swapped out although the host has room"
        notes.append(Note(vm.place, text, "it is left from a past shortage, or a limit of this VM forces it"))
    return notes


def _of_host(host: FoundHost, running: list[FoundVm]) -> list[Note]:
    notes = []
    memory = host.memory_bytes
    consumed = sum(vm.consumed_bytes or 0 for vm in running)
    if memory is not None and consumed > memory:
        place = f"{host.place}: {format_bytes(consumed)} of {format_bytes(memory)}"
        text = "its VMs consume more memory than it has, by the sum of theirs"
        notes.append(Note(place, text, "pages that VMs share count in each; are the dumps of one moment?"))
    if memory is not None and host.used_bytes is not None and host.used_bytes > memory:
        notes.append(Note(host.place, "more memory is in use than it has", "export it again"))
    if memory is not None and host.reserved_bytes is not None and host.reserved_bytes > memory:
        notes.append(Note(host.place, "more memory is reserved than it has", "check its settings"))
    if host.n_vms is not None and host.vm_memory_is_of_running and host.n_vms != len(running):
        text = "its own number of VMs is not that of the VMs found on it"
        notes.append(Note(f"{host.place}: {host.n_vms} and {len(running)}", text, "is the list of VMs complete?"))
    return notes
