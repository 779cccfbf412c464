"""Measure what sampling costs: random hosts simulated in full, every 4 KiB page, and again at several rates.

    python -m tools.measure_sampling --hosts 36 --out planner/results/data/sampling_error.yaml --table FILE.md

Each host is drawn from a seed: size, preset, overcommit ratio, tail, kinds of pages, VMs and their demand. Takes some
minutes. The errors that reports state are read from the file; tests hold hosts of other seeds against it.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner.cli.environment import prepare_environment

prepare_environment(will_join_cluster=False)

from planner.config.load import load_hypervisor  # noqa: E402 (the environment is set before numba is imported)
from planner.config.spec import SloSpec, VmSpec, WorkloadSpec  # noqa: E402
from planner.host.problem import HostHardware, HostProblem, SwapDevice  # noqa: E402
from planner.host.simulator import HostSim  # noqa: E402
from planner.units import GIB, MIB, PAGE_BYTES  # noqa: E402
from planner.workload.listed import ListedSource  # noqa: E402
from planner.workload.overhead import min_free_bytes  # noqa: E402

RATES = (64, 128, 256, 512, 1024, 4096)
"""Sampled pages of a VM of mean size."""

BREAKDOWN = (
    "granted_bytes_mean", "private_bytes_mean", "shared_bytes_mean", "shared_saved_bytes_mean", "ballooned_bytes_mean",
    "evicted_bytes_mean", "compressed_bytes_mean", "swapped_bytes_mean", "small_mapped_bytes_mean",
)  # fmt: skip
"""Where the bytes are: errors are shares of the host's memory."""

RATES_OF_EVENTS = (
    "swap_in_bytes_per_s_mean", "swap_out_bytes_per_s_mean", "guest_paging_bytes_per_s_mean",
    "cow_break_bytes_per_s_mean",
)  # fmt: skip
"""Rare events: sampled and exact rate are compared as a ratio, where the exact one is not next to nothing."""

LEAST_RATE = 0.002
"""Events below this share of the host's memory a day are next to nothing."""

DAY_S = 86_400.0


@dataclass(frozen=True)
class RandomHost:
    """One random host, ready to be simulated at any rate."""

    seed: int
    preset: str
    ratio: float
    source: ListedSource
    problem: HostProblem

    def describe(self) -> str:
        """Say in a few words what kind of host it is."""
        memory = self.problem.host.memory_bytes / GIB
        return f"{self.preset}, {memory:.0f} GiB, ratio {self.ratio:.2f}, tail {self.problem.workload.tail}"


def draw_host(seed: int, largest_gib: int = 32) -> RandomHost:
    """Draw a host: 8 GiB to `largest_gib`, ratio 1.0 to 1.8, VMs that grant much of what they were given."""
    draws = np.random.default_rng([0x5A3B, seed])
    preset = str(draws.choice(["esxi-8", "kvm"]))
    hypervisor = load_hypervisor(preset)
    memory = int(draws.integers(8, largest_gib + 1)) * GIB
    ratio = float(np.round(draws.uniform(1.0, 1.8), 2))
    source, n_vms = _draw_vms(draws, memory, ratio, hypervisor, seed)
    workload = WorkloadSpec(
        tail=str(draws.choice(["low", "middle", "high"])),
        zero_fraction=float(draws.choice([0.0, 0.03, 0.1])),
        self_shared_fraction=float(draws.choice([0.0, 0.085, 0.2])),
        image_shared_fraction=float(draws.choice([0.015, 0.1])),
        shared_write_fraction=float(draws.choice([0.0, 0.002, 0.02])),
    )
    salting = bool(draws.random() < 0.5) if preset == "esxi-8" else False
    sharing = hypervisor.page_sharing.model_copy(update={"salting": salting})
    problem = HostProblem(
        host=HostHardware("host", memory, 0, 16, "sapphire-rapids", SwapDevice("nvme", 80e-6, 5e5)),
        hypervisor=hypervisor.model_copy(update={"page_sharing": sharing}),
        workload=workload,
        slo=SloSpec(),
        seed=seed,
        replicate=0,
        vm_idx=tuple(range(n_vms)),
        page_scale=1,
        warm_up_s=0.25 * DAY_S,
    )
    return RandomHost(seed, preset, ratio, source, problem)


def _draw_vms(
    draws: np.random.Generator, memory: int, ratio: float, hypervisor: Any, seed: int
) -> tuple[ListedSource, int]:
    """Draw VMs of 1 to 8 GiB until their configured memory is the ratio's; the last one fills up."""
    sizes: list[int] = []
    room = memory - min_free_bytes(memory, hypervisor)
    while True:
        wanted = int(ratio * room) - sum(sizes)
        if wanted < 256 * MIB:
            break
        size = min(int(draws.choice([1, 2, 2, 4, 4, 8])) * GIB, max(256 * MIB, wanted // (4 * MIB) * 4 * MIB))
        sizes.append(size)
    specs = tuple(
        VmSpec(
            name=f"vm-{number}",
            memory=f"{size // MIB} MiB",
            granted=float(draws.uniform(0.5, 1.0)),
            active=float(draws.choice([0.01, 0.03, 0.1])),
            image=str(draws.choice(["a", "b"])),
        )
        for number, size in enumerate(sizes)
    )
    source = ListedSource(specs, DAY_S, 300.0, seed)
    return source, len(sizes)


def scale_of(host: RandomHost, pages_per_vm: int) -> int:
    """Return the 4 KiB pages that a sampled page stands for at this rate, as a sweep chooses it."""
    wanted = float(host.source.vms.configured_bytes.mean()) / PAGE_BYTES / pages_per_vm
    return int(2 ** max(0, round(np.log2(wanted))))


def simulate(host: RandomHost, page_scale: int) -> dict[str, float]:
    """Simulate a host at one scale; returns its row, with the bytes in 4 KiB mappings added."""
    row = HostSim(host.source).run(replace(host.problem, page_scale=page_scale)).host_row
    numbers = {name: float(value) for name, value in row.items() if not isinstance(value, list)}
    numbers["small_mapped_bytes_mean"] = numbers["small_mapped_fraction_mean"] * numbers["granted_bytes_mean"]
    return numbers
