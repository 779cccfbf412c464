"""Which VMs belong together or apart, where they may run, what hosts keep free, and how a VM is let on a host."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from planner.config.quantities import Fraction, Seconds


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class VmSetSpec(_Spec):
    """Some VMs, by name or by tenant group: give one of the two."""

    vms: tuple[str, ...] = Field(default=(), description="Names of VMs; * stands for any characters (db-*)")
    group: str | None = Field(
        default=None, min_length=1,
        description="Tenant group, or a pattern with *; every group that it matches is a set of its own",
    )  # fmt: skip


class MustRunOnSpec(VmSetSpec):
    """VMs that may run on some hosts only."""

    hosts: tuple[str, ...] = Field(min_length=1, description="Names of hosts; * stands for any characters (esx-0*)")


class HaReserveSpec(_Spec):
    """Memory that hosts in use keep free so that others can fail: give at most one of the two."""

    hosts: int = Field(
        default=0, ge=0,
        description="Free on the hosts in use is at least the room of so many of them, the largest (N+k)",
    )  # fmt: skip
    fraction: Fraction = Field(default=0.0, ge=0, lt=1, description="Every host keeps this share of its room free")


class PlacementRulesSpec(_Spec):
    """Rules that every placement keeps (as-is reports what breaks them). docs/placement.md has the exact meaning."""

    affinity: tuple[VmSetSpec, ...] = Field(default=(), description="Sets of VMs that run on one host")
    anti_affinity: tuple[VmSetSpec, ...] = Field(default=(), description="Sets of VMs of which no two share a host")
    must_run_on: tuple[MustRunOnSpec, ...] = Field(default=(), description="VMs that may run on some hosts only")
    ha_reserve: HaReserveSpec = Field(default=HaReserveSpec(), description="Memory kept free for failover")
    max_vcpus_per_core: float | None = Field(
        default=None, gt=0, description="Most vCPUs of a host's VMs per physical core; omitted: any number"
    )


class AdmissionSpec(_Spec):
    """How it is predicted that a VM fits, beside the overcommit ratio, which always holds. docs/placement.md."""

    policy: Literal["ratio", "max", "percentile", "n-sigma", "limit-fraction", "oracle"] = Field(
        default="ratio",
        description="ratio: nothing is predicted. Others: the predicted peak of a host's VMs is within usable memory",
    )
    percentile: Fraction = Field(
        default=0.95, gt=0, le=1,
        description="percentile, max: of each VM's demand in the history; peak-aware: of the sum on a host",
    )  # fmt: skip
    n: float = Field(default=5.0, ge=0, description="n-sigma, max: standard deviations above the mean of a host's sum")
    fraction: Fraction = Field(default=0.9, gt=0, le=1, description="limit-fraction: share of configured memory")
    of: Literal["active", "granted"] = Field(
        default="active", description="Demand that is predicted: memory touched within a tick, or since power-on"
    )
    history: Seconds = Field(default=7 * 86_400.0, gt=0, description="Length of the demand that predictors may see")
