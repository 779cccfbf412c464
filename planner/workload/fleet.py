"""What a fleet is, once read or generated: the VM table and its demand over time. No policy, no pages."""

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np

NORMAL_SHARES_PER_MIB = 10
"""Memory shares of a "normal" VM per MiB of configured memory (vSphere resource management guide)."""


@dataclass(frozen=True)
class VmTable:
    """VMs of a fleet, a row each. All arrays have shape (n_vms,).

    Attributes
    ----------
    names : tuple of str
        Unique names.
    configured_bytes : int64 array
        Configured memory. [bytes]
    vcpus : int64 array
        Virtual CPUs.
    groups, images, hosts : tuple of (str or None)
        Tenant group, image cloned from, host it runs on today; None where unknown.
    shares : int64 array
        Memory shares.
    reservation_bytes, limit_bytes : int64 array
        Memory never reclaimed; most host memory it may consume (configured memory where there is no limit). [bytes]
    has_balloon_driver : bool array
    """

    names: tuple[str, ...]
    configured_bytes: np.ndarray
    vcpus: np.ndarray
    groups: tuple[str | None, ...]
    images: tuple[str | None, ...]
    hosts: tuple[str | None, ...]
    shares: np.ndarray
    reservation_bytes: np.ndarray
    limit_bytes: np.ndarray
    has_balloon_driver: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def take(self, vm_idx: np.ndarray) -> "VmTable":
        """Return the rows `vm_idx` (int array), in that order."""
        rows = vm_idx.tolist()
        picked: dict[str, Any] = {}
        for name, column in vars(self).items():
            picked[name] = tuple([column[row] for row in rows]) if isinstance(column, tuple) else column[vm_idx]
        return VmTable(**picked)

    def joined(self, other: "VmTable") -> "VmTable":
        """Return the rows of this table, then those of `other`."""
        columns: dict[str, Any] = {}
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            columns[field.name] = mine + theirs if isinstance(mine, tuple) else np.concatenate([mine, theirs])
        return VmTable(**columns)

    def renamed(self, names: tuple[str, ...]) -> "VmTable":
        """Return the same rows under other names."""
        return replace(self, names=names)


def plain_vms(configured_bytes: np.ndarray) -> VmTable:
    """Make VMs of one vCPU, equal shares and a balloon driver, without group, image, host, reservation or limit.

    Parameters
    ----------
    configured_bytes : int64 array, shape (n_vms,)
        Configured memory. [bytes]
    """
    n_vms = configured_bytes.size
    return VmTable(
        names=tuple(f"vm-{v}" for v in range(n_vms)),
        configured_bytes=configured_bytes,
        vcpus=np.ones(n_vms, dtype=np.int64),
        groups=(None,) * n_vms,
        images=(None,) * n_vms,
        hosts=(None,) * n_vms,
        shares=np.full(n_vms, 1000),
        reservation_bytes=np.zeros(n_vms, dtype=np.int64),
        limit_bytes=configured_bytes,
        has_balloon_driver=np.ones(n_vms, dtype=bool),
    )


class Presence(NamedTuple):
    """How the VMs of a demand come to their host. Arrays of shape (n_vms,).

    Attributes
    ----------
    is_whole : bool array
        Whether the VM's place on its host is kept over the whole window, on or off: its overhead memory then is, too.
    running_tick : int64 array
        Tick in which the VM is found running, without a boot: 0 for what runs when the window starts, the tick of its
        arrival for a VM that was moved live; -1: whenever it comes on, it boots.
    """

    is_whole: np.ndarray
    running_tick: np.ndarray

    def take(self, vm_idx: np.ndarray) -> "Presence":
        """Return the rows `vm_idx` (int array), in that order."""
        return Presence(self.is_whole[vm_idx], self.running_tick[vm_idx])


def always_present(n_vms: int) -> Presence:
    """Return the presence of VMs that nobody moves: what runs in the first tick was started before the window."""
    return Presence(np.ones(n_vms, dtype=bool), np.zeros(n_vms, dtype=np.int64))


@dataclass(frozen=True)
class Demand:
    """Memory demand of every VM over a window, one replicate of it.

    Attributes
    ----------
    tick_s : float
        Length of a tick. [s]
    active_fraction : float32 array, shape (n_vms, n_ticks)
        Memory touched within the tick ÷ configured memory; NaN while the VM is off.
    granted_fraction : float32 array, shape (n_vms, n_ticks)
        Memory touched since power-on ÷ configured memory; NaN while off. Never below active. A fall is a restart.
    cpu_busy_vcpus : float64 array, shape (n_vms,)
        Mean number of busy vCPUs, for the slowdown; NaN where unknown.
    presence : Presence or None
        Which VMs come and go; None: no VM is brought or taken away.
    """

    tick_s: float
    active_fraction: np.ndarray
    granted_fraction: np.ndarray
    cpu_busy_vcpus: np.ndarray
    presence: Presence | None = None

    def take(self, vm_idx: np.ndarray) -> "Demand":
        """Return the rows `vm_idx` (int array), in that order, in arrays of their own."""
        return Demand(
            tick_s=self.tick_s,
            active_fraction=self.active_fraction[vm_idx],
            granted_fraction=self.granted_fraction[vm_idx],
            cpu_busy_vcpus=self.cpu_busy_vcpus[vm_idx],
            presence=None if self.presence is None else self.presence.take(vm_idx),
        )

    def grown(self, factor: float) -> "Demand":
        """Return the demand with granted and active memory times `factor`, no VM above its configured memory."""
        if factor == 1.0:
            return self
        active, granted = (
            np.minimum(values * np.float32(factor), np.float32(1.0))
            for values in (self.active_fraction, self.granted_fraction)
        )
        return replace(self, active_fraction=active, granted_fraction=granted)

    @property
    def n_ticks(self) -> int:
        """Number of ticks in the window."""
        return int(self.active_fraction.shape[1])


def merge_demand(is_second: np.ndarray, first: Demand, second: Demand) -> Demand:
    """Put the rows of two demands over one window into one, without presence.

    Parameters
    ----------
    is_second : bool array, shape (n_first + n_second,)
        For each row of the result whether it is the next row of `second`, or of `first`.
    """

    def merged(mine: np.ndarray, other: np.ndarray) -> np.ndarray:
        values = np.empty((is_second.size, *mine.shape[1:]), dtype=mine.dtype)
        values[~is_second], values[is_second] = mine, other
        return values

    return Demand(
        tick_s=first.tick_s,
        active_fraction=merged(first.active_fraction, second.active_fraction),
        granted_fraction=merged(first.granted_fraction, second.granted_fraction),
        cpu_busy_vcpus=merged(first.cpu_busy_vcpus, second.cpu_busy_vcpus),
    )
