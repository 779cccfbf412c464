"""Demand that a placement may look at: read when first asked for, kept, and cut to the VMs that are placed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import gcd
from typing import Literal

import numpy as np

from planner.units import PAGE_BYTES
from planner.workload.fleet import Demand

Kind = Literal["active", "granted"]
_DAY_TICKS = 288
_BLOCK_VMS = 512


@dataclass
class DemandRecord:
    """Demand of a fleet, rows as in its VM table, read at most once a kind.

    Parameters
    ----------
    configured_bytes : int64 array, shape (n_vms,)
    read_history : callable
        Gives the demand before the sweep, for a length in seconds and some VMs (int array).
    read_future : callable
        Gives the demand of some VMs in every replicate of the sweep.
    n_reads : int
        Times that demand was asked for.
    """

    configured_bytes: np.ndarray
    read_history: Callable[[float, np.ndarray], Demand]
    read_future: Callable[[np.ndarray], Sequence[Demand]]
    n_reads: int = 0
    _kept: dict[tuple[float | None, Kind], np.ndarray] = field(default_factory=dict)

    def series(self, history_s: float | None, of: Kind) -> np.ndarray:
        """Return demand in whole pages; None: of all replicates, one after the other. float32, (n_vms, n_ticks).

        Whole pages make every sum exact, so that no result depends on the order of VMs. A VM that is off demands 0.
        """
        self.n_reads += 1
        key = (history_s, of)
        if key not in self._kept:
            # Some VMs at a time: what is drawn takes several times what is kept of it.
            n_vms = len(self.configured_bytes)
            blocks = np.split(np.arange(n_vms), range(_BLOCK_VMS, n_vms, _BLOCK_VMS))
            self._kept[key] = np.concatenate([self._read(history_s, of, rows) for rows in blocks])
        return self._kept[key]

    def _read(self, history_s: float | None, of: Kind, rows: np.ndarray) -> np.ndarray:
        demands = self.read_future(rows) if history_s is None else [self.read_history(history_s, rows)]
        parts = [demand.active_fraction if of == "active" else demand.granted_fraction for demand in demands]
        pages = (self.configured_bytes[rows] / PAGE_BYTES).astype(np.float32)[:, np.newaxis]
        wanted: np.ndarray = np.ceil(np.nan_to_num(np.concatenate(parts, axis=1)) * pages) * np.float32(PAGE_BYTES)
        return wanted


@dataclass(frozen=True)
class Forecast:
    """What may be known of the demand of some VMs when they are placed.

    Attributes
    ----------
    record : DemandRecord
        Of the whole fleet.
    history_s : float
        Length of the history. [s]
    vm_idx : int64 array, shape (n_vms,)
        Row of the record for each VM.
    """

    record: DemandRecord
    history_s: float
    vm_idx: np.ndarray

    def take(self, vm_idx: np.ndarray) -> "Forecast":
        """Return the forecast of the VMs `vm_idx` (int array) alone."""
        return replace(self, vm_idx=self.vm_idx[vm_idx])

    def history(self, of: Kind) -> np.ndarray:
        """Return the demand before the sweep: float32 array, shape (n_vms, n_ticks). [bytes]."""
        return np.asarray(self.record.series(self.history_s, of)[self.vm_idx])

    def future(self, of: Kind) -> np.ndarray:
        """Return the demand of all replicates, one after the other; for the oracle alone. As `history`."""
        return np.asarray(self.record.series(None, of)[self.vm_idx])

    def thinned_history(self, of: Kind, most_points: int) -> np.ndarray:
        """Return every k-th tick of the history, k prime to the ticks of a day so that all times of day are met."""
        series = self.record.series(self.history_s, of)
        step = -(-series.shape[1] // most_points)
        while gcd(step, _DAY_TICKS) > 1:
            step += 1
        return np.asarray(series[self.vm_idx, ::step])
