"""Measure what a failover does to full hosts: the figures of docs/events.md.

    python -m tools.measure_failover

Writes the tables to stdout. Takes some minutes. Deterministic.
"""

import sys
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from planner.cli.environment import prepare_environment

prepare_environment(will_join_cluster=False)

from planner.analysis.recovery import Calm, RecoveryTime, estimate_recovery, pressure_after  # noqa: E402
from planner.config.catalog import expand_hypervisor  # noqa: E402
from planner.config.spec import PlannerConfig  # noqa: E402
from planner.host.simulator import HostSim  # noqa: E402
from planner.schema import TIMELINE_COLUMNS  # noqa: E402
from planner.sweep.expand import expand_scenarios  # noqa: E402
from planner.sweep.failover import fail_hosts  # noqa: E402
from planner.sweep.placing import SweepPlanner  # noqa: E402
from planner.sweep.plan import PlacedHost, PlacedScenario, Plan, build_plan, host_problem  # noqa: E402
from planner.units import GIB, MIB  # noqa: E402
from planner.workload.generated import GeneratedSource  # noqa: E402

RATIO = 1.6
AT_TICK = 2 * 288
REPLICATES = 6
N_VMS = 260
SHOWN = (-1, 0, 1, 2, 3, 4, 6, 9, 13, 25, 49, 97)
"""Ticks from the failure on."""

_AT = {column.name: position for position, column in enumerate(TIMELINE_COLUMNS)}
_STATES = ("high", "clear", "soft", "hard", "low")


@dataclass(frozen=True)
class Case:
    """One way in which guests boot."""

    label: str
    zeroed: bool
    driver_delay: str


CASES = (
    Case("guests touch what they use, driver at once", False, "0 s"),
    Case("guests touch what they use, driver after 15 min", False, "15 min"),
    Case("guests zero all memory, driver at once", True, "0 s"),
    Case("guests zero all memory, driver after 15 min", True, "15 min"),
)


def make_config(case: Case) -> PlannerConfig:
    """Make the config of a case: 5 hosts or so of 512 GiB, filled to an overcommit ratio of 1.6."""
    group = {"name": "esx", "count": 8, "memory": "512 GiB", "cores": 64, "swap": "nvme"}
    hypervisor: dict[str, Any] = {"preset": "esxi-8", "ballooning": {"driver_delay": case.driver_delay}}
    return PlannerConfig.model_validate(
        {
            "schema_version": 1,
            "seed": 1,
            "horizon": "3 days",
            "fleet": {"hosts": [group], "vms": {"generate": "managed-hosting", "count": N_VMS}},
            "hypervisor": expand_hypervisor(hypervisor),
            "workload": {"zeroed_at_boot": case.zeroed},
            "sweep": {"overcommit_ratio": [RATIO], "placement": ["first-fit"], "replicates": REPLICATES},
            "fidelity": {"pages_per_vm": 256},
        }
    )


def make_plan(config: PlannerConfig) -> tuple[Plan, str, float]:
    """Place the fleet with and without the failure of its first host."""
    fleet = GeneratedSource("managed-hosting", N_VMS, config.horizon, config.tick, config.seed)
    base = SweepPlanner(config, fleet).plan(expand_scenarios(config)).placed[0]
    lost = base.hosts[0].hardware.name
    found = fail_hosts(base, fleet, (lost,), AT_TICK)
    failed = replace(found.scenario, scenario=replace(base.scenario, id=1))
    return build_plan(fleet, [base, failed]), lost, found.overcommit_ratio


def timeline_of(sim: HostSim, item: PlacedScenario, name: str, replicate: int) -> np.ndarray:
    """Simulate one host and return what happened by tick."""
    host: PlacedHost = next(each for each in item.hosts if each.hardware.name == name)
    timeline = sim.run(host_problem(item, host, replicate), keep_timeline=True).timeline
    if timeline is None:
        raise TypeError("the simulation kept no time line")
    return timeline


class Figures(NamedTuple):
    """What a failure does: host lost, limit on the ratio, time line of the worst survivor, recovery, most swap-in."""

    lost: str
    ratio: float
    worst: str
    timeline: np.ndarray
    recovery: RecoveryTime
    most_swap_in_bytes_per_s: float


def measure(case: Case) -> Figures:
    """Measure a case; each replicate counts its survivor that needs longest."""
    config = make_config(case)
    plan, lost, ratio = make_plan(config)
    sim, calm = HostSim(plan.source), Calm(config.slo.swap_in)
    base, failed = plan.placed
    longest, most, shown = [], 0.0, ("", np.zeros(0))
    for replicate in range(REPLICATES):
        found = []
        for name in (host.hardware.name for host in failed.hosts if host.hardware.name != lost):
            with_it, without = (timeline_of(sim, item, name, replicate) for item in (failed, base))
            time_s = pressure_after(with_it, AT_TICK, config.tick, calm, without)
            found.append((np.inf if time_s is None else time_s, name, with_it))
            most = max(most, float(with_it[AT_TICK:, _AT["swap_in_bytes"]].max() / config.tick))
        time_s, name, with_it = max(found, key=lambda each: each[0])
        longest.append(None if np.isinf(time_s) else time_s)
        if replicate == 0:
            shown = (name, with_it)
    return Figures(lost, ratio, *shown, estimate_recovery(longest), most)


def table(timeline: np.ndarray, tick_s: float) -> list[str]:
    """Write the ticks around the failure as rows of a table."""
    rows = ["| minutes | free GiB | state | ballooned GiB | swapped GiB | swap-in MiB/s | guests' paging MiB/s |"]
    for ahead in SHOWN:
        tick = timeline[AT_TICK + ahead]
        sizes = [tick[_AT[f"{name}_bytes"]] / GIB for name in ("free", "ballooned", "swapped")]
        rates = [tick[_AT[f"{name}_bytes"]] / tick_s / MIB for name in ("swap_in", "guest_paging")]
        state = _STATES[int(tick[_AT["state"]])]
        rows.append(
            f"| {ahead * tick_s / 60:.0f} | {sizes[0]:.1f} | {state} | {sizes[1]:.1f} | {sizes[2]:.1f} "
            f"| {rates[0]:.1f} | {rates[1]:.1f} |"
        )
    return rows


def main() -> None:
    """Write the figures."""
    for case in CASES:
        found = measure(case)
        lines = [
            "",
            f"{case.label}: {found.lost} fails, limit {found.ratio:g}, {found.recovery}, most swap-in of a survivor "
            f"{found.most_swap_in_bytes_per_s / MIB:.1f} MiB/s; worst survivor of replicate 0: {found.worst}",
            *table(found.timeline, 300.0),
        ]
        sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
