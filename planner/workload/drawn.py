"""Draw the demand of VMs whose behaviour is given by fitted figures: latent Gaussian series, restarts, growth.

Serves generated and listed fleets. Not modelled: power-off periods (restarts take less than a tick in the data the
figures come from) and the estimate of active memory right after power-on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from planner.streams import make_generator
from planner.workload.curves import KNOT_SCORES
from planner.workload.fleet import Demand, VmTable
from planner.workload.fleet_records import FleetInfo
from planner.workload.latent import DAY_S, DrawKey, FactorSeries, SharedFactor, draw_latent
from planner.workload.profiles import FittedGenerator, Restarts, spread

HISTORY_REPLICATE = 1_000_000
"""Number under which a history is drawn: sweeps have at most 10,000 replicates."""
_BLOCK_VMS = 512
"""VMs drawn at a time: bounds the memory in use to some hundred MB, and keeps the rows of a step in cache."""


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


class DrawnSource:
    """A fleet whose demand is drawn from fitted figures (a `DemandSource`); a pure function of seed and replicate.

    Parameters
    ----------
    vms : VmTable
        The VMs.
    make_models : callable
        Gives how each behaves, in the order of `vms`; called when demand is first drawn, as a check draws none.
    restarts : Restarts
        Restarts and what follows.
    window : DrawKey
        Seed and window; the replicate in it is not used.
    """

    def __init__(self, vms: VmTable, make_models: Callable[[], VmModels], restarts: Restarts, window: DrawKey) -> None:
        self.vms = vms
        self._make_models = make_models
        self._restarts = restarts
        self._window = window

    @cached_property
    def models(self) -> VmModels:
        """How each VM behaves, in the order of `vms`."""
        return self._make_models()

    @cached_property
    def _factors(self) -> FactorSeries:
        return FactorSeries(self.models.shared)

    def __getstate__(self) -> dict[str, Any]:
        """Send what was made, not what it is made of: workers need not make it again."""
        return {**self.__dict__, "models": self.models, "_make_models": None}

    def demand(self, replicate: int, vm_idx: np.ndarray | None = None) -> Demand:
        """Draw the demand of one replicate."""
        return self._draw(replace(self._window, replicate=replicate), vm_idx)

    def history(self, length_s: float, vm_idx: np.ndarray | None = None) -> Demand:
        """Draw demand of a window before the sweep; no replicate of a sweep has its number."""
        n_ticks = max(round(length_s / self._window.tick_s), 1)
        return self._draw(replace(self._window, replicate=HISTORY_REPLICATE, n_ticks=n_ticks), vm_idx)

    def history_meaning(self) -> str:
        """Say what the history is."""
        return "A draw of its own that no replicate repeats; daily schedules are those of the sweep."

    def with_models(self, vms: VmTable, models: VmModels) -> "DrawnSource":
        """Return other VMs that live through the same window, drawn from the same seed."""
        return DrawnSource(vms, lambda: models, self._restarts, self._window)

    def _draw(self, key: DrawKey, vm_idx: np.ndarray | None) -> Demand:
        rows = np.arange(len(self.vms)) if vm_idx is None else vm_idx
        return draw_demand(self.models, self._restarts, key, rows, self._factors)

    def independent_replicates(self) -> None:
        """Every replicate is drawn afresh."""
        return

    def origin(self) -> FleetInfo | None:
        """Return None: the VMs were not imported."""
        return None

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


def draw_demand(
    models: VmModels, restarts: Restarts, key: DrawKey, vm_idx: np.ndarray, factors: FactorSeries
) -> Demand:
    """Draw one replicate of the demand of the VMs `vm_idx` of `models`; `factors` are the models' shared series."""
    from planner.kernels.latent import follow_curve, hold_granted  # loads numba, which planner check does without

    shape = (len(vm_idx), key.n_ticks)
    active = np.empty(shape, dtype=np.float32)
    granted = np.empty(shape, dtype=np.float32)
    heights = models.log_knots[vm_idx]
    slopes = np.diff(heights, axis=1) / np.diff(KNOT_SCORES)
    for start in range(0, shape[0], _BLOCK_VMS):
        latent = _latent_series(models, vm_idx[start : start + _BLOCK_VMS], factors, key)
        for position, scores in enumerate(latent, start=start):
            follow_curve(scores, KNOT_SCORES, heights[position], slopes[position], active[position])
    np.exp(active, out=active)
    ages_s = np.arange(1, key.n_ticks + 1) * key.tick_s
    for position, row in enumerate(vm_idx):
        course = _granted_course(models, restarts, key, row, ages_s, active[position])
        hold_granted(course, active[position], granted[position])
    return Demand(key.tick_s, active, granted, models.cpu_busy_vcpus[vm_idx])


def _latent_series(models: VmModels, rows: np.ndarray, factors: FactorSeries, key: DrawKey) -> np.ndarray:
    """Latent series of some VMs, shape (n_rows, n_ticks), each standard normal: their own and what they share."""
    names = tuple(f"vm/{models.names[row]}" for row in rows)
    latent = draw_latent(names, models.component_weights[rows], key)
    own_weight = 1.0 - sum(factor.weight[rows] for factor in models.shared)
    latent *= np.sqrt(own_weight).astype(np.float32)[:, None]
    for factor in models.shared:
        scale = np.sqrt(factor.weight[rows]).astype(np.float32)
        for position, row in enumerate(rows):
            label = factor.labels[row]
            if label is not None:
                latent[position] += scale[position] * factors.series(factor.kind, label, key)
    return latent


def _granted_course(
    models: VmModels, restarts: Restarts, key: DrawKey, row: int, ages_s: np.ndarray, active_fraction: np.ndarray
) -> np.ndarray:
    """Course of one VM's granted memory: slow growth, and from each restart on the growth of a guest that boots."""
    limit = models.granted_limit_fraction[row]
    granted = np.minimum(models.granted_fraction[row] + models.growth_per_day[row] * ages_s / DAY_S, limit)
    ticks = _restart_ticks(models.restart_labels[row], restarts, key)
    if not ticks:
        return np.asarray(granted)
    draws = make_generator(key.seed, "growth", key.replicate, models.names[row])
    for tick in ticks:
        quantile = draws.random(1)
        path = [float(spread(column, quantile)[0]) for column in zip(*restarts.granted, strict=True)]
        grown = np.interp(np.log(ages_s[: key.n_ticks - tick]), np.log(restarts.times_s), path)
        granted[tick:] = np.maximum(np.minimum(grown, limit), np.maximum.accumulate(active_fraction[tick:]))
    return np.asarray(granted)


def _restart_ticks(label: str, restarts: Restarts, key: DrawKey) -> list[int]:
    """Ticks in which a VM, or a whole tenant group, restarts: a Poisson process."""
    draws = make_generator(key.seed, "growth", key.replicate, f"restarts/{label}")
    count = draws.poisson(restarts.per_vm_day * key.n_ticks * key.tick_s / DAY_S)
    return sorted(int(tick) for tick in draws.integers(1, max(key.n_ticks, 2), size=count) if tick < key.n_ticks)
