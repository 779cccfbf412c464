"""The hypervisor part of a config: which mechanisms run, by whose rules. Presets are in `presets/*.yaml`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from planner.config.page_sharing import PageSharingSpec
from planner.config.quantities import Bytes, BytesPerSecond, Fraction, Seconds


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BallooningSpec(_Spec):
    """The balloon driver in the guest, and who drives it."""

    enabled: bool = Field(default=True, description="Whether VMs have a balloon device that the host may use")
    policy: Literal["none", "esxi", "ovirt-mom", "pve-autoballoon", "hyper-v"] = Field(
        default="esxi",
        description="Whose rules move balloons; none: nobody's. docs/model/ballooning.md has each",
    )
    max_fraction: Fraction = Field(
        default=0.65, ge=0, le=1, description="Largest balloon, of configured memory (Mem.CtlMaxPercent)"
    )
    minimum: Bytes = Field(
        default=0,
        ge=0,
        description="Memory that ballooning leaves every VM at least; a reservation counts besides",
    )
    driver_delay: Seconds = Field(
        default=0.0, ge=0, description="Time from power-on or restart until the driver is loaded"
    )
    inflate: BytesPerSecond = Field(default=200.0 * 2**20, gt=0, description="Inflation rate of one VM")
    inflate_paging: BytesPerSecond = Field(
        default=50.0 * 2**20, gt=0, description="... of memory that the guest must write to its disk first"
    )
    deflate: BytesPerSecond = Field(default=1024.0 * 2**20, gt=0, description="Deflation rate of one VM")
    interval: Seconds = Field(default=10.0, gt=0, description="Time between rounds of a policy that has rounds")
    host_target: Fraction = Field(
        default=0.80, gt=0, lt=1, description="Share of host memory that pve-autoballoon keeps in use"
    )
    buffer: Fraction = Field(default=0.20, ge=0, le=20, description="Buffer of hyper-v above committed memory")


class ActiveSamplingSpec(_Spec):
    """How the host estimates what a guest uses (ESXi)."""

    pages: int = Field(default=100, ge=1, le=100_000, description="Random pages watched per period")
    period: Seconds = Field(default=60.0, gt=0, description="Length of a period (Mem.SamplePeriod)")
    slow_decay_per_min: Fraction = Field(
        default=0.6, ge=0, lt=1, description="What is left of the slow average a minute after activity stopped"
    )
    fast_decay_per_min: Fraction = Field(default=0.2, ge=0, lt=1, description="... of the fast average")
    least: Fraction = Field(
        default=0.01, ge=0, le=1, description="Smallest estimate, of configured memory (Mem.SampleActivePctMin)"
    )


class CompressionSpec(_Spec):
    """Compression in front of the swap device. A host whose swap device is `zram` compresses without it."""

    enabled: bool = Field(default=True, description="Whether pages are compressed before they are swapped")
    kind: Literal["esxi", "zswap"] = Field(
        default="esxi", description="A cache for each VM (ESXi), or one pool for the host (zswap)"
    )
    max_fraction: Fraction = Field(
        default=0.10, ge=0, le=1,
        description="Cap: of the VM's memory (esxi, Mem.MemZipMaxPct), of the host's RAM (zswap, max_pool_percent)",
    )  # fmt: skip
    accept_fraction: Fraction = Field(
        default=0.9, gt=0, le=1, description="zswap: a full pool is written back down to this share of its cap"
    )
    compressible_fraction: Fraction = Field(
        default=0.5, ge=0, le=1, description="Share of pages that fit in half a page; assumption, workload-dependent"
    )
    quarter_fraction: Fraction = Field(
        default=0.2, ge=0, le=1, description="... in a quarter of a page, those counted in the share above, too"
    )
    decompress: Seconds = Field(default=20e-6, ge=0, description="Time to decompress a page")


class SwapSpec(_Spec):
    """Host-level swapping. Device and space are the host's (`fleet.hosts[].swap` and `swap_size`)."""

    enabled: bool = Field(default=True, description="Whether the host swaps guest pages out")
    victims: Literal["random", "lru"] = Field(
        default="random", description="Random (ESXi) or least recently used (Linux)"
    )
    when_full: Literal["deny", "kill-largest"] = Field(
        default="deny",
        description="When nothing more can be taken: the VM that needs memory stalls, or the largest is killed (Linux)",
    )
    power_on_check: bool = Field(
        default=True,
        description="Refuse to power a VM on without RAM for its reservation and swap space for the rest (ESXi)",
    )


class WatermarkSpec(_Spec):
    """Linux's watermarks, used with `states: linux`."""

    min_free: Bytes | None = Field(
        default=None, gt=0, description="min watermark (vm.min_free_kbytes); omitted: 4 x the root of the RAM in KiB"
    )
    scale: Fraction = Field(
        default=0.001, gt=0, le=0.3, description="low and high are this share of RAM apart (vm.watermark_scale_factor)"
    )
    background: BytesPerSecond = Field(
        default=float(2**30), gt=0, description="What background reclaim (kswapd) gains at most"
    )


class LargePageRebuildSpec(_Spec):
    """Mapping with 2 MiB again what sharing or reclaim has broken, once memory is free enough."""

    by: Literal["none", "esxi", "khugepaged"] = Field(
        default="esxi",
        description="esxi: with free memory above the level at which large pages break; khugepaged: above minFree",
    )
    pages_per_s: float = Field(
        default=409.6, gt=0, description="Scan rate of the host (pages_to_scan 4096 each scan_sleep_millisecs 10000)"
    )
    max_shared: int = Field(
        default=510, ge=0, le=512,
        description="Most shared pages of a block's 512 (LPage.MaxSharedPages, max_ptes_shared)",
    )  # fmt: skip
    max_swapped: int = Field(
        default=10, ge=0, le=512,
        description="Most swapped or compressed pages of a block (LPage.MaxSwappedPages, max_ptes_swap)",
    )  # fmt: skip


def _allow_measured(schema: dict[str, Any]) -> None:
    """Say in the JSON Schema that a file of measurements may be named: it is taken in before the shape is checked."""
    text = "File of `planner calibrate` whose figures are laid under those that are written here"
    schema["properties"]["measured"] = {"type": "string", "description": text}


class HypervisorSpec(_Spec):
    """One hypervisor's memory policy."""

    model_config = ConfigDict(json_schema_extra=_allow_measured)

    preset: str = Field(description="Preset that the values started from")
    large_pages: bool = Field(default=True, description="Back guests with 2 MiB pages")
    min_free_fraction: Fraction | None = Field(
        default=None,
        gt=0,
        lt=0.5,
        description="Free memory target, of RAM; omitted: sliding scale (Mem.MemMinFreePct = 0). ESXi states only",
    )
    states: Literal["esxi", "linux"] = Field(
        default="esxi", description="Memory states by multiples of minFree (ESXi), or by watermarks (Linux)"
    )
    watermarks: WatermarkSpec = Field(default=WatermarkSpec(), description="Linux's watermarks")
    state_thresholds: tuple[float, float, float, float] = Field(
        default=(1.0, 0.64, 0.32, 0.16), description="clear, soft, hard, low: multiples of minFree. ESXi states only"
    )
    state_margin: Fraction = Field(
        default=0.1,
        ge=0,
        le=1,
        description="A better state needs this much more free memory (hysteresis). ESXi states only",
    )
    idle_memory_tax: Fraction = Field(default=0.75, ge=0, lt=1, description="Tax on idle memory (Mem.IdleTax)")
    page_sharing: PageSharingSpec = Field(default=PageSharingSpec(), description="Page sharing")
    ballooning: BallooningSpec = Field(default=BallooningSpec(), description="Ballooning")
    active_sampling: ActiveSamplingSpec = Field(
        default=ActiveSamplingSpec(), description="Estimate of active memory, for ballooning policy esxi"
    )
    compression: CompressionSpec = Field(default=CompressionSpec(), description="Compression")
    swap: SwapSpec = Field(default=SwapSpec(), description="Host swapping")
    large_page_rebuild: LargePageRebuildSpec = Field(
        default=LargePageRebuildSpec(), description="Rebuilding of large pages"
    )
    vm_overhead_base: float = Field(
        default=14.4, ge=0, le=2**20, description="Overhead memory of a VM: constant part [MiB]"
    )
    vm_overhead_per_vcpu: float = Field(default=4.0, ge=0, le=2**20, description="... per vCPU [MiB]")
    vm_overhead_per_memory: float = Field(
        default=0.0074, ge=0, le=1, description="... per MiB of configured memory [MiB]"
    )
