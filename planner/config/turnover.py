"""VMs that come and go: how many arrive, and how long they stay.

Lifetimes are by default chosen to agree with what Azure published (Cortez et al., SOSP 2017,
doi:10.1145/3132747.3132772): over 90 % of VMs live for less than a day (91.4 % here), and those that live longer hold
over 95 % of the hours (95.8 % here). The mean of the short ones is an assumption: nothing more is known of it.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from planner.config.quantities import Fraction, Seconds


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LifetimeSpec(_Spec):
    """How long an arriving VM stays: exponential, or a mixture of two of them (many short lives, few long ones)."""

    long: Seconds = Field(default=20 * 86_400.0, gt=0, description="Mean lifetime of the VMs that stay long")
    short: Seconds = Field(default=7200.0, gt=0, description="Mean lifetime of the others")
    short_share: Fraction = Field(default=0.91, ge=0, le=1, description="Share of arriving VMs that stay only shortly")

    @property
    def mean(self) -> float:
        """Mean lifetime. [s]."""
        return self.short_share * self.short + (1.0 - self.short_share) * self.long


def expand_lifetime(value: Any) -> Any:
    """Turn a plain duration into the exponential lifetime with that mean."""
    return {"long": value, "short_share": 0.0} if isinstance(value, str) else value


class TurnoverSpec(_Spec):
    """VMs that arrive beside the fleet's own: clones of them, placed when they arrive, gone after their lifetime."""

    arrivals_per_day: float = Field(gt=0, le=1e6, description="VMs that arrive in a day, on average, at random times")
    lifetime: Annotated[
        LifetimeSpec, BeforeValidator(expand_lifetime, json_schema_input_type=Seconds | LifetimeSpec)
    ] = Field(
        default=LifetimeSpec(),
        description="How long they stay; a duration, e.g. 12 h, is the mean of an exponential lifetime",
    )
    from_start: bool = Field(
        default=True,
        description="Whether as many of them as there are on average are there when the horizon starts",
    )
