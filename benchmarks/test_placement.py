"""Placement speed: hosts of 144 cores and 200 GiB, VMs of 0.5, 1 and 2 GiB (a size mix that other tools report on)."""

import numpy as np
import pytest

from planner.config.hypervisor import HypervisorSpec
from planner.placement import HostCapacities, PlacementLimits, PlacementRequest, load_strategy
from planner.units import GIB, MIB
from planner.workload.fleet import VmTable


def make_request(n_hosts: int, n_vms: int, gib_per_host: int) -> PlacementRequest:
    memory = (np.resize([0.5, 1.0, 2.0], n_vms) * GIB).astype(np.int64)
    blank = (None,) * n_vms
    vms = VmTable(
        tuple(f"vm-{i}" for i in range(n_vms)), memory, np.resize([1, 2, 4, 8], n_vms), blank, blank, blank,
        memory // MIB * 10, np.zeros(n_vms, dtype=np.int64), memory, np.ones(n_vms, dtype=bool),
    )  # fmt: skip
    hosts = HostCapacities(
        tuple(f"h{i}" for i in range(n_hosts)), np.full(n_hosts, gib_per_host * GIB), np.zeros(n_hosts, dtype=np.int64),
        np.full(n_hosts, 144), np.ones(n_hosts, dtype=bool),
    )  # fmt: skip
    return PlacementRequest(vms, hosts, PlacementLimits(1.4, HypervisorSpec(preset="bench")))


@pytest.mark.parametrize(("n_hosts", "n_vms"), [(1_000, 10_000), (5_000, 50_000), (10_000, 100_000)])
@pytest.mark.parametrize("name", ["first-fit", "first-fit-decreasing", "best-fit", "worst-fit"])
@pytest.mark.parametrize("gib_per_host", [200, 10])
def test_place(benchmark, name, n_hosts, n_vms, gib_per_host):
    """200 GiB hosts never fill up; 10 GiB hosts do, so that nearly every host is opened."""
    request, strategy = make_request(n_hosts, n_vms, gib_per_host), load_strategy(name)
    placement = benchmark.pedantic(strategy.place, (request,), rounds=2, warmup_rounds=1)
    assert placement.is_placed.all()
