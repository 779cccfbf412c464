"""Places the VMs of every scenario; sources of demand are built once for all scenarios that share a fleet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from planner.config.spec import PlannerConfig
from planner.host.problem import HostHardware
from planner.placement import HostCapacities, Placement, PlacementLimits, load_strategy
from planner.placement.base import REASONS, Verdict
from planner.sweep.expand import Scenario, scenario_config
from planner.sweep.fits import check_vms_fit
from planner.sweep.grow import clones_needed, place_longest_prefix
from planner.sweep.hosts import expand_hosts, host_capacities
from planner.sweep.plan import PlacedHost, PlacedScenario, Plan, build_plan, page_scale
from planner.workload.fleet import VmTable
from planner.workload.overhead import vm_overhead_bytes
from planner.workload.source import DemandSource

SourceBuilder = Callable[[PlannerConfig], DemandSource]


@dataclass(frozen=True)
class _Case:
    """A scenario before its VMs are placed."""

    scenario: Scenario
    config: PlannerConfig
    fleet_key: str
    hardware: tuple[HostHardware, ...]
    hosts: HostCapacities
    limits: PlacementLimits


class SweepPlanner:
    """Places scenarios of one config; keeps the fleets that it built, so that a second stage meets the same VMs.

    Parameters
    ----------
    config : PlannerConfig
        The sweep's base config.
    build_source : callable
        Makes the source of demand for a scenario's config.
    """

    def __init__(self, config: PlannerConfig, build_source: SourceBuilder) -> None:
        self._config = config
        self._build_source = build_source
        self._fleets: dict[str, DemandSource] = {}
        self._sources: dict[str, DemandSource] = {}

    def plan(self, scenarios: Sequence[Scenario]) -> Plan:
        """Place every scenario and list the host problems of all replicates.

        Raises
        ------
        ConfigError
            A VM is larger than any host, or as-is placement is asked for and no host is known.
        """
        cases = [self._case(scenario) for scenario in scenarios]
        for case in cases:
            if case.fleet_key not in self._fleets:
                self._fleets[case.fleet_key] = self._build_source(case.config)
            check_vms_fit(self._fleets[case.fleet_key].vms, case.hosts, case.config)
        for key in dict.fromkeys(case.fleet_key for case in cases):
            if key not in self._sources:
                self._sources[key] = self._source([case for case in cases if case.fleet_key == key])
        placed = [self._place(case) for case in cases]
        return build_plan(tuple(self._sources.values()), placed)

    def _case(self, scenario: Scenario) -> _Case:
        config = scenario_config(self._config, scenario)
        hardware = expand_hosts(config.fleet.hosts)
        limits = PlacementLimits(scenario.overcommit_ratio, config.hypervisor, config.question == "grow")
        return _Case(scenario, config, _fleet_key(config), hardware, host_capacities(hardware), limits)

    def _source(self, cases: list[_Case]) -> DemandSource:
        """Return the fleet itself or, for the question "grow", the fleet with as many clones as any case can hold."""
        fleet = self._fleets[cases[0].fleet_key]
        if cases[0].config.question == "consolidate":
            return fleet
        from planner.workload.grown import GrownSource

        return GrownSource(fleet, max(clones_needed(fleet.vms, case.hosts, case.limits) for case in cases))

    def _place(self, case: _Case) -> PlacedScenario:
        strategy, fleet = load_strategy(case.scenario.placement), self._fleets[case.fleet_key]
        vms = self._sources[case.fleet_key].vms
        if case.config.question == "grow":
            placement = place_longest_prefix(strategy, vms, len(fleet.vms), case.hosts, case.limits)
        else:
            placement = strategy.place(vms, case.hosts, case.limits)
        unplaced = np.flatnonzero(~placement.is_placed)
        return PlacedScenario(
            scenario=case.scenario,
            config=case.config,
            source=list(self._sources).index(case.fleet_key),
            page_scale=page_scale(fleet.vms, case.config),
            hosts=_placed_hosts(vms, case, placement),
            unplaced=tuple((vms.names[vm], REASONS[Verdict(placement.verdicts[vm])]) for vm in unplaced),
        )


def _placed_hosts(vms: VmTable, case: _Case, placement: Placement) -> tuple[PlacedHost, ...]:
    overhead_bytes = vm_overhead_bytes(vms, case.config.hypervisor)
    found = []
    for host, on_host in placement.vms_by_host().items():
        hardware = case.hardware[host]
        ram_bytes = hardware.memory_bytes - hardware.reserved_bytes
        found.append(
            PlacedHost(
                hardware=hardware,
                vm_idx=tuple(on_host.tolist()),
                configured_bytes=int(vms.configured_bytes[on_host].sum()),
                usable_bytes=ram_bytes - int(overhead_bytes[on_host].sum()),
                vcpus=int(vms.vcpus[on_host].sum()),
            )
        )
    return tuple(found)


def _fleet_key(config: PlannerConfig) -> str:
    """Name all that a source of demand depends on; scenarios with equal keys share one."""
    parts = (config.fleet.model_dump_json(include={"vms"}), config.horizon, config.tick, config.seed, config.question)
    return repr(parts)
