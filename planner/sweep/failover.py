"""Hosts that fail or are emptied at a known moment: their VMs go to the other hosts, which keep what they have.

No lockstep is needed: where the VMs go is decided by what hosts hold, not by how they fare, so that every host is
still one problem of its own. `build_plan` takes scenarios with and without events together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from planner.errors import InputError
from planner.placement import HostCapacities
from planner.placement.resolve import join_sets
from planner.sweep.hosts import expand_hosts, host_capacities
from planner.sweep.limits import demand_record, forecast_of, placement_limits, rules_of
from planner.sweep.occupancy import FleetSizes, describe_host, split_stays
from planner.sweep.over_time import Comer, Grounds, Housed, house
from planner.sweep.plan import PlacedHost, PlacedScenario, UnplacedVm
from planner.units import GIB
from planner.workload.grown import inventory_size
from planner.workload.overhead import vm_overhead_bytes
from planner.workload.source import DemandSource
from planner.workload.stays import Stay, base_source

DEFAULT_RESTART_DELAY_S = 300.0
"""Time without a failed host's VMs. vSphere HA declares a host dead and starts to restart its VMs 15 to 18 s after its
last heartbeat; powering on and booting takes the rest. Assumption, as coarse as a tick of 5 minutes. [s]"""

STARTS_PER_HOST = 32
"""VMs that a host restarts at once, and thus in a tick: vSphere HA's default (das.perHostConcurrentFailoversLimit)."""

MIGRATION_BYTES_PER_S = float(GIB)
"""Rate at which a host's VMs are migrated live, one after the other: what a network of 10 Gbit/s carries. Assumption:
memory that is written while it is copied is sent once. [bytes/s]"""


class Rules(NamedTuple):
    """How VMs find another host.

    Attributes
    ----------
    most_ratio : float or None
        Limit on configured ÷ usable memory of the hosts that take VMs in. None: the scenario's, raised in steps of
        0.05 as far as it takes for no more VMs to find a host by raising it further; reservations, overhead memory,
        the vCPU cap and the placement rules then decide who is refused, as in vSphere HA.
    spare : tuple of str
        Further hosts of the fleet that take VMs in though the scenario leaves them empty (failover hosts).
    starts_per_host : int
        VMs that a host restarts in one tick; the others follow in the next ones.
    """

    most_ratio: float | None = None
    spare: tuple[str, ...] = ()
    starts_per_host: int = STARTS_PER_HOST


AS_IN_VSPHERE = Rules()


class Displaced(NamedTuple):
    """What comes of an event.

    Attributes
    ----------
    scenario : PlacedScenario
        The same scenario with the event in it: for `build_plan`, beside the one without it. VMs that find no host are
        among `unplaced`, with the reason.
    stays : tuple of Stay
        Of the VMs that found another host, there.
    refused : tuple of UnplacedVm
        VMs that found none, and why.
    overcommit_ratio : float
        Limit on configured ÷ usable memory under which hosts were found.
    """

    scenario: PlacedScenario
    stays: tuple[Stay, ...]
    refused: tuple[UnplacedVm, ...]
    overcommit_ratio: float


class _Held(NamedTuple):
    """A stay and the name of its host."""

    host: str
    stay: Stay


class _Event(NamedTuple):
    """A scenario, what its hosts hold when something happens to some of them, and who needs a host from then on."""

    item: PlacedScenario
    source: DemandSource
    closed: tuple[str, ...]
    at_tick: int
    begun: list[_Held]
    comers: list[Comer]


def fail_hosts(
    item: PlacedScenario,
    source: DemandSource,
    lost: tuple[str, ...],
    at_tick: int,
    delay_ticks: int = 1,
    rules: Rules = AS_IN_VSPHERE,
) -> Displaced:
    """Let hosts fail at a tick: their VMs restart cold on the others, as the scenario's placement chooses.

    Parameters
    ----------
    item : PlacedScenario
        Any placed scenario, also one that has events already: add events in the order of their ticks.
    source : DemandSource
        The fleet that `item` was placed over (of a plan: `plan.source`).
    lost : tuple of str
        Names of the hosts, all lost at once. One that holds no VM makes no difference.
    at_tick : int
        First tick without them; 1 or later.
    delay_ticks : int
        Ticks that their VMs are off; at least 1 (see `DEFAULT_RESTART_DELAY_S`).
    rules : Rules
        Where they may go.

    Raises
    ------
    InputError
        A host that the fleet does not have, a tick outside of the horizon, or no host that is left.

    Notes
    -----
    VMs are placed in the fleet's order, in one go, beside all that the other hosts hold then, by the placement rules of
    the config; the failover reserve is there to be used, and nothing is predicted. Hosts that the scenario leaves
    empty stay so unless they are `spare`. As-is placement says nothing of a lost host: then each VM goes to the
    host with most room. Who would have arrived later is placed again, on the hosts that are left. VMs that find no
    host stay off: nobody tries again. `build_plan(source, [item, displaced.scenario])` makes one plan of both; give the
    second a scenario id of its own first.
    """
    if delay_ticks < 1:
        raise InputError("delay_ticks", f"{delay_ticks} leaves no time for a restart", "use 1 tick or more")
    event = _open_event(item, source, lost, at_tick, rules)
    comers, remaining = event.comers, []
    for held in event.begun:
        name, stay = held
        if name not in lost:
            remaining.append(held)
            continue
        remaining.append(_Held(name, replace(stay, end_tick=min(stay.end_tick, at_tick))))
        if at_tick + delay_ticks < stay.end_tick:
            comers.append(Comer(at_tick + delay_ticks, False, stay.vm, stay.end_tick, "cold"))
    housed = _house(event, rules)
    found = _put_together(event, remaining, housed, f"after the failure of {', '.join(lost)} in tick {at_tick}")
    return found._replace(scenario=_without(found.scenario, dict.fromkeys(lost, at_tick)))


def move_hosts(
    item: PlacedScenario,
    source: DemandSource,
    emptied: tuple[str, ...],
    at_tick: int,
    bytes_per_s: float = MIGRATION_BYTES_PER_S,
    rules: Rules = AS_IN_VSPHERE,
) -> Displaced:
    """Empty hosts for maintenance from a tick on: their VMs are migrated live, and none comes back.

    Parameters
    ----------
    emptied : tuple of str
        Names of the hosts. Each migrates its VMs by itself, one after the other in the fleet's order.
    at_tick : int
        Tick in which migration starts; 1 or later.
    bytes_per_s : float
        Configured memory that a host migrates in a second: an upper bound of what has to be sent. A VM changes hosts
        in the tick in which its last byte arrives. [bytes/s]
    item, source, rules
        As for `fail_hosts`.

    Raises
    ------
    InputError
        As `fail_hosts`.

    Notes
    -----
    A VM is on exactly one of both hosts at any tick; VMs that stay together change hosts in the same tick. Not
    modelled: memory that both hold for seconds, the load of copying, balloons and swapped memory that move along: a VM
    arrives with all of its granted memory in frames. A VM that finds no host stays where it is, and the host cannot be
    emptied: it is among `refused`, and as such among the scenario's `unplaced`.
    """
    event = _open_event(item, source, emptied, at_tick, rules)
    comer_of = {
        held: Comer(first_tick, False, held.stay.vm, held.stay.end_tick, "moved")
        for held, first_tick in _arrival_ticks(event, bytes_per_s).items()
        if first_tick < held.stay.end_tick
    }
    event.comers.extend(comer_of.values())
    housed = _house(event, rules)
    left_tick = {held: housed.settled[comer] for held, comer in comer_of.items() if comer in housed.settled}
    remaining = [
        held._replace(stay=replace(held.stay, end_tick=left_tick.get(held, held.stay.end_tick))) for held in event.begun
    ]
    what = f"for the maintenance of {', '.join(emptied)} in tick {at_tick}"
    found = _put_together(event, remaining, housed, what)
    return found._replace(scenario=_without(found.scenario, _gone_ticks(event, remaining)))


def without_hosts(
    item: PlacedScenario, source: DemandSource, missing: tuple[str, ...], rules: Rules = AS_IN_VSPHERE
) -> Displaced:
    """Leave hosts out from the start: their VMs run on the others over the whole horizon, as if they had always.

    Parameters
    ----------
    missing : tuple of str
        Names of the hosts.
    item, source, rules
        As for `fail_hosts`; `starts_per_host` does not matter, nothing boots.

    Raises
    ------
    InputError
        A host that the fleet does not have, or no host that is left.

    Notes
    -----
    Who arrives later is placed again, under the same limits as VMs of the missing hosts.
    """
    _check_names(item, missing, rules)
    there, later = _split_held(item, at_tick=1)
    comers = [Comer(0, False, stay.vm, stay.end_tick, stay.start) for name, stay in there if name in missing]
    comers += [comer._replace(is_new=False) for comer in later]
    remaining = [each for each in there if each.host not in missing]
    event = _Event(item, base_source(source), missing, 0, remaining, comers)
    rules = rules._replace(starts_per_host=len(event.source.vms))
    return _put_together(event, remaining, _house(event, rules), f"without {', '.join(missing)}")


def _open_event(
    item: PlacedScenario, source: DemandSource, names: tuple[str, ...], at_tick: int, rules: Rules
) -> _Event:
    """Check an event and sort what is: stays that have begun, and VMs that come later and are placed again."""
    if not 0 < at_tick < item.n_ticks:
        raise InputError(f"tick {at_tick}", f"outside of the horizon of {item.n_ticks} ticks", "ticks count from 0")
    _check_names(item, names, rules)
    begun, later = _split_held(item, at_tick)
    return _Event(item, base_source(source), names, at_tick, begun, later)


def _split_held(item: PlacedScenario, at_tick: int) -> tuple[list[_Held], list[Comer]]:
    """Tell stays that have begun before a tick from VMs that come later."""
    held = list(_all_held(item))
    begun = [each for each in held if each.stay.first_tick < at_tick]
    was_on = {each.stay.vm for each in begun}
    later = [each.stay for each in held if each.stay.first_tick >= at_tick]
    return begun, [Comer(stay.first_tick, stay.vm not in was_on, stay.vm, stay.end_tick, stay.start) for stay in later]


def _arrival_ticks(event: _Event, bytes_per_s: float) -> dict[_Held, int]:
    """Say when each VM of the hosts that are emptied arrives elsewhere; those that stay together, with the last."""
    vms, config = event.source.vms, event.item.config
    hosts = tuple(name for group in config.fleet.hosts for name in group.names())
    label, _ = join_sets(rules_of(config, event.source, hosts).together)
    sent_bytes, tick_of = dict.fromkeys(event.closed, 0), {}
    last: dict[tuple[str, str], int] = {}
    for held in event.begun:
        name, stay = held
        if name in event.closed and stay.end_tick > event.at_tick:
            sent_bytes[name] += int(vms.configured_bytes[stay.vm])
            tick_of[held] = event.at_tick + int(sent_bytes[name] / bytes_per_s / config.tick)
            # Hosts send VM after VM, so the last of a set is the latest.
            last[name, label.get(vms.names[stay.vm], vms.names[stay.vm])] = tick_of[held]
    return {held: last[held.host, label.get(vms.names[held.stay.vm], vms.names[held.stay.vm])] for held in tick_of}


def _check_names(item: PlacedScenario, names: tuple[str, ...], rules: Rules) -> None:
    known = [name for group in item.config.fleet.hosts for name in group.names()]
    for name in (*names, *rules.spare):
        if name not in known:
            raise InputError(f'host "{name}"', "the fleet has no such host", f"its hosts are {', '.join(known[:9])}")
    there = {host.hardware.name for host in item.hosts if host.gone_tick is None}
    if not {*there, *rules.spare} - set(names):
        raise InputError(", ".join(names), "no host with VMs would be left", "name fewer hosts, or spare ones")


def _all_held(item: PlacedScenario) -> Iterator[_Held]:
    """List all that hosts hold as stays, by host and in the fleet's order."""
    for host in item.hosts:
        whole = [Stay(vm, 0, item.n_ticks, "running") for vm in host.vm_idx]
        for stay in sorted([*whole, *host.stays]):
            yield _Held(host.hardware.name, stay)


def _house(event: _Event, rules: Rules) -> Housed:
    item = event.item
    hosts = host_capacities(expand_hosts(item.config.fleet.hosts), item.config.hypervisor)
    position = {name: number for number, name in enumerate(hosts.names)}
    gone = {host.hardware.name for host in item.hosts if host.gone_tick is not None} | set(event.closed)
    used = {host.hardware.name for host in item.hosts} | set(rules.spare)
    held = [(position[name], stay) for name, stay in event.begun if name not in gone]
    grounds = Grounds(
        strategy=item.scenario.placement,
        fleet=event.source.vms,
        hosts=hosts.without(_positions(hosts, gone)),
        limits=placement_limits(
            item.config, item.scenario.overcommit_ratio, rules_of(item.config, event.source, hosts.names)
        ),
        forecast=forecast_of(demand_record(event.source, item.config.sweep.replicates), item.config),
        closed_to_displaced=_positions(hosts, set(hosts.names) - used),
        displaced_ratio=rules.most_ratio,
        starts_per_host=rules.starts_per_host,
        n_inventory=inventory_size(event.source),
        seed=item.config.seed,
    )
    return house(grounds, held, event.comers)


def _positions(hosts: HostCapacities, names: set[str]) -> np.ndarray:
    return np.array([number for number, name in enumerate(hosts.names) if name in names], dtype=np.int64)


def _put_together(event: _Event, remaining: Sequence[_Held], housed: Housed, when: str) -> Displaced:
    """Make the scenario anew: hosts in the fleet's order, each with what it holds over the horizon."""
    item, fleet = event.item, event.source.vms
    sizes = FleetSizes(fleet, vm_overhead_bytes(fleet, item.config.hypervisor))
    hardware = expand_hosts(item.config.fleet.hosts)
    room_bytes = host_capacities(hardware, item.config.hypervisor).room_bytes
    old = {host.hardware.name: host for host in item.hosts}
    hosts: list[PlacedHost] = []
    for position, machine in enumerate(hardware):
        stays = [stay for name, stay in remaining if name == machine.name and stay.first_tick < stay.end_tick]
        stays += housed.stays.get(position, [])
        if stays:
            host = describe_host(machine, int(room_bytes[position]), *split_stays(stays, item.n_ticks), sizes)
            hosts.append(replace(host, gone_tick=old[machine.name].gone_tick if machine.name in old else None))
    refused = tuple(
        refusal.unplaced._replace(sentence=f"{when}: {refusal.unplaced.sentence}") for refusal in housed.refused
    )
    scenario = replace(item, hosts=tuple(hosts), unplaced=item.unplaced + refused)
    stays_there = (stay for new in housed.stays.values() for stay in new)
    displaced = {
        comer.stay(tick) for comer, tick in housed.settled.items() if not comer.is_new and tick < comer.end_tick
    }
    return Displaced(scenario, tuple(sorted(stay for stay in stays_there if stay in displaced)), refused, housed.ratio)


def _gone_ticks(event: _Event, remaining: Sequence[_Held]) -> dict[str, int]:
    """Return from which tick on each emptied host is empty; one that keeps a VM is not."""
    ends = {
        name: [held.stay.end_tick for held in remaining if held.host == name and held.stay.end_tick > event.at_tick]
        for name in event.closed
    }
    is_kept = {name for name, stay in remaining if name in event.closed and stay.end_tick == event.item.n_ticks}
    return {name: max([event.at_tick, *ticks]) for name, ticks in ends.items() if name not in is_kept}


def _without(item: PlacedScenario, gone_tick: dict[str, int]) -> PlacedScenario:
    """Note from which tick on hosts are gone."""
    hosts = (replace(host, gone_tick=gone_tick.get(host.hardware.name, host.gone_tick)) for host in item.hosts)
    return replace(item, hosts=tuple(hosts))
