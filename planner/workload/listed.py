"""VMs written out in the config. Their demand comes from the fitted generator, held to what the config says of them.

Each VM takes after a class of single VMs of the generator: drawn, with classes of like size, granted and active memory
the likelier. Given `granted` and `active` hold exactly and on average; whatever is not given is drawn.
"""

from collections import Counter
from functools import partial

import numpy as np

from planner.config.spec import VmSpec
from planner.errors import ConfigError, Issue
from planner.streams import make_generator
from planner.units import MIB
from planner.workload.drawn import DrawnSource, VmModels, make_window
from planner.workload.fleet import NORMAL_SHARES_PER_MIB, VmTable
from planner.workload.generated import LEAST_ACTIVE_FRACTION, LEAST_GRANTED
from planner.workload.likened import Likeness, likened_models
from planner.workload.profiles import FittedGenerator, Profile, load_generator, spread

GENERATOR = "managed-hosting"
"""Fitted generator that listed VMs take after."""
PREFERENCE = 4.0
"""A class of VMs half or twice as large is this many times less likely; the same for granted and active memory."""


class ListedSource(DrawnSource):
    """A fleet written out in the config (a `DemandSource`).

    Parameters
    ----------
    specs : tuple of VmSpec
        The VMs; one with a count above 1 becomes NAME-1, NAME-2, ...
    horizon_s, tick_s : float
        Window and step. [s]
    seed : int
        Root of all draws.

    Raises
    ------
    ConfigError
        Two VMs have the same name, or a VM's active memory exceeds its granted memory.

    Notes
    -----
    VMs of one group have as much in common as the VMs of the generator's groups have on average.
    """

    def __init__(self, specs: tuple[VmSpec, ...], horizon_s: float, tick_s: float, seed: int) -> None:
        named = [(name, spec) for spec in specs for name in _names_of(spec)]
        issues = _check_specs(specs, named)
        if issues:
            raise ConfigError(issues)
        generator = load_generator(GENERATOR)
        vms = _build_table(named)
        make_models = partial(_build_models, named, generator, seed)
        super().__init__(vms, make_models, generator.restarts, make_window(seed, horizon_s, tick_s))


def _names_of(spec: VmSpec) -> tuple[str, ...]:
    if spec.count == 1:
        return (spec.name,)
    return tuple(f"{spec.name}-{number}" for number in range(1, spec.count + 1))


def _check_specs(specs: tuple[VmSpec, ...], named: list[tuple[str, VmSpec]]) -> tuple[Issue, ...]:
    issues = [
        Issue("fleet.vms", f'{count} VMs are named "{name}"', "names must be unique, also after count is expanded")
        for name, count in Counter(name for name, _ in named).items()
        if count > 1
    ]
    for position, spec in enumerate(specs):
        if spec.active is not None and spec.granted is not None and spec.active > spec.granted:
            message = f"{spec.active:.3g} is more than granted, {spec.granted:.3g}"
            hint = "memory touched within a tick is part of the memory ever touched: active <= granted"
            issues.append(Issue(f"fleet.vms[{position}].active", message, hint))
    return tuple(issues)


def _build_table(named: list[tuple[str, VmSpec]]) -> VmTable:
    specs = [spec for _, spec in named]
    configured_bytes = np.array([spec.memory for spec in specs], dtype=np.int64)
    normal_shares = configured_bytes // MIB * NORMAL_SHARES_PER_MIB
    limits = [spec.memory if spec.limit is None else min(spec.limit, spec.memory) for spec in specs]
    return VmTable(
        names=tuple(name for name, _ in named),
        configured_bytes=configured_bytes,
        vcpus=np.array([spec.vcpus for spec in specs], dtype=np.int64),
        groups=tuple(spec.group for spec in specs),
        images=tuple(spec.image for spec in specs),
        hosts=tuple(spec.host for spec in specs),
        shares=np.array(
            [
                normal if spec.shares is None else spec.shares
                for spec, normal in zip(specs, normal_shares.tolist(), strict=True)
            ],
            dtype=np.int64,
        ),
        reservation_bytes=np.array([spec.reservation for spec in specs], dtype=np.int64),
        limit_bytes=np.array(limits, dtype=np.int64),
        has_balloon_driver=np.array([spec.balloon_driver for spec in specs], dtype=bool),
    )


def _build_models(named: list[tuple[str, VmSpec]], generator: FittedGenerator, seed: int) -> VmModels:
    singles = tuple(profile for profile in generator.profiles if not profile.is_group)
    specs = {id(spec): spec for _, spec in named}
    likelihoods = {key: _likelihoods(spec, singles) for key, spec in specs.items()}
    drawn = []
    for name, spec in named:
        draws = make_generator(seed, "inventory", 0, f"listed/{name}")
        profile = singles[int(draws.choice(len(singles), p=likelihoods[id(spec)]))]
        drawn.append((profile, _draw_figures(spec, profile, generator, draws)))
    granted, mean, peak, growth, busy = np.array([values for _, values in drawn]).T
    given = np.array([spec.granted is not None for _, spec in named])
    likeness = Likeness(
        names=tuple(name for name, _ in named),
        groups=tuple(spec.group for _, spec in named),
        profiles=[profile for profile, _ in drawn],
        granted_fraction=granted,
        granted_limit_fraction=np.where(given, np.clip(granted, LEAST_GRANTED, 1.0), 1.0),
        mean_fraction=mean,
        peak_fraction=peak,
        growth_per_day=np.where(given, 0.0, growth),
        cpu_busy_vcpus=busy * np.array([spec.vcpus for _, spec in named]),
    )
    return likened_models(likeness, generator)


def _draw_figures(
    spec: VmSpec, profile: Profile, generator: FittedGenerator, draws: np.random.Generator
) -> tuple[float, ...]:
    """Draw granted, mean and peak active fraction, growth per day and busy share of the vCPUs."""
    quantiles = (profile.granted, profile.mean, profile.peak, generator.restarts.growth_per_day, profile.busy)
    granted, mean, peak, growth, busy = (float(spread(values, draws.random(1))[0]) for values in quantiles)
    mean = mean if spec.active is None else spec.active
    granted = max(granted, mean) if spec.granted is None else spec.granted
    return granted, mean, peak, growth, busy


def _likelihoods(spec: VmSpec, singles: tuple[Profile, ...]) -> np.ndarray:
    """Weigh how likely the VM takes after each class; sums to 1."""
    likelihood = np.array([_likelihood(spec, profile) for profile in singles])
    return np.asarray(likelihood / likelihood.sum())


def _likelihood(spec: VmSpec, profile: Profile) -> float:
    """Weigh how likely a VM takes after a class: its VMs, weighted by how near they are in size, granted and active."""
    pairs = [(spec.granted, profile.granted[2]), (spec.active, profile.mean[2])]
    distance = sum(_octaves(given, middle) for given, middle in pairs if given is not None)
    sizes = sum(count * PREFERENCE ** -_octaves(spec.memory / MIB, mib) for mib, _, count in profile.sizes)
    return float(sizes * PREFERENCE**-distance)


def _octaves(first: float, second: float) -> float:
    return abs(float(np.log2(max(first, LEAST_ACTIVE_FRACTION) / max(second, LEAST_ACTIVE_FRACTION))))
