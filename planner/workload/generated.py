"""A generated fleet: VMs dealt from the profiles of a fitted generator, and their demand.

The profiles are dealt in decks: each deck holds every profile as often as the data did (a tenant group once), in an
order drawn for the deck. So every fleet of a deck's size has the composition of the data; a longer fleet of the same
seed starts with the shorter one (but for the group that the shorter one's end may have cut).
"""

from dataclasses import dataclass

import numpy as np

from planner.streams import make_generator
from planner.units import MIB
from planner.workload.curves import fit_curves
from planner.workload.drawn import DrawnSource, VmModels, fleet_factor, make_window
from planner.workload.fleet import NORMAL_SHARES_PER_MIB, VmTable
from planner.workload.latent import SharedFactor
from planner.workload.profiles import FittedGenerator, Profile, load_generator, spread

COMMON_IMAGES = 4
"""Images that single VMs are cloned from. An assumption: the data say nothing of images."""
LEAST_ACTIVE_FRACTION = 1e-5
"""Least mean of the active fraction: VMs that report 0 throughout."""


@dataclass(frozen=True)
class DealtVm:
    """One VM as dealt: its profile and where it stands within it. Fractions are of configured memory."""

    profile: Profile
    deck: int
    configured_mib: int
    vcpus: int
    granted_fraction: float
    mean_fraction: float
    peak_fraction: float
    busy_fraction: float
    growth_per_day: float
    image: str


class GeneratedSource(DrawnSource):
    """A fleet drawn from a fitted generator (a `DemandSource`).

    Parameters
    ----------
    name : str
        Name of the generator; ConfigError when there is none.
    count : int
        How many VMs.
    horizon_s, tick_s : float
        Window and step. [s]
    seed : int
        Root of all draws.

    Notes
    -----
    The figures were fitted at 5 minutes. For another tick the distribution of memory touched within a tick is taken to
    be the same, and correlation to depend on time: longer ticks are then somewhat too quiet, shorter ones too busy.
    """

    def __init__(self, name: str, count: int, horizon_s: float, tick_s: float, seed: int) -> None:
        generator = load_generator(name)
        dealt = deal_vms(generator, count, seed)
        vms = _build_table(dealt)
        models = _build_models(dealt, vms, generator)
        super().__init__(vms, models, generator.restarts, make_window(seed, horizon_s, tick_s))


def deal_vms(generator: FittedGenerator, count: int, seed: int) -> list[DealtVm]:
    """Deal VMs, deck after deck; the groups of one tenant come one after the other."""
    dealt: list[DealtVm] = []
    deck = 0
    while len(dealt) < count:
        draws = make_generator(seed, "inventory", 0, f"deck/{deck}")
        units = _deal_deck(generator, deck, draws)
        for unit in draws.permutation(len(units)):
            dealt.extend(units[unit])
        deck += 1
    return dealt[:count]


def _deal_deck(generator: FittedGenerator, deck: int, draws: np.random.Generator) -> list[list[DealtVm]]:
    """Draw the VMs of one deck as units that stay together: single VMs, and all groups of a tenant."""
    singles: list[list[DealtVm]] = []
    tenants: dict[str, list[DealtVm]] = {}
    for profile in generator.profiles:
        vms = _deal_profile(profile, generator, deck, draws)
        if profile.tenant is None:
            singles += [[vm] for vm in vms]
        else:
            tenants.setdefault(profile.tenant, []).extend(vms)
    return singles + list(tenants.values())


def _deal_profile(profile: Profile, generator: FittedGenerator, deck: int, draws: np.random.Generator) -> list[DealtVm]:
    """Draw the VMs of one profile: sizes as counted, the rest spread evenly over its distributions."""
    sizes = [(mib, vcpus) for mib, vcpus, size_count in profile.sizes for _ in range(size_count)]
    order = draws.permutation(len(sizes))
    granted, mean, peak, busy, growth = (
        spread(quantiles, (draws.permutation(profile.vms) + draws.random(profile.vms)) / profile.vms)
        for quantiles in (
            profile.granted, profile.mean, profile.peak, profile.busy, generator.restarts.growth_per_day,
        )
    )  # fmt: skip
    images = draws.integers(COMMON_IMAGES, size=profile.vms)
    return [
        DealtVm(
            profile=profile,
            deck=deck,
            configured_mib=sizes[order[row]][0],
            vcpus=sizes[order[row]][1],
            granted_fraction=float(granted[row]),
            mean_fraction=float(mean[row]),
            peak_fraction=float(peak[row]),
            busy_fraction=float(busy[row]),
            growth_per_day=float(growth[row]),
            image=f"{profile.name}-{deck}" if profile.is_group else f"common-{images[row] + 1}",
        )
        for row in range(profile.vms)
    ]


def _build_table(dealt: list[DealtVm]) -> VmTable:
    configured_bytes = np.array([vm.configured_mib for vm in dealt], dtype=np.int64) * MIB
    return VmTable(
        names=tuple(f"vm-{number:04d}" for number in range(1, len(dealt) + 1)),
        configured_bytes=configured_bytes,
        vcpus=np.array([vm.vcpus for vm in dealt], dtype=np.int64),
        groups=tuple(f"{vm.profile.name}-{vm.deck}" if vm.profile.is_group else None for vm in dealt),
        images=tuple(vm.image for vm in dealt),
        hosts=(None,) * len(dealt),
        shares=configured_bytes // MIB * NORMAL_SHARES_PER_MIB,
        reservation_bytes=np.zeros(len(dealt), dtype=np.int64),
        limit_bytes=configured_bytes.copy(),
        has_balloon_driver=np.ones(len(dealt), dtype=bool),
    )


def _build_models(dealt: list[DealtVm], vms: VmTable, generator: FittedGenerator) -> VmModels:
    granted = np.clip([vm.granted_fraction for vm in dealt], 0.001, 1.0)
    mean = np.clip([vm.mean_fraction for vm in dealt], LEAST_ACTIVE_FRACTION, 0.9 * granted)
    peak = np.clip([vm.peak_fraction for vm in dealt], 1.05 * mean, granted)
    weights = np.array([vm.profile.weights for vm in dealt])
    apart = 1.0 - generator.fleet_weight
    tenants = tuple(f"{vm.profile.tenant}-{vm.deck}" if vm.profile.is_group else None for vm in dealt)
    return VmModels(
        names=vms.names,
        restart_labels=tuple(group or name for group, name in zip(vms.groups, vms.names, strict=True)),
        log_knots=fit_curves(np.array([vm.profile.body_log_ratio for vm in dealt]), mean, peak),
        component_weights=weights,
        shared=(
            SharedFactor("group", vms.groups, apart * np.array([vm.profile.group_weight for vm in dealt]), weights),
            SharedFactor("tenant", tenants, apart * np.array([vm.profile.tenant_weight for vm in dealt]), weights),
            fleet_factor(generator, len(dealt)),
        ),
        granted_fraction=granted,
        granted_limit_fraction=np.ones(len(dealt)),
        growth_per_day=np.array([vm.growth_per_day for vm in dealt]),
        cpu_busy_vcpus=np.array([vm.busy_fraction * vm.vcpus for vm in dealt]),
    )
