"""VMs that take after others: how each behaves, from the class or VM it takes after and what is known of it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from planner.workload.curves import fit_curves
from planner.workload.drawn import VmModels, fleet_factor
from planner.workload.generated import LEAST_ACTIVE_FRACTION, LEAST_GRANTED
from planner.workload.latent import SharedFactor
from planner.workload.profiles import FittedGenerator, Profile

MOST_ACTIVE_OF_GRANTED = 0.95
"""Mean active memory is held to this share of granted memory: it must stay below its own peak."""


class Likeness(NamedTuple):
    """What VMs are and take after; arrays have n_vms rows, fractions are of configured memory.

    Attributes
    ----------
    profiles : sequence of Profile
        What each takes the shape and the rhythm of its demand from.
    growth_per_day : float array
        Of granted ÷ configured memory. [1/day]
    """

    names: tuple[str, ...]
    groups: tuple[str | None, ...]
    profiles: Sequence[Profile]
    granted_fraction: np.ndarray
    granted_limit_fraction: np.ndarray
    mean_fraction: np.ndarray
    peak_fraction: np.ndarray
    growth_per_day: np.ndarray
    cpu_busy_vcpus: np.ndarray


def likened_models(vms: Likeness, generator: FittedGenerator) -> VmModels:
    """Build the models of VMs. Those of one group have as much in common as the generator's groups on average."""
    granted = np.clip(vms.granted_fraction, LEAST_GRANTED, 1.0)
    mean = np.clip(vms.mean_fraction, LEAST_ACTIVE_FRACTION, MOST_ACTIVE_OF_GRANTED * granted)
    peak = np.clip(vms.peak_fraction, np.minimum(1.05 * mean, granted), granted)
    in_group = np.array([group is not None for group in vms.groups])
    weights = np.array([profile.weights for profile in vms.profiles])
    group_weight = (1.0 - generator.fleet_weight) * _mean_group_weight(generator) * in_group
    return VmModels(
        names=vms.names,
        restart_labels=tuple(group or name for group, name in zip(vms.groups, vms.names, strict=True)),
        log_knots=fit_curves(np.array([profile.body_log_ratio for profile in vms.profiles]), mean, peak),
        component_weights=weights,
        shared=(
            SharedFactor("group", vms.groups, group_weight, weights),
            fleet_factor(generator, len(vms.names)),
        ),
        granted_fraction=granted,
        granted_limit_fraction=vms.granted_limit_fraction,
        growth_per_day=vms.growth_per_day,
        cpu_busy_vcpus=vms.cpu_busy_vcpus,
    )


def _mean_group_weight(generator: FittedGenerator) -> float:
    """Share of the latent variance that the VMs of a fitted group have in common, over all grouped VMs."""
    groups = [profile for profile in generator.profiles if profile.is_group]
    common = [profile.group_weight + profile.tenant_weight for profile in groups]
    return float(np.average(common, weights=[profile.vms for profile in groups]))
