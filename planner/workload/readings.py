"""Demand of an inventory that was read once: the fitted generator, held to what was read of each VM.

A reading is memory backed by the host and memory touched lately, at one moment or the largest of a few. It is not a
mean: a VM that is read at 40 % active may be at 40 % always, or be caught in its one burst of the day. So each VM takes
after a VM of the generator, drawn with the likelihood of what was read:

    weight = 4 ** -|octaves of configured memory apart| * 4 ** -|octaves of granted ÷ configured apart|
             * P(largest of the readings within half an octave of what was read)

with P from the generator's own distribution of the VM's active memory over time. Of readings under 0.5 % is known that
they are small, no more: the hypervisor watches 100 pages. Granted memory holds exactly at the start: consumed memory
with what balloon and swap have taken, which the guest had touched, too.
"""

import math

import numpy as np

from planner.streams import make_generator
from planner.workload.curves import KNOT_SCORES, fit_curves
from planner.workload.drawn import DrawnSource, VmModels, fleet_factor, make_window
from planner.workload.fleet_records import FleetFiles
from planner.workload.generated import LEAST_ACTIVE_FRACTION, DealtVm, deal_vms
from planner.workload.latent import SharedFactor
from planner.workload.listed import GENERATOR, MOST_ACTIVE_OF_GRANTED, PREFERENCE, mean_group_weight
from planner.workload.profiles import load_generator

POOL_VMS = 1995
"""VMs of the generator that an inventory's VMs take after: five decks of it."""
HALF_WINDOW = 0.5 * math.log(2.0)
"""An active reading is taken to be good to half an octave."""
LEAST_READING = 0.005
"""Active ÷ configured memory that 100 watched pages still tell from nothing."""
LEAST_GRANTED = 0.001
_LEAST_LIKELIHOOD = 1e-6
_BEYOND = 8.0
"""Normal score for what lies outside a curve."""


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
        generator = load_generator(GENERATOR)
        vms = fleet.vm_table()
        pool = deal_vms(generator, POOL_VMS, seed)
        chosen = [pool[number] for number in _choose(fleet, pool, seed)]
        granted = np.clip(
            _or_drawn(_granted_fractions(fleet), [vm.granted_fraction for vm in chosen]), LEAST_GRANTED, 1.0
        )
        drawn_mean = np.array([vm.mean_fraction for vm in chosen])
        mean = np.clip(drawn_mean, LEAST_ACTIVE_FRACTION, MOST_ACTIVE_OF_GRANTED * granted)
        peak = np.clip([vm.peak_fraction for vm in chosen], np.minimum(1.05 * mean, granted), granted)
        weights = np.array([vm.profile.weights for vm in chosen])
        is_in_group = np.array([group is not None for group in vms.groups])
        models = VmModels(
            names=vms.names,
            restart_labels=tuple(group or name for group, name in zip(vms.groups, vms.names, strict=True)),
            log_knots=fit_curves(np.array([vm.profile.body_log_ratio for vm in chosen]), mean, peak),
            component_weights=weights,
            shared=(
                SharedFactor(
                    "group",
                    vms.groups,
                    (1.0 - generator.fleet_weight) * mean_group_weight(generator) * is_in_group,
                    weights,
                ),
                fleet_factor(generator, len(vms)),
            ),
            granted_fraction=granted,
            granted_limit_fraction=np.ones(len(vms)),
            growth_per_day=np.array([vm.growth_per_day for vm in chosen]),
            cpu_busy_vcpus=np.array([vm.busy_fraction for vm in chosen]) * vms.vcpus,
        )
        super().__init__(vms, models, generator.restarts, make_window(seed, horizon_s, tick_s))

    def replicate_meaning(self) -> str:
        """Say what differs between replicates, and that no time series was known."""
        return (
            "The inventory was read at a moment and has no time series: each VM takes after a recorded VM of another "
            "fleet that is like what was read. The same VMs live through another draw of bursts, restarts and growth; "
            "which VM each takes after is the same in all replicates."
        )


def _granted_fractions(fleet: FleetFiles) -> np.ndarray:
    """Granted ÷ configured memory as read; NaN where consumed memory is unknown."""
    return np.array(
        [
            np.nan
            if vm.consumed_bytes is None
            else (vm.consumed_bytes + (vm.ballooned_bytes or 0) + (vm.swapped_bytes or 0)) / vm.configured_bytes
            for vm in fleet.vms
        ]
    )


def _or_drawn(values: np.ndarray, drawn: list[float]) -> np.ndarray:
    return np.where(np.isnan(values), np.array(drawn), values)


def _choose(fleet: FleetFiles, pool: list[DealtVm], seed: int) -> list[int]:
    """Draw for each VM which one of the pool it takes after."""
    weights = _size_weights(fleet, pool) * _granted_weights(fleet, pool) * _active_weights(fleet, pool)
    until = np.cumsum(weights, axis=1)
    draws = [make_generator(seed, "inventory", 0, f"reading/{vm.name}").random() for vm in fleet.vms]
    return [
        min(int(np.searchsorted(row, draw * row[-1], side="right")), len(pool) - 1)
        for row, draw in zip(until, draws, strict=True)
    ]


def _size_weights(fleet: FleetFiles, pool: list[DealtVm]) -> np.ndarray:
    mib = np.array([vm.configured_bytes / 2**20 for vm in fleet.vms])
    return _nearness(np.log2(mib), np.log2([vm.configured_mib for vm in pool]))


def _granted_weights(fleet: FleetFiles, pool: list[DealtVm]) -> np.ndarray:
    granted = np.clip(_granted_fractions(fleet), LEAST_GRANTED, 1.0)
    theirs = np.clip([vm.granted_fraction for vm in pool], LEAST_GRANTED, 1.0)
    return _nearness(np.log2(granted), np.log2(theirs))


def _nearness(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Weights, shape (n_vms, n_pool), that fall with the distance in octaves; 1 where nothing is known."""
    distance = np.abs(mine[:, np.newaxis] - np.asarray(theirs)[np.newaxis, :])
    return np.asarray(np.where(np.isnan(distance), 1.0, PREFERENCE**-distance))


def _active_weights(fleet: FleetFiles, pool: list[DealtVm]) -> np.ndarray:
    """Likelihood of each VM's active reading, shape (n_vms, n_pool); 1 where it is unknown."""
    fractions = np.array(
        [np.nan if vm.active_bytes is None else vm.active_bytes / vm.configured_bytes for vm in fleet.vms]
    )
    read = np.log(np.maximum(fractions, LEAST_READING))
    is_small = fractions < LEAST_READING
    granted = np.clip([vm.granted_fraction for vm in pool], LEAST_GRANTED, 1.0)
    mean = np.clip([vm.mean_fraction for vm in pool], LEAST_ACTIVE_FRACTION, 0.9 * granted)
    peak = np.clip([vm.peak_fraction for vm in pool], 1.05 * mean, granted)
    curves = fit_curves(np.array([vm.profile.body_log_ratio for vm in pool]), mean, peak)
    weights = np.ones((len(fleet.vms), len(pool)))
    readings = max(fleet.info.readings, 1)
    for number, curve in enumerate(curves):
        above, below = (
            _below(np.interp(read + side * HALF_WINDOW, curve, KNOT_SCORES, left=-_BEYOND, right=_BEYOND)) ** readings
            for side in (1.0, -1.0)
        )
        weights[:, number] = above - np.where(is_small, 0.0, below)
    weights = np.maximum(weights, _LEAST_LIKELIHOOD)
    weights[np.isnan(fractions)] = 1.0
    return weights


def _below(scores: np.ndarray) -> np.ndarray:
    """Probability that a standard normal variable is below each score."""
    return np.array([0.5 * math.erfc(-score / math.sqrt(2.0)) for score in scores.tolist()])
