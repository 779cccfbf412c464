"""Placement speed: hosts of 144 cores and 200 GiB, VMs of 0.5, 1 and 2 GiB (a size mix that other tools report on).

    python -m benchmarks.placement

Hosts of 200 GiB never fill up; of 10 GiB nearly all are opened. CPU time of one placement, compiled before.
"""

from dataclasses import replace

import numpy as np

from benchmarks.figures import Figure, Measured, run_benchmark
from benchmarks.machine import cpu_time_of, time_of_draws
from planner.config.hypervisor import HypervisorSpec
from planner.placement import (
    DemandRecord,
    Forecast,
    HostCapacities,
    NamedSet,
    PlacementLimits,
    PlacementRequest,
    PlacementRules,
    load_strategy,
)
from planner.placement.bound import bound_hosts
from planner.units import GIB, MIB
from planner.workload.fleet import Demand, VmTable


def make_request(n_hosts: int, n_vms: int, gib_per_host: int) -> PlacementRequest:
    memory = (np.resize([0.5, 1.0, 2.0], n_vms) * GIB).astype(np.int64)
    blank = (None,) * n_vms
    groups, images = tuple(f"g{i % 500}" for i in range(n_vms)), tuple(f"i{i % 20}" for i in range(n_vms))
    vms = VmTable(
        tuple(f"vm-{i}" for i in range(n_vms)), memory, np.resize([1, 2, 4, 8], n_vms), groups, images, blank,
        memory // MIB * 10, np.zeros(n_vms, dtype=np.int64), memory, np.ones(n_vms, dtype=bool),
    )  # fmt: skip
    hosts = HostCapacities(
        tuple(f"h{i}" for i in range(n_hosts)), np.full(n_hosts, gib_per_host * GIB), np.zeros(n_hosts, dtype=np.int64),
        np.full(n_hosts, 144), np.ones(n_hosts, dtype=bool),
    )  # fmt: skip
    limits = PlacementLimits(1.4, HypervisorSpec(preset="bench", page_sharing={"salting": False}))
    return PlacementRequest(vms, hosts, limits, forecast=make_forecast(vms))


def make_forecast(vms: VmTable) -> Forecast:
    """A week at 5 minutes: a daily wave for each VM, with a phase of its own."""

    def read(_: float, vm_idx: np.ndarray) -> Demand:
        phase = vm_idx[:, np.newaxis] % 24 / 24
        active = (0.15 + 0.1 * np.sin(2 * np.pi * (np.arange(2016) / 288 + phase))).astype(np.float32)
        return Demand(300.0, active, active, np.ones(len(vm_idx)))

    record = DemandRecord(vms.configured_bytes, read, lambda _: [])
    return Forecast(record, 7 * 86400.0, np.arange(len(vms)))


ALL = (
    "first-fit", "first-fit-decreasing", "best-fit", "worst-fit", "worst-fit-percent", "random", "dot-product",
    "sharing-aware", "group-spreading", "peak-aware", "solver",
)  # fmt: skip
FAST = ALL[:4]
FLEETS = {"tiny": (50, 500), "usual": (1_000, 10_000), "full": (1_000, 10_000)}
LARGE = (10_000, 100_000)
FIRST_FIT_GOAL_S = 5.0


def measure(size):
    """Place the fleet with every strategy, a hundred times as many VMs with the fast ones, and bound it."""
    small = FLEETS[size]
    draws = time_of_draws()
    figures = []
    for gib_per_host in (200, 10):
        for name in ALL:
            cpu_s = time_placement(name, make_request(*small, gib_per_host))
            figures.append(Figure(label(name, small, gib_per_host), cpu_s, "s", draws))
        if size != "tiny":
            for name in FAST:
                cpu_s = time_placement(name, make_request(*LARGE, gib_per_host))
                goal = FIRST_FIT_GOAL_S if name == "first-fit" else None
                figures.append(Figure(label(name, LARGE, gib_per_host), cpu_s, "s", draws, at_most=goal))
        cpu_s = cpu_time_of(lambda gib=gib_per_host: bound_hosts(make_request(*small, gib)))
        figures.append(Figure(label("bound on hosts", small, gib_per_host), cpu_s, "s", draws))
    figures.append(Figure("first-fit under a hundred rules", time_placement("first-fit", ruled(small)), "s", draws))
    return Measured(figures, {})


def ruled(fleet):
    """A hundred sets of ten VMs (fewer in a small fleet) kept apart: hosts are looked at one after the other."""
    request = make_request(*fleet, 10)
    sets = (frozenset(request.vms.names[first : first + 10]) for first in range(0, fleet[1] // 10, 10))
    rules = PlacementRules(apart=tuple(NamedSet("apart", names) for names in sets))
    return replace(request, limits=replace(request.limits, rules=rules))


def label(name, fleet, gib_per_host):
    return f"{name}, {fleet[0]:,} hosts of {gib_per_host} GiB x {fleet[1]:,} VMs"


def time_placement(name, request):
    """Return the CPU time of a placement; one before it compiles."""
    strategy = load_strategy(name)
    if not strategy.place(request).is_placed.all():
        raise ValueError(f"{name} finds no host for some VMs")
    return cpu_time_of(lambda: strategy.place(request))


if __name__ == "__main__":
    run_benchmark(measure, __doc__)
