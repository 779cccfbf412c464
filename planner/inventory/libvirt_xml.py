"""Domain XML of libvirt (`virsh dumpxml`): memory, its limits, and what keeps it from being overcommitted."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from planner.errors import InputError
from planner.inventory.dump_values import Values
from planner.inventory.found import Note
from planner.units import KIB, MAX_BYTES, MIB

_UNITS = {
    "b": 1, "bytes": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "k": KIB, "kib": KIB, "m": MIB, "mib": MIB, "g": 1024**3, "gib": 1024**3, "t": 1024**4, "tib": 1024**4,
}  # fmt: skip
UNLIMITED_BYTES = 2**53 * KIB - 4 * MIB
"""libvirt writes no limit as 2^53 - 1 KiB, older ones a little less."""


@dataclass(frozen=True)
class DomainXml:
    """A VM as its XML tells it. Memory in bytes.

    Attributes
    ----------
    current_bytes : int or None
        What the balloon leaves it.
    pinned_by : tuple of str
        Why its memory cannot be reclaimed: "locked", "on huge pages", "held by a device of the host".
    flavor_bytes : int or None
        Memory of its OpenStack flavor.
    is_running : bool
        Whether the XML is of a running VM; the persistent XML of a running VM does not say.
    """

    name: str
    place: str
    uuid: str | None
    configured_bytes: int
    current_bytes: int | None
    vcpus: int | None
    limit_bytes: int | None
    reservation_bytes: int | None
    pinned_by: tuple[str, ...]
    has_balloon_driver: bool | None
    group: str | None
    image: str | None
    flavor_bytes: int | None
    is_running: bool


def find_domains(roots: list[Element]) -> list[Element]:
    """Find the VMs among the elements of a file, which may be wrapped as in libvirt's own state files."""
    return [domain for root in roots for domain in ([root] if root.tag == "domain" else root.findall(".//domain"))]


def read_domain(domain: Element, file: str, doubts: list[Note]) -> DomainXml:
    """Read one VM.

    Raises
    ------
    InputError
        It has no name, or its memory cannot be read.
    """
    name = (domain.findtext("name") or "").strip()
    if not name:
        raise InputError(file, "a domain has no name", "expected the output of virsh dumpxml")
    place = f"{file}, domain {name[:200]}"
    configured = _memory(domain, "memory", place)
    if not configured:
        raise InputError(f"{place}, memory", "the VM has no memory", "expected the output of virsh dumpxml")
    limit = _memory(domain, "memtune/hard_limit", place)
    balloon = domain.find("devices/memballoon")
    nova = _local(domain.find("metadata"), "instance")
    return DomainXml(
        name=name,
        place=place,
        uuid=(domain.findtext("uuid") or "").strip() or None,
        configured_bytes=configured,
        current_bytes=_memory(domain, "currentMemory", place),
        vcpus=_vcpus(domain, place, doubts),
        limit_bytes=None if limit is None or limit >= UNLIMITED_BYTES else limit,
        reservation_bytes=_memory(domain, "memtune/min_guarantee", place),
        pinned_by=_pinned_by(domain),
        has_balloon_driver=None if balloon is None else balloon.get("model") != "none",
        group=_name_of(_local(_local(nova, "owner"), "project")),
        image=_attribute(_local(nova, "root"), "uuid"),
        flavor_bytes=_flavor_bytes(nova, place, doubts),
        is_running=domain.get("id") is not None,
    )


def _memory(domain: Element, path: str, place: str) -> int | None:
    element = domain.find(path)
    if element is None or not (element.text or "").strip():
        return None
    text = (element.text or "").strip()
    unit = element.get("unit", "KiB")
    scale = _UNITS.get(unit.lower())
    if scale is None:
        hint = "expected KiB, MiB, GiB or another unit of libvirt"
        raise InputError(f"{place}, {path}", f'unknown unit "{unit[:20]}"', hint)
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None
    is_limit = path.startswith("memtune")
    if number is None or (number * scale > MAX_BYTES and not is_limit):
        hint = "expected a whole number up to 1 EiB"
        raise InputError(f"{place}, {path}", f'"{text[:40]}" is no amount of memory', hint)
    return number * scale


def _vcpus(domain: Element, place: str, doubts: list[Note]) -> int | None:
    element = domain.find("vcpu")
    if element is None:
        return None
    values = {"vcpu": element.get("current") or (element.text or "").strip()}
    return Values(values, place, doubts).whole("vcpu", most=65_536)


def _pinned_by(domain: Element) -> tuple[str, ...]:
    reasons = {
        "locked": domain.find("memoryBacking/locked") is not None,
        "on huge pages": domain.find("memoryBacking/hugepages") is not None,
        # VFIO locks all guest memory, for the device may write anywhere.
        "held by a device of the host": any(
            device.get("type") in ("pci", "mdev") for device in domain.findall("devices/hostdev")
        ),
    }
    return tuple(reason for reason, is_so in reasons.items() if is_so)


def _flavor_bytes(nova: Element | None, place: str, doubts: list[Note]) -> int | None:
    memory = _local(_local(nova, "flavor"), "memory")
    values = {"flavor memory": (memory.text or "").strip() if memory is not None else None}
    return Values(values, place, doubts).memory("flavor memory", unit_bytes=MIB)


def _local(parent: Element | None, name: str) -> Element | None:
    """Find a child by its name in any namespace: their addresses have versions."""
    children = () if parent is None else parent
    return next((child for child in children if str(child.tag).rpartition("}")[2] == name), None)


def _name_of(element: Element | None) -> str | None:
    if element is None:
        return None
    return (element.text or "").strip() or element.get("uuid")


def _attribute(element: Element | None, name: str) -> str | None:
    return None if element is None else element.get(name)
