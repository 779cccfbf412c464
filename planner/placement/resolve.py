"""Rules of a config -> sets of VM names, and everything that is wrong with them for this fleet.

Patterns and groups are looked up, sets that contradict each other are named with both places. Nothing is placed here.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from planner.config.placement_rules import PlacementRulesSpec, VmSetSpec
from planner.config.suggest import nearest_name
from planner.errors import Issue
from planner.placement.rules import NamedSet, PlacementRules, RunOn
from planner.workload.fleet import VmTable

_SECTION = "placement_rules"
_NAMED = 3


class ResolvedRules(NamedTuple):
    """Rules of a fleet; what is wrong with them, and what is harmless but probably not meant."""

    rules: PlacementRules
    issues: tuple[Issue, ...]
    warnings: tuple[str, ...]


def resolve_rules(spec: PlacementRulesSpec, vms: VmTable, host_names: Sequence[str]) -> ResolvedRules:
    """Look up the VMs and hosts that rules name, and find contradictions.

    Parameters
    ----------
    vms : VmTable
        The whole fleet, without clones.
    host_names : sequence of str
        All hosts of the fleet.
    """
    lookup = _Lookup(vms, host_names)
    together = [found for i, item in enumerate(spec.affinity) for found in lookup.sets(item, f"affinity[{i}]")]
    apart = [found for i, item in enumerate(spec.anti_affinity) for found in lookup.sets(item, f"anti_affinity[{i}]")]
    run_on = [
        RunOn(found.place, found.vms, hosts)
        for i, item in enumerate(spec.must_run_on)
        for hosts in [lookup.hosts(item.hosts, f"{_SECTION}.must_run_on[{i}].hosts")]
        for found in lookup.sets(item, f"must_run_on[{i}]")
    ]
    rules = PlacementRules(tuple(together), tuple(apart), tuple(run_on))
    warnings = [
        f"{rule.place}: {next(iter(rule.vms))} is alone in its set, so the rule means nothing"
        for rule in (*together, *apart)
        if len(rule.vms) == 1
    ]
    issues = lookup.issues or find_contradictions(rules, host_names)
    return ResolvedRules(rules, tuple(issues), tuple(warnings))


class _Lookup:
    """Finds names, and collects what it does not find."""

    def __init__(self, vms: VmTable, host_names: Sequence[str]) -> None:
        self.issues: list[Issue] = []
        self._vms = vms.names
        self._groups: dict[str, list[str]] = {}
        self._hosts = host_names
        for name, group in zip(vms.names, vms.groups, strict=True):
            if group is not None:
                self._groups.setdefault(group, []).append(name)

    def sets(self, spec: VmSetSpec, key: str) -> list[NamedSet]:
        place = f"{_SECTION}.{key}"
        if spec.group is not None:
            groups = self._matching(spec.group, sorted(self._groups), "tenant group", f"{place}.group")
            return [NamedSet(place, frozenset(self._groups[group])) for group in groups]
        named = [
            name
            for position, pattern in enumerate(spec.vms)
            for name in self._matching(pattern, self._vms, "VM", f"{place}.vms[{position}]")
        ]
        return [NamedSet(place, frozenset(named))] if named else []

    def hosts(self, patterns: Iterable[str], place: str) -> frozenset[str]:
        return frozenset(
            name
            for position, pattern in enumerate(patterns)
            for name in self._matching(pattern, self._hosts, "host", f"{place}[{position}]")
        )

    def _matching(self, pattern: str, names: Sequence[str], kind: str, place: str) -> list[str]:
        wanted = re.compile(".*".join(re.escape(part) for part in pattern.split("*")))
        found = [name for name in names if wanted.fullmatch(name)]
        if not found:
            nearest = nearest_name(pattern, names)
            guess = f'did you mean "{nearest}"?' if nearest else f"write the name of a {kind}; * stands for any text"
            self.issues.append(Issue(place, f'there is no {kind} "{pattern}"', guess))
        return found


def find_contradictions(rules: PlacementRules, host_names: Sequence[str]) -> list[Issue]:
    """Find rules that no placement can keep together; each issue stands at one rule and names the other."""
    label, places = join_sets(rules.together)
    return [
        *_apart_and_together(rules, label, places),
        *_nowhere_to_run(rules, label, places, host_names),
        *_too_many_apart(rules, label, host_names),
    ]


def join_sets(together: Iterable[NamedSet]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Give VMs that sets link the same label, their first name, and list the places of the sets behind each label."""
    label: dict[str, str] = {}
    places: dict[str, list[str]] = {}
    for rule in together:
        old = {label.get(name, name) for name in rule.vms}
        new = min(old)
        linked = sorted({place for name in old for place in places.pop(name, [])} | {rule.place})
        for name in {*rule.vms, *(name for name, of in label.items() if of in old)}:
            label[name] = new
        places[new] = linked
    return label, places


def _apart_and_together(rules: PlacementRules, label: dict[str, str], places: dict[str, list[str]]) -> list[Issue]:
    issues = []
    for rule in rules.apart:
        by_label: dict[str, list[str]] = {}
        for name in sorted(rule.vms):
            by_label.setdefault(label.get(name, name), []).append(name)
        for key, names in sorted(by_label.items()):
            if len(names) > 1:
                message = f"{_listed(names)} must be apart and, by {' and '.join(places[key])}, on one host"
                issues.append(Issue(rule.place, message, "take one of them out of one of the rules"))
    return issues


def _nowhere_to_run(
    rules: PlacementRules, label: dict[str, str], places: dict[str, list[str]], host_names: Sequence[str]
) -> list[Issue]:
    allowed: dict[str, tuple[frozenset[str], list[str]]] = {}
    issues: dict[tuple[str, str], Issue] = {}
    for rule in rules.run_on:
        for name in sorted(rule.vms):
            key = label.get(name, name)
            hosts, behind = allowed.get(key, (frozenset(host_names), []))
            left = hosts & rule.hosts
            if hosts and not left:
                why = [*behind, *places.get(key, [])]
                message = f"leaves no host for {name} beside {' and '.join(dict.fromkeys(why))}"
                hint = "let the rules have a host in common, or take the VM out of one"
                issues.setdefault((rule.place, key), Issue(rule.place, message, hint))
            allowed[key] = (left, [*behind, rule.place])
    return list(issues.values())


def _too_many_apart(rules: PlacementRules, label: dict[str, str], host_names: Sequence[str]) -> list[Issue]:
    hosts_of: dict[str, frozenset[str]] = {}
    for run_on in rules.run_on:
        for name in run_on.vms:
            key = label.get(name, name)
            hosts_of[key] = hosts_of.get(key, frozenset(host_names)) & run_on.hosts
    issues = []
    for rule in rules.apart:
        keys = {label.get(name, name) for name in rule.vms}
        hosts = {host for key in keys for host in hosts_of.get(key, frozenset(host_names))}
        if len(keys) > len(hosts) > 0:
            message = f"{len(rule.vms)} VMs must be on hosts of their own, and there are {len(hosts)} for them"
            issues.append(Issue(rule.place, message, "add hosts, or keep fewer VMs apart"))
    return issues


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    shown = ", ".join(names[:_NAMED]) if more or len(names) != 2 else " and ".join(names)
    return shown + more
