"""Change files -> placed scenarios to compare: what the base is, and what each case makes of it.

VMs stay where the base has them unless a case says otherwise, so that a difference comes from the change alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import Literal, NoReturn

from planner.config.change import ChangeSpec, Growth, LostHosts, Maintenance
from planner.config.spec import PlannerConfig
from planner.errors import ConfigError, Issue
from planner.sweep.change_words import describe_change
from planner.sweep.expand import Scenario
from planner.sweep.failover import Rules, fail_hosts, move_hosts, without_hosts
from planner.sweep.fits import check_names
from planner.sweep.hosts import expand_hosts, host_capacities
from planner.sweep.placing import SweepPlanner
from planner.sweep.plan import PlacedScenario
from planner.workload.driverless import DriverlessSource
from planner.workload.grown import GrownSource
from planner.workload.grown_by_class import plan_growth
from planner.workload.source import DemandSource
from planner.workload.stays import base_source

MOST_VARIANTS = 512
"""Sets of hosts that are tried for "any k hosts": all of them, so that the worst one is found and not guessed."""

_PLACEMENT_KEYS = ("placement_rules", "admission")
"""Sections of the config that say where VMs are placed, and nothing else."""

_HEEDING_RULES = ("lose_hosts", "maintenance", "growth", "balloon_driver_missing")
"""Keys of a change with which a change of these sections, or something else, makes a difference."""

_NAMED = 3

Kind = Literal["config", "lose_hosts", "maintenance", "growth"]


@dataclass(frozen=True)
class Variant:
    """One scenario of a case: which hosts are lost, or which month it is."""

    label: str
    placed: PlacedScenario


@dataclass(frozen=True)
class Case:
    """A change, what it is compared with, and the scenarios it leads to.

    Attributes
    ----------
    what : str
        The change in words.
    source : DemandSource
        The fleet that the rows of `base` and `variants` count in.
    is_base_fleet : bool
        Whether the base's VMs are the first rows of `source`, unchanged: outcomes can then be shared.
    base : PlacedScenario
        The base, judged over the same time as the variants.
    variants : tuple of Variant
        One, or several of which the worst (lost hosts) or the first that breaks (growth) is told.
    warn_above : float or None
        Share of a host's memory above which it is named (maintenance).
    at_tick : int or None
        Tick of the event, if there is one.
    """

    name: str
    kind: Kind
    what: str
    source: DemandSource
    is_base_fleet: bool
    base: PlacedScenario
    variants: tuple[Variant, ...]
    warn_above: float | None = None
    at_tick: int | None = None


class WhatifPlanner:
    """Makes the cases of a what-if; numbers its scenarios from 0, the base.

    Parameters
    ----------
    config : PlannerConfig
        Of the base: its first ratio and its first placement count.
    source : DemandSource
        The fleet's VMs.

    Attributes
    ----------
    base : PlacedScenario
    source : DemandSource
        The fleet that the rows of the base count in.

    Raises
    ------
    ConfigError
        The base cannot be placed.
    """

    def __init__(self, config: PlannerConfig, source: DemandSource) -> None:
        self._config = config
        self._fleet = source
        self._n_scenarios = 1
        ratio, placement = config.sweep.overcommit_ratio[0], config.sweep.placement[0]
        self._scenario = Scenario(0, ratio, placement, config.workload.tail, {}, "whatif")
        plan = SweepPlanner(config, source).plan([self._scenario])
        self.base = plan.placed[0]
        # With visitors, where VMs come and go; stays are given their rows again in every plan.
        self.source = base_source(plan.source)
        if self.base.unplaced:
            first = self.base.unplaced[0].sentence
            message = f"the base does not hold its VMs: {len(self.base.unplaced)} find no host ({first})"
            raise ConfigError((Issue("fleet", message, "use a larger --ratio, another --placement, or more hosts"),))

    def case(self, change: ChangeSpec, config: PlannerConfig) -> Case:
        """Place what a change leads to.

        Parameters
        ----------
        change : ChangeSpec
            With a name.
        config : PlannerConfig
            What the change makes of the config.

        Raises
        ------
        ConfigError
            The change changes nothing, names a host without VMs, asks for too many sets of hosts, or has wrong rules.
        """
        source = self._with_drivers(change, self.source)
        self._refuse_nothing(change, config, source)
        start = self._start(change, config, source)
        if change.lose_hosts is not None:
            return self._lost_case(change, change.lose_hosts, start, source)
        if change.maintenance is not None:
            return self._maintenance_case(change, change.maintenance, start, source)
        if change.growth is not None:
            return self._growth_case(change, change.growth, start, source)
        variants = (Variant(str(change.name), start),)
        return self._make(change, "config", source, variants)

    def _start(self, change: ChangeSpec, config: PlannerConfig, source: DemandSource) -> PlacedScenario:
        """Place the base under the changed config: anew where the change asks for it, else where the VMs are."""
        placement = change.placement or self._scenario.placement
        scenario = replace(self._scenario, id=self._next_id(), placement=placement, tail=config.workload.tail)
        if change.placement is not None or change.place_again:
            return SweepPlanner(config, self._fleet).plan([scenario]).placed[0]
        self._refuse_unheeded(change, config)
        check_names(self._fleet.vms, host_capacities(expand_hosts(config.fleet.hosts), config.hypervisor), config)
        return SweepPlanner(config, source).keep(scenario, self.base)

    def _with_drivers(self, change: ChangeSpec, source: DemandSource) -> DemandSource:
        """Take the balloon driver from as many VMs as the change says."""
        fraction = change.balloon_driver_missing
        return source if fraction is None else DriverlessSource(source, fraction, self._config.seed)

    def _next_id(self) -> int:
        self._n_scenarios += 1
        return self._n_scenarios - 1

    def _refuse_nothing(self, change: ChangeSpec, config: PlannerConfig, source: DemandSource) -> None:
        if change.lose_hosts is not None or change.maintenance is not None:
            return
        has_new_place = change.place_again or (change.placement or self._scenario.placement) != self._scenario.placement
        has_growth = change.growth is not None and any(_rates(change.growth, source))
        has_new_vms = bool((source.vms.has_balloon_driver != self.source.vms.has_balloon_driver).any())
        if config != self._config or has_new_place or has_growth or has_new_vms:
            return
        message = f"{describe_change(change) or 'nothing'}: changes nothing, the base is like that already"
        _refuse(change, message, "change another value, or leave the file out")

    def _refuse_unheeded(self, change: ChangeSpec, config: PlannerConfig) -> None:
        """Refuse changes of the fleet that VMs which stay where they are cannot follow."""
        names = {name for group in config.fleet.hosts for name in group.names()}
        lost = [host.hardware.name for host in self.base.hosts if host.hardware.name not in names]
        if lost:
            message = (
                f"takes away hosts that hold VMs ({', '.join(lost[:_NAMED])}{', ...' if len(lost) > _NAMED else ''})"
            )
            _refuse(change, message, "use lose_hosts, or add place_again: true")
        of_base = {key: getattr(self._config, key) for key in _PLACEMENT_KEYS}
        is_moot = config != self._config and config.model_copy(update=of_base) == self._config
        if is_moot and not any(getattr(change, key) is not None for key in _HEEDING_RULES):
            message = f"{describe_change(change)}: changes nothing while VMs stay where they are"
            _refuse(change, message, "add place_again: true")

    def _lost_case(self, change: ChangeSpec, lost: LostHosts, start: PlacedScenario, source: DemandSource) -> Case:
        rules = Rules(spare=_spare(start, lost.use_spare_hosts))
        at_tick = None if lost.at is None else max(1, round(lost.at / self._config.tick))
        delay = max(1, round(lost.restart_delay / self._config.tick))
        variants = []
        for names in self._sets_of_hosts(change, lost, start):
            if at_tick is None:
                placed = without_hosts(start, source, names, rules).scenario
            else:
                placed = fail_hosts(start, source, names, at_tick, delay, rules).scenario
            variants.append(self._numbered(", ".join(names), placed))
        return self._make(change, "lose_hosts", source, tuple(variants), at_tick)

    def _maintenance_case(
        self, change: ChangeSpec, maintenance: Maintenance, start: PlacedScenario, source: DemandSource
    ) -> Case:
        self._check_in_use(change, "maintenance.hosts", maintenance.hosts, start)
        at_s = self._config.warm_up if maintenance.at is None else maintenance.at
        at_tick = max(1, round(at_s / self._config.tick))
        rules = Rules(spare=_spare(start, maintenance.use_spare_hosts))
        moved = move_hosts(start, source, maintenance.hosts, at_tick, rules=rules).scenario
        variants = (self._numbered(", ".join(maintenance.hosts), moved),)
        case = self._make(change, "maintenance", source, variants, at_tick)
        return replace(case, warn_above=maintenance.warn_above)

    def _growth_case(self, change: ChangeSpec, growth: Growth, start: PlacedScenario, source: DemandSource) -> Case:
        if any(host.stays for host in start.hosts):
            message = "is asked of a fleet whose VMs come and go, and the two would be mixed up"
            raise ConfigError(
                (Issue("growth", message, "leave fleet.turnover, arrives and leaves out"),), str(change.name)
            )
        _refuse_empty_classes(change, growth, source)
        clone_of, n_clones = plan_growth(_rates(growth, source), source.vms, growth.months, self._config.seed)
        fleet = GrownSource(self.source, len(source.vms) + clone_of.size, self._config.seed, clone_of)
        grown = self._with_drivers(change, fleet)
        planner, item, variants = SweepPlanner(start.config, grown), start, []
        for month, count in enumerate(n_clones.tolist(), start=1):
            scenario = replace(start.scenario, id=self._next_id())
            item = planner.add(scenario, item, len(source.vms) + count)
            variants.append(Variant(str(month), item))
        return self._make(change, "growth", grown, tuple(variants))

    def _numbered(self, label: str, placed: PlacedScenario) -> Variant:
        """Give a variant a number of its own."""
        return Variant(label, replace(placed, scenario=replace(placed.scenario, id=self._next_id())))

    def _make(
        self,
        change: ChangeSpec,
        kind: Kind,
        source: DemandSource,
        variants: tuple[Variant, ...],
        at_tick: int | None = None,
    ) -> Case:
        """Judge variants and base from the event on, so that the time before it does not dilute what it does."""
        base, warm_up = self.base, self._config.warm_up
        judged_from = warm_up if at_tick is None else max(warm_up, at_tick * self._config.tick)
        if judged_from != warm_up:
            base = _judged_from(replace(base, scenario=replace(base.scenario, id=self._next_id())), judged_from)
            variants = tuple(replace(item, placed=_judged_from(item.placed, judged_from)) for item in variants)
        is_base_fleet = source is self.source
        return Case(
            str(change.name), kind, describe_change(change), source, is_base_fleet, base, variants, at_tick=at_tick
        )

    def _sets_of_hosts(self, change: ChangeSpec, lost: LostHosts, start: PlacedScenario) -> list[tuple[str, ...]]:
        """List the sets of hosts that are lost: the one that is named, or every one of so many."""
        if lost.any is None:
            self._check_in_use(change, "lose_hosts.hosts", lost.hosts, start)
            return [lost.hosts]
        in_use = [host.hardware.name for host in start.hosts]
        count = comb(len(in_use), lost.any)
        if lost.any >= len(in_use):
            message = f"{len(in_use)} hosts are in use, and none would be left"
            raise ConfigError((Issue("lose_hosts.any", message, "lose fewer"),), str(change.name))
        if count > MOST_VARIANTS:
            message = f"there are {count:,} ways to lose {lost.any} of {len(in_use)} hosts, more than {MOST_VARIANTS}"
            raise ConfigError((Issue("lose_hosts.any", message, "name the hosts, or lose fewer"),), str(change.name))
        return list(combinations(in_use, lost.any))

    @staticmethod
    def _check_in_use(change: ChangeSpec, path: str, names: Sequence[str], start: PlacedScenario) -> None:
        in_use = [host.hardware.name for host in start.hosts]
        issues = [
            Issue(path, f'no VM is placed on "{name}"', f"hosts with VMs: {', '.join(in_use)}")
            for name in names
            if name not in in_use
        ]
        if not issues and len(set(names)) >= len(in_use):
            issues = [Issue(path, "no host with VMs would be left", "name fewer")]
        if issues:
            raise ConfigError(tuple(issues), str(change.name))


def _refuse(change: ChangeSpec, message: str, hint: str) -> NoReturn:
    """Raise a problem of a change as a whole; its place are the keys that are given."""
    keys = [key for key in type(change).model_fields if key in change.model_fields_set - {"name"}]
    raise ConfigError((Issue(", ".join(keys) or "change", message, hint),), str(change.name))


def _judged_from(item: PlacedScenario, start_s: float) -> PlacedScenario:
    return replace(item, config=item.config.model_copy(update={"warm_up": start_s}))


def _spare(item: PlacedScenario, is_wanted: bool) -> tuple[str, ...]:
    """Return the hosts of the fleet that hold no VM, where they may take some."""
    in_use = {host.hardware.name for host in item.hosts}
    names = (name for group in item.config.fleet.hosts for name in group.names())
    return tuple(name for name in names if name not in in_use) if is_wanted else ()


def _refuse_empty_classes(change: ChangeSpec, growth: Growth, source: DemandSource) -> None:
    """Refuse a class that holds no VM: most likely its pattern is misspelt."""
    vms = list(zip(source.vms.names, source.vms.groups, strict=True))
    issues = tuple(
        Issue(f"growth.classes[{number}].match", f'"{item.match}" matches no VM', "write another pattern, e.g. db-*")
        for number, item in enumerate(growth.classes)
        if not any(item.holds(name, group) for name, group in vms)
    )
    if issues:
        raise ConfigError(issues, str(change.name))


def _rates(growth: Growth, source: DemandSource) -> list[float]:
    return [growth.rate_of(name, group) for name, group in zip(source.vms.names, source.vms.groups, strict=True)]
