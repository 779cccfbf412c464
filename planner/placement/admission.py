"""Admission by prediction: the peak of a host's VMs that each policy foresees, after Bashir et al. (EuroSys 2021).

"Take it to the limit: peak prediction-driven resource overcommitment in datacenters", doi:10.1145/3447786.3456259.
A VM is let on a host while the predicted peak of the host's VMs, overhead memory included, is within usable memory.
The overcommit ratio holds beside it, as a cap. Some predictors add up over VMs and become one more size of a VM; the
others look at the sum on the host over time.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from planner.config.placement_rules import AdmissionSpec
from planner.errors import ConfigError, Issue
from planner.placement.base import PlacementRequest
from planner.placement.forecast import Forecast
from planner.units import PAGE_BYTES
from planner.workload.overhead import vm_overhead_bytes

_LARGEST_VALUE = -1.0


class Prediction(NamedTuple):
    """What admission looks at; None where the policy does not use it.

    Attributes
    ----------
    peak_bytes : int64 array, shape (n_vms,), or None
        Part of each VM in a predicted peak that adds up, overhead memory included. [bytes]
    series_bytes : float32 array, shape (n_vms, n_points), or None
        Demand over time, of which the sum on a host is judged. [bytes]
    ceiling_bytes : float64 array, shape (n_vms,)
        Configured memory: a host's VMs never use more than the sum of it. [bytes]
    cap_bytes : float64 array, shape (n_hosts,)
        Usable memory that the peak of the sum must not exceed; overhead memory is part of the sum. [bytes]
    sigmas : float
        As in `planner.kernels.packing_ledger.Ledger`.
    """

    peak_bytes: np.ndarray | None
    series_bytes: np.ndarray | None
    ceiling_bytes: np.ndarray
    cap_bytes: np.ndarray
    sigmas: float


def predict(request: PlacementRequest, share: Fraction) -> Prediction:
    """Make the prediction that the request's admission policy asks for.

    Parameters
    ----------
    share : Fraction
        Of a host's memory, kept free for failover.

    Raises
    ------
    ConfigError
        The policy looks at demand, and none is known.
    """
    spec = request.limits.admission
    overhead = vm_overhead_bytes(request.vms, request.limits.hypervisor)
    configured = request.vms.configured_bytes
    cap = np.array([int((1 - share) * int(room)) for room in request.hosts.room_bytes], dtype=np.float64)
    prediction = Prediction(None, None, configured.astype(np.float64) + overhead, cap, _LARGEST_VALUE)
    if spec.policy == "ratio":
        return prediction
    if spec.policy == "limit-fraction":
        # The decimal as written; rounded up, so that the sum is never less than the share of the sum.
        share_used = Fraction(repr(float(spec.fraction)))
        kinds, kind_idx = np.unique(configured, return_inverse=True)
        part = np.array([-int(-share_used * int(kind) // 1) for kind in kinds], dtype=np.int64)[kind_idx]
        return prediction._replace(peak_bytes=part + overhead)
    return _from_demand(prediction, spec, _known(request), overhead)


def _from_demand(prediction: Prediction, spec: AdmissionSpec, forecast: Forecast, overhead: np.ndarray) -> Prediction:
    if spec.policy == "oracle":
        return prediction._replace(series_bytes=_with_overhead(forecast.future(spec.of), overhead))
    history = forecast.history(spec.of)
    if spec.policy in ("percentile", "max"):
        peaks = np.ceil(np.quantile(history, spec.percentile, axis=1)).astype(np.int64)
        prediction = prediction._replace(peak_bytes=peaks + overhead)
    if spec.policy in ("n-sigma", "max"):
        prediction = prediction._replace(series_bytes=_with_overhead(history, overhead), sigmas=spec.n)
    return prediction


def _with_overhead(series: np.ndarray, overhead: np.ndarray) -> np.ndarray:
    """Add overhead memory in whole pages, so that sums stay exact."""
    pages = -(-overhead // PAGE_BYTES) * PAGE_BYTES
    return np.asarray(series + pages.astype(np.float32)[:, np.newaxis], dtype=np.float32)


def _known(request: PlacementRequest) -> Forecast:
    if request.forecast is None:
        policy = request.limits.admission.policy
        message = f'"{policy}" predicts from demand, and no demand is known here'
        raise ConfigError((Issue("admission.policy", message, "use ratio or limit-fraction"),))
    return request.forecast
