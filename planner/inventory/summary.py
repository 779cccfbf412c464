"""What an import found, in the few figures that show at once whether units and sizes were read right."""

from typing import NamedTuple

import numpy as np

from planner.workload.fleet_records import FleetFiles


class FleetSummary(NamedTuple):
    """Figures of an imported fleet; fractions of configured memory are of the VMs that are on.

    Attributes
    ----------
    granted_fraction, active_fraction : float
        Sum over VMs and ticks ÷ the same sum of configured memory.
    granted_peaks_ratio, active_peaks_ratio : float
        Sum of the VMs' peaks ÷ peak of the sum over ticks at which most VMs were recorded: 1 means that peaks
        coincide or last.
    """

    n_vms: int
    n_ticks: int
    tick_s: int
    first_time_s: int
    configured_bytes: int
    granted_fraction: float
    active_fraction: float
    granted_peaks_ratio: float
    active_peaks_ratio: float


def summarize_fleet(fleet: FleetFiles) -> FleetSummary:
    """Compute the closing summary of an import. Series are taken as imported, not cleaned."""
    configured = np.array([vm.configured_bytes for vm in fleet.vms], dtype=np.int64)
    return FleetSummary(
        n_vms=len(fleet.vms),
        n_ticks=int(fleet.active_bytes.shape[1]),
        tick_s=fleet.info.tick_s,
        first_time_s=fleet.info.first_time_s,
        configured_bytes=int(configured.sum()),
        granted_fraction=_fraction(fleet.granted_bytes, configured),
        active_fraction=_fraction(fleet.active_bytes, configured),
        granted_peaks_ratio=_peaks_ratio(fleet.granted_bytes),
        active_peaks_ratio=_peaks_ratio(fleet.active_bytes),
    )


def _fraction(values: np.ndarray, configured_bytes: np.ndarray) -> float:
    is_on = ~np.isnan(values)
    on_bytes = float((is_on.sum(axis=1) * configured_bytes.astype(np.float64)).sum())
    return float(np.nansum(values, dtype=np.float64)) / on_bytes if on_bytes else float("nan")


def _peaks_ratio(values: np.ndarray) -> float:
    peaks = np.fmax.reduce(values, axis=1, initial=np.nan)
    peak = float(np.nansum(values, axis=0, dtype=np.float64).max())
    return float(np.nansum(peaks, dtype=np.float64)) / peak if peak else float("nan")
