"""`planner check`: say everything that is wrong with a config, or what it would run."""

from pathlib import Path

import typer

from planner.analysis.power import power_warnings
from planner.cli.progress import note
from planner.config.check import KnownNames
from planner.config.load import load_config
from planner.config.spec import PlannerConfig
from planner.errors import ConfigError, Issue
from planner.placement import strategy_names
from planner.placement.resolve import resolve_rules
from planner.sweep.adaptive import grid_config
from planner.sweep.arrivals import visits_of
from planner.sweep.expand import expand_scenarios, scenario_config
from planner.sweep.fits import check_vms_fit
from planner.sweep.hosts import expand_hosts, host_capacities
from planner.units import format_seconds
from planner.workload.build import build_source
from planner.workload.fleet import VmTable
from planner.workload.profiles import generator_names


def check_command(config: Path, overrides: list[str]) -> None:
    """Check a config and print one line on what it would run.

    Parameters
    ----------
    config : Path
        The YAML file.
    overrides : list of str
        `path=value`, as given to `--set`.

    Raises
    ------
    ConfigError
        Something is wrong with it; all problems found, sorted by path.
    InputError
        The config, or the fleet it names, cannot be read or does not fit.
    """
    loaded = load_config(config, overrides, known_names())
    source = build_source(loaded, config.parent)
    _check_scenarios(loaded, source.vms, str(config))
    names = [name for group in loaded.fleet.hosts for name in group.names()]
    for warning in resolve_rules(loaded.placement_rules, source.vms, names).warnings:
        note(f"warning: {warning}")
    hosts = sum(group.count for group in loaded.fleet.hosts)
    independent = source.independent_replicates()
    grid = grid_config(loaded, independent)
    for issue in power_warnings(loaded.slo, grid.sweep.replicates, hosts, independent):
        note(f"warning: {issue}")
    typer.echo(f"{config}: no problems. {describe_run(grid, len(source.vms))}")


def _check_scenarios(config: PlannerConfig, vms: VmTable, source: str) -> None:
    """Hold the VMs against the config and what its axes make of it; each problem is said once."""
    by_axes = {repr(scenario.axes): scenario for scenario in expand_scenarios(config)}
    issues: dict[Issue, None] = {}
    for each in [config, *(scenario_config(config, scenario) for scenario in by_axes.values())]:
        try:
            check_vms_fit(vms, host_capacities(expand_hosts(each.fleet.hosts), each.hypervisor), each)
        except ConfigError as error:
            issues |= dict.fromkeys(error.issues)
    if issues:
        raise ConfigError(tuple(issues), source)


def known_names() -> KnownNames:
    """Give the names that `load_config` is to check placements and generators against."""
    return KnownNames(placements=strategy_names(), generators=generator_names())


def describe_run(config: PlannerConfig, n_vms: int) -> str:
    """Say in one line what a sound config would run; of a search, the grid that it chooses from."""
    hosts = sum(group.count for group in config.fleet.hosts)
    ticks = round(config.horizon / config.tick)
    n_visitors = len(visits_of(config))
    visitors = f" and {_count(n_visitors, 'visitor')}" if n_visitors else ""
    scenarios = _count(len(expand_scenarios(config)), "scenario")
    replicates = _count(config.sweep.replicates, "replicate")
    runs = f"{scenarios} × {replicates}"
    if config.sweep.adaptive:
        runs = f"A search among {scenarios} with up to {replicates}"
    return (
        f"{runs} for {_count(n_vms, 'VM')}{visitors} on up to {_count(hosts, 'host')}, "
        f"{_count(ticks, 'tick')} of {format_seconds(config.tick)}, hypervisor {config.hypervisor.preset}."
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
