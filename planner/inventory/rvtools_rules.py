"""Affinity rules, as far as an RVTools export has them: kinds and names of its rules beside each VM.

Hosts of a rule are not in the export, nor whether it is switched on. A rule whose kind cannot be told is not guessed.
"""

import re
from collections.abc import Iterable

from planner.inventory.found import FoundRule, Note, RuleKind
from planner.inventory.rvtools_snapshot import Row

_REMEDY = "write the rule into the fleet or the config"


def build_rules(rows: Iterable[Row]) -> tuple[list[FoundRule], list[Note]]:
    """Return the rules that VMs name, each with its VMs, and notes on those that cannot be used."""
    members: dict[tuple[str, str], list[Row]] = {}
    kinds: dict[tuple[str, str], set[str]] = {}
    notes = []
    for row in rows:
        if row.rules is None:
            continue
        pairs = _pairs(*row.rules)
        if pairs is None:
            message = "kinds and names of the VM's cluster rules do not pair up; they are not used"
            notes.append(Note(row.vm.place, message, _REMEDY))
            continue
        for kind, name in pairs:
            key = row.vm.cluster or "", name
            members.setdefault(key, []).append(row)
            kinds.setdefault(key, set()).add(kind)
    rules = []
    for key, rows_of_rule in members.items():
        rule, note = _rule(key[1], rows_of_rule, kinds[key])
        rules += [rule] if rule else []
        notes += [note] if note else []
    return rules, notes


def _pairs(kinds: str, names: str) -> list[tuple[str, str]] | None:
    """Pair the two lists of a VM; one kind is that of all names, and a list of kinds may be missing."""
    listed_kinds, listed_names = _list(kinds), _list(names)
    if not listed_kinds:
        return [("", name) for name in listed_names]
    if len(set(listed_kinds)) == 1 and listed_names:
        return [(listed_kinds[0], name) for name in listed_names]
    return list(zip(listed_kinds, listed_names, strict=True)) if len(listed_kinds) == len(listed_names) else None


def _list(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,;\n|]", text) if part.strip()]


def _kind(text: str) -> RuleKind | str:
    """Return the kind of a rule, or why it is none that can be used."""
    word = re.sub(r"[^a-z]", "", text.lower())
    if "host" in word:
        return "the rule binds VMs to hosts that the export does not name; it is not used"
    if "antiaffin" in word or "separate" in word:
        return RuleKind.APART
    if "affin" in word or "together" in word:
        return RuleKind.TOGETHER
    return "what kind of rule it is the export does not tell; it is not used"


def _rule(name: str, rows: list[Row], kinds: set[str]) -> tuple[FoundRule | None, Note | None]:
    place = f'{rows[0].vm.place}, rule "{name}"'
    if len(kinds) > 1:
        return None, Note(place, "the VMs of the rule give it different kinds; it is not used", _REMEDY)
    kind = _kind(next(iter(kinds)))
    if not isinstance(kind, RuleKind):
        return None, Note(place, kind, _REMEDY)
    vms = tuple(row.vm.name for row in rows)
    if len(vms) < 2:
        return None, Note(place, "only one VM of the rule was imported; it is not used")
    return FoundRule(kind, name, place, vms), None
