"""Read KubeVirt: YAML or JSON of virtual machines, their instances, instance types and nodes, as kubectl gives them.

Read: VirtualMachine, VirtualMachineInstance, VirtualMachine(Cluster)Instancetype and Node, alone, in lists, or several
in a file. Not read: usage of memory, which is in none of them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from planner.config.yaml_source import parse_yaml
from planner.errors import ConfigError, InputError
from planner.inventory.dump_files import Dump, parse_json, read_dumps
from planner.inventory.found import Found, Note
from planner.inventory.kubevirt_objects import Key, KubeObject, KubevirtDump
from planner.inventory.kubevirt_records import fill_found
from planner.inventory.progress import Progress, no_progress

_EXPECTED = "expected kubectl get nodes,vm,vmi,virtualmachineclusterinstancetypes -A -o json"
_DOCUMENT_START = re.compile(r"^---(?=[ \t\r\n]|$)|^\.\.\.(?=[ \t\r\n]|$)", re.MULTILINE)
_IS_KUBERNETES = re.compile(r"^\s*(- )?(apiVersion|kind)\s*:", re.MULTILINE)
_MAX_LIST_DEPTH = 3
_MAX_NAME = 253
"""Longest name that Kubernetes takes."""


def read_kubevirt(sources: Sequence[Path], progress: Progress = no_progress) -> Found:
    """Read files and directories of Kubernetes objects.

    Raises
    ------
    InputError
        A file is broken, or none holds a VM.
    """
    found = Found(source=f"kubevirt: {', '.join(str(source) for source in sources)}", hypervisor="kvm")
    dump = KubevirtDump()
    for file in read_dumps(sources, found.skipped, progress):
        n_read = sum(_sort(item, place, dump, found) for place, item in _objects(file, found))
        if n_read:
            found.read[file.place] = n_read
        else:
            found.skipped.append(Note(file.place, "the file holds nothing of KubeVirt that is read", _EXPECTED))
    if not dump.vms and not dump.instances:
        raise InputError(", ".join(map(str, sources)), "holds no VMs of KubeVirt", _EXPECTED)
    fill_found(found, dump)
    return found


def _objects(file: Dump, found: Found) -> Iterator[tuple[str, Any]]:
    """List the objects of a file, those of lists one by one, each with its place."""
    documents = [("", parse_json(file))] if file.looks_like_json else _yaml_documents(file, found)
    for where, document in documents:
        yield from _unpack(document, f"{file.place}{where}", 0)


def _unpack(item: Any, place: str, depth: int) -> Iterator[tuple[str, Any]]:
    items = item.get("items") if isinstance(item, Mapping) else item
    if isinstance(items, list) and depth < _MAX_LIST_DEPTH:
        kind = str(item.get("kind", "")) if isinstance(item, Mapping) else ""
        for number, inner in enumerate(items, start=1):
            # In a VirtualMachineList the items need not say their kind.
            if isinstance(inner, Mapping) and "kind" not in inner and kind.endswith("List"):
                inner = {**inner, "kind": kind.removesuffix("List")}
            yield from _unpack(inner, f"{place}, item {number}", depth + 1)
    elif item is not None:
        yield place, item


def _yaml_documents(file: Dump, found: Found) -> Iterator[tuple[str, Any]]:
    if not file.is_named and not _IS_KUBERNETES.search(file.text):
        return
    line, start = 0, 0
    ends = [match.span() for match in _DOCUMENT_START.finditer(file.text)] + [(len(file.text), len(file.text))]
    for end, next_start in ends:
        text = file.text[start:end]
        if text.strip() and not text.lstrip().startswith("%"):  # "%YAML 1.2" before the first document
            yield f", line {line + 1}", _parse_document(text, file.place, line, found)
        line += file.text.count("\n", start, next_start)
        start = next_start


def _parse_document(text: str, place: str, first_line: int, found: Found) -> Any:
    try:
        raw = parse_yaml(text, place)
    except ConfigError as error:
        issue = error.issues[0]
        where = f"{place}, line {first_line + issue.line}" if issue.line else place
        hint = "is it cut off? Export it again, as JSON if it is large: kubectl get ... -o json"
        raise InputError(where, f"cannot be read as YAML: {issue.message}", hint) from None
    for issue in raw.issues:
        # A number with a leading zero is read as text: of file modes in cloud-init, not of memory.
        if "starts with a zero" not in issue.message:
            where = f"{place}, line {first_line + (issue.line or 1)}, {issue.path}"
            found.doubts.append(Note(where, f"{issue.message}; it is left out"[:200], "export it by kubectl"))
    return raw.values


def _sort(item: Any, place: str, dump: KubevirtDump, found: Found) -> bool:
    """Store an object by its kind; tell whether it is one that is read."""
    if not isinstance(item, Mapping):
        return False
    kind = str(item.get("kind", ""))[:60]
    into = dump.by_kind(kind)
    metadata = item.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    is_named = isinstance(name, str) and 0 < len(name.strip()) <= _MAX_NAME
    if into is None or not isinstance(metadata, Mapping) or not isinstance(name, str) or not is_named:
        text = f"objects of the kind {kind or 'unknown'} are not read" if into is None else "the object has no name"
        found.skipped.append(Note(place, text))
        return False
    namespace = metadata.get("namespace")
    key = Key(namespace if isinstance(namespace, str) else "", name)
    if key in into:
        found.skipped.append(Note(f"{place}, {kind} {name[:200]}", "the object is there twice; the first is used"))
    else:
        into[key] = KubeObject(key, f"{place}, {kind} {name[:200]}", item)
    return True
