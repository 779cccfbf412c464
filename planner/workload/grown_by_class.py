"""A fleet that grows month by month, each class of VMs at its own rate: which VM is cloned, and when."""

from collections.abc import Sequence

import numpy as np

from planner.config.check_size import MAX_VMS
from planner.errors import ConfigError, Issue
from planner.streams import make_generator
from planner.workload.fleet import VmTable


def plan_growth(rates: Sequence[float], vms: VmTable, months: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Say which VM each clone repeats, and how many clones there are after each month.

    Parameters
    ----------
    rates : sequence of float, length n_vms
        Growth a month of each VM's class, e.g. 0.03; VMs of one rate grow as one class.
    months : int
        How many months.
    seed : int
        Root of the draw: the order in which the VMs of a class are cloned.

    Returns
    -------
    clone_of : int64 array, shape (n_clones,)
        Row of the VM that each clone repeats, in the order in which the clones come.
    n_clones : int64 array, shape (months,)
        Clones there are after month 1, 2, ...: floor(n ((1 + rate) ^ month - 1)) of a class of n VMs, so that a class
        of few VMs grows by whole VMs, late.

    Raises
    ------
    ConfigError
        The fleet grows beyond what any config may hold.
    """
    rate = np.asarray(rates, dtype=np.float64)
    _check_end(rate, months)
    order = make_generator(seed, "growth", 0, "classes").permutation(len(vms))
    arrivals: list[tuple[int, int, int]] = []
    for number, value in enumerate(sorted(set(rate.tolist()) - {0.0})):
        members = order[rate[order] == value]
        # The exact product may lie a rounding error below a whole number: 100 VMs at 10 % are 110, not 109.
        counts = np.floor(members.size * ((1.0 + value) ** np.arange(1, months + 1) - 1.0) + 1e-9).astype(np.int64)
        month_of = np.searchsorted(counts, np.arange(counts[-1]), side="right")
        clones = members[np.arange(counts[-1]) % members.size]
        arrivals += [(int(month), number, int(row)) for month, row in zip(month_of, clones, strict=True)]
    arrivals.sort(key=lambda item: item[:2])
    clone_of = np.array([row for _, _, row in arrivals], dtype=np.int64)
    month_of_clone = np.array([month for month, _, _ in arrivals], dtype=np.int64)
    return clone_of, np.searchsorted(month_of_clone, np.arange(months), side="right").astype(np.int64)


def _check_end(rate: np.ndarray, months: int) -> None:
    with np.errstate(over="ignore"):
        end = float(((1.0 + rate) ** months).sum())
    if end > MAX_VMS:
        message = f"after {months} months there are {end:.3g} VMs, more than {MAX_VMS:,}"
        raise ConfigError((Issue("growth", message, "look at fewer months, or let fewer VMs come a month"),))
