"""Demand from an imported fleet: cleaned once, then cut into windows, one per replicate.

Cleaning turns hypervisor counters into the contract of `Demand`: short gaps are bridged, noise on granted memory is
held at its running maximum, deep falls are kept as restarts, and active <= granted <= configured. Where active exceeds
granted, active gives way: granted is counted, active estimated, and the estimate starts from 75 % of the configured
memory at each power-on (seen in 92 of 400 VMs, for three ticks); raising granted instead would add memory that no guest
touched, and keep it. Not done: splicing over times when most of the fleet was not recorded; windows avoid them.

Zeros of the active counter stay zeros: they come from idle VMs and mean "less than the counter resolves", not "off".
"""

import numpy as np

from planner.errors import InputError
from planner.streams import make_generator
from planner.units import format_seconds
from planner.workload.fleet import Demand
from planner.workload.fleet_records import FleetFiles, FleetInfo

ALWAYS_BRIDGED_TICKS = 3
"""Gaps of VMs no longer than this are lost samples: granted memory is the same after them in 99 % of cases."""
BRIDGED_S = 3600.0
"""Longer gaps up to this are bridged unless granted memory fell by `RESTART_FALL` over them: in two months of 400 VMs
it was the same after 98 % of 825 gaps of 20 to 60 min, which no restarted guest manages."""
RESTART_FALL = 0.2
"""A fall of granted memory by more than this share of its running maximum is a restart. Of 3,569 falls in the same
data 92 % are under 1 % (counter noise of one VM); those over a half stay down, those between often come back."""
RECORDED_FRACTION = 0.5
"""A tick at which less than this share of the VMs alive has a sample was not recorded."""
DAY_S = 86400


class ImportedSource:
    """Demand of a fleet directory, as a `planner.workload.source.DemandSource`.

    Parameters
    ----------
    fleet : FleetFiles
        With series.
    place : str
        Where it was read, for messages.
    horizon_s, tick_s : float
        Length of a window and of its ticks. [s]
    seed : int
        Root seed; the order of the windows is drawn from the stream "window".

    Raises
    ------
    InputError
        Its ticks are too coarse or do not divide `tick_s`, or no stretch of the trace covers
        the horizon.

    Notes
    -----
    The trace is cut into windows that do not overlap, each recorded throughout and starting at the trace's first time
    of day; replicates take them in turn, in a drawn order. Overlapping windows would count the same days twice. The
    same window for all VMs keeps their correlation and the days' rhythm. Where trace ticks are finer than `tick_s`,
    active and granted memory of a tick are the largest of its samples. For active that is a lower bound: a longer
    tick touches at least what its busiest part touches. Holds the cleaned series as float32, so it pickles fast.
    """

    def __init__(self, fleet: FleetFiles, place: str, horizon_s: float, tick_s: float, seed: int) -> None:
        self.vms = fleet.vm_table()
        self.info = fleet.info
        self._place = place
        self._tick_s = tick_s
        self._n_ticks = round(horizon_s / tick_s)
        merged = _ticks_merged(fleet.info.tick_s, tick_s, self._place)
        is_recorded = recorded_ticks(fleet, merged)
        if self._n_ticks < 1:
            raise InputError(self._place, "the horizon is shorter than a tick", "set a longer horizon")
        self._starts = window_starts(is_recorded, self._n_ticks, tick_s)
        if not self._starts:
            self._refuse(is_recorded)
        active, granted = clean(fleet)
        self._active = _merge(active, merged)
        self._granted = _merge(granted, merged)
        self._order = make_generator(seed, "window").permutation(len(self._starts))
        self._busy_vcpus = self._busy_by_start(fleet.cpu_busy_vcpus, merged)

    def demand(self, replicate: int, vm_idx: np.ndarray | None = None) -> Demand:
        """Cut the window of one replicate out of the trace: a pure function of the seed and `replicate`."""
        return self._cut(int(self._order[replicate % len(self._starts)]), self._n_ticks, vm_idx)

    def history(self, length_s: float, vm_idx: np.ndarray | None = None) -> Demand:
        """Cut the first recorded days out of the trace, shorter where it ends: what was known before the sweep."""
        return self._cut(0, max(round(length_s / self._tick_s), 1), vm_idx)

    def _cut(self, number: int, n_ticks: int, vm_idx: np.ndarray | None) -> Demand:
        """Cut a run of ticks out of the trace, from the start of a window on."""
        start = self._starts[number]
        rows = np.arange(len(self.vms)) if vm_idx is None else vm_idx
        return Demand(
            tick_s=self._tick_s,
            active_fraction=self._active[:, start : start + n_ticks][rows],
            granted_fraction=self._granted[:, start : start + n_ticks][rows],
            cpu_busy_vcpus=self._busy_vcpus[number][rows],
        )

    def history_meaning(self) -> str:
        """Say what the history is, and that replicates replay part of it."""
        return (
            "The first recorded days of the imported trace. Replicates replay the same trace: those whose window lies "
            "in the history have been seen before they are simulated, so what is predicted from it looks better than "
            "it is."
        )

    def independent_replicates(self) -> int:
        """Count the windows of the trace that do not overlap."""
        return len(self._starts)

    def origin(self) -> FleetInfo:
        """Return what the fleet's directory says of where it comes from."""
        return self.info

    def replicate_meaning(self) -> str:
        """Say in one sentence what differs between replicates."""
        length = format_seconds(self._n_ticks * self._tick_s)
        count = len(self._starts)
        if count == 1:
            return (
                f"All replicates replay the same {length} of the imported trace, because no other window of that "
                "length was recorded: they differ only in which pages the guests touch, so the intervals leave out "
                "how demand varies from month to month."
            )
        return (
            f"Each replicate replays {length} of the imported trace, the same for all VMs. The trace holds {count} "
            f"such windows that do not overlap: replicates beyond {count} replay one again, and count as one with it."
        )

    def _refuse(self, is_recorded: np.ndarray) -> None:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], is_recorded.astype(np.int8), [0]])))
        longest = int((edges[1::2] - edges[::2]).max(initial=0))
        whole, wanted = len(is_recorded) * self._tick_s, self._n_ticks * self._tick_s
        message = (
            f"the trace does not cover the horizon of {_days(wanted)}: it spans {_days(whole)}, its longest stretch "
            f"without a gap {_days(longest * self._tick_s)}, and windows start at the trace's first time of day"
        )
        raise InputError(self._place, message, "set a shorter horizon or import a longer trace")

    def _busy_by_start(self, cpu: np.ndarray | None, merged: int) -> np.ndarray:
        """Average busy vCPUs over each window, or over the trace where a window has none; NaN where unknown."""
        if cpu is None:
            return np.full((len(self._starts), len(self.vms)), np.nan)
        overall = _row_means(cpu)
        inside = [_row_means(cpu[:, start * merged : (start + self._n_ticks) * merged]) for start in self._starts]
        return np.array([np.where(np.isnan(means), overall, means) for means in inside])


def recorded_ticks(fleet: FleetFiles, merged: int) -> np.ndarray:
    """Say of each tick, `merged` of the trace's, whether enough of the VMs were recorded in it; bool array."""
    return _merge_all(_recorded(fleet.active_bytes, bridged_ticks(fleet.info.tick_s)), merged)


def window_starts(is_recorded: np.ndarray, n_ticks: int, tick_s: float) -> list[int]:
    """List the starts of recorded windows, whole days from the first tick, earliest first and without overlap."""
    n_trace, per_day = len(is_recorded), DAY_S / tick_s
    days = {round(day * per_day) for day in range(int(n_trace / per_day) + 1)}
    lost = np.concatenate([[0], np.cumsum(~is_recorded)])
    apart: list[int] = []
    for start in sorted(days):
        if start + n_ticks > n_trace or lost[start + n_ticks] != lost[start]:
            continue
        if not apart or start >= apart[-1] + n_ticks:
            apart.append(start)
    return apart


def bridged_ticks(tick_s: int) -> int:
    """Count the ticks of the longest gap that may be bridged."""
    return max(ALWAYS_BRIDGED_TICKS, int(BRIDGED_S // tick_s))


def clean(fleet: FleetFiles) -> tuple[np.ndarray, np.ndarray]:
    """Turn counters into fractions of configured memory that obey the contract of `Demand`.

    Returns
    -------
    active_fraction, granted_fraction : float32 arrays, shape (n_vms, n_ticks)
        NaN while off. active <= granted <= 1; granted falls only at restarts.
    """
    configured = np.array([vm.configured_bytes for vm in fleet.vms], dtype=np.float64)[:, np.newaxis]
    active = (fleet.active_bytes / configured).astype(np.float32)
    granted = (fleet.granted_bytes / configured).astype(np.float32)
    longest = bridged_ticks(fleet.info.tick_s)
    for active_row, granted_row in zip(active, granted, strict=True):
        is_on = ~(np.isnan(active_row) & np.isnan(granted_row))
        _carry(active_row, is_on & np.isnan(active_row), np.zeros_like(active_row))
        _carry(granted_row, is_on & np.isnan(granted_row), active_row)
        np.clip(active_row, 0.0, 1.0, out=active_row)
        np.clip(granted_row, 0.0, 1.0, out=granted_row)
        bridge_gaps(active_row, granted_row, longest)
        hold_granted(granted_row)
        np.minimum(active_row, granted_row, out=active_row)
    return active, granted


def _carry(values: np.ndarray, is_missing: np.ndarray, unknown: np.ndarray) -> None:
    """Fill what one counter lacks while the other has a sample, in place: the last known value, else the next.

    A counter without any sample takes the values of `unknown`.
    """
    known = np.flatnonzero(~np.isnan(values))
    missing = np.flatnonzero(is_missing)
    if len(known) == 0:
        values[missing] = unknown[missing]
    else:
        values[missing] = values[known[np.maximum(np.searchsorted(known, missing) - 1, 0)]]


def bridge_gaps(active: np.ndarray, granted: np.ndarray, longest_ticks: int) -> None:
    """Fill short gaps of one VM in place: with the samples before them.

    Parameters
    ----------
    active, granted : float32 arrays, shape (n_ticks,)
        NaN at the same ticks.
    longest_ticks : int
        Gaps up to this long are filled, unless granted memory fell by more than `RESTART_FALL` over a gap of more
        than `ALWAYS_BRIDGED_TICKS`: that one was a shutdown.
    """
    edges = np.flatnonzero(np.diff(np.isnan(granted).astype(np.int8)))
    for before, after in zip(edges, edges[1:] + 1, strict=False):
        length = after - before - 1
        is_gap = np.isnan(granted[before + 1])
        if not is_gap or length > longest_ticks:
            continue
        fell = granted[after] < (1 - RESTART_FALL) * granted[before]
        if length <= ALWAYS_BRIDGED_TICKS or not fell:
            active[before + 1 : after] = active[before]
            granted[before + 1 : after] = granted[before]


def hold_granted(granted: np.ndarray) -> None:
    """Hold granted memory of one VM at its running maximum since power-on, in place.

    A fall by more than `RESTART_FALL` of that maximum is a restart and begins anew; so does every time off (NaN).
    """
    is_on = ~np.isnan(granted)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_on.astype(np.int8), [0]])))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        _hold_run(granted[start:stop])


def _hold_run(run: np.ndarray) -> None:
    start = 0
    while start < len(run):
        held = np.maximum.accumulate(run[start:])
        restarts = run[start:] < (1 - RESTART_FALL) * held
        length = int(np.argmax(restarts)) if restarts.any() else len(held)
        run[start : start + length] = held[:length]
        start += length


def _recorded(values: np.ndarray, longest_gap_ticks: int) -> np.ndarray:
    """Tell which ticks were recorded: bool array, shape (n_ticks,). Outages that bridging fills count as recorded."""
    has_sample = ~np.isnan(values)
    is_alive = np.logical_or.accumulate(has_sample, axis=1)
    is_alive &= np.logical_or.accumulate(has_sample[:, ::-1], axis=1)[:, ::-1]
    is_recorded = has_sample.sum(axis=0) >= RECORDED_FRACTION * np.maximum(is_alive.sum(axis=0), 1)
    edges = np.flatnonzero(np.diff(np.concatenate([[1], is_recorded.astype(np.int8), [1]])))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start <= longest_gap_ticks:
            is_recorded[start:stop] = True
    return np.asarray(is_recorded)


def _ticks_merged(trace_tick_s: int, tick_s: float, place: str) -> int:
    """Count the trace's ticks in one of the config's; refuse a trace that is too coarse or does not divide it."""
    ratio = tick_s / trace_tick_s
    if ratio < 1:
        message = f"its ticks of {format_seconds(trace_tick_s)} are coarser than the config's {format_seconds(tick_s)}"
        raise InputError(place, message, f'set tick: "{format_seconds(trace_tick_s)}"')
    if abs(ratio - round(ratio)) > 1e-9:
        message = f"its ticks of {format_seconds(trace_tick_s)} do not divide the config's {format_seconds(tick_s)}"
        raise InputError(place, message, f"set the tick to a multiple of {format_seconds(trace_tick_s)}")
    return round(ratio)


def _folded(values: np.ndarray, merged: int) -> np.ndarray:
    """View the last axis as (n_ticks, merged), dropping an incomplete last tick."""
    n_ticks = values.shape[-1] // merged
    return values[..., : n_ticks * merged].reshape(*values.shape[:-1], n_ticks, merged)


def _merge(values: np.ndarray, merged: int) -> np.ndarray:
    """Take the largest of each `merged` ticks; NaN only where all are."""
    return values if merged == 1 else np.fmax.reduce(_folded(values, merged), axis=-1)


def _merge_all(flags: np.ndarray, merged: int) -> np.ndarray:
    return np.asarray(_folded(flags, merged).all(axis=-1))


def _row_means(values: np.ndarray) -> np.ndarray:
    """Average the last axis without NaN; NaN where there is nothing else. float64."""
    is_known = ~np.isnan(values)
    counts = is_known.sum(axis=-1)
    sums = np.where(is_known, values, 0).sum(axis=-1, dtype=np.float64)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


def _days(duration_s: float) -> str:
    return f"{duration_s / DAY_S:.4g} days"
