"""Read dumps of the Proxmox VE API, as `pvesh get PATH --output-format json` or HTTP give them.

Read: cluster resources and status, lists of nodes, status of nodes, status and config of VMs, HA groups, resources and
rules. What a dump is of is told by its content; of which node or VM, where the content does not say, by its path
(`nodes/pve-1/qemu/100/config.json`, `100.config.json`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from planner.errors import InputError
from planner.inventory.dump_files import parse_json, read_dumps
from planner.inventory.dump_values import Values
from planner.inventory.found import Found, Note
from planner.inventory.moments import check_one_moment
from planner.inventory.progress import Progress, no_progress
from planner.inventory.proxmox_records import ProxmoxDump, fill_found

_EXPECTED = "expected at least: pvesh get /cluster/resources --output-format json"
_NUMBER = re.compile(r"(?:^|[^0-9A-Za-z])([1-9][0-9]{2,8})(?=[^0-9A-Za-z]|$)")
_IGNORED = ("storage", "sdn", "network", "pool")


class Answer(NamedTuple):
    """What the API answered. `path`: that of the API or of the file, for what the content does not say."""

    path: str
    place: str
    data: Any


def read_proxmox(sources: Sequence[Path], progress: Progress = no_progress) -> Found:
    """Read files and directories of dumps, with or without the envelope {"data": ...}.

    Raises
    ------
    InputError
        A file is broken, two clusters are mixed, or none holds a VM.
    """
    found = Found(source=f"proxmox: {', '.join(str(source) for source in sources)}", hypervisor="proxmox")
    answers: list[Answer] = []
    for dump in read_dumps(sources, found.skipped, progress):
        if not dump.looks_like_json:
            if dump.is_named:
                raise InputError(dump.place, "is not JSON", _EXPECTED)
            found.skipped.append(Note(dump.place, "the file is not JSON"))
            continue
        # A named file's directories may tell its node, too.
        path = dump.path.as_posix() if dump.is_named else "/".join(dump.parts)
        answers.append(Answer(path.removesuffix(".json"), dump.place, parse_json(dump)))
    fill_from_answers(found, answers)
    if not found.vms:
        raise InputError(", ".join(map(str, sources)), "holds no VMs of Proxmox", _EXPECTED)
    return found


def fill_from_answers(found: Found, answers: list[Answer]) -> None:
    """Sort answers of the API and turn them into hosts, VMs and rules. Changes `found` in place."""
    dump = ProxmoxDump()
    # Lists first: they name the nodes by which paths are understood.
    answers = [inner for answer in answers for inner in _unpack(answer)]
    for answer in sorted(answers, key=lambda answer: not isinstance(answer.data, list)):
        n_records = _sort(answer, dump, found)
        if n_records:
            found.read[answer.place] = n_records
        elif n_records is None:
            found.skipped.append(Note(answer.place, "the file holds nothing of Proxmox that is read", _EXPECTED))
    fill_found(found, dump)


def _unpack(answer: Answer) -> Iterator[Answer]:
    """Take the envelope off; split a file that holds several answers by their paths."""
    data = answer.data
    if isinstance(data, Mapping) and data and all(key.startswith("/") for key in data):
        for path, inner in data.items():
            yield from _unpack(Answer(path, f"{answer.place}, {path}", inner))
    elif isinstance(data, Mapping) and "data" in data and set(data) <= {"data", "errors", "message", "success"}:
        yield answer._replace(data=data["data"])
    else:
        yield answer


def _sort(answer: Answer, dump: ProxmoxDump, found: Found) -> int | None:
    """Store an answer by what it is of; count its records, None where it is nothing that is read."""
    data, place = answer.data, answer.place
    if isinstance(data, list):
        return _sort_list(answer, dump, found)
    if not isinstance(data, Mapping):
        return None
    if isinstance(data.get("memory"), Mapping):
        node = _node_of(answer.path, dump)
        if node is None:
            remedy = "name the file nodes/NODE/status.json"
            found.skipped.append(Note(place, "it is not known which node the status is of", remedy))
            return 0
        dump.node_status.setdefault(node, (place, data))
        return 1
    is_status = _is_number(data.get("vmid")) and ("status" in data or "qmpstatus" in data) and not _is_container(data)
    is_config = "digest" in data and ("memory" in data or "cores" in data) and "rootfs" not in data
    if is_status or is_config:
        return _add_vm(answer, data.get("vmid"), dump.vm_status if is_status else dump.vm_config, found)
    return _sort_list(answer._replace(data=[data]), dump, found)


def _sort_list(answer: Answer, dump: ProxmoxDump, found: Found) -> int | None:
    n_read = n_ignored = 0
    node = _node_of(answer.path, dump)
    for number, item in enumerate(answer.data, start=1):
        place = f"{answer.place}, item {number}"
        if not isinstance(item, Mapping):
            continue
        if item.get("type") in _IGNORED:
            n_ignored += 1
        elif _sort_item(item, place, node, dump):
            n_read += 1
    if n_read and n_read + n_ignored < len(answer.data):
        n_other = len(answer.data) - n_read - n_ignored
        found.skipped.append(Note(f"{answer.place}: {n_other} items", "items of unknown kind are left out"))
    return n_read if n_read or n_ignored or answer.data == [] else None


def _sort_item(item: Mapping[str, Any], place: str, node: str | None, dump: ProxmoxDump) -> bool:
    kind = item.get("type")
    if "rule" in item and "resources" in item:
        dump.rules.append((place, item))
    elif "sid" in item and "group" in item:
        dump.ha_resources.append((place, item))
    elif "group" in item and "nodes" in item:
        dump.ha_groups.append((place, item))
    elif kind == "cluster" and "name" in item:
        dump.cluster_names.append(str(item["name"]))
    elif kind == "node" and _is_name(item.get("node") or ("nodeid" in item and item.get("name"))):
        dump.nodes.append((place, item))
    elif kind in ("qemu", "lxc") and _is_number(item.get("vmid")) and ("maxmem" in item or "node" in item):
        dump.guests.append((place, {"node": node, **item}))
    elif kind is None and _is_number(item.get("vmid")) and "maxmem" in item:
        # /nodes/NODE/qemu and /nodes/NODE/lxc
        dump.guests.append((place, {"node": node, "type": "lxc" if _is_container(item) else "qemu", **item}))
    else:
        return False
    return True


def _is_number(value: Any) -> bool:
    text = str(value) if isinstance(value, (int, str)) else ""
    return text.isascii() and text.isdigit() and len(text) <= 20


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 253


def _is_container(item: Mapping[str, Any]) -> bool:
    """Tell a container from a VM: only containers have swap of their own."""
    return item.get("type") == "lxc" or "maxswap" in item


def _add_vm(answer: Answer, vmid: Any, into: dict[str, tuple[str, Mapping[str, Any], str | None]], found: Found) -> int:
    numbers = _NUMBER.findall(answer.path)
    known = str(vmid) if _is_number(vmid) else (numbers[-1] if numbers else None)
    if known is None:
        remedy = "name the file nodes/NODE/qemu/ID/config.json"
        found.skipped.append(Note(answer.place, "it is not known which VM the file is of", remedy))
        return 0
    if known in into:
        place, data, _ = into[known]
        check_one_moment(
            (place, Values(data, place, found.doubts).whole("uptime")),
            (answer.place, Values(answer.data, answer.place, found.doubts).whole("uptime")),
        )
        found.skipped.append(Note(answer.place, "the VM is there twice; the first is used"))
        return 0
    node = re.search(r"nodes/([^/]+)/", answer.path)
    into[known] = (answer.place, answer.data, node[1] if node else None)
    return 1


def _node_of(path: str, dump: ProxmoxDump) -> str | None:
    """Tell the node that a path is of: the one after "nodes/", or the only known one whose name is in it."""
    if after := re.search(r"(?:^|/)nodes/([^/]+)", path):
        return after[1]
    known = {str(item.get("node") or item.get("name")) for _, item in dump.nodes}
    words = {path, *path.split("/")[-2:]}
    near = [name for name in known if name in path]
    inside = [name for name in near if any(re.search(rf"(^|[-_. /]){re.escape(name)}([-_. /]|$)", w) for w in words)]
    if len(inside) == 1:
        return inside[0]
    return next(iter(known)) if len(known) == 1 else None
