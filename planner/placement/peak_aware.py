"""Peak-aware: VMs whose demand peaks at different times together, judged by the sum of their demand over time."""

from math import ceil
from typing import ClassVar

import numpy as np

from planner.errors import ConfigError, Issue
from planner.placement.base import Placement, PlacementRequest
from planner.placement.packing import Packing, place_units
from planner.placement.search import spread_over_fewest

MOST_POINTS = 336
"""Points in time that a history is thinned to: two a hour over a week."""


class PeakAware:
    """Spread over the fewest hosts on which that succeeds; each VM where the predicted percentile stays lowest.

    Notes
    -----
    The percentile (`admission.percentile`, of `admission.of`) is of the sum of demand on the host, VM added, over the
    history, ÷ the host's memory. Series are added tick by tick, so correlation counts as it was: no distribution is
    assumed. A longer history is thinned to at most `MOST_POINTS` ticks, spread over all times of day.
    """

    name: ClassVar[str] = "peak-aware"
    is_order_invariant: ClassVar[bool] = True

    def place(self, request: PlacementRequest) -> Placement:
        """Place the largest VMs first, of equal ones that with the highest percentile of its own demand, then by name.

        Raises
        ------
        ConfigError
            Nothing is known of the demand.
        """
        if request.forecast is None:
            message = "peak-aware looks at demand over time, and none is known here"
            raise ConfigError((Issue("sweep.placement", message, "use group-spreading or worst-fit"),))
        return place_units(request, _pack)


def _pack(packing: Packing) -> np.ndarray:
    from planner.kernels.packing_peaks import scan_peaks

    request, units = packing.request, packing.units
    own, total = _demand(packing)
    n_points = own.shape[1]
    rank = n_points - ceil(request.limits.admission.percentile * n_points) + 1
    peak = np.partition(own, n_points - rank, axis=1)[:, n_points - rank] if units.n_units else np.zeros(0)
    names = np.array(units.names)
    order = packing.tied_first(np.lexsort((names, -peak, -packing.ledger.need[:, 0])).astype(np.int64))
    room = np.maximum(1, request.hosts.room_bytes).astype(np.float64)
    work = np.empty(n_points)

    def try_spread(is_open: np.ndarray, out: np.ndarray) -> int:
        sums = total.copy()
        return int(scan_peaks(order, packing.fresh_ledger(), is_open, own, sums, room, rank, work, out))

    return spread_over_fewest(packing, try_spread)


def _demand(packing: Packing) -> tuple[np.ndarray, np.ndarray]:
    """Sum the thinned history over each unit (float32) and over the VMs that stay on each host (float64)."""
    request, unit_of = packing.request, packing.units.unit_of
    assert request.forecast is not None  # checked by `place`
    series = request.forecast.thinned_history(request.limits.admission.of, MOST_POINTS)
    own = np.zeros((packing.units.n_units, series.shape[1]), dtype=np.float32)
    total = np.zeros((len(request.hosts), series.shape[1]))
    moving, stays = unit_of >= 0, request.standing_idx >= 0
    np.add.at(own, unit_of[moving], series[moving])
    np.add.at(total, request.standing_idx[stays], series[stays])
    return own, total
