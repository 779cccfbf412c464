"""Hosts of some hundred pages whose demand jumps about, for rules that whole runs must keep."""

from dataclasses import replace

import numpy as np

from planner.config.catalog import load_hypervisor_preset
from planner.config.hypervisor import HypervisorSpec
from planner.config.slo import SloSpec
from planner.config.spec import WorkloadSpec
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.simulator import HostSim
from planner.kernels import timeline
from planner.units import PAGE_BYTES
from planner.workload.fleet import Demand, VmTable
from tests.whole_source import WholeSource

N_TICKS = 48
PAGE_SCALE = 64


class JumpyFleet(WholeSource):
    """VMs that grow, burst and restart."""

    def __init__(self, seed, n_vms):
        self._seed = seed
        rng = np.random.default_rng(seed)
        configured = rng.integers(40, 200, n_vms).astype(np.int64) * PAGE_SCALE * PAGE_BYTES
        self.vms = VmTable(
            names=tuple(f"vm-{v}" for v in range(n_vms)),
            configured_bytes=configured,
            vcpus=np.full(n_vms, 2),
            groups=(None,) * n_vms,
            images=("a",) * n_vms,
            hosts=(None,) * n_vms,
            shares=np.full(n_vms, 1000),
            reservation_bytes=np.zeros(n_vms, dtype=np.int64),
            limit_bytes=configured,
            has_balloon_driver=np.ones(n_vms, dtype=bool),
        )

    def whole(self, replicate):
        rng = np.random.default_rng([self._seed, replicate])
        shape = (len(self.vms), N_TICKS)
        granted = np.minimum(1.0, rng.uniform(0.3, 0.9, (shape[0], 1)) + np.cumsum(rng.exponential(0.01, shape), 1))
        granted = np.where(rng.random(shape) < 0.01, 0.3, granted)
        active = np.minimum(granted, rng.exponential(0.1, shape))
        return Demand(300.0, active.astype(np.float32), granted.astype(np.float32), np.full(shape[0], np.nan))

    def replicate_meaning(self):
        return "random"


def build_host(seed, preset, ratio, **sections):
    """Build a host of an overcommit ratio under a preset; `sections` override parts of it.

    Returns
    -------
    HostSim, HostProblem
    """
    fleet = JumpyFleet(seed, 4)
    values = load_hypervisor_preset(preset)
    values |= {"vm_overhead_base": 0.0, "vm_overhead_per_vcpu": 0.0, "vm_overhead_per_memory": 0.0}
    values |= {
        name: values[name] | section if isinstance(section, dict) else section for name, section in sections.items()
    }
    memory = int(fleet.vms.configured_bytes.sum() / ratio)
    problem = HostProblem(
        host=HostHardware("host", memory, 0, 8, "sapphire-rapids", SwapDevice("nvme", 80e-6, 5e5)),
        hypervisor=HypervisorSpec.model_validate(values),
        workload=WorkloadSpec(),
        slo=SloSpec(),
        seed=seed,
        replicate=0,
        vm_idx=tuple(range(4)),
        page_scale=PAGE_SCALE,
    )
    return HostSim(fleet), problem


def sampled_pages(result, *columns):
    """Sum columns of a result's timeline over the run, in sampled pages."""
    total = sum(result.timeline[:, timeline.COLUMNS.index(name)].sum() for name in columns)
    return int(total) // (PAGE_SCALE * PAGE_BYTES)


class SteadyFleet(JumpyFleet):
    """One VM that leaves the host a given number of free pages, tick by tick in turn."""

    def __init__(self, n_pages, free_pages):
        super().__init__(0, 1)
        configured = np.array([n_pages * PAGE_SCALE * PAGE_BYTES], dtype=np.int64)
        self.vms = replace(self.vms, configured_bytes=configured, limit_bytes=configured)
        self._granted = np.resize((n_pages - np.array(free_pages)) / n_pages, (1, N_TICKS))

    def whole(self, replicate):
        granted = self._granted.astype(np.float32)
        return Demand(300.0, granted * np.float32(0.1), granted, np.full(1, np.nan))


def run_steady_host(n_pages, free_pages, **sections):
    """Run a host of `n_pages` without any mechanism; return its memory state by tick."""
    off = {name: {"enabled": False} for name in ("page_sharing", "ballooning", "compression", "swap")}
    _, problem = build_host(0, "esxi-8", 1.0, large_pages=False, **off, **sections)
    host = replace(problem.host, memory_bytes=n_pages * PAGE_SCALE * PAGE_BYTES)
    result = HostSim(SteadyFleet(n_pages, free_pages)).run(replace(problem, host=host, vm_idx=(0,)), keep_timeline=True)
    return result.timeline[:, timeline.COLUMNS.index("state")]
