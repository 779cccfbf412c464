"""Placement speed: hosts of 144 cores and 200 GiB, VMs of 0.5, 1 and 2 GiB (a size mix that other tools report on)."""

from dataclasses import replace

import numpy as np
import pytest

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

    def read(_: float) -> Demand:
        phase = np.arange(len(vms))[:, np.newaxis] % 24 / 24
        active = (0.15 + 0.1 * np.sin(2 * np.pi * (np.arange(2016) / 288 + phase))).astype(np.float32)
        return Demand(300.0, active, active, np.ones(len(vms)))

    record = DemandRecord(vms.configured_bytes, read, lambda: [])
    return Forecast(record, 7 * 86400.0, np.arange(len(vms)))


FAST = ["first-fit", "first-fit-decreasing", "best-fit", "worst-fit"]
OTHERS = ["worst-fit-percent", "random", "dot-product", "sharing-aware", "group-spreading", "peak-aware", "solver"]


@pytest.mark.parametrize(("n_hosts", "n_vms"), [(1_000, 10_000), (5_000, 50_000), (10_000, 100_000)])
@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("gib_per_host", [200, 10])
def test_place(benchmark, name, n_hosts, n_vms, gib_per_host):
    """200 GiB hosts never fill up; 10 GiB hosts do, so that nearly every host is opened."""
    place_all(benchmark, name, make_request(n_hosts, n_vms, gib_per_host))


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("gib_per_host", [200, 10])
def test_place_by_more_than_size(benchmark, name, gib_per_host):
    place_all(benchmark, name, make_request(1_000, 10_000, gib_per_host))


@pytest.mark.parametrize("name", ["first-fit", "worst-fit"])
def test_place_under_rules(benchmark, name):
    """A hundred sets of ten VMs kept apart: one host after the other is looked at, no search tree."""
    request = make_request(1_000, 10_000, 10)
    sets = (frozenset(request.vms.names[first : first + 10]) for first in range(0, 1_000, 10))
    rules = PlacementRules(apart=tuple(NamedSet("apart", names) for names in sets))
    place_all(benchmark, name, replace(request, limits=replace(request.limits, rules=rules)))


@pytest.mark.parametrize("gib_per_host", [200, 10])
def test_bound(benchmark, gib_per_host):
    request = make_request(1_000, 10_000, gib_per_host)
    assert benchmark.pedantic(bound_hosts, (request,), rounds=1).hosts


def place_all(benchmark, name, request):
    placement = benchmark.pedantic(load_strategy(name).place, (request,), rounds=2, warmup_rounds=1)
    assert placement.is_placed.all()
