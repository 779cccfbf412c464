"""The arrays of compression and host swap: pools, slots, space on the device, the queue of victims."""

import numpy as np

from planner.host.problem import HostProblem
from planner.kernels import state
from planner.units import PAGE_BYTES

QUEUE_SHARE = 8
"""The queue of least recently used pages holds an eighth of them: a victim costs 2 x 8 looks at pages in turn."""

_HUGE_UNITS = 12
"""Pages above 12/16 take a whole one in zsmalloc: it stores objects of more than 3264 bytes of 4096 (with zspages of
four pages) by themselves. Linux, mm/zsmalloc.c."""

_QUARTER, _HALF = state.UNITS_PER_PAGE // 4, state.UNITS_PER_PAGE // 2

_DIRECT_BATCH_PAGES = 32
"""Pages that a fault reclaims itself at once: SWAP_CLUSTER_MAX of Linux, include/linux/swap.h."""

_UNLIMITED_PAGES = 1 << 40
_FOUND_AT_ONCE = 512
_NEVER_TICK = -2  # also a VM killed in the tick before the first would not touch what it had


def build_swap(
    problem: HostProblem, compressed_units: np.ndarray, shape: tuple[int, ...], tick_s: float, queued_pages: int
) -> state.SwapArrays:
    """Build pools and queue of a host, empty.

    Parameters
    ----------
    problem : HostProblem
    compressed_units : uint8 array, shape (n_pages,)
        Size of each page after compression. [1/16 page]
    shape : tuple of int
        VMs and ticks.
    tick_s : float
        Length of a tick. [s]
    queued_pages : int
        Pages that the queue of least recently used ones is sized for: of VMs that never leave, so that nobody's victims
        depend on who will come.
    """
    compression, swap = problem.hypervisor.compression, problem.host.swap
    n_pages, (n_vms, n_ticks) = compressed_units.size, shape
    n_listed = n_pages if compression.enabled or swap.is_ram else 0
    is_zswap = compression.kind == "zswap"
    queue_size = -(-queued_pages // QUEUE_SHARE) if problem.hypervisor.swap.victims == "lru" else 0
    return state.SwapArrays(
        slot_units=_slot_units(compressed_units, is_zswap or swap.is_ram),
        older=np.zeros(n_listed, dtype=np.int32),
        newer=np.zeros(n_listed, dtype=np.int32),
        oldest=np.zeros(n_vms, dtype=np.int32),
        newest=np.zeros(n_vms, dtype=np.int32),
        used=np.zeros(n_vms, dtype=np.int64),
        queue=np.zeros(queue_size, dtype=np.int32),
        queue_state=np.zeros(3, dtype=np.int64),
        found=np.zeros(_FOUND_AT_ONCE if queue_size else 0, dtype=np.int32),
        draws=np.zeros(n_vms, dtype=np.int64),
        down_tick=np.full(n_vms, _NEVER_TICK, dtype=np.int64),
        backlog=np.zeros(1),
        place=np.zeros(n_ticks + 1, dtype=np.int64),
        limits=build_limits(problem, tick_s),
    )


def build_limits(problem: HostProblem, tick_s: float) -> state.SwapLimits:
    """Build the scalars of compression and swap space for ticks of `tick_s` seconds."""
    hypervisor, swap, page_bytes = problem.hypervisor, problem.host.swap, problem.page_scale * PAGE_BYTES
    compression, is_linux = hypervisor.compression, hypervisor.states == "linux"
    is_host_wide = compression.kind == "zswap" or swap.is_ram
    pool_cap = state.UNITS_PER_PAGE * problem.host.memory_bytes * compression.max_fraction / page_bytes
    background = int(hypervisor.watermarks.background * tick_s / page_bytes) if is_linux else _UNLIMITED_PAGES
    return state.SwapLimits(
        space=_UNLIMITED_PAGES if swap.size_bytes is None else swap.size_bytes // page_bytes,
        pool_cap=int(pool_cap),
        pool_accept=int(pool_cap * compression.accept_fraction),
        least_units=1 if is_host_wide else _QUARTER,
        is_pool_shared=is_host_wide,
        is_slot_held=is_host_wide,
        is_ram=swap.is_ram,
        may_kill=hypervisor.swap.when_full == "kill-largest",
        is_promised=hypervisor.swap.power_on_check,
        background_per_tick=max(1, background),
        direct_batch=max(1, _DIRECT_BATCH_PAGES // problem.page_scale),
    )


def cache_cap_units(problem: HostProblem, n_pages: np.ndarray) -> np.ndarray:
    """Return the most that each VM's own compression cache may take.

    A pool of the whole host has no cap by VM: each may hold all its pages.

    Returns
    -------
    int64 array, shape (n_vms,)
        [1/16 page]
    """
    compression = problem.hypervisor.compression
    is_own = compression.kind == "esxi" and not problem.host.swap.is_ram
    cap: np.ndarray = np.floor(state.UNITS_PER_PAGE * (compression.max_fraction if is_own else 1.0) * n_pages)
    return cap.astype(np.int64)


def _slot_units(compressed_units: np.ndarray, is_packed: bool) -> np.ndarray:
    """Return the room a compressed page takes: slots of a quarter and half a page (ESXi), or packed (zsmalloc)."""
    room = np.arange(state.UNITS_PER_PAGE + 1, dtype=np.uint8)
    if is_packed:
        room[_HUGE_UNITS + 1 :] = state.UNITS_PER_PAGE
    else:
        room[: _QUARTER + 1] = _QUARTER
        room[_QUARTER + 1 : _HALF + 1] = _HALF
        room[_HALF + 1 :] = state.UNITS_PER_PAGE
    slots: np.ndarray = room[compressed_units]
    return slots
