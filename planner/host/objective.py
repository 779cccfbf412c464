"""Judge one host by the objective: which parts of it break, over the judged ticks of its run.

Objectives are those of `planner.config.slo`; what each means is in docs/slo.md. Without memory to give a host is broken
whatever the objective says. Not judged here: how many hosts may break, which is a matter of the whole fleet.
"""

from typing import Any, NamedTuple

import numpy as np

from planner.config.slo import SEPARATOR, SLOWDOWNS, SloClassSpec, SloSpec
from planner.host.problem import HostProblem
from planner.host.results import RunOfHost, slo_broken_ticks
from planner.host.slowdown import slowdown_edges
from planner.kernels import account
from planner.kernels.state import STATE_HARD
from planner.workload.fleet import VmTable
from planner.workload.overhead import min_free_bytes, sharing_kept_bytes, vm_overhead_bytes


class JudgedVms(NamedTuple):
    """The VMs of a host, and when they count.

    Attributes
    ----------
    table : VmTable
        Their rows, in the order of the run's arrays.
    is_whole : bool array, shape (n_vms,)
        Whether the host keeps a place for the VM always.
    granted : int32 array, shape (n_vms, n_judged_ticks)
        Pages that it has touched; -1 while off: the host keeps no place then for a VM that comes and goes.
    """

    table: VmTable
    is_whole: np.ndarray
    granted: np.ndarray

    def placed_sum(self, sizes: np.ndarray) -> np.ndarray:
        """Sum `sizes` (int64 array, shape (n_vms,)) over the VMs that the host keeps a place for, by tick."""
        sums: np.ndarray = sizes @ ((self.granted >= 0) | self.is_whole[:, np.newaxis])
        return sums


def objective_columns(problem: HostProblem, vms: JudgedVms, run: RunOfHost, row: dict[str, Any]) -> dict[str, Any]:
    """Compute the columns of `hosts.parquet` that say what broke.

    Parameters
    ----------
    problem : HostProblem
        The host and its objective.
    vms : JudgedVms
        Its VMs.
    run : RunOfHost
        What the run filled.
    row : dict
        The other simulated columns of the host: outages and pressed time are read from them.
    """
    slo = problem.slo
    by_rate = slo_broken_ticks(run, slo)
    limits = _limits_broken(problem, vms, run, row)
    limits |= {name for name, ticks in by_rate._asdict().items() if ticks.any()}
    classes = [f"class {item.name}" for item in slo.classes if _guests_broken(item, _of_class(item, vms.table), run)]
    broken = [name for name in slo.objectives if name in limits] + classes
    has_outage = row["denied_bytes"] > 0 or row["killed_vms"] > 0 or row["refused_vms_max"] > 0
    ticks = by_rate.swap_in | by_rate.guest_paging
    if "pressed" in limits:
        ticks = ticks | (run.column("state") >= STATE_HARD)
    return {
        "slo_broken_s": float(ticks.sum() * run.tick_s),
        "slo_is_broken": bool(broken or has_outage),
        "slo_swap_in_is_broken": "swap_in" in limits,
        "slo_broken_by": SEPARATOR.join(broken),
        "affected_vms": int(affected_vms(run, slo.vm_slowdown_p95).sum()),
        "reclaimed_bytes_max": _most_reclaimed(run),
    }


def affected_vms(run: RunOfHost, most_slowdown_p95: float) -> np.ndarray:
    """Mark the VMs that are slowed down too much in too many of their ticks, killed, or not let on.

    Returns
    -------
    bool array, shape (n_vms,)
    """
    slowed = _slower_than(run.slowdown_counts, 0.95, most_slowdown_p95)
    outages = run.vm_sums[:, account.SUM_KILLED] + run.vm_sums[:, account.SUM_REFUSED]
    marked: np.ndarray = slowed | (outages > 0)
    return marked


def _slower_than(counts: np.ndarray, quantile: float, most: float) -> np.ndarray:
    """Mark the rows of histograms whose quantile of the slowdown is above `most`."""
    met = np.flatnonzero(counts.any(axis=0))
    edges = slowdown_edges()
    if met.size == 0 or (met[-1] < edges.size and 1.0 + edges[met[-1]] < most):
        return np.zeros(len(counts), dtype=bool)  # No VM-tick is that slow.
    slower: np.ndarray = slowdown_quantiles(counts, quantile) > most
    return slower


def slowdown_quantiles(counts: np.ndarray, quantile: float) -> np.ndarray:
    """Read a quantile of the slowdown from each histogram, by the rule of `planner.analysis.slowdown`.

    Parameters
    ----------
    counts : int64 array, shape (n, N_SLOWDOWN_BINS)
        VM-ticks per bin.
    quantile : float
        Between 0 and 1.

    Returns
    -------
    float64 array, shape (n,)
        1.0 = none, and where there are no VM-ticks.
    """
    edges = slowdown_edges()
    cumulative = np.cumsum(counts, axis=1)
    wanted = quantile * cumulative[:, -1]
    bin_idx = (cumulative < wanted[:, np.newaxis]).sum(axis=1)
    rows = np.arange(len(counts))
    inner = np.clip(bin_idx, 1, edges.size - 1)
    inside = (wanted - cumulative[rows, inner - 1]) / np.maximum(counts[rows, inner], 1)
    found = 1.0 + edges[inner - 1] * (edges[inner] / edges[inner - 1]) ** inside
    found = np.where(bin_idx >= edges.size, 1.0 + edges[-1], found)
    quantiles: np.ndarray = np.where(bin_idx == 0, 1.0, found)
    return quantiles


def _limits_broken(problem: HostProblem, vms: JudgedVms, run: RunOfHost, row: dict[str, Any]) -> set[str]:
    slo = problem.slo
    broken = _guests_broken(slo, np.ones(len(vms.table), dtype=bool), run)
    if slo.pressed is not None and row["state_hard_s"] + row["state_low_s"] > slo.pressed:
        broken.add("pressed")
    if slo.reclaimed is not None and _most_reclaimed(run) > slo.reclaimed:
        broken.add("reclaimed")
    return broken | _shares_broken(problem, vms, run)


def _shares_broken(problem: HostProblem, vms: JudgedVms, run: RunOfHost) -> set[str]:
    """Judge configured and active memory by usable memory."""
    slo = problem.slo
    if slo.configured is None and slo.active_peak is None and slo.active_typical is None:
        return set()
    usable = _usable_bytes(problem, vms)
    configured = vms.placed_sum(vms.table.configured_bytes)
    active = run.column("active_bytes") / usable
    found = {
        "configured": float((configured / usable).max()),
        "active_peak": float(active.max()),
        "active_typical": float((active.max() + active.mean()) / 2.0),
    }
    return {name for name, value in found.items() if (most := getattr(slo, name)) is not None and value > most}


def _usable_bytes(problem: HostProblem, vms: JudgedVms) -> np.ndarray:
    """Usable memory in each judged tick, at least 1: float64 array, shape (n_judged_ticks,). [bytes]."""
    ram, hypervisor = problem.host.memory_bytes, problem.hypervisor
    kept = problem.host.reserved_bytes + min_free_bytes(ram, hypervisor) + sharing_kept_bytes(ram, hypervisor)
    usable: np.ndarray = np.maximum(ram - kept - vms.placed_sum(vm_overhead_bytes(vms.table, hypervisor)), 1)
    return usable


def _guests_broken(limits: SloSpec | SloClassSpec, is_member: np.ndarray, run: RunOfHost) -> set[str]:
    """Judge what some of the VMs feel."""
    counts = run.slowdown_counts[is_member]
    whole = counts.sum(axis=0)[np.newaxis]
    broken = {
        name
        for name, quantile in SLOWDOWNS.items()
        if (most := getattr(limits, name)) is not None and slowdown_quantiles(whole, quantile)[0] > most
    }
    if limits.vms_affected is not None:
        affected = affected_vms(run, limits.vm_slowdown_p95)[is_member]
        was_there = (counts.sum(axis=1) > 0) | affected
        if affected.sum() > limits.vms_affected * was_there.sum():
            broken.add("vms_affected")
    return broken


def _of_class(item: SloClassSpec, table: VmTable) -> np.ndarray:
    """Mark the VMs of a class: bool array, shape (n_vms,)."""
    named = zip(table.names, table.groups, strict=True)
    return np.fromiter((item.holds(name, group) for name, group in named), dtype=bool, count=len(table))


def _most_reclaimed(run: RunOfHost) -> int:
    names = [name for name in ("ballooned_bytes", "compressed_bytes", "swapped_bytes") if run.most(name) > 0]
    return int(np.max(sum(run.column(name) for name in names))) if names else 0
