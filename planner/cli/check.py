"""`planner check`: say everything that is wrong with a config, or what it would run."""

from pathlib import Path

import pyarrow.parquet as pq
import typer
from pyarrow import ArrowException

from planner.config.check import KnownNames
from planner.config.load import load_config
from planner.config.spec import GeneratedVms, ImportedVms, PlannerConfig
from planner.errors import InputError
from planner.placement import strategy_names
from planner.sweep.expand import expand_scenarios
from planner.units import format_seconds


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
        The config, or the fleet it names, cannot be read.
    """
    loaded = load_config(config, overrides, KnownNames(placements=strategy_names()))
    typer.echo(describe_run(loaded, config))


def describe_run(config: PlannerConfig, path: Path) -> str:
    """Say in one line what a sound config would run."""
    scenarios, replicates = len(expand_scenarios(config)), config.sweep.replicates
    hosts = sum(group.count for group in config.fleet.hosts)
    ticks = round(config.horizon / config.tick)
    return (
        f"{path}: no problems. {_count(scenarios, 'scenario')} × {_count(replicates, 'replicate')} "
        f"for {_count(_vm_count(config, path), 'VM')} on up to {_count(hosts, 'host')}, "
        f"{_count(ticks, 'tick')} of {format_seconds(config.tick)}, hypervisor {config.hypervisor.preset}."
    )


def _vm_count(config: PlannerConfig, path: Path) -> int:
    vms = config.fleet.vms
    if isinstance(vms, GeneratedVms):
        return vms.count
    if isinstance(vms, ImportedVms):
        table = path.parent / vms.fleet / "vms.parquet"
        try:
            return int(pq.read_metadata(table).num_rows)
        except (ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(str(table), f"cannot be read: {reason}", "import the fleet again") from None
    return sum(vm.count for vm in vms)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
