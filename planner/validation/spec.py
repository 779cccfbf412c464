"""The shape of a targets file: a YAML list of targets. Unknown keys are errors."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

from planner.validation.base import Expected, Kind, Target


def _number(value: Any) -> Any:
    """Refuse text and true/false where a number is wanted; YAML has no other way to be wrong about numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("is not a number; write a plain number, its unit under `unit`")
    return value


_Number = Annotated[float, BeforeValidator(_number)]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ExpectedSpec(_Spec):
    """One expected quantity and its tolerance. Without a tolerance it must be met exactly."""

    value: _Number = Field(description="Expected value")
    absolute: _Number = Field(default=0.0, ge=0, description="Tolerance in the quantity's unit")
    relative: _Number = Field(default=0.0, ge=0, description="Tolerance as a share of the value; either is enough")
    unit: str = Field(default="", description="Unit, for people")
    is_calibrated: bool = Field(default=False, description="The model was fitted to it: no evidence for the model")
    is_known_miss: bool = Field(default=False, description="The model is known to miss it; `note` must say why")
    note: str = Field(default="", description="Why it is missed, or what it means")

    @model_validator(mode="after")
    def _explain_known_misses(self) -> Self:
        if self.is_known_miss and not self.note:
            raise ValueError("is a known miss without a reason; say under `note` why it is missed")
        return self


class TargetSpec(_Spec):
    """One target: what a check is given, and what it is expected to say."""

    name: str = Field(min_length=1, description="Short unique name")
    title: str = Field(min_length=1, description="One line for people")
    kind: Kind = Field(description="Where the expected values come from")
    source: str = Field(min_length=1, description="Public source of the expected values")
    check: str = Field(min_length=1, description="Name of the check, see `planner validate --list`")
    config: dict[str, Any] = Field(default_factory=dict, description="What the check is given")
    expected: dict[str, ExpectedSpec] = Field(min_length=1, description="Quantity -> expected value")
    is_slow: bool = Field(default=False, description="Takes more than two seconds; the fast tests leave it out")

    def to_target(self) -> Target:
        """Make the target that checks are run for."""
        expected = {name: Expected(**spec.model_dump()) for name, spec in self.expected.items()}
        return Target(self.name, self.title, self.kind, self.source, self.check, self.config, expected, self.is_slow)


def targets_json_schema() -> dict[str, Any]:
    """Build the JSON Schema of a targets file, for editors that complete and check YAML."""
    schema = TypeAdapter(list[TargetSpec]).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
