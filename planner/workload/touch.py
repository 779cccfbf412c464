"""From demand to a touch clock: how fast each VM's pages are touched so that the active memory comes out as traced.

Page r of the G granted among n is touched as a Poisson process with rate ((r + 0.5) / n) ** -alpha per unit of the
VM's clock. If the clock advances by s in a tick, the expected share of granted pages touched is F(s (n / G) ** alpha)
with F(z) = integral over y in (0, 1) of 1 - exp(-z y ** -alpha): one function of one variable for each law, so the
advance that gives the traced active memory is read off its inverse. See docs/model/popularity.md.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from planner.kernels.state import N_STRATA
from planner.units import PAGE_BYTES
from planner.workload.fleet import Demand, VmTable
from planner.workload.popularity import PopularityLaw

CLOCK_RANGE = 2.0**31
"""Clock at the end of the horizon. The kernel's clocks are 32 bits; a due time past the horizon must still fit."""

MOST_TOUCHED = 0.995
"""Largest share of granted pages touched in a tick that the inverse resolves; all of them would take forever."""

_LOG_Z = np.linspace(np.log(1e-12), np.log(1e4), 8001)


@dataclass(frozen=True)
class TouchSchedule:
    """Touch clocks of a whole fleet for one replicate.

    Attributes
    ----------
    n_pages : int64 array, shape (n_vms,)
        Sampled pages of each VM.
    clock : uint32 array, shape (n_vms, n_ticks)
        Touch clock at the end of each tick.
    granted_pages : int32 array, shape (n_vms, n_ticks)
        Sampled pages touched since power-on; -1 while off.
    active_pages : float64 array, shape (n_vms, n_ticks)
        Sampled pages touched within the tick, expected; 0 while off.
    clock_unit : float64 array, shape (n_vms,)
        Clock units per unit of the law's time.
    gap : float64 array, shape (N_STRATA,)
        Mean time between touches by popularity stratum, in the law's time.
    """

    n_pages: np.ndarray
    clock: np.ndarray
    granted_pages: np.ndarray
    active_pages: np.ndarray
    clock_unit: np.ndarray
    gap: np.ndarray


def count_pages(configured_bytes: np.ndarray, page_scale: int) -> np.ndarray:
    """Return the sampled pages of each VM, at least one.

    Parameters
    ----------
    configured_bytes : int64 array, shape (n_vms,)
        Configured memory. [bytes]
    page_scale : int
        4 KiB pages per sampled page.

    Returns
    -------
    int64 array, shape (n_vms,)
        Rounded to the nearest page.
    """
    page_bytes = page_scale * PAGE_BYTES
    pages: np.ndarray = np.maximum(1, (configured_bytes + page_bytes // 2) // page_bytes)
    return pages


def build_touch_schedule(vms: VmTable, demand: Demand, law: PopularityLaw, page_scale: int) -> TouchSchedule:
    """Turn the demand of one replicate into touch clocks.

    Returns
    -------
    TouchSchedule
        Rows as in `vms`. A VM that is on has at least one granted page.
    """
    n_pages = count_pages(vms.configured_bytes, page_scale)
    is_on = ~np.isnan(demand.granted_fraction)
    scaled = np.nan_to_num(demand.granted_fraction) * n_pages[:, None]
    granted = np.clip(np.floor(scaled + 0.5), 1, n_pages[:, None])
    touched_share = np.clip(np.nan_to_num(demand.active_fraction) * n_pages[:, None] / granted, 0.0, MOST_TOUCHED)
    share_at, log_z = _touched_share_table(law.alpha)
    advance = np.exp(np.interp(touched_share, share_at, log_z)) * (granted / n_pages[:, None]) ** law.alpha
    advance[~is_on | (touched_share <= 0.0)] = 0.0
    law_time = np.cumsum(advance, axis=1)
    total = law_time[:, -1]
    clock_unit = np.where(total > 0.0, CLOCK_RANGE / np.where(total > 0.0, total, 1.0), 1.0)
    return TouchSchedule(
        n_pages=n_pages,
        clock=np.rint(law_time * clock_unit[:, None]).astype(np.uint32),
        granted_pages=np.where(is_on, granted, -1).astype(np.int32),
        active_pages=np.where(is_on, touched_share * granted, 0.0),
        clock_unit=clock_unit,
        gap=_strata() ** law.alpha,
    )


def _strata() -> np.ndarray:
    middles: np.ndarray = (np.arange(N_STRATA) + 0.5) / N_STRATA
    return middles


@cache
def _touched_share_table(alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (share touched, log z), both ascending, for the inverse of F."""
    rate = _strata() ** -alpha
    share = np.array([float(-np.expm1(-z * rate).mean()) for z in np.exp(_LOG_Z)])
    keep = np.concatenate(([True], np.diff(share) > 0))
    return share[keep], _LOG_Z[keep]
