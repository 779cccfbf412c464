"""Make the demand source that a config asks for."""

from pathlib import Path

from planner.config.spec import GeneratedVms, ImportedVms, PlannerConfig
from planner.errors import ConfigError, Issue
from planner.workload.generated import GeneratedSource
from planner.workload.listed import ListedSource
from planner.workload.source import DemandSource


def build_source(config: PlannerConfig, base_dir: Path) -> DemandSource:
    """Build the source of VMs and demand of a config.

    Parameters
    ----------
    config : PlannerConfig
        A checked config.
    base_dir : Path
        Folder that a relative fleet directory is relative to: that of the config file.

    Raises
    ------
    ConfigError
        There is no such generator, the horizon is shorter than a tick, or listed VMs contradict each other.
    InputError
        The fleet directory is missing, broken or does not cover the horizon.
    """
    vms, horizon_s, tick_s = config.fleet.vms, config.horizon, config.tick
    if horizon_s < tick_s:
        hint = "the horizon must hold at least one tick"
        raise ConfigError((Issue("horizon", f"{horizon_s:g} s is shorter than the tick, {tick_s:g} s", hint),))
    if isinstance(vms, GeneratedVms):
        return GeneratedSource(vms.generate, vms.count, horizon_s, tick_s, config.seed)
    if isinstance(vms, ImportedVms):
        # They load pyarrow, which the other sources do without.
        from planner.workload.fleet_files import read_fleet
        from planner.workload.imported import ImportedSource
        from planner.workload.readings import ReadingsSource

        place = base_dir / vms.fleet
        fleet = read_fleet(place).chosen(vms.cluster, vms.powered_off, str(place))
        if fleet.info.readings:
            return ReadingsSource(fleet, horizon_s, tick_s, config.seed)
        return ImportedSource(fleet, str(place), horizon_s, tick_s, config.seed)
    return ListedSource(vms, horizon_s, tick_s, config.seed)
