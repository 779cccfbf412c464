"""The objective: when a host counts as broken, in the words of those who run it, and how many may be.

Every objective is optional and all that are given must hold; a host that runs out of memory to give is always broken.
Meanings, presets and their sources are in docs/slo.md. The order of an objective's names is that of `OBJECTIVES`.
"""

from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from planner.config.quantities import Bytes, BytesPerSecond, Fraction, Seconds
from planner.config.suggest import name_problem

OBJECTIVES = (
    "swap_in", "guest_paging", "pressed", "slowdown_p50", "slowdown_p95", "slowdown_p99", "vms_affected", "configured",
    "active_peak", "active_typical", "reclaimed",
)  # fmt: skip
"""Keys of an objective that a host may break, in the order in which they are named."""
SLOWDOWNS = {"slowdown_p50": 0.50, "slowdown_p95": 0.95, "slowdown_p99": 0.99}

SEPARATOR = "; "
"""Between the names of objectives in the column `slo_broken_by`."""

_MIB_PER_S = "1 MiB/s"
SLO_PRESETS: dict[str, dict[str, Any]] = {
    "demand-conservative": {"active_peak": "90 %", "swap_in": _MIB_PER_S, "for_more_than": "5 min"},
    "demand-aggressive": {"active_typical": "100 %", "swap_in": _MIB_PER_S, "for_more_than": "5 min"},
    "allocation-conservative": {"configured": 1.0, "reclaimed": "0 B", "swap_in": None},
    "allocation-aggressive": {"configured": 1.5, "reclaimed": "0 B", "swap_in": None},
}
"""What each preset judges; docs/slo.md has the source of every number or marks it as an assumption."""

PRESET_NAMES = tuple(SLO_PRESETS)
SloPresetName = Annotated[str, WithJsonSchema({"type": "string", "enum": list(PRESET_NAMES)})]
Slowdown = Annotated[float, Field(gt=1, le=1000)]


class _GuestObjectives(BaseModel):
    """What VMs feel: limits on their slowdown and on how many of them are affected."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    slowdown_p50: Slowdown | None = Field(
        default=None, description="Median slowdown over VMs and ticks that is too much, e.g. 1.02; omitted: any"
    )
    slowdown_p95: Slowdown | None = Field(
        default=None, description="95th percentile of the slowdown that is too much, e.g. 1.05; omitted: any"
    )
    slowdown_p99: Slowdown | None = Field(
        default=None, description="99th percentile of the slowdown that is too much, e.g. 1.1; omitted: any"
    )
    vms_affected: Fraction | None = Field(
        default=None, ge=0, lt=1,
        description="Share of VMs that may be affected: slowed down, killed or not let on; omitted: any",
    )  # fmt: skip
    vm_slowdown_p95: Slowdown = Field(
        default=1.1, description="A VM is affected when the 95th percentile of its own slowdown is above this"
    )


class SloClassSpec(_GuestObjectives):
    """Objectives of a class of VMs, by name or by tenant group."""

    match: str | None = Field(
        default=None, min_length=1, description='Names of the VMs, with * and ? for any text and any letter: "db-*"'
    )
    group: str | None = Field(default=None, min_length=1, description="Tenant group of the VMs")

    @property
    def name(self) -> str:
        """What the class is called in results: its pattern, or its group."""
        return self.match if self.match is not None else f"group {self.group}"

    def holds(self, name: str, group: str | None) -> bool:
        """Say whether a VM of this name and tenant group is one of the class."""
        return fnmatchcase(name, self.match) if self.match is not None else group == self.group


class SloSpec(_GuestObjectives):
    """When a host counts as broken, and how many may be. Objectives that are left out are not judged."""

    preset: SloPresetName | None = Field(
        default=None, description="Objectives to start from; what is written beside it overrides them"
    )
    swap_in: BytesPerSecond | None = Field(
        default=float(2**20), gt=0, description="Swap-in rate of a host that is too much; null: any"
    )
    guest_paging: BytesPerSecond | None = Field(
        default=None,
        gt=0,
        description="Reads by a host's guests from their own disks, after ballooning, that are too much; omitted: any",
    )
    for_more_than: Seconds = Field(
        default=300.0, ge=0, description="Swap-in and guest paging are too much when they last longer than this"
    )
    pressed: Seconds | None = Field(
        default=None, ge=0, description="Time of a host in state hard or low that is too much, in all; omitted: any"
    )
    configured: float | None = Field(
        default=None, gt=0, description="Configured ÷ usable memory of a host that is too much; omitted: any"
    )
    active_peak: Fraction | None = Field(
        default=None, gt=0, le=1, description="Peak of active ÷ usable memory that is too much; omitted: any"
    )
    active_typical: Fraction | None = Field(
        default=None, gt=0, le=1, description="Mean of that peak and the mean over time that is too much; omitted: any"
    )
    reclaimed: Bytes | None = Field(
        default=None, ge=0,
        description="Memory held back from VMs (ballooned, compressed, swapped) at its peak that is too much; 0 B: any",
    )  # fmt: skip
    classes: tuple[SloClassSpec, ...] = Field(default=(), description="Further objectives for classes of VMs")
    hosts_affected: Fraction = Field(default=0.05, ge=0, le=1, description="Share of hosts that may break it")
    confidence: Fraction = Field(default=0.95, gt=0.5, lt=1, description="Confidence of every interval")

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: object) -> object:
        """Lay what is written over the values of the preset that it names."""
        name = value.get("preset") if isinstance(value, dict) else None
        if not isinstance(value, dict) or name is None:
            return value
        if str(name) not in SLO_PRESETS:
            raise ValueError("; ".join(name_problem("preset", str(name), PRESET_NAMES)))
        return SLO_PRESETS[str(name)] | value

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the objectives that are judged, classes last."""
        asked = [name for name in OBJECTIVES if getattr(self, name) is not None]
        return (*asked, *(f"class {item.name}" for item in self.classes))


def preset_section(value: object) -> object:
    """Read `slo: NAME` as `slo: {preset: NAME}`."""
    return {"preset": value} if isinstance(value, str) else value
