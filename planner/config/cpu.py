"""What the address translation of one core is made of: data TLBs, page-walk caches, nested TLB, data caches.

The presets are in `cpus.yaml`, each number with its source or marked as an assumption.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from planner.config.quantities import Bytes

LINE_BYTES = 64


def _check_shape(shape: tuple[int, int]) -> tuple[int, int]:
    entries, ways = shape
    if shape != (0, 0) and (ways < 1 or entries < ways or entries % ways):
        raise ValueError(f"{entries} entries are no whole number of sets of {ways} ways")
    return shape


Shape = Annotated[tuple[int, int], AfterValidator(_check_shape)]
"""[entries, ways]; ways = entries is fully associative, [0, 0] that there is none."""


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TlbSpec(_Spec):
    """Data TLBs."""

    l1_4k: Shape = Field(description="First level for 4 KiB pages, or for all sizes where it is unified")
    l1_2m: Shape = Field(description="First level for 2 MiB pages")
    l1_1g: Shape = Field(description="First level for 1 GiB pages; [0, 0]: they are held as 2 MiB pages")
    l1_is_unified: bool = Field(description="Whether one first level holds all page sizes")
    l2: Shape = Field(description="Second level")
    l2_holds_2m: bool = Field(description="Whether 2 MiB pages use the second level, too")
    l2_1g: Shape = Field(description="Second level for 1 GiB pages")
    l2_hit_cycles: int = Field(ge=0, description="Added latency of a second-level hit [cycles]")


class WalkCacheSpec(_Spec):
    """Page-walk caches, of the guest's and of the host's walk each, and the nested TLB."""

    l2: Shape = Field(description="Entries of level 2, each of which points to the last table")
    l3: Shape = Field(description="Entries of level 3")
    l4: Shape = Field(description="Entries of level 4")
    l5: Shape = Field(description="Entries of level 5")
    nested_tlb: Shape = Field(description="Host pages of the guest's page tables")
    hit_cycles: int = Field(ge=0, description="Latency of a hit in any of these [cycles]")


class CacheSpec(_Spec):
    """One data cache."""

    size: Bytes = Field(gt=0, description="Capacity")
    ways: int = Field(gt=0, description="Associativity")
    cores: int = Field(default=1, gt=0, description="Cores that share it")
    hit_cycles: int = Field(ge=0, description="Latency of a hit [cycles]")

    @model_validator(mode="after")
    def _check_sets(self) -> "CacheSpec":
        if self.size % (LINE_BYTES * self.ways * self.cores):
            raise ValueError(
                f"{self.size} bytes are no whole number of sets of {self.ways} ways for {self.cores} cores"
            )
        return self


class DataCacheSpec(_Spec):
    """Data caches, through which page-table entries are read."""

    l1: CacheSpec = Field(description="First level")
    l2: CacheSpec = Field(description="Second level")
    llc: CacheSpec = Field(description="Last level")
    dram_cycles: int = Field(ge=0, description="Latency of memory [cycles]")


class CpuSpec(_Spec):
    """One core."""

    name: str = Field(description="Name of the preset")
    description: str = Field(description="Core and product")
    clock_hz: float = Field(gt=0, description="Core clock [1/s]")
    page_table_levels: Literal[4, 5] = Field(description="Most levels of a page table that it walks")
    tlb: TlbSpec = Field(description="Data TLBs")
    walk_caches: WalkCacheSpec = Field(description="Page-walk caches")
    data_caches: DataCacheSpec = Field(description="Data caches")
