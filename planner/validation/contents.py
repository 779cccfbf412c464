"""Hosts whose page contents are written out, for the checks of page sharing: the scanner and nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from planner.config.catalog import expand_hypervisor
from planner.config.hypervisor import HypervisorSpec
from planner.config.slo import SloSpec
from planner.config.spec import WorkloadSpec
from planner.host.experiment import Experiment, ExperimentRun
from planner.host.pages import FleetPages
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.touches import VmTouches
from planner.kernels import timeline
from planner.kernels.state import GUEST_ANON
from planner.units import GIB, PAGE_BYTES
from planner.workload.fleet import plain_vms

_ROOM = 4
_SPARE_BYTES = GIB
"""Host memory: a multiple of the guests', and what the watermarks of a small host take. Nothing is ever short."""


class ScanHost(NamedTuple):
    """A host on which nothing happens but scanning.

    Attributes
    ----------
    contents : sequence of int arrays
        Content key of every page, VM by VM: UNIQUE_KEY, ZERO_KEY or a positive number.
    sharing : mapping
        Values of `page_sharing` laid over those of the preset.
    tick_s : float
        Length of a tick. [s]
    n_ticks : int
    preset : str
    written : sequence of lists of int arrays, or None
        Pages that each VM touches, tick by tick: a touch writes to the page, but page cache (`guest_class`) that was
        written gets its first content back.
    guest_class : int
        Guest class of all pages.
    numa_nodes : int
        VMs of one size are put on them in turn.
    """

    contents: Sequence[np.ndarray]
    sharing: Mapping[str, Any]
    tick_s: float
    n_ticks: int
    preset: str = "kvm"
    written: Sequence[Sequence[np.ndarray]] | None = None
    guest_class: int = GUEST_ANON
    numa_nodes: int = 1


def start_scan(host: ScanHost) -> ExperimentRun:
    """Build the host's stack, ready for its first tick."""
    n_vms = len(host.contents)
    n_pages = np.array([content.size for content in host.contents], dtype=np.int64)
    configured_bytes = n_pages * PAGE_BYTES
    vms = plain_vms(configured_bytes)
    total = int(n_pages.sum())
    pages = FleetPages(
        start=np.concatenate(([0], np.cumsum(n_pages))),
        content_key=np.concatenate(list(host.contents)).astype(np.int64),
        guest_class=np.full(total, host.guest_class, dtype=np.uint8),
        compressed_units=np.full(total, 16, dtype=np.uint8),
    )
    granted = np.repeat(n_pages.astype(np.int32)[:, None], host.n_ticks, axis=1)
    touches = tuple(_touches(host, v) for v in range(n_vms))
    problem = _problem(host, int(configured_bytes.sum()))
    return ExperimentRun(Experiment(problem, vms, pages, granted, touches, host.tick_s))


def play(run: ExperimentRun, stop_scans: int | None = None) -> Iterator[int]:
    """Play ticks until the horizon, or until `stop_scans` full scans are done; yields each tick after it has run."""
    for tick in run.ticks():
        yield tick
        if stop_scans is not None and run.out.timeline[tick, timeline.FULL_SCANS] >= stop_scans:
            return


def _problem(host: ScanHost, guest_bytes: int) -> HostProblem:
    overrides = {
        "preset": host.preset,
        "large_pages": False,
        "vm_overhead_base": 0,
        "vm_overhead_per_vcpu": 0,
        "vm_overhead_per_memory": 0,
        "page_sharing": dict(host.sharing),
    }
    return HostProblem(
        host=HostHardware(
            "host", _ROOM * guest_bytes + _SPARE_BYTES, 0, 64, "zen3", SwapDevice("nvme", 80e-6, 5e5), host.numa_nodes
        ),
        hypervisor=HypervisorSpec.model_validate(expand_hypervisor(overrides)),
        # What is written out happens: every touch writes, or brings the content of page cache back.
        workload=WorkloadSpec(private_write_fraction=1.0, shared_write_fraction=1.0, content_return_fraction=1.0),
        slo=SloSpec(),
        seed=1,
        replicate=0,
        vm_idx=tuple(range(len(host.contents))),
        page_scale=1,
    )


def _touches(host: ScanHost, v: int) -> VmTouches:
    if host.written is None:
        return VmTouches(np.zeros(0, dtype=np.int32), np.zeros(host.n_ticks + 1, dtype=np.int64))
    by_tick = host.written[v]
    start = np.concatenate(([0], np.cumsum([pages.size for pages in by_tick]))).astype(np.int64)
    return VmTouches(np.concatenate(list(by_tick)).astype(np.int32), start)
