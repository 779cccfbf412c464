"""Server groups of Nova as placement rules. Soft policies are wishes: they are left out, and said."""

from collections.abc import Mapping
from typing import Any

from planner.inventory.dump_values import Values
from planner.inventory.found import Found, FoundRule, FoundVm, Note, RuleKind
from planner.inventory.openstack_dump import OpenstackDump


def add_rules(dump: OpenstackDump, servers: Mapping[str, FoundVm], found: Found) -> None:
    """Add rules. Changes `found` in place.

    Parameters
    ----------
    dump : OpenstackDump
    servers : Mapping
        VMs by ID.
    found : Found
    """
    for place, item in dump.groups:
        values = Values(item, place, found.doubts)
        name = values.text("name", "Name", "id", "ID") or place
        policy = _words(values.first("policy", "Policy", "policies", "Policies")[1])
        members = _words(values.first("members", "Members")[1])
        vms = tuple(servers[uuid].name for uuid in members if uuid in servers)
        limit = values.section("rules", "Rules").whole("max_server_per_host")
        if len(vms) < len(members):
            found.skipped.append(Note(f"{place}, {name}", "the group has members that are no known server"))
        if policy not in (["affinity"], ["anti-affinity"]):
            text = f"the policy {' '.join(policy)[:60]} is a wish; it is left out"
            found.skipped.append(Note(f"{place}, {name}", text))
        elif limit is not None and limit > 1:
            text = "a group that allows several servers on a host has no rule that fits; it is left out"
            found.skipped.append(Note(f"{place}, {name}", text))
        elif len(vms) > 1:
            kind = RuleKind.TOGETHER if policy == ["affinity"] else RuleKind.APART
            found.rules.append(FoundRule(kind, name, f"{place}, {name}", vms))


def _words(value: Any) -> list[str]:
    """Read a list, or text that lists with commas."""
    items = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return [str(item).strip() for item in items if str(item).strip()]
