"""Draw the demand of VMs whose behaviour is given by fitted figures: latent Gaussian series, restarts, growth.

Serves generated and listed fleets. Not modelled: power-off periods (restarts take less than a tick in the data the
figures come from), VMs that come and go, and the estimate of active memory right after power-on.
"""

from dataclasses import dataclass

import numpy as np

from planner.streams import make_generator
from planner.workload.curves import KNOT_SCORES
from planner.workload.fleet import Demand
from planner.workload.profiles import COMPONENT_TIMES_S, DAILY_TIME_S, Restarts, spread

DAY_S = 86_400.0
_DAY_SLOTS = 288
_BLOCK_VMS = 512
"""VMs drawn at a time: bounds the memory in use to some hundred MB, and keeps the rows of a step in cache."""


@dataclass(frozen=True)
class VmModels:
    """How each VM behaves. Arrays have n_vms rows.

    Attributes
    ----------
    names, groups, tenants : tuple of str (or None)
        Keys of the VM's own, its group's and its tenant's random streams.
    log_knots : float array, shape (n_vms, n_knots)
        Quantile curve of the active fraction (`planner.workload.curves`).
    weights : float array, shape (n_vms, n_components)
        Shares of `COMPONENTS`; alike within a group.
    group_weight, tenant_weight : float array
        Share of the latent variance in common with the group and with the tenant.
    granted_fraction : float array
        Granted ÷ configured memory when the window starts.
    growth_per_day : float array
        Growth of it. [1/day]
    cpu_busy_vcpus : float array
        Mean number of busy vCPUs.
    """

    names: tuple[str, ...]
    groups: tuple[str | None, ...]
    tenants: tuple[str | None, ...]
    log_knots: np.ndarray
    weights: np.ndarray
    group_weight: np.ndarray
    tenant_weight: np.ndarray
    granted_fraction: np.ndarray
    growth_per_day: np.ndarray
    cpu_busy_vcpus: np.ndarray


@dataclass(frozen=True)
class DrawKey:
    """What a draw depends on besides the VMs: `seed`, `replicate`, and the window (`n_ticks` of `tick_s` seconds)."""

    seed: int
    replicate: int
    n_ticks: int
    tick_s: float


def draw_demand(models: VmModels, restarts: Restarts, key: DrawKey) -> Demand:
    """Draw one replicate of the demand of all VMs; a VM's series do not depend on which other VMs there are."""
    shape = (len(models.names), key.n_ticks)
    active = np.empty(shape, dtype=np.float32)
    granted = np.empty(shape, dtype=np.float32)
    factors = _Factors(models, key)
    for start in range(0, shape[0], _BLOCK_VMS):
        rows = np.arange(start, min(start + _BLOCK_VMS, shape[0]))
        latent = factors.latent_series(rows)
        for row, scores in zip(rows, latent, strict=True):
            active[row] = np.interp(scores, KNOT_SCORES, models.log_knots[row])
    np.exp(active, out=active)
    for row in range(shape[0]):
        granted[row] = _granted_series(models, restarts, key, row, active[row])
    return Demand(key.tick_s, active, granted, models.cpu_busy_vcpus)


class _Factors:
    """Latent series of groups and tenants, drawn once, and of VMs, which mix them with their own."""

    def __init__(self, models: VmModels, key: DrawKey) -> None:
        self._models = models
        self._key = key
        first_row: dict[str, int] = {}
        for kind, labels in (("group", models.groups), ("tenant", models.tenants)):
            for row, label in enumerate(labels):
                if label is not None:
                    first_row.setdefault(f"{kind}/{label}", row)
        self._row_of = {label: position for position, label in enumerate(first_row)}
        weights = models.weights[list(first_row.values())]
        self._shared = draw_latent(tuple(first_row), weights, key)

    def latent_series(self, rows: np.ndarray) -> np.ndarray:
        """Latent series of some VMs, shape (n_rows, n_ticks), each standard normal."""
        models = self._models
        own_weight = 1.0 - models.group_weight[rows] - models.tenant_weight[rows]
        latent = draw_latent(tuple(f"vm/{models.names[row]}" for row in rows), models.weights[rows], self._key)
        latent *= np.sqrt(own_weight).astype(np.float32)[:, None]
        for position, row in enumerate(rows):
            shared = (("group", models.groups[row], models.group_weight[row]),)
            shared += (("tenant", models.tenants[row], models.tenant_weight[row]),)
            for kind, label, weight in shared:
                if label is not None and weight > 0:
                    latent[position] += np.float32(np.sqrt(weight)) * self._shared[self._row_of[f"{kind}/{label}"]]
        return latent


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
    scale = np.sqrt(weights).astype(np.float32)
    decays = [np.exp(-key.tick_s / time_s) for time_s in COMPONENT_TIMES_S.values()]
    noise = np.empty((len(decays) + 1, key.n_ticks, len(names)), dtype=np.float32)
    latent = np.empty((len(names), key.n_ticks), dtype=np.float32)
    slots = ((np.arange(key.n_ticks) * key.tick_s % DAY_S) * _DAY_SLOTS / DAY_S).astype(np.intp)
    for column, name in enumerate(names):
        draws = make_generator(key.seed, "demand", key.replicate, name)
        noise[:, :, column] = draws.standard_normal((len(noise), key.n_ticks), dtype=np.float32)
        latent[column] = scale[column, -1] * _daily_profile(key.seed, name)[slots]
    total = noise[0] * scale[:, 0]
    for part, decay in enumerate(decays, start=1):
        _smooth_in_place(noise[part], decay)
        total += noise[part] * scale[:, part]
    latent += total.T
    return latent


def _smooth_in_place(noise: np.ndarray, decay: float) -> None:
    """Turn white noise, shape (n_ticks, n_series), into stationary autoregressions of unit variance."""
    innovation = np.float32(np.sqrt(1.0 - decay**2))
    carry = np.float32(decay)
    noise[1:] *= innovation
    for tick in range(1, len(noise)):
        noise[tick] += carry * noise[tick - 1]


def _daily_profile(seed: int, name: str) -> np.ndarray:
    """Profile of the day of one entity, the same in all replicates: a periodic autoregression of unit variance."""
    draws = make_generator(seed, "inventory", 0, f"day/{name}").standard_normal(_DAY_SLOTS)
    decay = np.exp(-DAY_S / _DAY_SLOTS / DAILY_TIME_S)
    response = np.fft.rfft(decay ** np.arange(_DAY_SLOTS) / (1.0 - decay**_DAY_SLOTS))
    profile = np.fft.irfft(np.fft.rfft(draws) * response, _DAY_SLOTS)
    centred = profile - profile.mean()
    unit: np.ndarray = (centred / centred.std()).astype(np.float32)
    return unit


def _granted_series(
    models: VmModels, restarts: Restarts, key: DrawKey, row: int, active_fraction: np.ndarray
) -> np.ndarray:
    """Granted memory of one VM: slow growth, and from each restart on the growth of a guest that boots."""
    ages_s = np.arange(1, key.n_ticks + 1) * key.tick_s
    granted = np.minimum(models.granted_fraction[row] + models.growth_per_day[row] * ages_s / DAY_S, 1.0)
    draws = make_generator(key.seed, "growth", key.replicate, models.names[row])
    for tick in _restart_ticks(models.groups[row] or models.names[row], restarts, key):
        quantile = draws.random()
        path = [float(spread(column, quantile)) for column in zip(*restarts.granted, strict=True)]
        grown = np.interp(np.log(ages_s[: key.n_ticks - tick]), np.log(restarts.times_s), path)
        granted[tick:] = np.maximum(grown, np.maximum.accumulate(active_fraction[tick:]))
    return np.maximum(granted, active_fraction)


def _restart_ticks(label: str, restarts: Restarts, key: DrawKey) -> list[int]:
    """Ticks in which a VM, or a whole tenant group, restarts: a Poisson process."""
    draws = make_generator(key.seed, "growth", key.replicate, f"restarts/{label}")
    count = draws.poisson(restarts.per_vm_day * key.n_ticks * key.tick_s / DAY_S)
    return sorted(int(tick) for tick in draws.integers(1, max(key.n_ticks, 2), size=count) if tick < key.n_ticks)
