"""Places the VMs of every scenario of a config, over one fleet: its VMs and, for "grow", clones of them."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.config.spec import PlannerConfig
from planner.host.problem import HostHardware
from planner.placement import (
    DemandRecord,
    HostCapacities,
    Placement,
    PlacementLimits,
    PlacementRequest,
    load_strategy,
)
from planner.placement.base import REASONS, HostBound, Verdict
from planner.placement.bound import bound_hosts
from planner.placement.resolve import resolve_rules
from planner.sweep.arrivals import has_arrivals, house_fleet, list_comers
from planner.sweep.expand import Scenario, scenario_config
from planner.sweep.fits import check_vms_fit
from planner.sweep.grow import clones_needed, place_longest_prefix
from planner.sweep.hosts import expand_hosts, host_capacities
from planner.sweep.limits import demand_record, forecast_of, placement_limits, rules_of
from planner.sweep.occupancy import FleetSizes, describe_host
from planner.sweep.over_time import UNKNOWN_HOST_STRATEGY, Comer, Grounds
from planner.sweep.plan import PlacedHost, PlacedScenario, Plan, UnplacedVm, build_plan
from planner.sweep.sampling import page_scale
from planner.workload.fleet import VmTable
from planner.workload.grown import GrownSource
from planner.workload.overhead import vm_overhead_bytes
from planner.workload.source import DemandSource

_EXPLAINED = 200


@dataclass(frozen=True)
class _Case:
    """A scenario before its VMs are placed."""

    scenario: Scenario
    config: PlannerConfig
    hardware: tuple[HostHardware, ...]
    hosts: HostCapacities
    limits: PlacementLimits


class SweepPlanner:
    """Places scenarios of one config; a second stage meets the same VMs as the first.

    Parameters
    ----------
    config : PlannerConfig
        The sweep's base config.
    fleet : DemandSource
        The VMs that are there today.
    """

    def __init__(self, config: PlannerConfig, fleet: DemandSource) -> None:
        self._config = config
        self._fleet = fleet
        self._record = demand_record(fleet, config.sweep.replicates)
        self._bounds: dict[Hashable, HostBound] = {}

    def plan(self, scenarios: Sequence[Scenario]) -> Plan:
        """Place every scenario and list the host problems of all replicates.

        Raises
        ------
        ConfigError
            A VM is larger than any host, as-is placement is asked for and no host is known, or rules are wrong.
        """
        cases = [self._case(scenario) for scenario in scenarios]
        for case in cases:
            check_vms_fit(self._fleet.vms, case.hosts, case.config)
        if any(has_arrivals(case.config) for case in cases):
            return self._plan_over_time(cases)
        if self._config.question == "consolidate":
            return build_plan(self._fleet, [self._place(case, self._fleet.vms, self._record) for case in cases])
        n_vms = max(clones_needed(_request(case, self._fleet.vms, self._record)) for case in cases)
        candidates = GrownSource(self._fleet, n_vms, self._config.seed)
        record = demand_record(candidates, self._config.sweep.replicates)
        placed = [self._place(_with_clones(case, candidates), candidates.vms, record) for case in cases]
        # A grown fleet starts with every smaller one, so only clones that some scenario holds need a demand.
        n_held = max(max(host.vm_idx[-1] for host in item.hosts) + 1 for item in placed if item.hosts)
        return build_plan(GrownSource(self._fleet, n_held, self._config.seed), placed)

    def keep(self, scenario: Scenario, placed: PlacedScenario) -> PlacedScenario:
        """Leave all VMs on the hosts where another scenario has them, whatever the limits, also those that come and go.

        `fleet` of this planner is the source that the other scenario's rows count in.
        """
        case = self._case(scenario)
        sizes = FleetSizes(self._fleet.vms, vm_overhead_bytes(self._fleet.vms, case.config.hypervisor))
        position = {name: number for number, name in enumerate(case.hosts.names)}
        hosts = []
        for host in placed.hosts:
            at = position[host.hardware.name]
            room_bytes = int(case.hosts.room_bytes[at])
            kept = describe_host(case.hardware[at], room_bytes, list(host.vm_idx), host.stays, sizes)
            hosts.append(replace(kept, gone_tick=host.gone_tick))
        return replace(placed, scenario=scenario, config=case.config, hosts=tuple(hosts))

    def add(self, scenario: Scenario, placed: PlacedScenario, n_vms: int) -> PlacedScenario:
        """Place the fleet's first `n_vms` VMs: those that another scenario has placed stay, the others find a host.

        Further hosts of the config are opened where the strategy needs them. As-is placement does not know where new
        VMs go: worst-fit then does.
        """
        case = self._case(scenario)
        if isinstance(self._fleet, GrownSource):
            case = _with_clones(case, self._fleet)
        return self._stand(case, placed, n_vms)

    def _stand(self, case: _Case, placed: PlacedScenario, n_vms: int) -> PlacedScenario:
        """Place the VMs that a placed scenario leaves out, beside those that it has, which stay."""
        position = {name: number for number, name in enumerate(case.hosts.names)}
        standing = np.full(len(self._fleet.vms), -1, dtype=np.int64)
        for host in placed.hosts:
            standing[list(host.vm_idx)] = position[host.hardware.name]
        whole = replace(_request(case, self._fleet.vms, self._record), standing=standing)
        request = whole.take(np.arange(n_vms))
        name = UNKNOWN_HOST_STRATEGY if case.scenario.placement == "as-is" else case.scenario.placement
        placement = load_strategy(name).place(request)
        return replace(_describe(case, request.vms, placement, placed.page_scale), history=placed.history)

    def _case(self, scenario: Scenario) -> _Case:
        config = scenario_config(self._config, scenario)
        hardware = expand_hosts(config.fleet.hosts)
        hosts = host_capacities(hardware, config.hypervisor)
        rules = resolve_rules(config.placement_rules, self._fleet.vms, hosts.names).rules
        limits = placement_limits(config, scenario.overcommit_ratio, rules)
        return _Case(scenario, config, hardware, hosts, limits)

    def _place(self, case: _Case, vms: VmTable, record: DemandRecord) -> PlacedScenario:
        strategy, request, n_reads = load_strategy(case.scenario.placement), _request(case, vms, record), record.n_reads
        if case.config.question == "grow":
            placement = place_longest_prefix(strategy, request, len(self._fleet.vms))
        else:
            placement = strategy.place(request)
        placed = _describe(case, vms, placement, page_scale(self._fleet.vms, case.config))
        has_read = record.n_reads > n_reads
        return replace(
            placed,
            bound=self._bound(case, request) if case.config.question == "consolidate" else None,
            history=self._history_meaning(case.config) if has_read else None,
        )

    def _plan_over_time(self, cases: Sequence[_Case]) -> Plan:
        """Place VMs that come and go in the order of time; visitors are clones of the fleet's VMs."""
        comers = [list_comers(case.config, len(self._fleet.vms)) for case in cases]
        n_vms = max(len(each) for each in comers)
        has_visitors = n_vms > len(self._fleet.vms)
        source = GrownSource(self._fleet, n_vms, self._config.seed) if has_visitors else self._fleet
        record = demand_record(source, self._config.sweep.replicates)
        placed = [self._place_over_time(case, source, record, each) for case, each in zip(cases, comers, strict=True)]
        return build_plan(source, placed)

    def _place_over_time(
        self, case: _Case, source: DemandSource, record: DemandRecord, comers: list[Comer]
    ) -> PlacedScenario:
        n_reads = record.n_reads
        grounds = Grounds(
            strategy=case.scenario.placement,
            fleet=source.vms,
            hosts=case.hosts,
            limits=replace(case.limits, rules=rules_of(case.config, source, case.hosts.names)),
            forecast=forecast_of(record, case.config),
            n_inventory=len(self._fleet.vms),
            seed=case.config.seed,
        )
        hosts, unplaced = house_fleet(
            grounds, case.hardware, comers, max(round(case.config.horizon / case.config.tick), 1)
        )
        return PlacedScenario(
            scenario=case.scenario,
            config=case.config,
            page_scale=page_scale(self._fleet.vms, case.config),
            hosts=hosts,
            unplaced=unplaced,
            history=self._history_meaning(case.config) if record.n_reads > n_reads else None,
        )

    def _bound(self, case: _Case, request: PlacementRequest) -> HostBound:
        """Bound the hosts of a scenario; scenarios that differ only in what the bound leaves out share one."""
        config = case.config
        key = (case.limits.overcommit_ratio, config.hypervisor, config.placement_rules, config.fleet.hosts)
        relaxed_admission = config.admission.policy != "ratio"
        if (*key, relaxed_admission) not in self._bounds:
            self._bounds[*key, relaxed_admission] = bound_hosts(request)
        return self._bounds[*key, relaxed_admission]

    def _history_meaning(self, config: PlannerConfig) -> str:
        if config.admission.policy == "oracle":
            return "The replicates themselves: the oracle knows what will happen, and bounds what prediction can reach."
        return self._fleet.history_meaning()


def _request(case: _Case, vms: VmTable, record: DemandRecord) -> PlacementRequest:
    return PlacementRequest(
        vms, case.hosts, case.limits, forecast=forecast_of(record, case.config), seed=case.config.seed
    )


def _describe(case: _Case, vms: VmTable, placement: Placement, scale: int) -> PlacedScenario:
    return PlacedScenario(
        scenario=case.scenario,
        config=case.config,
        page_scale=scale,
        hosts=_placed_hosts(vms, case, placement),
        unplaced=_unplaced(vms, placement),
        warnings=placement.warnings,
    )


def _with_clones(case: _Case, candidates: GrownSource) -> _Case:
    """Let the rules hold for clones, too."""
    if not case.limits.rules:
        return case
    names, (clone_of, rounds) = candidates.vms.names, candidates.clones
    originals = [names[row] for row in clone_of]
    rules = case.limits.rules.with_clones(originals, rounds.tolist(), names[len(names) - len(originals) :])
    return replace(case, limits=replace(case.limits, rules=rules))


def _unplaced(vms: VmTable, placement: Placement) -> tuple[UnplacedVm, ...]:
    """List the VMs without a host; beyond the first few hundred, a sentence each would take longer than placing."""
    found: list[UnplacedVm] = []
    for row in np.flatnonzero(~placement.is_placed).tolist():
        kind, name = REASONS[Verdict(placement.verdicts[row])], vms.names[row]
        is_explained = len(found) < _EXPLAINED and row in placement.reasons
        found.append(UnplacedVm(name, kind, placement.reasons[row] if is_explained else f"VM {name}: {kind}"))
    return tuple(found)


def _placed_hosts(vms: VmTable, case: _Case, placement: Placement) -> tuple[PlacedHost, ...]:
    sizes = FleetSizes(vms, vm_overhead_bytes(vms, case.config.hypervisor))
    return tuple(
        describe_host(case.hardware[host], int(case.hosts.room_bytes[host]), on_host.tolist(), (), sizes)
        for host, on_host in placement.vms_by_host().items()
    )
