"""Objects of Kubernetes by kind, and quantities in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from planner.errors import InputError
from planner.inventory.dump_values import Values
from planner.inventory.found import Note
from planner.inventory.kube_quantities import parse_quantity, round_up
from planner.units import MAX_BYTES


class Key(NamedTuple):
    """Namespace, empty where there is none, and name."""

    namespace: str
    name: str


class KubeObject(NamedTuple):
    """An object as it is, and where it was read."""

    key: Key
    place: str
    raw: Mapping[str, Any]


@dataclass
class KubevirtDump:
    """Objects by kind."""

    vms: dict[Key, KubeObject] = field(default_factory=dict)
    instances: dict[Key, KubeObject] = field(default_factory=dict)
    types: dict[Key, KubeObject] = field(default_factory=dict)
    nodes: dict[Key, KubeObject] = field(default_factory=dict)

    def by_kind(self, kind: str) -> dict[Key, KubeObject] | None:
        """Find where objects of a kind are kept; None for kinds that are not."""
        return {
            "VirtualMachine": self.vms,
            "VirtualMachineInstance": self.instances,
            "VirtualMachineInstancetype": self.types,
            "VirtualMachineClusterInstancetype": self.types,
            "Node": self.nodes,
        }.get(kind)


def read_memory(values: Values, key: str) -> int | None:
    """Read an amount of memory, in bytes; None where it is missing.

    Raises
    ------
    InputError
        It is there and cannot be read.
    """
    _, value = values.first(key)
    if value is None:
        return None
    try:
        number = parse_quantity(value)
    except ValueError as error:
        raise InputError(f"{values.place}, {key}", str(error), 'expected e.g. "4Gi" or "4096M"') from None
    if not 0 <= number <= MAX_BYTES:
        raise InputError(f"{values.place}, {key}", f"{str(value)[:40]} is no amount of memory", "expected up to 1 EiB")
    return round_up(number)


def read_cpus(values: Values, key: str) -> int | None:
    """Read a number of CPUs, rounded up; what cannot be read becomes a doubt."""
    _, value = values.first(key)
    if value is None:
        return None
    try:
        number = parse_quantity(value)
    except ValueError as error:
        values.doubts.append(Note(f"{values.place}, {key}", f"{error}; it is taken as unknown"))
        return None
    return round_up(number) if 0 < number <= 65_536 else None
