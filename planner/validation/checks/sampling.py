"""The engine on a sample of pages against the same engine on every 4 KiB page: where the bytes are."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from planner.config.load import load_hypervisor
from planner.config.slo import SloSpec
from planner.config.spec import VmSpec, WorkloadSpec
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.simulator import HostSim
from planner.units import GIB, MIB, PAGE_BYTES
from planner.validation.base import Computed
from planner.workload.listed import ListedSource
from planner.workload.overhead import min_free_bytes

_HOUR_S = 3600.0
_TICK_S = 300.0
_VM_MIB = 1024
_BREAKDOWN = ("granted", "private", "shared", "shared_saved", "ballooned", "evicted", "compressed", "swapped")


def check_sampled_against_exact(config: Mapping[str, Any]) -> Computed:
    """Compute the difference of sampled and exact means over `hours`, in percent of host memory: `CLASS_percent`.

    A host of `memory_gib` under `preset` holds VMs of 1 GiB up to `ratio`, of which each has touched `granted` and
    touches `active` per tick; the sample has `pages_per_vm` pages of each VM.
    """
    memory = int(config["memory_gib"]) * GIB
    hypervisor = load_hypervisor(config["preset"])
    n_vms = round(config["ratio"] * (memory - min_free_bytes(memory, hypervisor)) / (_VM_MIB * MIB))
    vms = tuple(
        VmSpec(
            name=f"vm-{n}",
            memory=f"{_VM_MIB} MiB",
            granted=config["granted"],
            active=config["active"],
            image=("a", "b")[n % 2],
        )
        for n in range(n_vms)
    )
    problem = HostProblem(
        host=HostHardware("host", memory, 0, 16, "sapphire-rapids", SwapDevice("nvme", 80e-6, 5e5)),
        hypervisor=hypervisor,
        workload=WorkloadSpec(),
        slo=SloSpec(),
        seed=config["seed"],
        replicate=0,
        vm_idx=tuple(range(n_vms)),
        page_scale=1,
    )
    sim = HostSim(ListedSource(vms, config["hours"] * _HOUR_S, _TICK_S, config["seed"]))
    exact = sim.run(problem).host_row
    scale = _VM_MIB * MIB // PAGE_BYTES // int(config["pages_per_vm"])
    sampled = sim.run(replace(problem, page_scale=scale)).host_row
    values: dict[str, float] = {}
    for name in _BREAKDOWN:
        column = f"{name}_bytes_mean"
        values[f"{name}_percent"] = 100.0 * float(sampled[column] - exact[column]) / memory
    return Computed(values)


CHECKS = {"sampled-against-exact": check_sampled_against_exact}
