"""A generated fleet: VMs dealt from the profiles of a fitted generator, and their demand.

The profiles are dealt in decks: each deck holds every profile as often as the data did (a tenant group once), in an
order drawn for the deck. So every fleet of a deck's size has the composition of the data; a longer fleet of the same
seed starts with the shorter one (but for the group that the shorter one's end may have cut).
"""

from dataclasses import dataclass, fields
from functools import partial

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
LEAST_GRANTED = 0.001
_N_SPREAD = 5
"""Figures spread over a profile's distributions: granted, mean, peak, busy, growth."""


@dataclass(frozen=True)
class DealtVms:
    """VMs as dealt: the profile of each and where it stands within it. Fractions are of configured memory.

    Attributes
    ----------
    profiles : tuple of Profile
        Those of the generator.
    profile_idx, deck, configured_mib, vcpus, common_image : int64 array, shape (n_vms,)
        `common_image` is the number of the image that a single VM is cloned from.
    granted_fraction, mean_fraction, peak_fraction, busy_fraction, growth_per_day : float64 array, shape (n_vms,)
    """

    profiles: tuple[Profile, ...]
    profile_idx: np.ndarray
    deck: np.ndarray
    configured_mib: np.ndarray
    vcpus: np.ndarray
    granted_fraction: np.ndarray
    mean_fraction: np.ndarray
    peak_fraction: np.ndarray
    busy_fraction: np.ndarray
    growth_per_day: np.ndarray
    common_image: np.ndarray

    def __len__(self) -> int:
        return len(self.deck)

    def of_profiles(self, name: str) -> np.ndarray:
        """Return an attribute of each VM's profile, a row per VM."""
        return np.asarray(np.array([getattr(profile, name) for profile in self.profiles])[self.profile_idx])

    def taken(self, rows: np.ndarray) -> "DealtVms":
        """Return some of the VMs."""
        arrays = {field.name: getattr(self, field.name)[rows] for field in fields(self) if field.name != "profiles"}
        return DealtVms(self.profiles, **arrays)


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
        super().__init__(
            vms,
            partial(_build_models, dealt, vms, generator),
            generator.restarts,
            make_window(seed, horizon_s, tick_s),
        )


def deal_vms(generator: FittedGenerator, count: int, seed: int) -> DealtVms:
    """Deal VMs, deck after deck; the groups of one tenant come one after the other."""
    profiles = generator.profiles
    profile_idx = np.repeat(np.arange(len(profiles)), [profile.vms for profile in profiles])
    units = _units_of_a_deck(profiles, profile_idx)
    n_decks = -(-count // len(profile_idx))
    dealt = _Decks(n_decks, len(profile_idx))
    orders = []
    for deck in range(n_decks):
        draws = make_generator(seed, "inventory", 0, f"deck/{deck}")
        first = 0
        for profile in profiles:
            dealt.draw(deck, slice(first, first + profile.vms), profile, draws)
            first += profile.vms
        orders.append(deck * len(profile_idx) + np.concatenate([units[unit] for unit in draws.permutation(len(units))]))
    rows = np.concatenate(orders)[:count]
    return dealt.spread_out(generator, profile_idx).taken(rows)


def _units_of_a_deck(profiles: tuple[Profile, ...], profile_idx: np.ndarray) -> list[np.ndarray]:
    """List the VMs of a deck as units that stay together: single VMs, and all groups of a tenant."""
    singles: list[np.ndarray] = []
    tenants: dict[str, list[np.ndarray]] = {}
    for number, profile in enumerate(profiles):
        rows = np.flatnonzero(profile_idx == number)
        if profile.tenant is None:
            singles += np.split(rows, len(rows))
        else:
            tenants.setdefault(profile.tenant, []).append(rows)
    return singles + [np.concatenate(rows) for rows in tenants.values()]


class _Decks:
    """What is drawn for decks of VMs, in the order of the profiles; arrays have shape (n_decks, VMs of a deck)."""

    def __init__(self, n_decks: int, n_vms: int) -> None:
        shape = (n_decks, n_vms)
        self.size_idx = np.empty(shape, dtype=np.int64)
        self.positions = np.empty((_N_SPREAD, *shape))
        self.images = np.empty(shape, dtype=np.int64)

    def draw(self, deck: int, vms: slice, profile: Profile, draws: np.random.Generator) -> None:
        """Draw the VMs of one profile: sizes as counted, the rest spread evenly over its distributions."""
        count = profile.vms
        self.size_idx[deck, vms] = draws.permutation(sum(size[2] for size in profile.sizes))[:count]
        for number in range(_N_SPREAD):
            self.positions[number, deck, vms] = (draws.permutation(count) + draws.random(count)) / count
        self.images[deck, vms] = draws.integers(COMMON_IMAGES, size=count)

    def spread_out(self, generator: FittedGenerator, profile_idx: np.ndarray) -> DealtVms:
        """Return all VMs, deck after deck."""
        shape = self.size_idx.shape
        sizes = np.empty((2, *shape), dtype=np.int64)
        values = np.empty((_N_SPREAD, *shape))
        for number, profile in enumerate(generator.profiles):
            vms = np.flatnonzero(profile_idx == number)
            counted = np.repeat([size[:2] for size in profile.sizes], [size[2] for size in profile.sizes], axis=0)
            sizes[:, :, vms] = counted.T[:, self.size_idx[:, vms]]
            growth = generator.restarts.growth_per_day
            for row, quantiles in enumerate((profile.granted, profile.mean, profile.peak, profile.busy, growth)):
                values[row][:, vms] = spread(quantiles, self.positions[row][:, vms])
        granted, mean, peak, busy, growth_per_day = values.reshape(_N_SPREAD, -1)
        return DealtVms(
            profiles=generator.profiles,
            profile_idx=np.tile(profile_idx, shape[0]),
            deck=np.repeat(np.arange(shape[0]), shape[1]),
            configured_mib=sizes[0].ravel(),
            vcpus=sizes[1].ravel(),
            granted_fraction=granted,
            mean_fraction=mean,
            peak_fraction=peak,
            busy_fraction=busy,
            growth_per_day=growth_per_day,
            common_image=self.images.ravel(),
        )


def _build_table(dealt: DealtVms) -> VmTable:
    configured_bytes = dealt.configured_mib * MIB
    named = [
        (dealt.profiles[number], deck)
        for number, deck in zip(dealt.profile_idx.tolist(), dealt.deck.tolist(), strict=True)
    ]
    groups = tuple(f"{profile.name}-{deck}" if profile.is_group else None for profile, deck in named)
    common = dealt.common_image.tolist()
    return VmTable(
        names=tuple(f"vm-{number:04d}" for number in range(1, len(dealt) + 1)),
        configured_bytes=configured_bytes,
        vcpus=dealt.vcpus,
        groups=groups,
        images=tuple(group or f"common-{image + 1}" for group, image in zip(groups, common, strict=True)),
        hosts=(None,) * len(dealt),
        shares=configured_bytes // MIB * NORMAL_SHARES_PER_MIB,
        reservation_bytes=np.zeros(len(dealt), dtype=np.int64),
        limit_bytes=configured_bytes.copy(),
        has_balloon_driver=np.ones(len(dealt), dtype=bool),
    )


def _build_models(dealt: DealtVms, vms: VmTable, generator: FittedGenerator) -> VmModels:
    granted, mean, peak = dealt_fractions(dealt)
    weights = dealt.of_profiles("weights")
    apart = 1.0 - generator.fleet_weight
    tenant_of = [f"{profile.tenant}" if profile.is_group else None for profile in dealt.profiles]
    tenants = tuple(
        f"{tenant}-{deck}" if (tenant := tenant_of[number]) is not None else None
        for number, deck in zip(dealt.profile_idx.tolist(), dealt.deck.tolist(), strict=True)
    )
    return VmModels(
        names=vms.names,
        restart_labels=tuple(group or name for group, name in zip(vms.groups, vms.names, strict=True)),
        log_knots=fit_curves(dealt.of_profiles("body_log_ratio"), mean, peak),
        component_weights=weights,
        shared=(
            SharedFactor("group", vms.groups, apart * dealt.of_profiles("group_weight"), weights),
            SharedFactor("tenant", tenants, apart * dealt.of_profiles("tenant_weight"), weights),
            fleet_factor(generator, len(dealt)),
        ),
        granted_fraction=granted,
        granted_limit_fraction=np.ones(len(dealt)),
        growth_per_day=dealt.growth_per_day,
        cpu_busy_vcpus=dealt.busy_fraction * dealt.vcpus,
    )


def dealt_fractions(dealt: DealtVms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return granted, mean and peak active ÷ configured memory of dealt VMs, held to what a curve can have."""
    granted = np.clip(dealt.granted_fraction, LEAST_GRANTED, 1.0)
    mean = np.clip(dealt.mean_fraction, LEAST_ACTIVE_FRACTION, 0.9 * granted)
    return granted, mean, np.clip(dealt.peak_fraction, 1.05 * mean, granted)
