"""Hosts with guests written out page by page, for checks that replay measurements of ballooning and boots."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner.config.load import load_hypervisor
from planner.config.slo import SloSpec
from planner.config.spec import WorkloadSpec
from planner.host.experiment import Experiment, ExperimentRun
from planner.host.pages import UNIQUE_KEY, FleetPages
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.touches import VmTouches
from planner.kernels.draws import fill_uniform
from planner.kernels.state import UNITS_PER_PAGE
from planner.units import PAGE_BYTES
from planner.workload.fleet import plain_vms

SEED = 1
_DEVICE = SwapDevice("nvme", 80e-6, 5e5)


@dataclass(frozen=True)
class Guest:
    """One VM. Memory in sampled pages.

    Attributes
    ----------
    n_pages : int
        Configured memory.
    guest_class : uint8 array, shape (n_used,)
        Class of each page that the guest uses, in the order of first use.
    granted : int32 array, shape (n_ticks,)
        Pages used by tick; -1 while off.
    touched : tuple of int32 arrays, one per tick
        Pages touched again.
    shares : int
    reservation_pages : int
    content_key : int64 array, shape (n_used,), optional
        Contents of the pages that the guest uses, as in `FleetPages`; omitted: each its own.
    """

    n_pages: int
    guest_class: np.ndarray
    granted: np.ndarray
    touched: tuple[np.ndarray, ...]
    shares: int = 1000
    reservation_pages: int = 0
    content_key: np.ndarray | None = None


@dataclass(frozen=True)
class HostRules:
    """The host: usable frames, preset with overrides by section, assumptions, page scale and tick."""

    frames: int
    preset: str
    overrides: dict[str, Any]
    workload: WorkloadSpec
    page_scale: int
    tick_s: float


def start_run(guests: list[Guest], rules: HostRules) -> ExperimentRun:
    """Set up a host with `guests`, before its first tick. VMs have no overhead memory.

    Touches are played also while the host has memory enough: what is taken from a guest is up to the check.
    """
    page_bytes = rules.page_scale * PAGE_BYTES
    n_pages = np.array([guest.n_pages for guest in guests])
    start = np.concatenate(([0], np.cumsum(n_pages)))
    guest_class = np.zeros(start[-1], dtype=np.uint8)
    content_key = np.full(start[-1], UNIQUE_KEY)
    for first, guest in zip(start[:-1], guests, strict=True):
        used = slice(first, first + guest.guest_class.size)
        guest_class[used] = guest.guest_class
        if guest.content_key is not None:
            content_key[used] = guest.content_key
    pages = FleetPages(
        start=start,
        content_key=content_key,
        guest_class=guest_class,
        compressed_units=np.full(start[-1], UNITS_PER_PAGE, dtype=np.uint8),
    )
    experiment = Experiment(
        problem=_problem(len(guests), rules),
        vms=replace(
            plain_vms(n_pages * page_bytes),
            shares=np.array([guest.shares for guest in guests]),
            reservation_bytes=np.array([guest.reservation_pages for guest in guests]) * page_bytes,
        ),
        pages=pages,
        granted=np.stack([guest.granted for guest in guests]),
        touches=tuple(_touches(guest.touched) for guest in guests),
        tick_s=rules.tick_s,
    )
    return ExperimentRun(experiment)


def _problem(n_vms: int, rules: HostRules) -> HostProblem:
    hypervisor = load_hypervisor(rules.preset)
    changes: dict[str, Any] = {"vm_overhead_base": 0.0, "vm_overhead_per_vcpu": 0.0, "vm_overhead_per_memory": 0.0}
    for section, values in rules.overrides.items():
        is_section = isinstance(values, dict)
        changes[section] = getattr(hypervisor, section).model_copy(update=values) if is_section else values
    memory_bytes = rules.frames * rules.page_scale * PAGE_BYTES
    return HostProblem(
        host=HostHardware("host", memory_bytes, 0, 2, "zen3", _DEVICE),
        hypervisor=hypervisor.model_copy(update=changes),
        workload=rules.workload,
        slo=SloSpec(),
        seed=SEED,
        replicate=0,
        vm_idx=tuple(range(n_vms)),
        page_scale=rules.page_scale,
    )


def _touches(touched: tuple[np.ndarray, ...]) -> VmTouches:
    start = np.concatenate(([0], np.cumsum([pages.size for pages in touched]))).astype(np.int64)
    return VmTouches(np.concatenate(touched).astype(np.int32), start)


def draw_pages(key: int, count: int, n_pages: int, alpha: float) -> np.ndarray:
    """Draw `count` references to `n_pages` pages: each page alike (alpha 0), or by Zipf's law over a random order."""
    uniform = np.empty(count)
    fill_uniform(np.uint32(key), 1, uniform)
    if alpha == 0.0:
        return np.minimum((uniform * n_pages).astype(np.int32), n_pages - 1)
    order = np.empty(n_pages)
    fill_uniform(np.uint32(key), 2, order)
    weights = np.cumsum(np.arange(1, n_pages + 1) ** -alpha)
    ranks = np.minimum(np.searchsorted(weights, uniform * weights[-1]), n_pages - 1)
    picked: np.ndarray = np.argsort(order)[ranks].astype(np.int32)
    return picked
