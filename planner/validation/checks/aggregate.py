"""Demand of many VMs against one host's memory: how often it does not fit, played on the stack.

All mechanisms that could help are off, so the host denies memory whenever the sum of what its VMs hold exceeds it.
Before every draw all VMs are off for a tick: what one VM gives back must not be waited for by another.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

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
from planner.streams import make_generator
from planner.units import PAGE_BYTES
from planner.validation.base import Computed
from planner.workload.fleet import plain_vms

_DRAWS_PER_RUN = 5000
_MOST_PAGES = 500_000_000
"""Pages that all draws of a case may hold: some seconds. The published cases hold a third of it."""
_OFF = -1
_SWITCHED_OFF = ("page_sharing", "ballooning", "compression", "swap")


class _Case(NamedTuple):
    """VMs that hold a random number of pages each, on a host of `host_pages`."""

    n_vms: int
    vm_pages: int
    host_pages: int


def check_aggregate_normal(config: Mapping[str, Any]) -> Computed:
    """Compute `overflow_N_C`: share of draws in which N VMs hold more than C GB, each N(`mean_gb`, `sd_gb`).

    A page stands for 1 / `pages_per_gb` GB. Negative demands count as none. A common cause gives each pair of VMs
    `correlation`.
    """
    per_gb, rho = config["pages_per_gb"], config["correlation"]
    if not 0.0 <= rho <= 1.0:
        raise ValueError(f"a correlation of {rho} is none: expected 0 to 1")
    values = {}
    for n_vms, capacity_gb, n_draws in config["cases"]:
        name = f"{n_vms}_{capacity_gb}"
        generator = make_generator(config["seed"], "validation", entity=f"normal {name} {rho}")
        common = generator.standard_normal(n_draws)
        own = generator.standard_normal((n_vms, n_draws))
        gb = config["mean_gb"] + config["sd_gb"] * (np.sqrt(rho) * common + np.sqrt(1.0 - rho) * own)
        drawn = np.rint(per_gb * gb)
        if not (np.abs(drawn) < 2**31).all():
            raise ValueError("a draw is no number of pages, or too many: look at mean_gb, sd_gb and pages_per_gb")
        pages = np.clip(drawn, 0, None).astype(np.int32)
        case = _Case(n_vms, int(pages.max()), round(per_gb * capacity_gb))
        values[f"overflow_{name}"] = float(_overflows(case, pages).mean())
    return Computed(values)


def check_aggregate_on_off(config: Mapping[str, Any]) -> Computed:
    """Compute `overflow_N_K`: share of draws in which more than K of N VMs are on, each with `probability`."""
    values = {}
    for n_vms, fitting, n_draws in config["cases"]:
        generator = make_generator(config["seed"], "validation", entity=f"on-off {n_vms} {fitting}")
        pages = (generator.random((n_vms, n_draws)) < config["probability"]).astype(np.int32)
        values[f"overflow_{n_vms}_{fitting}"] = float(_overflows(_Case(n_vms, 1, fitting), pages).mean())
    return Computed(values)


def _overflows(case: _Case, pages: np.ndarray) -> np.ndarray:
    """Play draws, shape (n_vms, n_draws), on the stack; return in which of them memory was denied."""
    held = int(pages.sum(dtype=np.int64))
    if held > _MOST_PAGES:
        raise ValueError(
            f"the draws hold {held:,} pages, more than {_MOST_PAGES:,}: fewer draws, or fewer pages_per_gb"
        )
    return np.concatenate(
        [
            _play(case, pages[:, first : first + _DRAWS_PER_RUN])
            for first in range(0, pages.shape[1], _DRAWS_PER_RUN)
        ]
    )  # fmt: skip


def _play(case: _Case, pages: np.ndarray) -> np.ndarray:
    granted = np.full((case.n_vms, 2 * pages.shape[1]), _OFF, dtype=np.int32)
    granted[:, 1::2] = np.where(pages > 0, pages, _OFF)
    run = ExperimentRun(_experiment(case, granted))
    run.run_all()
    denied: np.ndarray = run.out.timeline[1::2, timeline.DENIED] > 0
    return denied


def _experiment(case: _Case, granted: np.ndarray) -> Experiment:
    n_vms, n_pages = case.n_vms, case.n_vms * case.vm_pages
    configured = np.full(n_vms, case.vm_pages * PAGE_BYTES, dtype=np.int64)
    vms = replace(plain_vms(configured), has_balloon_driver=np.zeros(n_vms, dtype=bool))
    pages = FleetPages(
        start=np.arange(n_vms + 1) * case.vm_pages,
        content_key=np.full(n_pages, UNIQUE_KEY),
        guest_class=np.zeros(n_pages, dtype=np.uint8),
        compressed_units=np.full(n_pages, 16, dtype=np.uint8),
    )
    none = VmTouches(np.zeros(0, np.int32), np.zeros(granted.shape[1] + 1, np.int64))
    return Experiment(_problem(case), vms, pages, granted, (none,) * n_vms, tick_s=300.0)


def _problem(case: _Case) -> HostProblem:
    values = load_hypervisor_preset("esxi-8")
    values |= {name: values[name] | {"enabled": False} for name in _SWITCHED_OFF}
    values |= {"large_pages": False, "min_free_fraction": 1e-9}
    values |= {"vm_overhead_base": 0.0, "vm_overhead_per_vcpu": 0.0, "vm_overhead_per_memory": 0.0}
    return HostProblem(
        host=HostHardware(
            "host", case.host_pages * PAGE_BYTES, 0, 8, "sapphire-rapids", SwapDevice("nvme", 80e-6, 5e5)
        ),
        hypervisor=HypervisorSpec.model_validate(values),
        workload=WorkloadSpec(),
        slo=SloSpec(),
        seed=1,
        replicate=0,
        vm_idx=tuple(range(case.n_vms)),
        page_scale=1,
    )


CHECKS = {"aggregate-normal": check_aggregate_normal, "aggregate-on-off": check_aggregate_on_off}
