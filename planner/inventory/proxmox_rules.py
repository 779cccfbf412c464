"""Placement rules of Proxmox HA: rules since version 9, groups before. What only prefers is left out, and said."""

import re
from collections.abc import Mapping
from typing import Any

from planner.inventory.dump_values import Values
from planner.inventory.found import Found, FoundRule, Note, RuleKind

Record = tuple[str, Mapping[str, Any]]
_PREFERENCE = "the rule only prefers hosts; it is left out"


def find_rules(
    found: Found, records: tuple[list[Record], list[Record], list[Record]], names: Mapping[str, str], hosts: set[str]
) -> None:
    """Add rules. Changes `found` in place.

    Parameters
    ----------
    found : Found
    records : tuple of lists
        HA rules, groups and resources, each with its place.
    names : Mapping
        Names of the VMs by number.
    hosts : set of str
        Known hosts.
    """
    rules, groups, resources = records
    seen = set()
    for place, item in rules:
        values = Values(item, place, found.doubts)
        name = values.text("rule") or place
        if name not in seen and not values.is_true("disable"):
            seen.add(name)
            _add_rule(values, name, names, hosts, found)
    members: dict[str, list[str]] = {}
    for _, item in resources:
        sid = str(item.get("sid"))
        sids = members.setdefault(str(item.get("group")), [])
        if sid not in sids:
            sids.append(sid)
    for place, item in groups:
        values = Values(item, place, found.doubts)
        name = values.text("group") or place
        if name in seen:
            continue
        seen.add(name)
        if not values.is_true("restricted"):
            found.skipped.append(Note(f"{place}, {name}", _PREFERENCE))
            continue
        vms = _vms(",".join(members.get(name, [])), names, f"{place}, {name}", found)
        _add_must_run_on(values, name, vms, hosts, found)


def _add_rule(values: Values, name: str, names: Mapping[str, str], hosts: set[str], found: Found) -> None:
    place = f"{values.place}, {name}"
    vms = _vms(values.text("resources") or "", names, place, found)
    kind = values.text("type")
    if kind == "node-affinity" and values.is_true("strict"):
        _add_must_run_on(values, name, vms, hosts, found)
    elif kind == "node-affinity":
        found.skipped.append(Note(place, _PREFERENCE))
    elif kind == "resource-affinity" and values.text("affinity") in ("positive", "negative"):
        is_together = values.text("affinity") == "positive"
        if len(vms) > 1:
            found.rules.append(FoundRule(RuleKind.TOGETHER if is_together else RuleKind.APART, name, place, vms))
        else:
            found.skipped.append(Note(place, "the rule has fewer than two known VMs; it is left out"))
    else:
        found.skipped.append(Note(place, "the rule is of an unknown kind; it is left out"))


def _add_must_run_on(values: Values, name: str, vms: tuple[str, ...], hosts: set[str], found: Found) -> None:
    place = f"{values.place}, {name}"
    # "node1:2,node2": a number is a priority, which only prefers.
    asked = [node.partition(":")[0].strip() for node in (values.text("nodes") or "").split(",")]
    known = tuple(node for node in asked if node in hosts)
    if not vms or not known:
        found.skipped.append(Note(place, "the rule has no known VM or no known host; it is left out"))
        return
    found.rules.append(FoundRule(RuleKind.MUST_RUN_ON, name, place, vms, known))


def _vms(text: str, names: Mapping[str, str], place: str, found: Found) -> tuple[str, ...]:
    numbers = re.findall(r"(?:^|[\s,])(?:vm:)?(\d+)(?=[\s,]|$)", text)
    known = tuple(names[number] for number in numbers if number in names)
    if len(known) < len([part for part in text.split(",") if part.strip()]):
        found.skipped.append(Note(place, "the rule names what is no known VM; the rule holds for the others"))
    return known
