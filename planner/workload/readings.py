"""Demand of an inventory that was read once: the fitted generator, held to what was read of each VM.

A reading is memory backed by the host and memory touched lately, at one moment or the largest of a few. It is not a
mean: a VM that is read at 40 % active may be at 40 % always, or be caught in its one burst of the day. So each VM takes
after a VM of the generator, drawn with the likelihood of what was read:

    weight = 4 ** -|octaves of configured memory apart| * 4 ** -|octaves of granted ÷ configured apart|
             * P(largest, or another rank, of the readings within half an octave of what was read)

with P from the generator's own distribution of the VM's active memory over time. Of readings under 0.5 % is known that
they are small, no more: the hypervisor watches 100 pages. Granted memory holds exactly at the start: consumed memory
with what balloon and swap have taken, which the guest had touched, too.
"""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from planner.streams import make_generator
from planner.units import MIB
from planner.workload.curves import KNOT_SCORES, fit_curves
from planner.workload.drawn import DrawnSource, VmModels, make_window
from planner.workload.fleet import VmTable
from planner.workload.fleet_records import FleetFiles, FleetInfo, VmRecord
from planner.workload.generated import LEAST_GRANTED, DealtVms, deal_vms, dealt_fractions
from planner.workload.likened import Likeness, likened_models
from planner.workload.listed import GENERATOR, PREFERENCE
from planner.workload.profiles import load_generator

POOL_VMS = 1995
"""VMs of the generator that an inventory's VMs take after: five decks of it."""
HALF_WINDOW = 0.5 * math.log(2.0)
"""An active reading is taken to be good to half an octave."""
LEAST_READING = 0.005
"""Active ÷ configured memory that 100 watched pages still tell from nothing."""
_LEAST_LIKELIHOOD = 1e-6
_BEYOND = 8.0
"""Normal score for what lies outside a curve."""
_SCORES = np.linspace(-_BEYOND, _BEYOND, 4_001)
_LOG_READINGS = np.concatenate(([math.log(LEAST_READING)], np.linspace(math.log(LEAST_READING), 0.0, 1_001)))
"""Readings that likelihoods are tabulated for, half a per cent apart; the first stands for all that are smaller."""
_BLOCK_VMS = 512
"""VMs whose weights for the whole pool are in memory at once: 8 MiB an array."""


class ReadingsSource(DrawnSource):
    """A fleet of which an inventory was taken (a `DemandSource`).

    Parameters
    ----------
    fleet : FleetFiles
        Without series.
    horizon_s, tick_s : float
        Window and step. [s]
    seed : int
        Root of all draws.

    Notes
    -----
    VMs of one group have as much in common as the VMs of the generator's groups have on average. What is unknown of a
    VM is drawn; unknown is not zero.
    """

    def __init__(self, fleet: FleetFiles, horizon_s: float, tick_s: float, seed: int) -> None:
        self._info = fleet.info
        vms = fleet.vm_table()
        make_models = partial(self._models_of, fleet, vms, seed)
        super().__init__(vms, make_models, load_generator(GENERATOR).restarts, make_window(seed, horizon_s, tick_s))

    @staticmethod
    def _models_of(fleet: FleetFiles, vms: VmTable, seed: int) -> VmModels:
        generator = load_generator(GENERATOR)
        pool = deal_vms(generator, POOL_VMS, seed)
        chosen = pool.taken(np.array(_choose(fleet, pool, seed)))
        likeness = Likeness(
            names=vms.names,
            groups=vms.groups,
            profiles=[chosen.profiles[number] for number in chosen.profile_idx.tolist()],
            granted_fraction=_or_drawn(_granted_fractions(fleet.vms), chosen.granted_fraction),
            granted_limit_fraction=np.ones(len(vms)),
            mean_fraction=chosen.mean_fraction,
            peak_fraction=chosen.peak_fraction,
            growth_per_day=chosen.growth_per_day,
            cpu_busy_vcpus=chosen.busy_fraction * vms.vcpus,
        )
        return likened_models(likeness, generator)

    def origin(self) -> FleetInfo:
        """Return what the fleet's directory says of where it comes from."""
        return self._info

    def replicate_meaning(self) -> str:
        """Say what differs between replicates, and that no time series was known."""
        return (
            "The inventory was read at a moment and has no time series: each VM takes after a recorded VM of another "
            "fleet that is like what was read. The same VMs live through another draw of bursts, restarts and growth; "
            "which VM each takes after is the same in all replicates."
        )


def _granted_fractions(vms: Sequence[VmRecord]) -> np.ndarray:
    """Granted ÷ configured memory as read; NaN where consumed memory is unknown."""
    return np.array(
        [
            np.nan
            if vm.consumed_bytes is None
            else (vm.consumed_bytes + (vm.ballooned_bytes or 0) + (vm.swapped_bytes or 0)) / vm.configured_bytes
            for vm in vms
        ]
    )


def _or_drawn(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), drawn, values)


def _choose(fleet: FleetFiles, pool: DealtVms, seed: int) -> list[int]:
    """Draw for each VM which one of the pool it takes after."""
    likelihoods = _PoolLikelihoods(pool, fleet.info)
    draws = np.array([make_generator(seed, "inventory", 0, f"reading/{vm.name}").random() for vm in fleet.vms])
    chosen: list[int] = []
    for start in range(0, len(draws), _BLOCK_VMS):
        until = np.cumsum(likelihoods.of(fleet.vms[start : start + _BLOCK_VMS]), axis=1)
        below = until <= draws[start : start + _BLOCK_VMS, np.newaxis] * until[:, -1:]
        chosen += np.minimum(below.sum(axis=1), len(pool) - 1).tolist()
    return chosen


class _PoolLikelihoods:
    """How likely what was read of VMs is of each one of the pool."""

    def __init__(self, pool: DealtVms, info: FleetInfo) -> None:
        granted, mean, peak = dealt_fractions(pool)
        self._octaves = np.log2(pool.configured_mib)
        self._granted_octaves = np.log2(granted)
        curves = fit_curves(pool.of_profiles("body_log_ratio"), mean, peak)
        chances = chances_of_rank(max(info.readings, 1), info.reading_rank or max(info.readings, 1))
        self._of_reading = np.array([_within_window(curve, chances) for curve in curves]).T

    def of(self, vms: Sequence[VmRecord]) -> np.ndarray:
        """Return weights, shape (len(vms), len(pool))."""
        octaves = np.log2([vm.configured_bytes / MIB for vm in vms])
        granted = np.log2(np.clip(_granted_fractions(vms), LEAST_GRANTED, 1.0))
        near = _nearness(octaves, self._octaves) * _nearness(granted, self._granted_octaves)
        return np.asarray(near * self._of_active(vms))

    def _of_active(self, vms: Sequence[VmRecord]) -> np.ndarray:
        fractions = np.array(
            [np.nan if vm.active_bytes is None else vm.active_bytes / vm.configured_bytes for vm in vms]
        )
        is_known = ~np.isnan(fractions)
        read = np.log(np.clip(np.where(is_known, fractions, 1.0), LEAST_READING, 1.0))
        nearest = np.rint((read - _LOG_READINGS[1]) / (_LOG_READINGS[2] - _LOG_READINGS[1])).astype(np.int64) + 1
        weights = self._of_reading[np.where(fractions < LEAST_READING, 0, nearest)]
        weights[~is_known] = 1.0
        return weights


def _within_window(curve: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Compute how likely a VM's reading is near each of `_LOG_READINGS`, or (the first) anywhere below them."""
    below, above = (
        np.interp(
            np.interp(_LOG_READINGS + side * HALF_WINDOW, curve, KNOT_SCORES, left=-_BEYOND, right=_BEYOND),
            _SCORES,
            chances,
        )
        for side in (-1.0, 1.0)
    )
    below[0] = 0.0
    return np.asarray(np.maximum(above - below, _LEAST_LIKELIHOOD))


def _nearness(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Weights, shape (n_vms, n_pool), that fall with the distance in octaves; 1 where nothing is known."""
    distance = np.abs(mine[:, np.newaxis] - theirs[np.newaxis, :])
    return np.asarray(np.where(np.isnan(distance), 1.0, PREFERENCE**-distance))


def chances_of_rank(readings: int, rank: int) -> np.ndarray:
    """Compute how likely the `rank`-th smallest of some readings lies below each of a grid of normal scores.

    At least `rank` of them lie below then: the upper tail of a binomial distribution.
    """
    below = np.array([0.5 * math.erfc(-score / math.sqrt(2.0)) for score in _SCORES.tolist()])
    if rank == readings:
        return np.asarray(below**readings)
    total = np.zeros(len(below))
    with np.errstate(divide="ignore"):
        log_below, log_above = np.log(below), np.log(below[::-1])
    for count in range(rank, readings + 1):
        ways = math.lgamma(readings + 1) - math.lgamma(count + 1) - math.lgamma(readings - count + 1)
        total += np.exp(ways + count * log_below + _times(readings - count, log_above))
    return np.minimum(total, 1.0)


def _times(count: int, logs: np.ndarray) -> np.ndarray:
    """Multiply; no times minus infinity is nothing."""
    return np.asarray(count * logs) if count else np.zeros(len(logs))
