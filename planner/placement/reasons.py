"""Why a VM found no host: its verdict, and a sentence on the host that came nearest to taking it.

Judged by what hosts hold in the end. Of the hosts that are available the nearest is, in this order: one that the VM's
rules name, one that holds no VM it is kept apart from, the one that breaks the fewest limits, and of these the one with
the least shortfall as a share of its room.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from planner.kernels.packing_ledger import Ledger, predicted_peak, take
from planner.placement.base import OVERCOMMIT, PREDICTED, RAM, VCPUS, PlacementLimits, Verdict
from planner.units import format_bytes

if TYPE_CHECKING:
    from planner.placement.packing import Packing


def word_shortfall(limits: PlacementLimits, limit: str, lack: int, share: float) -> str:
    """Say by how much a limit is exceeded: "12 GiB over the reservation limit".

    Parameters
    ----------
    limit : str
        One of the limits that add up.
    lack : int
        Bytes, or vCPUs.
    share : float
        Of a host's memory, kept free for failover.
    """
    if limit == VCPUS:
        return f"{lack} vCPU{'s' if lack != 1 else ''} over the cap of {limits.max_vcpus_per_core:g} per core"
    words = {
        OVERCOMMIT: f"over the overcommit limit of {limits.overcommit_ratio:g}",
        RAM: "over the reservation limit",
        PREDICTED: "over usable memory at the predicted peak",
    }
    reserve = f", {share * 100:.3g} % kept free for failover" if share else ""
    return f"{format_bytes(lack)} {words[limit]}{reserve}"


class Refusals(Mapping[int, str]):
    """Row of each VM without a host -> why. Sentences are written when read.

    Parameters
    ----------
    packing : Packing
    host_of_unit : int64 array, shape (n_units,)
        What the strategy made of it.
    """

    def __init__(self, packing: "Packing", host_of_unit: np.ndarray) -> None:
        self._packing = packing
        self._host_of_unit = host_of_unit
        unit_of = packing.units.unit_of
        is_refused = np.append(host_of_unit < 0, False)[unit_of]
        self._rows = {int(row): int(unit_of[row]) for row in np.flatnonzero(is_refused)}

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[int]:
        return iter(self._rows)

    def __getitem__(self, row: int) -> str:
        unit = self._rows[row]
        name = self._packing.request.vms.names[row]
        host = self._nearest_host(unit)
        if host is None:
            return f"VM {name}: no host is available"
        n_others = int((self._packing.units.unit_of == unit).sum()) - 1
        others = f" with {n_others} that it stays with" if n_others else ""
        return f"VM {name}{others} on host {self._packing.request.hosts.names[host]}: {self._lack(unit, host)}"

    def verdict_of_unit(self) -> np.ndarray:
        """Give the verdict of each unit: int8 array, shape (n_units,)."""
        ledger, known = self._ledger, dict[tuple[bytes, ...], Verdict]()
        verdicts = np.full(self._host_of_unit.size, Verdict.PLACED, dtype=np.int8)
        for unit in np.flatnonzero(self._host_of_unit < 0).tolist():
            key = (ledger.need[unit].tobytes(), ledger.allow_row[unit].tobytes(), self._apart_rules(unit).tobytes())
            if key not in known:
                known[key] = self._verdict(unit)
            verdicts[unit] = known[key]
        return verdicts

    def _verdict(self, unit: int) -> Verdict:
        ledger, sizes, is_open = self._ledger, self._packing.sizes, self._packing.is_open
        is_measured = np.array([name != PREDICTED for name in sizes.limits])
        need = ledger.need[unit, is_measured]
        if not is_open.any():
            return Verdict.NO_HOST
        if not (sizes.room[is_open][:, is_measured] >= need).all(axis=1).any():
            return Verdict.TOO_LARGE
        has_room = is_open & (ledger.free[:, is_measured] >= need).all(axis=1)
        if not has_room.any():
            return Verdict.NO_ROOM
        is_let = has_room & self._allowed(unit) & ~self._holds_apart(unit)
        return Verdict.NOT_ADMITTED if is_let.any() else Verdict.KEPT_OFF

    @cached_property
    def _ledger(self) -> Ledger:
        ledger = self._packing.fresh_ledger()
        for unit in np.flatnonzero(self._host_of_unit >= 0):
            take(ledger, unit, self._host_of_unit[unit])
        return ledger

    def _apart_rules(self, unit: int) -> np.ndarray:
        ledger = self._ledger
        return np.asarray(ledger.apart_rules[ledger.apart_start[unit] : ledger.apart_start[unit + 1]])

    def _allowed(self, unit: int) -> np.ndarray:
        return np.asarray(self._ledger.allowed[self._ledger.allow_row[unit]])

    def _holds_apart(self, unit: int) -> np.ndarray:
        return np.asarray(self._ledger.taken[self._apart_rules(unit)].any(axis=0))

    def _shortfalls(self, unit: int) -> np.ndarray:
        """Say what each host lacks of each limit: int64 array, shape (n_hosts, n_limits), 0 where it has enough."""
        return np.asarray(np.maximum(0, self._ledger.need[unit] - self._ledger.free))

    def _nearest_host(self, unit: int) -> int | None:
        open_hosts = np.flatnonzero(self._packing.is_open)
        if not open_hosts.size:
            return None
        lacks = self._shortfalls(unit)
        shares = (lacks / np.maximum(1, self._packing.sizes.room)).max(axis=1)
        keys = (shares, (lacks > 0).sum(axis=1), self._holds_apart(unit), ~self._allowed(unit))
        return int(open_hosts[np.lexsort(tuple(key[open_hosts] for key in keys))[0]])

    def _lack(self, unit: int, host: int) -> str:
        if not self._allowed(unit)[host]:
            return "not among the hosts it must run on"
        if self._holds_apart(unit)[host]:
            return f"kept apart from {self._apart_from(unit, host)}"
        lacks = self._shortfalls(unit)[host]
        shares = lacks / np.maximum(1, self._packing.sizes.room[host])
        worst = int(np.argmax(shares))
        limit = self._packing.sizes.limits[worst] if lacks.any() else PREDICTED
        lack = int(lacks[worst])
        if limit == PREDICTED:
            # Policy "max" predicts in two ways: by sizes that add up, and by the sum over time. The larger one counts.
            peak = predicted_peak(self._ledger, unit, host)
            lack = max(lack, int(np.ceil(peak - self._ledger.cap[host])))
        return self._word(limit, lack)

    def _word(self, limit: str, lack: int) -> str:
        return word_shortfall(self._packing.request.limits, limit, lack, float(self._packing.share))

    def _apart_from(self, unit: int, host: int) -> str:
        """Name the first VM on the host that the unit must not meet."""
        request, unit_of = self._packing.request, self._packing.units.unit_of
        host_of_vm = np.where(unit_of < 0, request.standing_idx, np.append(self._host_of_unit, -1)[unit_of])
        kept_apart = {name for rule in self._apart_rules(unit) for name in request.limits.rules.apart[rule].vms}
        on_host = [request.vms.names[row] for row in np.flatnonzero(host_of_vm == host)]
        return min(name for name in on_host if name in kept_apart)
