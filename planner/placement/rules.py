"""Rules as strategies see them: sets of VM names, found from patterns and groups by `resolve.py`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar


class NamedSet(NamedTuple):
    """VMs under one rule; `place` is where the rule stands in the config."""

    place: str
    vms: frozenset[str]


class RunOn(NamedTuple):
    """VMs that may run on the hosts named only."""

    place: str
    vms: frozenset[str]
    hosts: frozenset[str]


_Rule = TypeVar("_Rule", NamedSet, RunOn)


@dataclass(frozen=True)
class PlacementRules:
    """Sets by name, so that they hold for any part of a fleet, in any order. Names that are not there mean nothing.

    Attributes
    ----------
    together : tuple of NamedSet
        VMs of a set run on one host.
    apart : tuple of NamedSet
        No two VMs of a set share a host.
    run_on : tuple of RunOn
    """

    together: tuple[NamedSet, ...] = ()
    apart: tuple[NamedSet, ...] = ()
    run_on: tuple[RunOn, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.together or self.apart or self.run_on)

    def with_clones(self, originals: Sequence[str], rounds: Sequence[int], clones: Sequence[str]) -> "PlacementRules":
        """Add the same rules for clones: those of one round make sets of their own, as tenant groups do.

        Parameters
        ----------
        originals, rounds, clones : sequences of equal length
            Name of the VM that was cloned, in which round, and the clone's name.
        """
        names: dict[int, dict[str, str]] = {}
        for original, number, clone in zip(originals, rounds, clones, strict=True):
            names.setdefault(number, {})[original] = clone
        return PlacementRules(
            self.together + tuple(_renamed(self.together, names.values())),
            self.apart + tuple(_renamed(self.apart, names.values())),
            self.run_on + tuple(_renamed(self.run_on, names.values())),
        )


def _renamed(rules: tuple[_Rule, ...], rounds: Iterable[Mapping[str, str]]) -> Iterator[_Rule]:
    for clone_of in rounds:
        for rule in rules:
            vms = frozenset(clone_of[name] for name in rule.vms if name in clone_of)
            if vms:
                yield rule._replace(vms=vms)


NO_RULES = PlacementRules()
