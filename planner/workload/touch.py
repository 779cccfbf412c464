"""From demand to a touch clock: how fast each VM's pages are touched so that the active memory comes out as traced.

Page r of the G granted among n is touched as a Poisson process with rate ((r + 0.5) / n) ** -alpha per unit of the
VM's clock. If the clock advances by s in a tick, the expected share of granted pages touched is F(s (n / G) ** alpha)
with F(z) = integral over y in (0, 1) of 1 - exp(-z y ** -alpha): one function of one variable for each law, so the
advance that gives the traced active memory is read off its inverse. See docs/model/popularity.md.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from planner.kernels.demand import GUIDE_SHIFT, advance_clock, count_demand, fill_touched_share, look_up_law
from planner.kernels.state import N_STRATA
from planner.units import PAGE_BYTES
from planner.workload.fleet import Demand

_LOG_Z = np.linspace(np.log(1e-12), np.log(1e4), 8001)


class DemandPages(NamedTuple):
    """Demand of some VMs in sampled pages.

    Attributes
    ----------
    n_pages : int64 array, shape (n_vms,)
        Sampled pages of each VM.
    granted : int32 array, shape (n_vms, n_ticks)
        Sampled pages touched since power-on; -1 while off, at least 1 while on.
    active : float64 array, shape (n_vms, n_ticks)
        Sampled pages touched within the tick, expected; 0 while off.
    """

    n_pages: np.ndarray
    granted: np.ndarray
    active: np.ndarray


@dataclass(frozen=True)
class TouchClock:
    """Touch clock of one VM.

    Attributes
    ----------
    clock : uint32 array, shape (n_ticks,)
        Touch clock at the end of each tick.
    unit : float
        Clock units per unit of the law's time.
    """

    clock: np.ndarray
    unit: float


class LawTable(NamedTuple):
    """The inverse of F for one law.

    Attributes
    ----------
    share, log_time : float64 array, shape (n_points,)
        Share of pages touched, ascending, and the logarithm of the law's time that does it.
    guide : int32 array
        Last point at or below the start of each step of `share`, steps counted by the upper bits of the float; the
        first is step `first_code`. Where to begin looking.
    """

    share: np.ndarray
    log_time: np.ndarray
    guide: np.ndarray
    first_code: int


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


def demand_pages(demand: Demand, n_pages: np.ndarray) -> DemandPages:
    """Count the sampled pages that VMs of `n_pages` (int64 array, shape (n_vms,)) have granted and touch."""
    shape = demand.active_fraction.shape
    pages = DemandPages(n_pages, np.empty(shape, dtype=np.int32), np.empty(shape))
    count_demand(demand.active_fraction, demand.granted_fraction, n_pages, pages.granted, pages.active)
    return pages


def build_touch_clock(demand: Demand, pages: DemandPages, row: int, alpha: float) -> TouchClock:
    """Turn the demand of the VM in a row into its touch clock, for the law of exponent `alpha`."""
    n_ticks, n_pages = demand.n_ticks, int(pages.n_pages[row])
    law_time, share = np.empty(n_ticks), np.empty(n_ticks)
    fill_touched_share(demand.active_fraction[row], demand.granted_fraction[row], n_pages, share)
    look_up_law(share, share.view(np.int64), law_table(alpha), law_time)
    np.exp(law_time, out=law_time)
    clock = np.empty(n_ticks, dtype=np.uint32)
    unit = advance_clock(law_time, pages.granted[row], _powers(n_pages, alpha), clock)
    return TouchClock(clock, unit)


@lru_cache(16)
def stratum_gaps(alpha: float) -> np.ndarray:
    """Return the mean time between touches by popularity stratum, in the law's time: float64, shape (N_STRATA,)."""
    gaps: np.ndarray = _strata() ** alpha
    return gaps


@lru_cache(1024)
def _powers(n_pages: int, alpha: float) -> np.ndarray:
    """Return (granted / n_pages) ** alpha for every number of granted pages."""
    powers: np.ndarray = (np.arange(n_pages + 1) / n_pages) ** alpha
    return powers


def _strata() -> np.ndarray:
    middles: np.ndarray = (np.arange(N_STRATA) + 0.5) / N_STRATA
    return middles


@lru_cache(16)
def law_table(alpha: float) -> LawTable:
    """Tabulate the inverse of F for the law of exponent `alpha`."""
    rate = _strata() ** -alpha
    share = np.array([float(-np.expm1(-z * rate).mean()) for z in np.exp(_LOG_Z)])
    keep = np.concatenate(([True], np.diff(share) > 0))
    share, log_time = share[keep], _LOG_Z[keep]
    codes = share.view(np.int64) >> GUIDE_SHIFT
    starts = (np.arange(codes[0], codes[-1] + 1) << GUIDE_SHIFT).view(np.float64)
    guide = np.maximum(np.searchsorted(share, starts, side="right") - 1, 0)
    return LawTable(share, log_time, guide.astype(np.int32), int(codes[0]))
