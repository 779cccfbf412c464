"""From the demand of VMs to sampled pages, and to the touch clock that makes the active memory come out as demanded."""

import numpy as np

from planner.kernels.compiled import kernel, small_kernel

MOST_TOUCHED = 0.995
"""Largest share of granted pages touched in a tick that the inverse of the law resolves; all of them would take
forever."""

CLOCK_RANGE = 2.0**31
"""Clock at the end of the horizon. The kernel's clocks are 32 bits; a due time past the horizon must still fit."""

GUIDE_SHIFT = 44
"""Bits of a float64 that the guide to the law's table leaves out: 256 steps for each power of two."""


@small_kernel
def _pages_of(fraction, most):
    """Return granted pages of a VM that is on, as a float: to the nearest page, at least one."""
    return min(max(np.floor(fraction * most + 0.5), 1.0), most)


@small_kernel
def _share_of(fraction, most, pages):
    """Return the share of granted pages touched within the tick."""
    return min(max(fraction * most / pages, 0.0), MOST_TOUCHED)


@kernel
def count_demand(active_fraction, granted_fraction, n_pages, out_granted, out_active):
    """Count the sampled pages that VMs have granted and touch within each tick. Fills the last two arguments.

    Parameters
    ----------
    active_fraction, granted_fraction : float32 array, shape (n_vms, n_ticks)
        As in `Demand`; NaN while off.
    n_pages : int64 array, shape (n_vms,)
        Sampled pages of each VM.
    out_granted : int32 array, shape (n_vms, n_ticks)
        -1 while off; at least 1 while on.
    out_active : float64 array, shape (n_vms, n_ticks)
        Expected number; 0 while off.
    """
    for v in range(n_pages.size):
        most = float(n_pages[v])
        for tick in range(out_granted.shape[1]):
            fraction, active = np.float64(granted_fraction[v, tick]), np.float64(active_fraction[v, tick])
            is_on = fraction == fraction
            pages = _pages_of(fraction if is_on else 0.0, most)
            touched = _share_of(active if active == active else 0.0, most, pages) * pages
            out_granted[v, tick] = np.int32(pages) if is_on else np.int32(-1)
            out_active[v, tick] = touched if is_on else 0.0


@kernel
def fill_touched_share(active_fraction, granted_fraction, n_pages, out_share):
    """Fill the share of granted pages that one VM touches within each tick; 0 while off.

    Parameters
    ----------
    active_fraction, granted_fraction : float32 array, shape (n_ticks,)
    n_pages : int
    out_share : float64 array, shape (n_ticks,)
    """
    most = float(n_pages)
    for tick in range(out_share.size):
        fraction, active = np.float64(granted_fraction[tick]), np.float64(active_fraction[tick])
        is_on = fraction == fraction
        pages = _pages_of(fraction if is_on else 0.0, most)
        share = _share_of(active if active == active else 0.0, most, pages)
        out_share[tick] = share if is_on else 0.0


@kernel
def look_up_law(share, bits, law, out_log):
    """Read the law's time that touches a share of the pages, as a logarithm. Fills `out_log`; -inf for no touch at all.

    Parameters
    ----------
    share : float64 array, shape (n_ticks,)
    bits : int64 array, shape (n_ticks,)
        The same memory: the bits of a positive float ascend with it, so their upper part says where to look.
    law : LawTable
    out_log : float64 array, shape (n_ticks,)
    """
    shares, logs, guide, first = law.share, law.log_time, law.guide, law.first_code
    last = shares.size - 1
    for tick in range(share.size):
        value = share[tick]
        if value <= 0.0:
            out_log[tick] = -np.inf
        elif value < shares[0]:
            out_log[tick] = logs[0]
        elif value >= shares[last]:
            out_log[tick] = logs[last]
        else:
            k = guide[(bits[tick] >> GUIDE_SHIFT) - first]
            while shares[k + 1] <= value:
                k += 1
            slope = (logs[k + 1] - logs[k]) / (shares[k + 1] - shares[k])
            out_log[tick] = logs[k] if shares[k] == value else slope * (value - shares[k]) + logs[k]


@kernel
def advance_clock(law_time, granted, power, out_clock):
    """Turn the law's time of each tick into a running clock of 32 bits. Fills `out_clock`, overwrites `law_time`.

    Parameters
    ----------
    law_time : float64 array, shape (n_ticks,)
        Time that would touch the tick's share of all pages.
    granted : int32 array, shape (n_ticks,)
        Granted pages; -1 while off, when `law_time` is 0.
    power : float64 array, shape (n_pages + 1,)
        What the time is multiplied with where only so many pages are granted.
    out_clock : uint32 array, shape (n_ticks,)

    Returns
    -------
    float
        Clock units per unit of the law's time.
    """
    total = 0.0
    for tick in range(law_time.size):
        total += law_time[tick] * power[max(granted[tick], 0)]
        law_time[tick] = total
    unit = CLOCK_RANGE / total if total > 0.0 else 1.0
    for tick in range(law_time.size):
        out_clock[tick] = np.uint32(np.rint(law_time[tick] * unit))
    return unit
