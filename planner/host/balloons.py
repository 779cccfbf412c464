"""From a host problem to the arrays of its guests, balloons and the estimate of active memory."""

import math

import numpy as np
from numpy.typing import NDArray

from planner.host.problem import HostProblem
from planner.kernels import state
from planner.kernels.balloon_mom import HISTORY_ROUNDS, NO_HISTORY, PRESSURE_THRESHOLD
from planner.kernels.balloon_policies import POLICIES, POLICY_ESXI
from planner.kernels.draws import build_normal_table
from planner.units import MIB, PAGE_BYTES
from planner.workload.fleet import NORMAL_SHARES_PER_MIB, VmTable
from planner.workload.overhead import min_free_bytes

MOST_RESERVE_FRACTION = 0.075
"""Linux caps the watermark `min` that huge pages ask for at 5 % of memory (mm/khugepaged.c); `high` is 1.5 x `min`."""

_N_SCRATCH = 64


def build_guests(
    problem: HostProblem, n_pages: NDArray[np.int64], zero_content: NDArray[np.int32]
) -> state.GuestArrays:
    """Build the guests of VMs of `n_pages` pages each, all switched off."""
    n_vms = n_pages.size
    wanted = problem.workload.guest_reserve / (problem.page_scale * PAGE_BYTES)
    return state.GuestArrays(
        reserve=np.rint(np.minimum(wanted, MOST_RESERVE_FRACTION * n_pages)).astype(np.int64),
        in_use=np.full(n_vms, -1, dtype=np.int64),
        used=np.zeros((n_vms, state.N_GUEST_CLASSES), dtype=np.int64),
        held=np.zeros((n_vms, state.N_GUEST_CLASSES), dtype=np.int64),
        zero_content=zero_content,
        hand=np.zeros((n_vms, state.N_HANDS), dtype=np.int64),
        bar=np.full(n_vms, -1, dtype=np.int64),
        lap_left=np.zeros(n_vms, dtype=np.int64),
        counts=np.zeros(_N_SCRATCH, dtype=np.int64),
    )


def build_balloons(
    problem: HostProblem, vms: VmTable, n_pages: NDArray[np.int64], reservation: NDArray[np.int64], tick_s: float
) -> state.BalloonArrays:
    """Build the balloons of the VMs, all empty; sizes and rates in sampled pages."""
    spec, n_vms = problem.hypervisor.ballooning, n_pages.size
    page_bytes = problem.page_scale * PAGE_BYTES
    least = np.maximum(reservation, -(-spec.minimum // page_bytes))
    cap = np.minimum(np.floor(spec.max_fraction * n_pages).astype(np.int64), n_pages - np.minimum(least, n_pages))
    can_balloon = vms.has_balloon_driver & spec.enabled

    def per_tick(bytes_per_s: float) -> NDArray[np.int64]:
        return np.full(n_vms, max(1, int(bytes_per_s * tick_s / page_bytes)), dtype=np.int64)

    return state.BalloonArrays(
        cap=np.where(can_balloon, cap, 0).astype(np.int64),
        inflate_per_tick=per_tick(spec.inflate),
        paging_per_tick=per_tick(spec.inflate_paging),
        deflate_per_tick=per_tick(spec.deflate),
        ready_tick=np.zeros(n_vms, dtype=np.int64),
        wanted=np.zeros(n_vms, dtype=np.int64),
        assigned=n_pages.astype(np.float64),
        weight=vms.shares / (NORMAL_SHARES_PER_MIB * vms.configured_bytes / MIB),
        history=np.full((n_vms + 1, HISTORY_ROUNDS), NO_HISTORY),
        scratch=np.zeros((n_vms, 3)),
    )


def build_active(n_vms: int) -> state.ActiveArrays:
    """Build the estimator of active memory of `n_vms` VMs before its first period."""
    zeros = np.zeros((4, n_vms))
    return state.ActiveArrays(zeros[0], zeros[1], zeros[2], zeros[3], build_normal_table())


def build_balloon_knobs(problem: HostProblem, tick_s: float) -> state.BalloonKnobs:
    """Build the scalars of ballooning and of the estimator."""
    spec, sampling = problem.hypervisor.ballooning, problem.hypervisor.active_sampling
    page_bytes = problem.page_scale * PAGE_BYTES
    periods_per_min = 60.0 / sampling.period
    policy = POLICIES[spec.policy]
    return state.BalloonKnobs(
        policy=policy,
        interval_s=spec.interval,
        tick_s=float(tick_s),
        host_pages=problem.host.memory_bytes / page_bytes,
        page_bytes=float(page_bytes),
        host_target=spec.host_target,
        buffer=spec.buffer,
        delay_ticks=math.ceil(spec.driver_delay / tick_s),
        is_zeroing=problem.workload.zeroed_at_boot,
        is_estimating=policy == POLICY_ESXI,
        sample_pages=sampling.pages,
        sample_period_s=sampling.period,
        slow_gain=1.0 - sampling.slow_decay_per_min ** (1.0 / periods_per_min),
        fast_gain=1.0 - sampling.fast_decay_per_min ** (1.0 / periods_per_min),
        least_active=sampling.least,
    )


def policy_acts_below(problem: HostProblem) -> float:
    """Return the free host memory below which the balloon policy may act though the memory state is fine, in bytes."""
    spec, memory_bytes = problem.hypervisor.ballooning, problem.host.memory_bytes
    acts_below = {
        "ovirt-mom": PRESSURE_THRESHOLD * memory_bytes,
        "pve-autoballoon": (1.0 - spec.host_target) * memory_bytes,
        "hyper-v": float(min_free_bytes(memory_bytes, problem.hypervisor)),
    }
    return acts_below.get(spec.policy, 0.0)
