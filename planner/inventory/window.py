"""How long a sweep over an imported fleet can be, and at which tick: what its series cover."""

from typing import NamedTuple

from planner.workload.fleet_records import FleetFiles
from planner.workload.imported import recorded_ticks, window_starts

DAY_S, HOUR_S = 86_400, 3_600
USUAL_TICK_S = 300
_HORIZONS_S = (*(days * DAY_S for days in (7, 5, 3, 2, 1)), *(hours * HOUR_S for hours in (12, 6, 3, 2, 1)))


class Window(NamedTuple):
    """A horizon [s], a tick [s], and how many windows of the series do not overlap; None: as many as are asked for."""

    horizon_s: int = _HORIZONS_S[0]
    tick_s: int = USUAL_TICK_S
    windows: int | None = None


def window_of(fleet: FleetFiles) -> Window | None:
    """Find the longest usual horizon that the series cover; None where they cover no hour without a gap."""
    if fleet.info.readings:
        return Window()
    trace_tick_s = fleet.info.tick_s
    tick_s = USUAL_TICK_S if USUAL_TICK_S % trace_tick_s == 0 else trace_tick_s
    is_recorded = recorded_ticks(fleet, tick_s // trace_tick_s)
    for horizon_s in _HORIZONS_S:
        windows = 0 if horizon_s % tick_s else len(window_starts(is_recorded, horizon_s // tick_s, tick_s))
        if windows:
            return Window(horizon_s, tick_s, windows)
    return None
