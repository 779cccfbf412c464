"""The statistics by which risks are judged, where they have a closed form."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from planner.analysis.dependence import exceedance_correlation
from planner.analysis.intervals import probability_interval, student_t_quantile
from planner.streams import make_generator
from planner.validation.base import Computed
from planner.workload.statistics import effective_correlation


def check_binomial_bounds(config: Mapping[str, Any]) -> Computed:
    """Compute `upper_E_N` and `lower_E_N`: the mid-p interval of a probability after E events in N trials."""
    values: dict[str, float] = {}
    for events, trials in config["observed"]:
        values[f"lower_{events}_{trials}"], values[f"upper_{events}_{trials}"] = _midp(events, trials, config)
    return Computed(values)


def check_student_t(config: Mapping[str, Any]) -> Computed:
    """Compute `t_DF`: quantiles of Student's t distribution at `probability`."""
    return Computed({f"t_{df}": student_t_quantile(config["probability"], df) for df in config["degrees_of_freedom"]})


def check_exceedance(config: Mapping[str, Any]) -> Computed:
    """Compute `events_R`: correlation of two events of `probability` whose causes correlate by R percent."""
    percents = config["correlation_percent"]
    found = [exceedance_correlation(percent / 100.0, config["probability"]) for percent in percents]
    curve = (tuple(percent / 100.0 for percent in percents), tuple(found))
    values = {f"events_{percent}": value for percent, value in zip(percents, found, strict=True)}
    return Computed(values, {"planner": curve}, ("correlation of the causes", "correlation of the events"))


def check_correlated_sum(config: Mapping[str, Any]) -> Computed:
    """Compute `correlation` and `sum_sd` of `n_vms` demands of unit deviation that share a common cause.

    `sum_sd` is what the correlation found says of the sum: sqrt(N + N (N - 1) rho).
    """
    n_vms, rho = config["n_vms"], config["correlation"]
    generator = make_generator(config["seed"], "validation", entity="correlated-sum")
    common = generator.standard_normal(config["n_ticks"])
    own = generator.standard_normal((n_vms, config["n_ticks"]))
    demand = np.sqrt(rho) * common + np.sqrt(1.0 - rho) * own
    found = effective_correlation(demand - demand.mean(axis=1, keepdims=True))
    return Computed({"correlation": found, "sum_sd": float(np.sqrt(n_vms + n_vms * (n_vms - 1) * found))})


def _midp(events: int, trials: int, config: Mapping[str, Any]) -> tuple[float, float]:
    return probability_interval(events / trials, lambda _: float(trials), config["confidence"])


CHECKS = {
    "binomial-bounds": check_binomial_bounds,
    "student-t": check_student_t,
    "exceedance": check_exceedance,
    "correlated-sum": check_correlated_sum,
}
