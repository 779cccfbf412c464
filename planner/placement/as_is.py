"""As-is: each VM stays on the host where it runs today, as the inventory says."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from planner.placement.base import Placement, PlacementLimits, PlacementRequest, Verdict
from planner.placement.packing import build_packing
from planner.placement.reasons import word_shortfall
from planner.placement.violations import find_violations


class AsIs:
    """Today's placement. A VM beyond its host's memory is refused, not moved; what else breaks a rule is a warning."""

    name: ClassVar[str] = "as-is"
    is_order_invariant: ClassVar[bool] = False

    def place(self, request: PlacementRequest) -> Placement:
        """Keep VMs where they are, in the order of the table, as long as their host's memory limits hold."""
        plain = PlacementLimits(request.limits.overcommit_ratio, request.limits.hypervisor)
        packing = build_packing(replace(request, limits=plain))
        position = {name: idx for idx, name in enumerate(request.hosts.names)}
        free, need = packing.ledger.free.copy(), packing.sizes.need
        host_idx = request.standing_idx.copy()
        verdicts = np.full(len(request.vms), Verdict.PLACED, dtype=np.int8)
        reasons: dict[int, str] = {}
        for vm in np.flatnonzero(host_idx < 0).tolist():
            name = request.vms.hosts[vm]
            host = position.get(name) if name is not None else None
            verdicts[vm], lack = _judge(request, host, None if host is None else need[vm] - free[host])
            if verdicts[vm] == Verdict.PLACED and host is not None:
                host_idx[vm] = host
                free[host] -= need[vm]
            else:
                where = "" if name is None else f" on host {name}"
                reasons[vm] = f"VM {request.vms.names[vm]}{where}: {lack}"
        placement = Placement(np.maximum(host_idx, 0), verdicts, reasons)
        return replace(placement, warnings=find_violations(request, placement))


def _judge(request: PlacementRequest, host: int | None, lacks: np.ndarray | None) -> tuple[Verdict, str]:
    """Say whether a VM stays on the host it names, and if not, why. `lacks`: shape (n_limits,)."""
    if host is None or lacks is None:
        return Verdict.HOST_UNKNOWN, "the host that it runs on today is unknown or not in the fleet"
    if not request.hosts.is_available[host]:
        return Verdict.NO_HOST, "not available"
    if (lacks <= 0).all():
        return Verdict.PLACED, ""
    worst = int(np.argmax(lacks))
    limit = ("overcommit", "RAM")[worst]
    return Verdict.HOST_FULL, word_shortfall(request.limits, limit, int(lacks[worst]), 0.0)
