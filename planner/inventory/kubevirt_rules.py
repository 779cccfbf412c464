"""Node selectors and affinities of VMs as placement rules, where they say exactly that; the others are noted.

What is only preferred, spreads over anything but hosts, or depends on objects that are not there is left out.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from planner.inventory.dump_values import Values
from planner.inventory.found import Found, FoundRule, Note, RuleKind

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_HOSTNAME = "kubernetes.io/hostname"
_WHOLE = re.compile(r"-?[0-9]{1,20}")
MAX_PAIRS = 200
"""Rules of a VM with each of others; more are left out."""


class Scheduled(NamedTuple):
    """A VM as the scheduler sees it."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    spec: Values


class _Index(NamedTuple):
    """VMs by namespace and label, so that not every selector looks at every VM."""

    vms: list[Scheduled]
    by_label: Mapping[tuple[str, str, str], set[int]]
    by_namespace: Mapping[str, set[int]]


def find_rules(found: Found, vms: list[Scheduled], nodes: Mapping[str, Mapping[str, str]]) -> None:
    """Add rules. Changes `found` in place.

    Parameters
    ----------
    found : Found
    vms : list of Scheduled
    nodes : Mapping
        Labels of the nodes by name.
    """
    hosts_of: dict[tuple[str, ...], list[str]] = defaultdict(list)
    known: dict[str, tuple[str, ...]] = {}
    for vm in vms:
        hosts = _hosts(vm, nodes, known, found)
        if hosts is not None and len(hosts) < len(nodes):
            hosts_of[hosts].append(vm.name)
        _note_soft(vm, found)
    for hosts, names in hosts_of.items():
        name = f"node selector of {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        found.rules.append(FoundRule(RuleKind.MUST_RUN_ON, name, name, tuple(names), hosts))
    index = _index(vms)
    for key, kind in (("podAffinity", RuleKind.TOGETHER), ("podAntiAffinity", RuleKind.APART)):
        _add_affinities(key, kind, index, found)


def _hosts(
    vm: Scheduled, nodes: Mapping[str, Mapping[str, str]], known: dict[str, tuple[str, ...]], found: Found
) -> tuple[str, ...] | None:
    """List the nodes that a VM may run on; None where it may run anywhere. `known`: answers so far, by question."""
    selector = vm.spec.section("nodeSelector").raw
    affinity = vm.spec.section("affinity").section("nodeAffinity").section(_REQUIRED)
    terms = affinity.items("nodeSelectorTerms")
    if not selector and not terms:
        return None
    if not nodes:
        text = "it is bound to nodes, but no file holds nodes; the rule is left out"
        found.skipped.append(Note(vm.spec.place, text, "add kubectl get nodes -o json"))
        return None
    question = json.dumps([dict(selector), terms], sort_keys=True, default=str)
    if question not in known:
        inside = [name for name, labels in nodes.items() if all(labels.get(k) == str(v) for k, v in selector.items())]
        if terms:
            inside = [name for name in inside if any(_matches_term(term, name, nodes[name]) for term in terms)]
        known[question] = tuple(sorted(inside))
    if not known[question]:
        found.doubts.append(Note(vm.spec.place, "it is bound to nodes that are not there; the rule is left out"))
        return None
    return known[question]


def _matches_term(term: Any, name: str, labels: Mapping[str, str]) -> bool:
    """Match as the scheduler does: all expressions must hold, and a term without any matches nothing."""
    if not isinstance(term, Mapping):
        return False
    expressions = [(item, labels) for item in _list(term.get("matchExpressions"))]
    expressions += [(item, {"metadata.name": name}) for item in _list(term.get("matchFields"))]
    return bool(expressions) and all(_matches(item, values) for item, values in expressions)


def _matches(expression: Any, labels: Mapping[str, str]) -> bool:
    if not isinstance(expression, Mapping):
        return False
    key, operator = str(expression.get("key")), expression.get("operator")
    values = [str(value) for value in _list(expression.get("values"))]
    value = labels.get(key)
    if operator in ("Gt", "Lt"):
        numbers = [text for text in (value, *values) if text is not None and _WHOLE.fullmatch(text)]
        if len(numbers) != 2:
            return False
        return int(numbers[0]) > int(numbers[1]) if operator == "Gt" else int(numbers[0]) < int(numbers[1])
    return {
        "In": value is not None and value in values,
        "NotIn": value is None or value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }.get(str(operator), False)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _note_soft(vm: Scheduled, found: Found) -> None:
    affinity = vm.spec.section("affinity")
    if any(affinity.section(key).items(_PREFERRED) for key in ("nodeAffinity", "podAffinity", "podAntiAffinity")):
        found.skipped.append(Note(vm.spec.place, "what a VM only prefers is left out"))
    if vm.spec.items("topologySpreadConstraints"):
        found.skipped.append(Note(vm.spec.place, "topology spread constraints are left out"))


def _index(vms: list[Scheduled]) -> _Index:
    by_label: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    by_namespace: dict[str, set[int]] = defaultdict(set)
    for position, vm in enumerate(vms):
        by_namespace[vm.namespace].add(position)
        for key, value in vm.labels.items():
            by_label[vm.namespace, key, value].add(position)
    return _Index(vms, by_label, by_namespace)


def _add_affinities(key: str, kind: RuleKind, index: _Index, found: Found) -> None:
    """Join VMs that carry the same term; a term is a rule among them where it selects just them."""
    carriers: dict[str, list[int]] = defaultdict(list)
    terms: dict[str, tuple[Mapping[str, Any], list[str]]] = {}
    for position, vm in enumerate(index.vms):
        for term in vm.spec.section("affinity").section(key).items(_REQUIRED):
            namespaces = _namespaces(term, vm)
            if namespaces is None:
                text = "an affinity other than between VMs of one host is left out"
                found.skipped.append(Note(vm.spec.place, text))
                continue
            identity = json.dumps([term.get("labelSelector"), namespaces], sort_keys=True, default=str)
            carriers[identity].append(position)
            terms[identity] = (term, namespaces)
    for identity, carrying in carriers.items():
        selected = _select(*terms[identity], index)
        _add_rule(kind, carrying, selected, index, found)


def _namespaces(term: Any, vm: Scheduled) -> list[str] | None:
    """List the namespaces of a term; None where it is not about hosts, or needs namespaces' labels."""
    if not isinstance(term, Mapping) or term.get("topologyKey") != _HOSTNAME or "namespaceSelector" in term:
        return None
    named = term.get("namespaces")
    return sorted(str(name) for name in named) if isinstance(named, list) and named else [vm.namespace]


def _select(term: Mapping[str, Any], namespaces: list[str], index: _Index) -> set[int]:
    selector = term.get("labelSelector")
    if not isinstance(selector, Mapping):
        return set()
    labels = selector.get("matchLabels") if isinstance(selector.get("matchLabels"), Mapping) else {}
    selected: set[int] = set()
    for namespace in namespaces:
        inside = set(index.by_namespace.get(namespace, ()))
        for key, value in (labels or {}).items():
            inside &= index.by_label.get((namespace, str(key), str(value)), set())
        selected |= inside
    expressions = _list(selector.get("matchExpressions"))
    return {n for n in selected if all(_matches(item, index.vms[n].labels) for item in expressions)}


def _add_rule(kind: RuleKind, carrying: list[int], selected: set[int], index: _Index, found: Found) -> None:
    names = [vm.name for vm in index.vms]
    place = index.vms[carrying[0]].spec.place
    label = f"{'affinity' if kind is RuleKind.TOGETHER else 'anti-affinity'} of {names[carrying[0]]}"
    if set(carrying) == selected:
        if len(selected) > 1:
            found.rules.append(FoundRule(kind, label, place, tuple(names[n] for n in sorted(selected))))
        return
    pairs = [(one, other) for one in carrying for other in sorted(selected - {one})]
    # To be with one of several is no rule that there is; to be with the only one, or with none of them, is.
    if len(pairs) > MAX_PAIRS or (kind is RuleKind.TOGETHER and len(selected) > 1):
        found.skipped.append(Note(place, "an affinity with many other VMs has no rule that fits; it is left out"))
        return
    for one, other in pairs:
        found.rules.append(FoundRule(kind, label, place, (names[one], names[other])))
