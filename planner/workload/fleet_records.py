"""An imported fleet in memory: VMs, what is known of them, and their demand over time or as read once."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner.errors import InputError
from planner.units import MIB
from planner.workload.fleet import NORMAL_SHARES_PER_MIB, VmTable

UNKNOWN_VCPUS = 2
"""vCPUs assumed where the source does not say; the same as the default of a VM written in a config."""


@dataclass(frozen=True)
class VmRecord:
    """One VM of an imported fleet; None is unknown.

    Attributes
    ----------
    configured_from : str
        Where the configured memory comes from, e.g. "table", "quantum", "granted".
    is_on : bool or None
        Whether it ran when the inventory was taken; one that did not takes no part unless it is asked to.
    consumed_bytes, active_bytes, ballooned_bytes, swapped_bytes : int or None
        Readings of an inventory without series: memory backed by the host, touched lately, taken by balloon and swap.
    """

    name: str
    configured_bytes: int
    configured_from: str
    vcpus: int | None = None
    group: str | None = None
    image: str | None = None
    host: str | None = None
    shares: int | None = None
    reservation_bytes: int | None = None
    limit_bytes: int | None = None
    has_balloon_driver: bool | None = None
    uuid: str | None = None
    cluster: str | None = None
    is_on: bool | None = None
    consumed_bytes: int | None = None
    active_bytes: int | None = None
    ballooned_bytes: int | None = None
    swapped_bytes: int | None = None


@dataclass(frozen=True)
class FleetInfo:
    """What `fleet.json` says beside the counts.

    Attributes
    ----------
    source : str
        Kind and name of what was imported.
    acknowledgement : str
        Text that the source asks users to print; empty where it asks for none.
    tick_s, first_time_s : int
        Length of a tick; start of the first tick since 1970, UTC. [s]
    assumptions, warnings : tuple of str
        What the importer took for granted, and what looked wrong.
    readings : int
        Snapshots that the VMs' readings were taken from; 0 where there are series instead.
    reading_rank : int
        Which of them the readings are, from the smallest; 0: the largest.
    """

    source: str
    acknowledgement: str
    tick_s: int
    first_time_s: int
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    readings: int = 0
    reading_rank: int = 0


@dataclass(frozen=True)
class FleetFiles:
    """An imported fleet in memory. Series have shape (n_vms, n_ticks), float32, NaN = off or not recorded.

    An inventory without series has no ticks; what is known of its demand are the VMs' readings.

    Attributes
    ----------
    active_bytes, granted_bytes : float32 array
        As in the source, not cleaned. [bytes]
    cpu_busy_vcpus : float32 array or None
        Busy vCPUs; None where the source has no CPU series.
    """

    info: FleetInfo
    vms: tuple[VmRecord, ...]
    active_bytes: np.ndarray
    granted_bytes: np.ndarray
    cpu_busy_vcpus: np.ndarray | None = None

    def vm_table(self) -> VmTable:
        """Build the VM table; unknown values get the defaults of a VM written in a config."""
        vms = self.vms
        configured = [vm.configured_bytes for vm in vms]
        shares = [_known(vm.shares, vm.configured_bytes // MIB * NORMAL_SHARES_PER_MIB) for vm in vms]
        return VmTable(
            names=tuple(vm.name for vm in vms),
            configured_bytes=np.array(configured, dtype=np.int64),
            vcpus=np.array([_known(vm.vcpus, UNKNOWN_VCPUS) for vm in vms], dtype=np.int64),
            groups=tuple(vm.group for vm in vms),
            images=tuple(vm.image for vm in vms),
            hosts=tuple(vm.host for vm in vms),
            shares=np.array(shares, dtype=np.int64),
            reservation_bytes=np.array([_known(vm.reservation_bytes, 0) for vm in vms], dtype=np.int64),
            limit_bytes=np.array([_known(vm.limit_bytes, vm.configured_bytes) for vm in vms], dtype=np.int64),
            has_balloon_driver=np.array([_known(vm.has_balloon_driver, True) for vm in vms], dtype=np.bool_),
        )

    def chosen(self, cluster: str | None, with_powered_off: bool, place: str) -> "FleetFiles":
        """Return the VMs of one cluster, or of all, with or without those that were off.

        Raises
        ------
        InputError
            There is no such cluster, or no VM is left.
        """
        clusters = sorted({vm.cluster for vm in self.vms if vm.cluster is not None})
        if cluster is not None and cluster not in clusters:
            raise InputError(place, f'has no cluster "{cluster}"', f"it has: {', '.join(clusters) or 'none by name'}")
        rows = [
            row
            for row, vm in enumerate(self.vms)
            if (cluster is None or vm.cluster == cluster) and (with_powered_off or vm.is_on is not False)
        ]
        if not rows:
            raise InputError(
                place, "has no VM that runs", "set fleet.vms.powered_off: true to simulate those that are off"
            )
        if len(rows) == len(self.vms):
            return self
        busy = self.cpu_busy_vcpus
        return replace(
            self,
            vms=tuple(self.vms[row] for row in rows),
            active_bytes=self.active_bytes[rows],
            granted_bytes=self.granted_bytes[rows],
            cpu_busy_vcpus=None if busy is None else busy[rows],
        )


def _known(value: Any, default: Any) -> Any:
    return default if value is None else value
