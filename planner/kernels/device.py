"""The swap device as a queue that stalled vCPUs feed: a closed model, so that waiting stays finite beyond saturation.

N vCPUs each think for a time Z and then wait for one request (machine repairman, M/M/c//N with a cap on the rate):
service rate min(k / latency, most per second) with k requests at the device. Exact by its birth-death chain; the
utilisation law and Little's law hold by construction. Assumes exponential times; no batching, no priorities.
"""

from planner.kernels.compiled import kernel

_RESCALE_ABOVE = 1e200


@kernel
def response_s(n_customers, think_s, latency_s, most_per_s):
    """Return the mean time from a request to its answer, waiting and service. [s].

    Parameters
    ----------
    n_customers : int
        vCPUs that can wait for the device, at least 1.
    think_s : float
        Mean time between a customer's answer and its next request, above 0. [s]
    latency_s, most_per_s : float
        Time of one request alone; most requests that the device serves. [s, 1/s]
    """
    weight, total, waiting, served = 1.0, 1.0, 0.0, 0.0
    for k in range(1, n_customers + 1):
        rate = min(k / latency_s, most_per_s)
        weight *= (n_customers - k + 1) / (think_s * rate)
        total += weight
        waiting += k * weight
        served += rate * weight
        if weight > _RESCALE_ABOVE:
            weight, total = weight / _RESCALE_ABOVE, total / _RESCALE_ABOVE
            waiting, served = waiting / _RESCALE_ABOVE, served / _RESCALE_ABOVE
    return waiting / served if served > 0.0 else latency_s
