"""Hosts for VMs of which the source names none: enough of one kind to hold them all without overcommit."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from planner.config.catalog import hypervisor_preset_names
from planner.errors import InputError
from planner.inventory.cpu_models import DEFAULT_CPU
from planner.units import GIB, format_bytes, format_bytes_exact
from planner.workload.fleet_records import VmRecord

DEFAULT_MEMORY_BYTES = 512 * GIB
_BYTES_PER_CORE = 8 * GIB
_MOST_OF_HOST = 0.85
"""Share of a host that its VMs may take: the rest is room for the hypervisor, overhead and what does not fit."""


class AssumedHosts(NamedTuple):
    """What the user says of hosts that the source does not name; None is assumed."""

    hypervisor: str
    memory_bytes: int | None = None
    cores: int | None = None

    @classmethod
    def stated(cls, hypervisor: str, memory_bytes: int | None, cores: int | None) -> "AssumedHosts":
        """Check what was stated. Raises InputError where there is no such hypervisor."""
        if hypervisor not in hypervisor_preset_names():
            known = ", ".join(hypervisor_preset_names())
            raise InputError("--hypervisor", f'there is no preset "{hypervisor}"', f"known: {known}")
        return cls(hypervisor, memory_bytes, cores)

    def entry(self, vms: Sequence[VmRecord]) -> tuple[dict[str, Any], str]:
        """Return the entry of a config's `fleet.hosts`, and the sentence that says what was assumed."""
        memory = self.memory_bytes or _memory_for(vms)
        cores = self.cores or max(1, round(memory / _BYTES_PER_CORE))
        count = math.ceil(sum(vm.configured_bytes for vm in vms) / (_MOST_OF_HOST * memory)) + 1
        entry = {
            "name": "host", "count": count, "memory": format_bytes_exact(memory), "cores": cores, "cpu": DEFAULT_CPU,
            "swap": "nvme",
        }  # fmt: skip
        stated = "as stated" if self.memory_bytes else "an assumption: --host-memory says otherwise"
        text = (
            f"the source names no hosts: the config has {count} with {format_bytes(memory)}, {cores} cores and "
            f"{self.hypervisor} ({stated}), enough to hold all VMs without overcommit"
        )
        return entry, text


def _memory_for(vms: Sequence[VmRecord]) -> int:
    memory = DEFAULT_MEMORY_BYTES
    while max(vm.configured_bytes for vm in vms) > _MOST_OF_HOST * memory:
        memory *= 2
    return memory
