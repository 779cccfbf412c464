"""Placed scenarios -> host problems. A host problem met in several scenarios is listed, and simulated, once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from planner.config.spec import PlannerConfig
from planner.host.problem import HostHardware, HostProblem
from planner.sweep.expand import Scenario
from planner.workload.source import DemandSource


@dataclass(frozen=True)
class PlacedHost:
    """A host with at least one VM, as the result tables describe it. Memory in bytes, `vm_idx` ascending."""

    hardware: HostHardware
    vm_idx: tuple[int, ...]
    configured_bytes: int
    usable_bytes: int
    vcpus: int


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
    """

    scenario: Scenario
    config: PlannerConfig
    page_scale: int
    hosts: tuple[PlacedHost, ...]
    unplaced: tuple[UnplacedVm, ...]
    warnings: tuple[str, ...] = ()


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
        The fleet that `vm_idx` counts in.
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
    """List the host problems of all replicates of the placed scenarios, each distinct one once."""
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
        vm_idx=host.vm_idx,
        page_scale=item.page_scale,
        warm_up_s=config.warm_up,
    )
