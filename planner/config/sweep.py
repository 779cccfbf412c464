"""What a sweep varies: ratios, placements, further axes in three forms, replicates."""

from pydantic import BaseModel, ConfigDict, Field

AxisValue = bool | float | str
"""What an axis may be set to, as it would be written in YAML."""


class AdaptiveSpec(BaseModel):
    """Search for the largest ratio that meets the objective, instead of simulating every ratio alike."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min: float | None = Field(
        default=None, gt=0, le=20, description="Smallest ratio; omitted: the smallest of overcommit_ratio"
    )
    max: float | None = Field(
        default=None, gt=0, le=20, description="Largest ratio; omitted: the largest of overcommit_ratio"
    )
    resolution: float = Field(default=0.05, ge=0.001, le=1, description="Step between the ratios that it may choose")
    replicates_max: int | None = Field(
        default=None, ge=1, le=10_000, description="Most replicates of a ratio; omitted: four times replicates"
    )


class SweepSpec(BaseModel):
    """What is varied."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    overcommit_ratio: tuple[float, ...] = Field(
        default=(1.0, 1.2, 1.4, 1.6, 1.8, 2.0),
        min_length=1,
        description="Limits on configured / usable memory of a host",
    )
    placement: tuple[str, ...] = Field(default=("first-fit",), min_length=1, description="Placement strategies")
    replicates: int = Field(default=8, ge=1, le=10_000, description="Independent draws of every scenario")
    axes: dict[str, tuple[AxisValue, ...]] = Field(
        default={}, description="Further axes: any config path and its values; every combination is simulated"
    )
    zip: tuple[dict[str, tuple[AxisValue, ...]], ...] = Field(
        default=(),
        description="Axes that move together: blocks of config paths, all of a block with equally many values",
    )
    scenarios: tuple[dict[str, AxisValue], ...] = Field(
        default=(),
        description="Scenarios one by one: overcommit_ratio, placement and config paths; what one leaves out is swept "
        "as the other keys say",
    )
    sensitivity: bool = Field(
        default=False, description="Vary the assumptions that no data pin down, and say which moves the answer most"
    )
    adaptive: AdaptiveSpec | None = Field(
        default=None,
        description="Search the ratios: costs no more than simulating all of them, and says what it did",
    )
