"""Fitted generators as data: kinds of VM, tenant groups, restarts. Reads `data/NAME.yaml`; draws nothing.

A generator is a deck of profiles. A profile is a class of single VMs alike, or one tenant group; groups of one tenant
share a factor. `tools/fit_managed_hosting.py` writes the file.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from planner.config.shipped import load_shipped
from planner.errors import ConfigError, Issue

PROFILE_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Probabilities at which a profile tells how its VMs differ."""
COMPONENTS = ("white", "straddling", "minutes", "hours", "days", "hourly", "daily")
"""Parts of a latent series: white noise, noise that straddles two ticks, three autoregressions, fixed profiles of the
hour and of the day."""
COMPONENT_TIMES_S = {"minutes": 600.0, "hours": 10_800.0, "days": 259_200.0}
"""Correlation times of the autoregressions. [s]"""
DAILY_TIME_S = 3600.0
"""Correlation time within the profile of the day. [s]"""


@dataclass(frozen=True)
class Profile:
    """A class of single VMs alike, or a tenant group.

    Attributes
    ----------
    vms : int
        VMs of this profile in the deck; for a group its size.
    sizes : tuple of (configured MiB, vCPUs, count)
        What the VMs are configured with.
    granted, mean, peak, busy : tuple of float
        Quantiles across VMs (`PROFILE_QUANTILES`) of granted, mean active and peak active ÷ configured memory, and of
        busy ÷ all vCPUs.
    body_log_ratio : tuple of float
        Shape of the distribution over time: see `planner.workload.curves`.
    weights : tuple of float
        Share of the latent variance by `COMPONENTS`; sums to 1.
    group_weight, tenant_weight : float
        Share of the latent variance that the group, and all groups of the tenant, have in common.
    """

    name: str
    tenant: str | None
    vms: int
    sizes: tuple[tuple[int, int, int], ...]
    granted: tuple[float, ...]
    mean: tuple[float, ...]
    peak: tuple[float, ...]
    busy: tuple[float, ...]
    body_log_ratio: tuple[float, ...]
    weights: tuple[float, ...]
    group_weight: float
    tenant_weight: float

    @property
    def is_group(self) -> bool:
        """Whether it is one tenant group."""
        return self.tenant is not None


@dataclass(frozen=True)
class Restarts:
    """How often VMs restart and how granted memory grows after.

    Attributes
    ----------
    per_vm_day : float
        Restarts of a VM. [1/day]
    times_s : tuple of float
        Ages after power-on of the columns of `granted`. [s]
    granted : tuple of tuple of float
        Granted ÷ configured memory: a row per quantile (`PROFILE_QUANTILES`), a column per age.
    growth_per_day : tuple of float
        Quantiles across VMs of the growth of granted memory long after power-on. [1/day]
    """

    per_vm_day: float
    times_s: tuple[float, ...]
    granted: tuple[tuple[float, ...], ...]
    growth_per_day: tuple[float, ...]


@dataclass(frozen=True)
class FittedGenerator:
    """A generator.

    Attributes
    ----------
    source, acknowledgement : str
        Data it was fitted to, and thanks for them.
    profiles : tuple of Profile
        The deck to deal VMs from.
    restarts : Restarts
    fleet_weight : float
        Share of the latent variance that all VMs have in common.
    reference : dict
        Statistics of the data (`planner.workload.statistics`) over two-week windows: mean, low and high.
    """

    name: str
    source: str
    acknowledgement: str
    profiles: tuple[Profile, ...]
    restarts: Restarts
    fleet_weight: float
    reference: dict[str, Any]


def generator_names() -> tuple[str, ...]:
    """Names of the fitted generators that are shipped."""
    folder = files("planner.workload").joinpath("data")
    stems = (entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return tuple(sorted(stem for stem in stems if stem != "tail"))


@cache
def load_generator(name: str) -> FittedGenerator:
    """Load a fitted generator.

    Raises
    ------
    ConfigError
        There is no generator of this name.
    """
    if name not in generator_names():
        hint = f"use one of {', '.join(generator_names())}"
        raise ConfigError((Issue("fleet.vms.generate", f'there is no fitted generator "{name}"', hint),))
    data = load_shipped("planner.workload", f"data/{name}.yaml")
    return FittedGenerator(
        name=name,
        source=data["source"],
        acknowledgement=data["acknowledgement"],
        profiles=tuple(_parse_profile(entry) for entry in data["profiles"]),
        restarts=_parse_restarts(data["restarts"]),
        fleet_weight=float(data["fleet_weight"]),
        reference=data["reference"],
    )


def spread(quantiles: tuple[float, ...], position: np.ndarray) -> np.ndarray:
    """Turn positions (0..1) into values of a distribution given by its `PROFILE_QUANTILES`."""
    return np.asarray(np.interp(position, PROFILE_QUANTILES, quantiles))


def _parse_profile(entry: dict[str, Any]) -> Profile:
    lists = ("granted", "mean", "peak", "busy", "body_log_ratio", "weights")
    return Profile(
        name=entry["name"],
        tenant=entry.get("tenant"),
        vms=entry["vms"],
        sizes=tuple((int(mib), int(vcpus), int(count)) for mib, vcpus, count in entry["sizes"]),
        group_weight=float(entry.get("group_weight", 0.0)),
        tenant_weight=float(entry.get("tenant_weight", 0.0)),
        **{key: tuple(float(value) for value in entry[key]) for key in lists},
    )


def _parse_restarts(entry: dict[str, Any]) -> Restarts:
    return Restarts(
        per_vm_day=float(entry["per_vm_day"]),
        times_s=tuple(float(value) for value in entry["times_s"]),
        granted=tuple(tuple(float(value) for value in row) for row in entry["granted"]),
        growth_per_day=tuple(float(value) for value in entry["growth_per_day"]),
    )
