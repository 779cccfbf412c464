"""What a placement that was not to be changed breaks: rules, the vCPU cap, the failover reserve, predicted peaks."""

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction

import numpy as np

from planner.placement.base import OVERCOMMIT, PREDICTED, RAM, Placement, PlacementRequest
from planner.placement.packing import Packing, build_packing, share_for_failover
from planner.placement.reasons import word_shortfall

_NAMED = 3


def find_violations(request: PlacementRequest, placement: Placement) -> tuple[str, ...]:
    """Say in a sentence each which rules and limits the placed VMs break; empty where none."""
    placed = np.flatnonzero(placement.is_placed)
    host_idx = placement.host_idx[placed]
    standing = replace(request.take(placed), standing=host_idx)
    hosts, reserve = request.hosts, request.limits.ha_reserve
    is_used = np.zeros(len(hosts), dtype=bool)
    is_used[host_idx] = True
    share = Fraction(repr(reserve.fraction))
    if reserve.hosts:
        share = max(share, share_for_failover(hosts.room_bytes, is_used, reserve.hosts, hosts.is_available))
    packing = build_packing(standing, share)
    return (*_broken_rules(standing), *_broken_limits(packing), *_high_peaks(packing, is_used))


def _broken_rules(request: PlacementRequest) -> list[str]:
    rules, names = request.limits.rules, request.hosts.names
    host_of = {name: names[host] for name, host in zip(request.vms.names, request.standing_idx, strict=True)}
    found = []
    for rule in rules.together:
        used = sorted({host_of[name] for name in rule.vms if name in host_of})
        if len(used) > 1:
            found.append(f"{rule.place}: VMs that run on one host are on {_listed(used)}")
    for rule in rules.apart:
        vms_on = defaultdict(list)
        for name in sorted(rule.vms & host_of.keys()):
            vms_on[host_of[name]].append(name)
        shared = [(host, vms) for host, vms in sorted(vms_on.items()) if len(vms) > 1]
        found += [f"{rule.place}: {_listed(vms)} share host {host}" for host, vms in shared]
    for run_on in rules.run_on:
        astray = [name for name in sorted(run_on.vms & host_of.keys()) if host_of[name] not in run_on.hosts]
        found += [f"{run_on.place}: VM {name} is on host {host_of[name]}" for name in astray]
    return found


def _broken_limits(packing: Packing) -> list[str]:
    """Word limits exceeded; without a reserve, plain memory limits are not: a VM beyond them has been refused."""
    request, limits = packing.request, packing.sizes.limits
    found = []
    for host, name in enumerate(request.hosts.names):
        for column, limit in enumerate(limits):
            lack = -int(packing.ledger.free[host, column])
            if lack > 0 and (limit not in (OVERCOMMIT, RAM) or packing.share):
                found.append(f"host {name}: {word_shortfall(request.limits, limit, lack, float(packing.share))}")
    return found


def _high_peaks(packing: Packing, is_used: np.ndarray) -> list[str]:
    ledger = packing.ledger
    if ledger.own.shape[1] == 0:
        return []
    mean, deviation, _, largest = ledger.total_stats.T
    peak = largest if ledger.sigmas < 0 else np.minimum(ledger.total_ceiling, mean + ledger.sigmas * deviation)
    limits, share = packing.request.limits, float(packing.share)
    return [
        f"host {packing.request.hosts.names[host]}: "
        f"{word_shortfall(limits, PREDICTED, int(peak[host] - ledger.cap[host]), share)}"
        for host in np.flatnonzero(is_used & (peak > ledger.cap))
    ]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
