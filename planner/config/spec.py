"""The shape of a config: frozen pydantic models, unknown keys refused, a description on every field.

Covers one sweep: fleet, hypervisor policy, workload assumptions, objective, axes and fidelity. Cross-field rules are in
`check.py`; reading YAML, presets and overrides in `load.py`. Units inside: bytes, seconds, fractions.
"""

from math import ceil
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from planner.config.catalog import (
    SwapDeviceSpec,
    cpu_names,
    expand_hypervisor,
    hypervisor_preset_names,
    load_cpu,
    load_swap_device,
    swap_device_names,
)
from planner.config.cpu import CpuSpec
from planner.config.hypervisor import HypervisorSpec
from planner.config.measured import MEASURED, MeasuredSpec, allow_file
from planner.config.page_tables import FOUR_LEVELS, PageTableSpec
from planner.config.placement_rules import AdmissionSpec, PlacementRulesSpec
from planner.config.quantities import Bytes, Fraction, Seconds
from planner.config.slo import SloPresetName, SloSpec, preset_section
from planner.config.suggest import nearest_name
from planner.config.sweep import SweepSpec
from planner.config.turnover import TurnoverSpec


def _one_of(names: tuple[str, ...]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(names)})


_CpuName = Annotated[str, _one_of(cpu_names())]
_SwapDeviceName = Annotated[str, _one_of((*swap_device_names(), MEASURED))]
_HypervisorPresetName = Annotated[str, _one_of(hypervisor_preset_names())]


class Spec(BaseModel):
    """Base of all specs: immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class HostGroupSpec(Spec):
    """Hosts of one kind."""

    name: str = Field(min_length=1, description="Prefix of the host names: esx-01, esx-02, ...")
    count: int = Field(ge=1, le=100_000, description="How many hosts of this kind there are")
    memory: Bytes = Field(gt=0, description="Installed RAM of one host")
    cores: int = Field(ge=1, le=65_536, description="Physical cores of one host")
    numa_nodes: int = Field(default=1, ge=1, le=64, description="NUMA nodes; a VM's memory is on one of them")
    reserved: Bytes = Field(
        default=512 * 2**20, ge=0,
        description="RAM kept for the hypervisor itself; OpenStack Nova's reserved_host_memory_mb is the default",
    )  # fmt: skip
    reserved_fraction: Fraction = Field(
        default=0.0, ge=0, lt=1, description="RAM kept for the hypervisor itself, beside `reserved`, as a share of it"
    )
    cpu: _CpuName = Field(default="sapphire-rapids", description="CPU preset: TLB sizes and walk costs")
    page_tables: PageTableSpec = Field(default=FOUR_LEVELS, description="Page tables that the CPU walks for a VM")
    swap: _SwapDeviceName = Field(default="nvme", description="Swap device preset: latency and throughput")
    swap_size: Bytes | None = Field(
        default=None, ge=0,
        description="Space for swapped pages; omitted: it never runs out (a .vswp file for each VM)",
    )  # fmt: skip

    measured: MeasuredSpec | None = Field(
        default=None,
        description="What was measured on such hosts, or the name of a file of `planner calibrate`",
        json_schema_extra=allow_file,
    )

    @property
    def swap_device(self) -> SwapDeviceSpec:
        """The swap device, a preset or measured. Raises ConfigError where it is neither."""
        measured = self.measured.swap if self.measured is not None else None
        return measured if self.swap == MEASURED and measured is not None else load_swap_device(self.swap)

    @property
    def cpu_or_preset(self) -> str | CpuSpec:
        """The CPU: its preset's name, or where its memory's latency was measured, the preset with that."""
        latency_s = self.measured.dram_latency if self.measured is not None else None
        if latency_s is None:
            return self.cpu
        cpu = load_cpu(self.cpu)
        caches = cpu.data_caches.model_copy(update={"dram_cycles": round(latency_s * cpu.clock_hz)})
        return cpu.model_copy(update={"data_caches": caches})

    @property
    def reserved_bytes(self) -> int:
        """RAM of one host that is kept for the hypervisor: `reserved` and `reserved_fraction` together. [bytes]."""
        return self.reserved + ceil(self.memory * self.reserved_fraction)

    def names(self) -> tuple[str, ...]:
        """Name the hosts: a group of one keeps its name, others are numbered, padded so that names sort in order."""
        if self.count == 1:
            return (self.name,)
        width = max(2, len(str(self.count)))
        return tuple(f"{self.name}-{number:0{width}d}" for number in range(1, self.count + 1))


class VmSpec(Spec):
    """One VM, or `count` alike, written out in the config."""

    name: str = Field(min_length=1, description="Name of the VM; with count > 1 the prefix of the names")
    count: int = Field(default=1, ge=1, le=1_000_000, description="How many VMs alike")
    memory: Bytes = Field(gt=0, description="Configured memory (vRAM)")
    vcpus: int = Field(default=2, ge=1, le=65_536, description="Virtual CPUs")
    granted: Fraction | None = Field(
        default=None, gt=0, le=1, description="Share of the configured memory that the guest ever touches"
    )
    active: Fraction | None = Field(
        default=None, ge=0, le=1, description="Mean share of the configured memory touched within a tick"
    )
    group: str | None = Field(default=None, description="Tenant group: VMs whose demand moves together")
    image: str | None = Field(default=None, description="Image it was cloned from: VMs that share content")
    shares: int | None = Field(default=None, ge=0, le=10**12, description="Memory shares; default 10 per MiB (normal)")
    reservation: Bytes = Field(default=0, ge=0, description="Memory that is never reclaimed")
    limit: Bytes | None = Field(default=None, gt=0, description="Most host memory it may consume")
    balloon_driver: bool = Field(default=True, description="Whether the guest runs a balloon driver")
    host: str | None = Field(default=None, description="Host it runs on today, for as-is placement")
    arrives: Seconds | None = Field(
        default=None, gt=0, description="When it is powered on and placed; omitted: it runs when the horizon starts"
    )
    leaves: Seconds | None = Field(default=None, gt=0, description="When it is gone for good; omitted: it stays")

    def names(self) -> tuple[str, ...]:
        """Name the VMs this entry stands for: its name, or name-1, name-2, ... when there are several."""
        if self.count == 1:
            return (self.name,)
        return tuple(f"{self.name}-{number}" for number in range(1, self.count + 1))


class GeneratedVms(Spec):
    """VMs drawn from a fitted generator."""

    generate: str = Field(description="Name of a fitted generator", examples=["managed-hosting"])
    count: int = Field(ge=1, le=1_000_000, description="How many VMs to draw")


class ImportedVms(Spec):
    """VMs and their demand from a fleet directory written by `planner import`."""

    fleet: str = Field(description="Fleet directory, absolute or relative to the config file")
    cluster: str | None = Field(default=None, description="Only the VMs of this cluster; omitted: all")
    powered_off: bool = Field(
        default=False, description="Whether VMs that were off when the inventory was taken run, too"
    )


def _vms_kind(value: Any) -> str | None:
    """Tell by its shape which of the three kinds of `vms` is meant, so that only that kind's errors are reported."""
    if isinstance(value, list | tuple):
        return "VmSpec"
    if isinstance(value, GeneratedVms | ImportedVms):
        return type(value).__name__
    meant = {nearest_name(str(key), ("generate", "fleet")) for key in value} if isinstance(value, dict) else set()
    kinds = {"generate": "GeneratedVms", "fleet": "ImportedVms"}
    named = [kinds[key] for key in sorted(meant - {None}, key=str) if key is not None]
    return named[0] if len(named) == 1 else None


class FleetSpec(Spec):
    """Hosts, and the VMs that run on them."""

    hosts: tuple[HostGroupSpec, ...] = Field(min_length=1, description="Kinds of host")
    vms: Annotated[
        Annotated[GeneratedVms, Tag("GeneratedVms")]
        | Annotated[ImportedVms, Tag("ImportedVms")]
        | Annotated[tuple[VmSpec, ...], Field(min_length=1), Tag("VmSpec")],
        Discriminator(
            _vms_kind,
            custom_error_type="vms_kind",
            custom_error_message="does not say where the VMs come from; "
            "write one of {generate: managed-hosting, count: 450}, {fleet: DIRECTORY} or a list of VMs",
        ),
    ] = Field(description="Generated, imported or listed VMs")
    turnover: TurnoverSpec | None = Field(default=None, description="VMs that come and go; omitted: none do")


class WorkloadSpec(Spec):
    """Assumptions that traces leave open. Each default is discussed in docs/model."""

    tail: Literal["low", "middle", "high"] = Field(
        default="middle", description="How often rarely touched pages are touched again; the report shows all three"
    )
    growth: float = Field(
        default=1.0, ge=0.1, le=10.0,
        description="Factor on granted and active memory: 1.1 is a fleet grown by a tenth; never above configured",
    )  # fmt: skip
    zero_fraction: Fraction = Field(default=0.03, ge=0, le=1, description="Share of granted pages that stay zero")
    self_shared_fraction: Fraction = Field(
        default=0.085, ge=0, le=1, description="Share of granted pages duplicated within their VM"
    )
    image_shared_fraction: Fraction = Field(
        default=0.015, ge=0, le=1, description="Share of granted pages common to all VMs of an image"
    )
    guest_free_fraction: Fraction = Field(
        default=0.06, ge=0, le=1, description="Share of granted pages on the guest's free list"
    )
    guest_cache_fraction: Fraction = Field(
        default=0.30, ge=0, le=1, description="Share of granted pages that are clean page cache"
    )
    guest_kernel_fraction: Fraction = Field(
        default=0.05, ge=0, le=1, description="Share of granted pages the guest can never give back"
    )
    guest_dirty_fraction: Fraction = Field(
        default=0.01, ge=0, le=1, description="Share of granted pages that are page cache not yet on the guest's disk"
    )
    guest_reserve: Bytes = Field(
        default=99 * 2**20,
        ge=0,
        description="Free memory that a guest keeps under a balloon, at most 7.5 % of its configured memory",
    )
    zeroed_at_boot: bool = Field(
        default=False, description="Whether guests touch all of their memory at boot, as Windows does, which zeroes it"
    )
    shared_write_fraction: Fraction = Field(
        default=0.002,
        ge=0,
        le=1,
        description="Share of touches that write to a page of shareable content (text, zero, common); ends its sharing",
    )
    content_return_fraction: Fraction = Field(
        default=0.02, ge=0, le=1,
        description="Share of touches of cache and free memory that restore its first content (re-read, zeroed)",
    )  # fmt: skip
    private_write_fraction: Fraction = Field(
        default=0.3, ge=0, le=1,
        description="Share of pages of unique content that are written whenever touched; the others are only read",
    )  # fmt: skip


class FidelitySpec(Spec):
    """How finely memory is sampled."""

    pages_per_vm: int = Field(
        default=256,
        ge=8,
        le=1_000_000,
        description="Sampled pages of a VM of mean size; all VMs share one sampling rate",
    )


class PlannerConfig(Spec):
    """A whole config."""

    schema_version: Literal[1] = Field(description="Version of this format")
    seed: int = Field(ge=0, lt=2**63, description="Root of all random draws")
    fleet: FleetSpec = Field(description="Hosts and VMs")
    hypervisor: Annotated[
        HypervisorSpec,
        BeforeValidator(expand_hypervisor, json_schema_input_type=_HypervisorPresetName | HypervisorSpec),
    ] = Field(description="Preset name, or {preset: NAME, ...overrides}")
    workload: WorkloadSpec = Field(default=WorkloadSpec(), description="Assumptions about guests")
    horizon: Seconds = Field(gt=0, description="Simulated time")
    tick: Seconds = Field(default=300.0, gt=0, description="Simulated step")
    warm_up: Seconds = Field(
        default=43_200.0,
        ge=0,
        description="Start of the horizon that is simulated but not judged: nothing is shared or reclaimed at first",
    )
    question: Literal["consolidate", "grow"] = Field(
        default="consolidate", description="consolidate: these VMs, how few hosts? grow: these hosts, how many VMs?"
    )
    placement_rules: PlacementRulesSpec = Field(default=PlacementRulesSpec(), description="Rules of every placement")
    admission: AdmissionSpec = Field(default=AdmissionSpec(), description="How it is predicted that a VM fits a host")
    slo: Annotated[SloSpec, BeforeValidator(preset_section, json_schema_input_type=SloPresetName | SloSpec)] = Field(
        default=SloSpec(), description="Preset name, or the objectives that the recommendation must meet"
    )
    sweep: SweepSpec = Field(default=SweepSpec(), description="Axes and replicates")
    fidelity: FidelitySpec = Field(default=FidelitySpec(), description="Sampling")
