"""Placed scenarios -> host problems. A host problem met in several scenarios is listed, and simulated, once.

VMs that come and go are stays of their hosts; a plan's source has a row for each stay of its scenarios.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import NamedTuple

from planner.config.spec import PlannerConfig
from planner.host.problem import HostHardware, HostProblem
from planner.placement.base import HostBound
from planner.sweep.expand import Scenario
from planner.workload.source import DemandSource
from planner.workload.stays import Stay, StayedSource, base_source


@dataclass(frozen=True)
class PlacedHost:
    """A host with at least one VM, as the result tables describe it.

    Attributes
    ----------
    vm_idx : tuple of int
        VMs that it holds over the whole horizon, ascending: rows of the fleet's VM table.
    configured_bytes, usable_bytes, vcpus : int
        Configured memory of its VMs, memory that is left for VMs, and their vCPUs, at the tick with most configured
        memory. [bytes]
    stays : tuple of Stay
        VMs that it holds for a part of the horizon, sorted. A VM may come back.
    stay_idx : tuple of int
        Rows of `stays` in the source of a plan: filled in by `build_plan`, empty before.
    gone_tick : int or None
        First tick without the host: it failed, or was emptied for maintenance. None: it is there to the end.
    """

    hardware: HostHardware
    vm_idx: tuple[int, ...]
    configured_bytes: int
    usable_bytes: int
    vcpus: int
    stays: tuple[Stay, ...] = ()
    stay_idx: tuple[int, ...] = ()
    gone_tick: int | None = None

    @property
    def rows(self) -> tuple[int, ...]:
        """Rows of the plan's source that it holds, ascending: its VMs, then its stays."""
        if len(self.stay_idx) != len(self.stays):
            raise ValueError(f"{self.hardware.name}: stays have rows only in a plan")
        return self.vm_idx + self.stay_idx

    @property
    def most_vms(self) -> int:
        """Most VMs that it holds at once."""
        return _most_at_once(len(self.vm_idx), self.stays)


class UnplacedVm(NamedTuple):
    """A VM that found no host, the kind of reason, and a sentence on what its nearest host lacks."""

    name: str
    kind: str
    sentence: str


@dataclass(frozen=True)
class PlacedScenario:
    """A scenario with its VMs placed.

    Attributes
    ----------
    config : PlannerConfig
        As this scenario sees it: axes and tail applied.
    page_scale : int
        4 KiB pages that one sampled page stands for.
    hosts : tuple of PlacedHost
        Hosts with at least one VM, in the fleet's order.
    unplaced : tuple of UnplacedVm
        VMs that found no host; where there is one the scenario is infeasible.
    warnings : tuple of str
        Rules that the placement breaks, because its VMs were not to be moved.
    bound : HostBound or None
        The fewest hosts that any placement could need; None for the question "grow".
    history : str or None
        What the demand was that the placement looked at; None where it looked at none.
    """

    scenario: Scenario
    config: PlannerConfig
    page_scale: int
    hosts: tuple[PlacedHost, ...]
    unplaced: tuple[UnplacedVm, ...]
    warnings: tuple[str, ...] = ()
    bound: HostBound | None = None
    history: str | None = None

    @property
    def n_ticks(self) -> int:
        """Ticks of the horizon."""
        return max(round(self.config.horizon / self.config.tick), 1)

    @property
    def vms_placed(self) -> int:
        """Most VMs that have a host at once."""
        return _most_at_once(
            sum(len(host.vm_idx) for host in self.hosts), [s for host in self.hosts for s in host.stays]
        )

    @property
    def vms_in_all(self) -> int:
        """VMs that have a host at some time; one that was on several counts once."""
        return len({vm for host in self.hosts for vm in (*host.vm_idx, *(stay.vm for stay in host.stays))})

    @property
    def hosts_used_mean(self) -> float:
        """Hosts that hold a VM, mean over the ticks of the horizon: one that fails counts until then."""
        return sum(_ticks_in_use(host, self.n_ticks) for host in self.hosts) / self.n_ticks


class HostRun(NamedTuple):
    """One row of the host table, by positions: its scenario, replicate, host in that scenario, and host problem."""

    placed: int
    replicate: int
    host: int
    problem: int


@dataclass(frozen=True)
class Plan:
    """All that is to be simulated.

    Attributes
    ----------
    source : DemandSource
        The fleet that the rows of hosts and problems count in: its VMs, then the stays of all scenarios.
    placed : tuple of PlacedScenario
    problems : tuple of HostProblem
        No two are equal.
    runs : tuple of HostRun
        Which problem answers for which scenario, replicate and host.
    """

    source: DemandSource
    placed: tuple[PlacedScenario, ...]
    problems: tuple[HostProblem, ...]
    runs: tuple[HostRun, ...]


def build_plan(source: DemandSource, placed: Sequence[PlacedScenario]) -> Plan:
    """List the host problems of all replicates of the placed scenarios, each distinct one once.

    Parameters
    ----------
    source : DemandSource
        The fleet that `vm_idx` and the stays of the scenarios' hosts count in, or the source of an earlier plan of it.
    placed : sequence of PlacedScenario
        With and without stays, mixed at will, also those of an earlier plan; all of one root seed.
    """
    source, placed = _with_stays(base_source(source), placed)
    # Replicates share placement, so problems are compared once, for replicate 0, and then numbered on.
    position: dict[HostProblem, int] = {}
    templates = [
        [position.setdefault(host_problem(item, host), len(position)) for host in item.hosts] for item in placed
    ]
    n_replicates = max((item.config.sweep.replicates for item in placed), default=0)
    problems = tuple(replace(problem, replicate=replicate) for replicate in range(n_replicates) for problem in position)
    runs = tuple(
        HostRun(number, replicate, host, replicate * len(position) + template)
        for number in range(len(placed))
        for replicate in range(n_replicates)
        for host, template in enumerate(templates[number])
    )
    return Plan(source, tuple(placed), problems, runs)


def _most_at_once(n_whole: int, stays: Sequence[Stay]) -> int:
    changes = Counter({0: 0})
    for stay in stays:
        changes[stay.first_tick] += 1
        changes[stay.end_tick] -= 1
    return n_whole + max(accumulate(changes[tick] for tick in sorted(changes)))


def _ticks_in_use(host: PlacedHost, n_ticks: int) -> int:
    if host.vm_idx:
        return n_ticks
    used, end = 0, 0
    for stay in sorted(host.stays, key=lambda stay: stay.first_tick):
        used += max(0, stay.end_tick - max(stay.first_tick, end))
        end = max(end, stay.end_tick)
    return used


def _with_stays(
    source: DemandSource, placed: Sequence[PlacedScenario]
) -> tuple[DemandSource, Sequence[PlacedScenario]]:
    """Give every stay of the scenarios a row in the source, in the order of the stays."""
    stays = tuple(sorted({stay for item in placed for host in item.hosts for stay in host.stays}))
    if not stays:
        return source, placed
    row_of = {stay: len(source.vms) + number for number, stay in enumerate(stays)}

    def resolved(item: PlacedScenario) -> PlacedScenario:
        hosts = (replace(host, stay_idx=tuple(row_of[stay] for stay in host.stays)) for host in item.hosts)
        return replace(item, hosts=tuple(hosts))

    return StayedSource(source, stays, placed[0].config.seed), [resolved(item) for item in placed]


def take_runs(plan: Plan, wanted: Mapping[int, tuple[Scenario, int]]) -> Plan:
    """Take some scenarios of a plan, with the first so many of their replicates.

    Parameters
    ----------
    wanted : mapping
        Id of a scenario in `plan` -> what it is to be in the new plan, and its number of replicates.

    Returns
    -------
    Plan
        Scenarios and problems in the order that they have in `plan`.
    """
    positions = [at for at, item in enumerate(plan.placed) if item.scenario.id in wanted]
    renumbered = {at: number for number, at in enumerate(positions)}
    limits = {at: wanted[plan.placed[at].scenario.id][1] for at in positions}
    runs = [run for run in plan.runs if run.placed in limits and run.replicate < limits[run.placed]]
    used = {problem: number for number, problem in enumerate(sorted({run.problem for run in runs}))}
    return Plan(
        source=plan.source,
        placed=tuple(replace(plan.placed[at], scenario=wanted[plan.placed[at].scenario.id][0]) for at in positions),
        problems=tuple(plan.problems[problem] for problem in used),
        runs=tuple(run._replace(placed=renumbered[run.placed], problem=used[run.problem]) for run in runs),
    )


OutcomeKey = tuple[HostProblem, tuple[Stay, ...]]
"""What decides the outcome of a host problem, whatever plan of a fleet it is in."""


def outcome_key(source: DemandSource, problem: HostProblem) -> OutcomeKey:
    """Name a host problem by what it holds: rows of stays mean different stays in the sources of different plans."""
    if not isinstance(source, StayedSource):
        return problem, ()
    n_fleet = len(source.base.vms)
    stays = tuple(source.stays[row - n_fleet] for row in problem.vm_idx if row >= n_fleet)
    return replace(problem, vm_idx=tuple(row for row in problem.vm_idx if row < n_fleet)), stays


def host_problem(item: PlacedScenario, host: PlacedHost, replicate: int = 0) -> HostProblem:
    """Return what the simulation of one host of a placed scenario is given."""
    config = item.config
    return HostProblem(
        host=host.hardware,
        hypervisor=config.hypervisor,
        workload=config.workload,
        slo=config.slo,
        seed=config.seed,
        replicate=replicate,
        vm_idx=host.rows,
        page_scale=item.page_scale,
        warm_up_s=config.warm_up,
    )
