"""Draw the demand of VMs whose behaviour is given by fitted figures: latent Gaussian series, restarts, growth.

Serves generated and listed fleets. Not modelled: power-off periods (restarts take less than a tick in the data the
figures come from) and the estimate of active memory right after power-on.
"""

from dataclasses import dataclass, replace

import numpy as np

from planner.streams import make_generator
from planner.workload.curves import KNOT_SCORES
from planner.workload.fleet import Demand, VmTable
from planner.workload.profiles import COMPONENT_TIMES_S, DAILY_TIME_S, FittedGenerator, Restarts, spread

DAY_S = 86_400.0
SLOT_S = 300.0
"""Step of the profiles of the hour and of the day. [s]"""
HISTORY_REPLICATE = 1_000_000
"""Number under which a history is drawn: sweeps have at most 10,000 replicates."""
_DAY_SLOTS = 288
_HOUR_SLOTS = 12
_BLOCK_VMS = 512
"""VMs drawn at a time: bounds the memory in use to some hundred MB, and keeps the rows of a step in cache."""


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


@dataclass(frozen=True)
class VmModels:
    """How each VM behaves. Arrays have n_vms rows.

    Attributes
    ----------
    names : tuple of str
        Keys of the VMs' own random streams.
    restart_labels : tuple of str
        VMs of one label restart together: the tenant group, or the VM's name.
    log_knots : float array, shape (n_vms, n_knots)
        Quantile curve of the active fraction (`planner.workload.curves`).
    component_weights : float array, shape (n_vms, n_components)
        Shares of `COMPONENTS` in the VM's latent series.
    shared : tuple of SharedFactor
        What VMs have in common; the weights of a VM sum to less than 1.
    granted_fraction : float array
        Granted ÷ configured memory when the window starts.
    granted_limit_fraction : float array
        Most of its configured memory that the guest ever touches.
    growth_per_day : float array
        Growth of granted ÷ configured memory. [1/day]
    cpu_busy_vcpus : float array
        Mean number of busy vCPUs.
    """

    names: tuple[str, ...]
    restart_labels: tuple[str, ...]
    log_knots: np.ndarray
    component_weights: np.ndarray
    shared: tuple[SharedFactor, ...]
    granted_fraction: np.ndarray
    granted_limit_fraction: np.ndarray
    growth_per_day: np.ndarray
    cpu_busy_vcpus: np.ndarray

    def cloned(self, vm_idx: np.ndarray, suffixes: tuple[str, ...]) -> "VmModels":
        """Return rows `vm_idx` as VMs that behave alike but independently: every stream's key gets the suffix."""
        rows = [(int(row), suffix) for row, suffix in zip(vm_idx, suffixes, strict=True)]

        def label(labels: tuple[str | None, ...]) -> tuple[str | None, ...]:
            return tuple(None if labels[row] is None else f"{labels[row]}{suffix}" for row, suffix in rows)

        return VmModels(
            names=tuple(self.names[row] + suffix for row, suffix in rows),
            restart_labels=tuple(self.restart_labels[row] + suffix for row, suffix in rows),
            log_knots=self.log_knots[vm_idx],
            component_weights=self.component_weights[vm_idx],
            shared=tuple(
                replace(
                    factor,
                    labels=("all",) * len(rows) if factor.kind == "fleet" else label(factor.labels),
                    weight=factor.weight[vm_idx],
                    component_weights=factor.component_weights[vm_idx],
                )
                for factor in self.shared
            ),
            granted_fraction=self.granted_fraction[vm_idx],
            granted_limit_fraction=self.granted_limit_fraction[vm_idx],
            growth_per_day=self.growth_per_day[vm_idx],
            cpu_busy_vcpus=self.cpu_busy_vcpus[vm_idx],
        )


@dataclass(frozen=True)
class DrawKey:
    """What a draw depends on besides the VMs: `seed`, `replicate`, and the window (`n_ticks` of `tick_s` seconds)."""

    seed: int
    replicate: int
    n_ticks: int
    tick_s: float


class DrawnSource:
    """A fleet whose demand is drawn from fitted figures (a `DemandSource`); a pure function of seed and replicate.

    Parameters
    ----------
    vms : VmTable
        The VMs.
    models : VmModels
        How each behaves, in the order of `vms`.
    restarts : Restarts
        Restarts and what follows.
    window : DrawKey
        Seed and window; the replicate in it is not used.
    """

    def __init__(self, vms: VmTable, models: VmModels, restarts: Restarts, window: DrawKey) -> None:
        self.vms = vms
        self.models = models
        self._restarts = restarts
        self._window = window

    def demand(self, replicate: int) -> Demand:
        """Draw the demand of one replicate: rows as in `vms`."""
        return self.demand_of(self.models, replicate)

    def history(self, length_s: float) -> Demand:
        """Draw demand of a window before the sweep; no replicate of a sweep has its number."""
        return self.history_of(self.models, length_s)

    def history_of(self, models: VmModels, length_s: float) -> Demand:
        """Draw the history of other VMs."""
        n_ticks = max(round(length_s / self._window.tick_s), 1)
        return draw_demand(models, self._restarts, replace(self._window, replicate=HISTORY_REPLICATE, n_ticks=n_ticks))

    def history_meaning(self) -> str:
        """Say what the history is."""
        return "A draw of its own that no replicate repeats; daily schedules are those of the sweep."

    def demand_of(self, models: VmModels, replicate: int) -> Demand:
        """Draw the demand of other VMs over the same window."""
        return draw_demand(models, self._restarts, replace(self._window, replicate=replicate))

    def independent_replicates(self) -> None:
        """Every replicate is drawn afresh."""
        return

    def replicate_meaning(self) -> str:
        """Say what differs between replicates."""
        return "The same VMs live through another draw of bursts, restarts and growth; their daily schedules stay."


def fleet_factor(generator: FittedGenerator, n_vms: int) -> SharedFactor:
    """Make the factor that all VMs share: the fleet's common weight, and the mean mixture of its profiles."""
    counts = [profile.vms for profile in generator.profiles]
    mixture = np.average([profile.weights for profile in generator.profiles], axis=0, weights=counts)
    weight = np.full(n_vms, generator.fleet_weight)
    return SharedFactor("fleet", ("all",) * n_vms, weight, np.broadcast_to(mixture, (n_vms, len(mixture))))


def make_window(seed: int, horizon_s: float, tick_s: float) -> DrawKey:
    """Make the window of a source: the whole ticks nearest to the horizon, at least one."""
    return DrawKey(seed, 0, max(round(horizon_s / tick_s), 1), tick_s)


def draw_demand(models: VmModels, restarts: Restarts, key: DrawKey) -> Demand:
    """Draw one replicate of the demand of all VMs; a VM's series do not depend on which other VMs there are."""
    shape = (len(models.names), key.n_ticks)
    active = np.empty(shape, dtype=np.float32)
    granted = np.empty(shape, dtype=np.float32)
    factors = _Factors(models, key)
    for start in range(0, shape[0], _BLOCK_VMS):
        rows = np.arange(start, min(start + _BLOCK_VMS, shape[0]))
        latent = factors.latent_series(rows)
        for row, scores in enumerate(latent, start=start):
            active[row] = np.interp(scores, KNOT_SCORES, models.log_knots[row])
    np.exp(active, out=active)
    for row in range(shape[0]):
        granted[row] = _granted_series(models, restarts, key, row, active[row])
    return Demand(key.tick_s, active, granted, models.cpu_busy_vcpus)


class _Factors:
    """Latent series that VMs share, drawn once, and those of VMs, which mix them with their own."""

    def __init__(self, models: VmModels, key: DrawKey) -> None:
        self._models = models
        self._key = key
        weights_of: dict[str, np.ndarray] = {}
        for factor in models.shared:
            for row, label in enumerate(factor.labels):
                if label is not None:
                    weights_of.setdefault(f"{factor.kind}/{label}", factor.component_weights[row])
        self._position_of = {entity: position for position, entity in enumerate(weights_of)}
        self._series = draw_latent(tuple(weights_of), np.array(list(weights_of.values())), key)

    def latent_series(self, rows: np.ndarray) -> np.ndarray:
        """Latent series of some VMs, shape (n_rows, n_ticks), each standard normal."""
        models = self._models
        names = tuple(f"vm/{models.names[row]}" for row in rows)
        latent = draw_latent(names, models.component_weights[rows], self._key)
        own_weight = 1.0 - sum(factor.weight[rows] for factor in models.shared)
        latent *= np.sqrt(own_weight).astype(np.float32)[:, None]
        for factor in models.shared:
            scale = np.sqrt(factor.weight).astype(np.float32)
            for position, row in enumerate(rows):
                label = factor.labels[row]
                if label is not None:
                    latent[position] += scale[row] * self._series[self._position_of[f"{factor.kind}/{label}"]]
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
    noise = np.empty((len(decays) + 2, key.n_ticks, len(names)), dtype=np.float32)
    latent = np.empty((len(names), key.n_ticks), dtype=np.float32)
    slots = ((np.arange(key.n_ticks) * key.tick_s % DAY_S) // SLOT_S).astype(np.intp)
    for column, name in enumerate(names):
        draws = make_generator(key.seed, "demand", key.replicate, name)
        noise[:, :, column] = draws.standard_normal((len(noise), key.n_ticks), dtype=np.float32)
        latent[column] = _schedule(key.seed, name, scale[column, -2], scale[column, -1])[slots]
    total = noise[0] * scale[:, 0]
    noise[1, 1:] += noise[1, :-1].copy()
    noise[1, 1:] *= np.float32(np.sqrt(0.5))
    total += noise[1] * scale[:, 1]
    for part, decay in enumerate(decays, start=2):
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


def _granted_series(
    models: VmModels, restarts: Restarts, key: DrawKey, row: int, active_fraction: np.ndarray
) -> np.ndarray:
    """Granted memory of one VM: slow growth, and from each restart on the growth of a guest that boots."""
    ages_s = np.arange(1, key.n_ticks + 1) * key.tick_s
    limit = models.granted_limit_fraction[row]
    granted = np.minimum(models.granted_fraction[row] + models.growth_per_day[row] * ages_s / DAY_S, limit)
    draws = make_generator(key.seed, "growth", key.replicate, models.names[row])
    for tick in _restart_ticks(models.restart_labels[row], restarts, key):
        quantile = draws.random(1)
        path = [float(spread(column, quantile)[0]) for column in zip(*restarts.granted, strict=True)]
        grown = np.interp(np.log(ages_s[: key.n_ticks - tick]), np.log(restarts.times_s), path)
        granted[tick:] = np.maximum(np.minimum(grown, limit), np.maximum.accumulate(active_fraction[tick:]))
    return np.asarray(np.maximum(granted, active_fraction))


def _restart_ticks(label: str, restarts: Restarts, key: DrawKey) -> list[int]:
    """Ticks in which a VM, or a whole tenant group, restarts: a Poisson process."""
    draws = make_generator(key.seed, "growth", key.replicate, f"restarts/{label}")
    count = draws.poisson(restarts.per_vm_day * key.n_ticks * key.tick_s / DAY_S)
    return sorted(int(tick) for tick in draws.integers(1, max(key.n_ticks, 2), size=count) if tick < key.n_ticks)
