"""Dot-product packing: one host after the other, each time the unit whose needs point most like what the host has left.

Panigrahy, Talwar, Uyeda, Wieder, "Heuristics for vector bin packing" (Microsoft Research, 2011).
"""

from planner.kernels.compiled import kernel
from planner.kernels.packing_ledger import fits, take


@kernel
def pack_dot_product(waiting, ledger, hosts, total, weight, out):
    """Fill one host after the other. Changes the ledger and `waiting` in place and fills `out` (-1: no host).

    Parameters
    ----------
    waiting : int64 array, shape (n_units,)
        Units to be placed; of equal ones the first is taken first. Work space: is cut down in place, in order.
    hosts : int64 array
        Hosts in the order in which they are filled.
    total : float64 array, shape (n_hosts, n_limits)
        Capacities of the empty hosts; needs and what is left are taken as shares of them.
    weight : float64 array, shape (n_limits,)
        Weight of each capacity; 0 leaves it out of the product.
    """
    n_waiting = waiting.size
    for position in range(n_waiting):
        out[waiting[position]] = -1
    for host in hosts:
        while n_waiting > 0:
            best, best_product = -1, -1.0
            for position in range(n_waiting):
                unit = waiting[position]
                product = 0.0
                for limit in range(weight.size):
                    share = ledger.need[unit, limit] / total[host, limit]
                    product += weight[limit] * share * (ledger.free[host, limit] / total[host, limit])
                if product > best_product and fits(ledger, unit, host):
                    best, best_product = position, product
            if best < 0:
                break
            out[waiting[best]] = host
            take(ledger, waiting[best], host)
            n_waiting -= 1
            for position in range(best, n_waiting):
                waiting[position] = waiting[position + 1]
