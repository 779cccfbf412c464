"""What a sweep varies: ratios, placements, further axes in three forms, replicates."""

from pydantic import BaseModel, ConfigDict, Field

AxisValue = bool | float | str
"""What an axis may be set to, as it would be written in YAML."""


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
