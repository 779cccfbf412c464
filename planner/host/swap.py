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

_UNLIMITED_PAGES = 1 << 40


def build_swap(problem: HostProblem, compressed_units: np.ndarray, n_vms: int, n_ticks: int) -> state.SwapArrays:
    """Build pools and queue of a host, empty.

    Parameters
    ----------
    problem : HostProblem
    compressed_units : uint8 array, shape (n_pages,)
        Size of each page after compression. [1/16 page]
    n_vms, n_ticks : int
    """
    compression, swap = problem.hypervisor.compression, problem.host.swap
    n_pages = compressed_units.size
    n_listed = n_pages if compression.enabled or swap.is_ram else 0
    is_zswap = compression.kind == "zswap"
    queue_size = -(-n_pages // QUEUE_SHARE) if problem.hypervisor.swap.victims == "lru" else 0
    page_bytes = problem.page_scale * PAGE_BYTES
    pool_cap = state.UNITS_PER_PAGE * problem.host.memory_bytes * compression.max_fraction / page_bytes
    return state.SwapArrays(
        slot_units=_slot_units(compressed_units, is_zswap or swap.is_ram),
        older=np.zeros(n_listed, dtype=np.int32),
        newer=np.zeros(n_listed, dtype=np.int32),
        oldest=np.zeros(n_vms, dtype=np.int32),
        newest=np.zeros(n_vms, dtype=np.int32),
        used=np.zeros(n_vms, dtype=np.int64),
        queue=np.zeros(queue_size, dtype=np.int32),
        queue_state=np.zeros(3, dtype=np.int64),
        place=np.zeros(n_ticks + 1, dtype=np.int64),
        limits=state.SwapLimits(
            space=_UNLIMITED_PAGES if swap.size_bytes is None else swap.size_bytes // page_bytes,
            pool_cap=int(pool_cap),
            pool_accept=int(pool_cap * compression.accept_fraction),
            is_pool_shared=is_zswap or swap.is_ram,
            is_slot_held=is_zswap or swap.is_ram,
            is_ram=swap.is_ram,
        ),
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
    if is_packed:
        return np.where(compressed_units > _HUGE_UNITS, state.UNITS_PER_PAGE, compressed_units).astype(np.uint8)
    quarter, half = state.UNITS_PER_PAGE // 4, state.UNITS_PER_PAGE // 2
    slots = np.where(compressed_units <= half, half, state.UNITS_PER_PAGE)
    return np.where(compressed_units <= quarter, quarter, slots).astype(np.uint8)
