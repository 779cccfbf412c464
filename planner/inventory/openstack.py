"""Read OpenStack: JSON of its command line (`openstack ... -f json`) and of the Nova and placement APIs.

Read: hypervisors, servers, flavors, aggregates, server groups; of placement resource providers, their inventory and
usage, and allocations. What a file holds is told by its content; which provider or server an inventory, usage or
allocation is of, by the ID or name in its path.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from planner.errors import InputError
from planner.inventory.dump_files import Dump, parse_json, read_dumps
from planner.inventory.found import Found, Note
from planner.inventory.openstack_dump import OpenstackDump
from planner.inventory.openstack_records import fill_found
from planner.inventory.progress import Progress, no_progress

_EXPECTED = "expected openstack server list --all-projects --long, hypervisor list --long, flavor list --all, -f json"
_LISTS = (
    "hypervisors", "servers", "flavors", "aggregates", "server_groups", "resource_providers",
    "hypervisor", "server", "flavor", "aggregate", "server_group",
)  # fmt: skip


def read_openstack(sources: Sequence[Path], progress: Progress = no_progress) -> Found:
    """Read files and directories of JSON.

    Raises
    ------
    InputError
        A file is broken, or none holds a server or hypervisor.
    """
    found = Found(source=f"openstack: {', '.join(str(source) for source in sources)}", hypervisor="kvm")
    dump = OpenstackDump()
    for file in read_dumps(sources, found.skipped, progress):
        if not file.looks_like_json:
            if file.is_named:
                raise InputError(file.place, "is not JSON", f"add -f json to the command; {_EXPECTED}")
            found.skipped.append(Note(file.place, "the file is not JSON"))
            continue
        n_records = _sort_file(file, parse_json(file), dump, found)
        if n_records:
            found.read[file.place] = n_records
        else:
            found.skipped.append(Note(file.place, "the file holds nothing of OpenStack that is read", _EXPECTED))
    if not dump.servers and not dump.hypervisors and not dump.flavors:
        raise InputError(", ".join(map(str, sources)), "holds no servers, hypervisors or flavors", _EXPECTED)
    fill_found(found, dump)
    return found


def _sort_file(file: Dump, data: Any, dump: OpenstackDump, found: Found) -> int:
    """Store what a file holds; count its records."""
    path = "/".join(file.parts)
    if isinstance(data, Mapping):
        placement = _of_placement(data, path, file.place, dump)
        if placement is not None:
            return placement
        if any(key.endswith("_links") and data[key] for key in data):
            text = "the answer has further pages that are not there: servers or hosts are missing"
            found.doubts.append(Note(file.place, text, "export all pages, e.g. by the command line"))
    items = list(_items(data))
    n_read = sum(_sort_item(item, f"{file.place}, item {n}", path, dump) for n, item in enumerate(items, start=1))
    if n_read and n_read < len(items):
        n_other = len(items) - n_read
        found.skipped.append(Note(f"{file.place}: {n_other} items", "items of unknown kind are left out"))
    return n_read


def _items(data: Any) -> Iterator[Any]:
    """List records: of a list, of the API's envelopes, or the only one."""
    if isinstance(data, list):
        yield from data
        return
    inner = [data[key] for key in _LISTS if isinstance(data, Mapping) and isinstance(data.get(key), (list, Mapping))]
    is_envelope = len(inner) == 1 and len(data) <= 2
    if not is_envelope:
        yield data
    elif isinstance(inner[0], list):
        yield from inner[0]
    else:
        yield inner[0]


def _of_placement(data: Mapping[str, Any], path: str, place: str, dump: OpenstackDump) -> int | None:
    """Store an answer of the placement API; None where it is none."""
    for key, into in (("inventories", dump.inventories), ("usages", dump.usages), ("allocations", dump.allocations)):
        inner = data.get(key)
        if isinstance(inner, Mapping):
            into.append((path, place, inner))
            return max(1, len(inner))
    return None


def _sort_item(item: Any, place: str, path: str, dump: OpenstackDump) -> bool:
    """Store one record by its keys, of the command line's or the API's spelling."""
    if not isinstance(item, Mapping):
        return False
    if "resource_class" in item:
        into = dump.inventories if "total" in item or "allocation_ratio" in item else dump.usages
        usage = item if into is dump.inventories else item.get("usage")
        into.append((path, place, {str(item["resource_class"]): usage}))
    elif "resource_provider" in item and isinstance(item.get("resources"), Mapping):
        dump.allocations.append((path, place, {str(item["resource_provider"]): item}))
    elif "Hypervisor Hostname" in item or "hypervisor_hostname" in item:
        dump.hypervisors.append((place, item))
    elif _is_server(item):
        dump.servers.append((place, item))
    elif {"ram", "vcpus"} <= set(item) or {"RAM", "VCPUs"} <= set(item):
        dump.flavors.append((place, item))
    elif re.search("members", " ".join(item), re.IGNORECASE) and re.search("polic", " ".join(item), re.IGNORECASE):
        dump.groups.append((place, item))
    elif {"uuid", "name", "generation"} <= set(item):
        dump.providers[str(item["uuid"])] = str(item["name"])
    elif "availability_zone" in item or "Availability Zone" in item:
        dump.aggregates.append((place, item))
    else:
        return False
    return True


def _is_server(item: Mapping[str, Any]) -> bool:
    has_flavor = any(key in item for key in ("flavor", "Flavor", "Flavor Name", "Flavor ID"))
    return ("status" in item or "Status" in item) and (has_flavor or "Networks" in item or "addresses" in item)
