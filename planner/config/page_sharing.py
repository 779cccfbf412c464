"""The page sharing part of a hypervisor policy: one mechanism, by the rules of ESXi (TPS) or of Linux (KSM)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from planner.config.quantities import BytesPerSecond, Seconds


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ScanCostSpec(_Spec):
    """CPU time of one visit of the scanner to a 4 KiB page, by what comes of it. The defaults are those of ESXi."""

    checksum: Seconds = Field(default=0.85e-6, ge=0, description="Content changed or is new: checksum only")
    search: Seconds = Field(default=0.85e-6, ge=0, description="Content unchanged, no partner found")
    merge: Seconds = Field(default=6.2e-6, ge=0, description="Merged with an equal page")
    merged: Seconds = Field(default=0.0, ge=0, description="Was merged before")
    passed_over: Seconds = Field(default=0.0, ge=0, description="Skipped by smart_scan, or not in memory")


MOST_OF_A_KNOB = 2**31 - 1
"""Largest int of the kernel."""
LONGEST_PAUSE_MS = 3_600_000
MOST_SHARING = 2**30


class KsmSpec(_Spec):
    """Knobs of Linux KSM, with the kernel's names, units and defaults."""

    pages_to_scan: int = Field(default=100, ge=1, le=MOST_OF_A_KNOB, description="Pages of a batch")
    sleep_millisecs: int = Field(default=20, ge=0, le=LONGEST_PAUSE_MS, description="Pause after a batch [ms]")
    timer_hz: int = Field(
        default=250, ge=24, le=1000,
        description="Timer ticks a second (CONFIG_HZ): a pause lasts whole ticks, half a tick longer on average",
    )  # fmt: skip
    use_zero_pages: bool = Field(default=False, description="Merge empty pages with the kernel's zero page")
    max_page_sharing: int = Field(default=256, ge=2, le=MOST_SHARING, description="Most mappings of one merged frame")
    stable_node_chains_prune_millisecs: int = Field(
        default=2000, ge=0, le=MOST_OF_A_KNOB, description="Pause between two cleanings of the same chain [ms]"
    )
    smart_scan: bool = Field(default=True, description="Skip pages that could not be merged several times running")
    advisor_mode: Literal["none", "scan-time"] = Field(default="none", description="Who sets pages_to_scan")
    advisor_target_scan_time: int = Field(
        default=200, ge=1, le=MOST_OF_A_KNOB, description="Wanted time of a full scan [s]"
    )
    advisor_max_cpu: int = Field(default=70, ge=1, le=100, description="Most CPU time of the scanner [%]")
    advisor_min_pages_to_scan: int = Field(
        default=500, ge=1, le=MOST_OF_A_KNOB, description="Pages of a batch to start with"
    )
    advisor_max_pages_to_scan: int = Field(default=30_000, ge=1, le=MOST_OF_A_KNOB, description="Most pages of a batch")


class PageSharingSpec(_Spec):
    """Transparent page sharing (ESXi) or kernel same-page merging (Linux)."""

    enabled: bool = Field(default=True, description="Whether pages of equal content are merged")
    rules: Literal["esxi", "ksm"] = Field(default="esxi", description="Whose scanner: ESXi's TPS or Linux's KSM")
    salting: bool = Field(default=True, description="true: only within a VM (ESXi since 2014); false: between VMs, too")
    numa_local: bool = Field(default=True, description="Share within a NUMA node only (KSM: merge_across_nodes 0)")
    full_scan: Seconds = Field(
        default=3600.0, gt=0, description="esxi: wanted time to scan a whole VM (Mem.ShareScanTime)"
    )
    pages_per_s_per_vm: float = Field(default=1024.0, gt=0, description="esxi: cap per VM (Mem.ShareRateMax)")
    scan_per_ghz: BytesPerSecond = Field(
        default=4.0 * 2**20, gt=0, description="esxi: cap per host, for each GHz of all its cores (Mem.ShareScanGHz)"
    )
    break_large_pages_below: float = Field(
        default=4.0, ge=0,
        description="esxi: share 2 MiB-backed pages once free memory is under this multiple of minFree; 0: never",
    )  # fmt: skip
    ksm: KsmSpec = Field(default=KsmSpec(), description="ksm: the kernel's knobs")
    cost: ScanCostSpec = Field(default=ScanCostSpec(), description="CPU time of the scanner")
