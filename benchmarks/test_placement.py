"""Placement speed: hosts of 144 cores and 200 GiB, VMs of 0.5, 1 and 2 GiB (a size mix that other tools report on)."""

import numpy as np
import pytest

from planner.config.hypervisor import HypervisorSpec
from planner.placement import HostCapacities, PlacementLimits, load_strategy
from planner.units import GIB, MIB
from planner.workload.fleet import VmTable


@pytest.mark.parametrize(("n_hosts", "n_vms"), [(1_000, 10_000), (10_000, 100_000)])
@pytest.mark.parametrize("name", ["first-fit", "first-fit-decreasing", "best-fit", "worst-fit"])
@pytest.mark.parametrize("gib_per_host", [200, 10])
def test_place(benchmark, name, n_hosts, n_vms, gib_per_host):
    """200 GiB hosts never fill up; 10 GiB hosts do, so that nearly every host is opened."""
    memory = (np.resize([0.5, 1.0, 2.0], n_vms) * GIB).astype(np.int64)
    blank = (None,) * n_vms
    vms = VmTable(
        tuple(f"vm-{i}" for i in range(n_vms)), memory, np.resize([1, 2, 4, 8], n_vms), blank, blank, blank,
        memory // MIB * 10, np.zeros(n_vms, dtype=np.int64), memory, np.ones(n_vms, dtype=bool),
    )  # fmt: skip
    names = tuple(f"h{i}" for i in range(n_hosts))
    hosts = HostCapacities(names, np.full(n_hosts, gib_per_host * GIB), np.zeros(n_hosts, dtype=np.int64))
    strategy, limits = load_strategy(name), PlacementLimits(1.4, HypervisorSpec(preset="bench"))
    placement = benchmark.pedantic(strategy.place, (vms, hosts, limits), rounds=2, warmup_rounds=1)
    assert placement.is_placed.all()
