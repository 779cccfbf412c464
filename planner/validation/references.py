"""References by the independent reference model, replayed on the real stack: one VM under a memory limit."""

from dataclasses import dataclass, replace

import numpy as np

from planner.config.catalog import load_hypervisor_preset
from planner.config.hypervisor import HypervisorSpec
from planner.config.slo import SloSpec
from planner.config.spec import WorkloadSpec
from planner.host.experiment import Experiment, ExperimentRun
from planner.host.pages import UNIQUE_KEY, FleetPages
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.touches import VmTouches
from planner.kernels import timeline
from planner.kernels.replacement import count_fifo_misses, count_lru_misses
from planner.streams import make_generator
from planner.units import PAGE_BYTES
from planner.workload.fleet import plain_vms

_PRESETS = {"lru": "kvm", "random": "esxi-8"}


@dataclass(frozen=True)
class References:
    """A stream of references and the memory it has.

    Attributes
    ----------
    n_pages, n_frames : int
        Pages of the VM, and of the host.
    alpha : float
        Exponent of the Zipf law over pages; 0 is uniform.
    n_warm_up, n_judged : int
        References before counting starts, and counted ones.
    per_tick : int
        References of one tick. Within a tick they are played in the order of the stream; two pages last touched in one
        tick count as equally old.
    seed : int
    """

    n_pages: int
    n_frames: int
    alpha: float
    n_warm_up: int = 1_000_000
    n_judged: int = 1_200_000
    per_tick: int = 16
    seed: int = 1


def measure_miss_ratio(references: References, victims: str) -> float:
    """Replay a stream on the stack and return page faults served from swap per reference.

    Parameters
    ----------
    references : References
        All pages are touched once in turn before the stream starts, as by a program that fills its memory.
    victims : str
        "lru" (Linux) or "random" (ESXi): whom the host pages out.
    """
    n_ticks = (references.n_warm_up + references.n_judged) // references.per_tick + 1
    run = ExperimentRun(_experiment(references, victims, n_ticks))
    run.run()
    n_judged = references.n_judged // references.per_tick
    swap_in = run.out.timeline[-n_judged:, timeline.SWAP_IN].sum()
    return float(swap_in / (n_judged * references.per_tick))


def measure_exact_miss_ratio(references: References, policy: str) -> float:
    """Replay the same references, as they are and without the stack, under exact "lru" or "fifo": misses per reference.

    Other than in the stack two pages are never equally old.
    """
    first_touches = np.arange(references.n_pages, dtype=np.int32)
    stream = _stream(references, references.n_warm_up + references.n_judged)
    n_before = first_touches.size + references.n_warm_up
    count_misses = {"lru": count_lru_misses, "fifo": count_fifo_misses}[policy]
    pages = np.concatenate((first_touches, stream))
    return count_misses(pages, references.n_pages, references.n_frames, n_before) / references.n_judged


def _experiment(references: References, victims: str, n_ticks: int) -> Experiment:
    n_pages, per_tick = references.n_pages, references.per_tick
    memory_bytes = n_pages * PAGE_BYTES
    vms = replace(plain_vms(np.array([memory_bytes])), names=("vm",), has_balloon_driver=np.zeros(1, dtype=bool))
    pages = FleetPages(
        start=np.array([0, n_pages]),
        content_key=np.full(n_pages, UNIQUE_KEY),
        guest_class=np.zeros(n_pages, dtype=np.uint8),
        compressed_units=np.full(n_pages, 16, dtype=np.uint8),
    )
    start = np.concatenate(([0], np.arange(n_ticks) * per_tick)).astype(np.int64)
    return Experiment(
        problem=_problem(references, victims),
        vms=vms,
        pages=pages,
        granted=np.full((1, n_ticks), n_pages, dtype=np.int32),
        touches=(VmTouches(_stream(references, start[-1]), start),),
        tick_s=1.0,
    )


def _stream(references: References, count: int) -> np.ndarray:
    """Draw page numbers: page k has weight (k + 1) ** -alpha."""
    generator = make_generator(references.seed, "demand")
    weights = np.arange(1, references.n_pages + 1) ** -references.alpha
    edges = np.cumsum(weights) / weights.sum()
    pages = np.searchsorted(edges, generator.random(count), side="right")
    stream: np.ndarray = np.minimum(pages, references.n_pages - 1).astype(np.int32)
    return stream


def _problem(references: References, victims: str) -> HostProblem:
    # Thresholds of next to nothing: as in a memory cgroup, a fault that finds no frame takes the one it needs.
    off = {"enabled": False}
    changes = {
        "states": "esxi", "min_free_fraction": 1e-12, "large_pages": False, "vm_overhead_base": 0.0,
        "vm_overhead_per_vcpu": 0.0, "vm_overhead_per_memory": 0.0, "page_sharing": off, "ballooning": off,
        "compression": off,
    }  # fmt: skip
    return HostProblem(
        host=HostHardware("host", references.n_frames * PAGE_BYTES, 0, 2, "zen3", SwapDevice("nvme", 80e-6, 700_000.0)),
        hypervisor=HypervisorSpec.model_validate(load_hypervisor_preset(_PRESETS[victims]) | changes),
        workload=WorkloadSpec(),
        slo=SloSpec(),
        seed=references.seed,
        replicate=0,
        vm_idx=(0,),
        page_scale=1,
    )
