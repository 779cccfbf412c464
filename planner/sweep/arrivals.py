"""Scenarios whose VMs come and go: who needs a host when, and where time-ordered placement puts them."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from planner.config.spec import PlannerConfig
from planner.host.problem import HostHardware
from planner.sweep.occupancy import FleetSizes, describe_host, split_stays
from planner.sweep.over_time import Comer, Grounds, house
from planner.sweep.plan import PlacedHost, UnplacedVm
from planner.workload.overhead import vm_overhead_bytes
from planner.workload.stays import Start
from planner.workload.turnover import Visit, draw_visits


class HousedFleet(NamedTuple):
    """Hosts with all that they hold over the horizon, in the fleet's order, and VMs that found no host."""

    hosts: tuple[PlacedHost, ...]
    unplaced: tuple[UnplacedVm, ...]


def has_arrivals(config: PlannerConfig) -> bool:
    """Say whether VMs of this config come or go within the horizon."""
    return config.fleet.turnover is not None or any(first or end for first, end in _listed_times(config))


def visits_of(config: PlannerConfig) -> tuple[Visit, ...]:
    """Return the visits of VMs beside the fleet's own."""
    if config.fleet.turnover is None:
        return ()
    return draw_visits(config.fleet.turnover, _n_ticks(config), config.tick, config.seed)


def list_comers(config: PlannerConfig, n_fleet: int) -> list[Comer]:
    """List who needs a host when: the fleet's VMs, then visitors, whose rows follow in the order of their visits.

    Notes
    -----
    A listed VM is on from the tick in which it arrives until before the tick in which it leaves, a tick at least.
    """
    n_ticks = _n_ticks(config)
    comers = []
    times = dict(enumerate(_listed_times(config)))
    for vm in range(n_fleet):
        arrives_s, leaves_s = times.get(vm, (None, None))
        first_tick = 0 if arrives_s is None else int(arrives_s / config.tick)
        end_tick = n_ticks if leaves_s is None else min(n_ticks, math.ceil(leaves_s / config.tick))
        end_tick = max(first_tick + 1, end_tick)
        comers.append(Comer(first_tick, True, vm, end_tick, "running" if arrives_s is None else "cold"))
    for vm, visit in enumerate(visits_of(config), start=n_fleet):
        start: Start = "running" if visit.is_running else "cold"
        comers.append(Comer(visit.first_tick, True, vm, visit.end_tick, start))
    return comers


def house_fleet(grounds: Grounds, hardware: tuple[HostHardware, ...], comers: list[Comer], n_ticks: int) -> HousedFleet:
    """Place all comers of a scenario over time."""
    housed = house(grounds, (), comers)
    sizes = FleetSizes(grounds.fleet, vm_overhead_bytes(grounds.fleet, grounds.limits.hypervisor))
    hosts = []
    for position, stays in sorted(housed.stays.items()):
        room_bytes = int(grounds.hosts.room_bytes[position])
        hosts.append(describe_host(hardware[position], room_bytes, *split_stays(stays, n_ticks), sizes))
    return HousedFleet(tuple(hosts), tuple(refusal.unplaced for refusal in housed.refused))


def _listed_times(config: PlannerConfig) -> Iterator[tuple[float | None, float | None]]:
    vms = config.fleet.vms
    for spec in vms if isinstance(vms, tuple) else ():
        for _ in range(spec.count):
            yield spec.arrives, spec.leaves


def _n_ticks(config: PlannerConfig) -> int:
    return max(round(config.horizon / config.tick), 1)
