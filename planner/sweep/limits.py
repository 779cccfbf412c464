"""What a config says to placement: limits and rules of a scenario, and the demand that may be looked at."""

import numpy as np

from planner.config.spec import PlannerConfig
from planner.placement import DemandRecord, Forecast, PlacementLimits, PlacementRules
from planner.placement.resolve import resolve_rules
from planner.workload.grown import GrownSource, inventory_size
from planner.workload.source import DemandSource


def placement_limits(config: PlannerConfig, overcommit_ratio: float, rules: PlacementRules) -> PlacementLimits:
    """Make the limits of one scenario.

    Parameters
    ----------
    config : PlannerConfig
        As the scenario sees it.
    rules : PlacementRules
        Of its fleet (`planner.placement.resolve`).
    """
    return PlacementLimits(
        overcommit_ratio=overcommit_ratio,
        hypervisor=config.hypervisor,
        is_every_host_open=config.question == "grow",
        rules=rules,
        max_vcpus_per_core=config.placement_rules.max_vcpus_per_core,
        ha_reserve=config.placement_rules.ha_reserve,
        admission=config.admission,
        image_shared_fraction=config.workload.image_shared_fraction,
    )


def rules_of(config: PlannerConfig, source: DemandSource, host_names: tuple[str, ...]) -> PlacementRules:
    """Look up the placement rules of a config for the VMs of a source; clones keep their originals' rules."""
    inventory = source.vms.take(np.arange(inventory_size(source)))
    rules = resolve_rules(config.placement_rules, inventory, host_names).rules
    if not rules or not isinstance(source, GrownSource):
        return rules
    names, (clone_of, rounds) = source.vms.names, source.clones
    originals = [names[row] for row in clone_of]
    return rules.with_clones(originals, rounds.tolist(), names[len(names) - len(originals) :])


def demand_record(source: DemandSource, n_replicates: int) -> DemandRecord:
    """Make the record of a source's demand: its history, and the replicates of a sweep for the oracle."""
    return DemandRecord(
        configured_bytes=source.vms.configured_bytes,
        read_history=lambda length_s, vm_idx: source.history(length_s, vm_idx),
        read_future=lambda vm_idx: [source.demand(replicate, vm_idx) for replicate in range(n_replicates)],
    )


def forecast_of(record: DemandRecord, config: PlannerConfig) -> Forecast:
    """Make what placement may know of the demand of all VMs of a record."""
    return Forecast(record, config.admission.history, np.arange(len(record.configured_bytes)))
