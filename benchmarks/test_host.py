"""One host of the demo's kind, two weeks at five minutes: quiet and under pressure, beside a plain copy of memory."""

import numpy as np
import pytest

from planner.config.load import load_hypervisor
from planner.config.spec import SloSpec, WorkloadSpec
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.simulator import HostSim, translation_table
from planner.kernels.host_loop import simulate_ticks
from planner.workload.generated import GeneratedSource

N_VMS = 64


@pytest.fixture(scope="module")
def sim():
    return HostSim(GeneratedSource("managed-hosting", N_VMS, horizon_s=14 * 86400.0, tick_s=300.0, seed=5))


@pytest.mark.parametrize("ratio", [1.0, 1.6, 2.2])
def test_simulate_host(benchmark, sim, ratio):
    configured = int(sim._source.vms.configured_bytes.sum())
    problem = HostProblem(
        host=HostHardware("host", int(configured / ratio), 0, 64, "sapphire-rapids", SwapDevice("nvme", 80e-6, 5e5)),
        hypervisor=load_hypervisor("esxi-8"),
        workload=WorkloadSpec(),
        slo=SloSpec(),
        seed=5,
        replicate=0,
        vm_idx=tuple(range(N_VMS)),
        page_scale=16384,
        warm_up_s=43200.0,
    )
    table = translation_table("sapphire-rapids", "middle")

    def fresh():
        stack, costs, out = sim.prepare(problem)
        return (stack, costs, table, out, (0, out.timeline.shape[0])), {}

    benchmark.pedantic(simulate_ticks, setup=fresh, rounds=5, warmup_rounds=1)
    benchmark.extra_info["sampled_pages"] = int(sim.prepare(problem)[0].pages.host_class.size)


def test_copy_of_64_mib(benchmark):
    source = np.ones(64 * 2**20, dtype=np.uint8)
    target = np.empty_like(source)
    benchmark(np.copyto, target, source)
