"""Latent Gaussian series: of one VM, and of what VMs have in common (a tenant group, a tenant, the fleet).

A series is a pure function of the seed, the replicate and the name of who it belongs to. Series that VMs share are kept
for the next VM, up to a budget.
"""

from dataclasses import dataclass

import numpy as np

from planner.streams import make_generator
from planner.workload.kept import Kept
from planner.workload.profiles import COMPONENT_TIMES_S, DAILY_TIME_S

DAY_S = 86_400.0
SLOT_S = 300.0
"""Step of the profiles of the hour and of the day. [s]"""
KEPT_FACTOR_BYTES = 64 << 20
"""Shared series kept by one source. A month of 5-minute ticks of one series takes 35 KB."""
_DAY_SLOTS = 288
_HOUR_SLOTS = 12


@dataclass(frozen=True)
class DrawKey:
    """What a draw depends on besides the VMs: `seed`, `replicate`, and the window (`n_ticks` of `tick_s` seconds)."""

    seed: int
    replicate: int
    n_ticks: int
    tick_s: float


@dataclass(frozen=True)
class SharedFactor:
    """A latent series that VMs have in common.

    Attributes
    ----------
    kind : str
        "group", "tenant" or "fleet"; keys the random stream together with the label.
    labels : tuple of (str or None)
        For each VM, which series it shares; None = none.
    weight : float array, shape (n_vms,)
        Share of the VM's latent variance that it makes up.
    component_weights : float array, shape (n_vms, n_components)
        Shares of `COMPONENTS` in the series; the first VM of a label decides.
    """

    kind: str
    labels: tuple[str | None, ...]
    weight: np.ndarray
    component_weights: np.ndarray


class FactorSeries:
    """The series that the VMs of a fleet share, drawn when a VM that has a part in them is.

    Parameters
    ----------
    shared : tuple of SharedFactor
    """

    def __init__(self, shared: tuple[SharedFactor, ...]) -> None:
        self._weights_of: dict[str, np.ndarray] = {}
        for factor in shared:
            for row, label in enumerate(factor.labels):
                if label is not None:
                    self._weights_of.setdefault(f"{factor.kind}/{label}", factor.component_weights[row])
        self._kept: Kept[np.ndarray] = Kept(KEPT_FACTOR_BYTES)

    def series(self, kind: str, label: str, key: DrawKey) -> np.ndarray:
        """Return the series of one label: float32 array, shape (n_ticks,), not to be changed."""
        entity = f"{kind}/{label}"
        found = self._kept.get((key, entity))
        if found is None:
            found = draw_latent((entity,), self._weights_of[entity][np.newaxis], key)[0]
            self._kept.put((key, entity), found, found.nbytes)
        return found


def draw_latent(names: tuple[str, ...], weights: np.ndarray, key: DrawKey) -> np.ndarray:
    """Draw standard normal series whose autocorrelation is a mixture of `COMPONENTS`.

    Parameters
    ----------
    names : tuple of str
        Entities (VM, group, tenant) that key the streams.
    weights : float array, shape (n_names, n_components)
        Shares of the components; rows sum to 1.

    Returns
    -------
    float32 array, shape (n_names, n_ticks)
    """
    from planner.kernels.latent import N_PLAIN, mix_noises  # loads numba, which planner check does without

    scale = np.sqrt(weights).astype(np.float32)
    # Copies: the last two components, the profiles, are no noise.
    noise_scale = np.ascontiguousarray(scale[:, :-2])
    decays = np.array([np.exp(-key.tick_s / time_s) for time_s in COMPONENT_TIMES_S.values()])
    carry, innovation = decays.astype(np.float32), np.sqrt(1.0 - decays**2).astype(np.float32)
    noise = np.empty((N_PLAIN + len(decays), key.n_ticks), dtype=np.float32)
    latent = np.empty((len(names), key.n_ticks), dtype=np.float32)
    slots = ((np.arange(key.n_ticks) * key.tick_s % DAY_S) // SLOT_S).astype(np.intp)
    for row, name in enumerate(names):
        make_generator(key.seed, "demand", key.replicate, name).standard_normal(dtype=np.float32, out=noise)
        latent[row] = _schedule(key.seed, name, scale[row, -2], scale[row, -1])[slots]
        mix_noises(noise, carry, innovation, noise_scale[row], latent[row])
    return latent


def _schedule(seed: int, name: str, hourly_scale: float, daily_scale: float) -> np.ndarray:
    """Profile of the day of one entity by slots of 5 minutes, the same in all replicates.

    The sum of a profile of the hour (independent slots) and one of the day (a periodic autoregression).
    """
    draws = make_generator(seed, "inventory", 0, f"schedule/{name}")
    decay = np.exp(-SLOT_S / DAILY_TIME_S)
    response = np.fft.rfft(decay ** np.arange(_DAY_SLOTS))
    daily = np.fft.irfft(np.fft.rfft(draws.standard_normal(_DAY_SLOTS)) * response, _DAY_SLOTS)
    hourly = np.tile(_standardized(draws.standard_normal(_HOUR_SLOTS)), _DAY_SLOTS // _HOUR_SLOTS)
    profile: np.ndarray = (daily_scale * _standardized(daily) + hourly_scale * hourly).astype(np.float32)
    return profile


def _standardized(values: np.ndarray) -> np.ndarray:
    return np.asarray((values - values.mean()) / values.std())
