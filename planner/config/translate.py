"""Turn pydantic's errors into issues that a stranger can act on: path, what was written, what would be right."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from planner.config.fields import models_in, written_example, written_value
from planner.config.paths import Loc, format_path, get_value
from planner.config.spec import PlannerConfig
from planner.config.suggest import nearest_name
from planner.errors import Issue

_MISSING = object()
_SCALAR_BRANCHES = ("bool", "float", "str")


class ShapeError(BaseModel):
    """One pydantic error, located: `loc` is the path in the config, `field` the declaration it belongs to, if any."""

    model_config = {"arbitrary_types_allowed": True, "frozen": True}

    loc: Loc
    kind: str
    message: str
    context: dict[str, Any]
    got: Any
    field: FieldInfo | None
    siblings: tuple[str, ...]


def locate_errors(error: ValidationError, values: Any, root: type[BaseModel] = PlannerConfig) -> list[ShapeError]:
    """List the errors of a validation against the model `root`, with their paths in the file, each path once."""
    found: dict[Loc, ShapeError] = {}
    for detail in error.errors(include_url=False):
        # A list whose only entry is wrong counts as too short, too: the entry's own error says what to mend.
        is_echo = detail["type"] == "too_short" and bool(detail["input"])
        if not is_echo:
            shape = _locate(detail, values, root)
            found.setdefault(shape.loc, shape)
    return list(found.values())


def explain(error: ShapeError) -> Issue:
    """Word one error: what was written, what is wrong with it, what would be right."""
    path = format_path(error.loc)
    if error.got is None and error.kind != "missing":
        return Issue(path, "has no value", _wanted(error))
    if _is_axis_value(error.loc):
        return Issue(path, f"{_show(error.got)} is not a plain value", "axes take true, false, numbers and text")
    message, hint = _EXPLAIN.get(error.kind, _explain_other)(error)
    return Issue(path, message, hint)


def _is_axis_value(loc: Loc) -> bool:
    """Whether it is one value under `sweep.axes`, `sweep.zip` or `sweep.scenarios`."""
    section, depth = loc[:2], len(loc)
    return (section, depth) in ((("sweep", "axes"), 4), (("sweep", "zip"), 5), (("sweep", "scenarios"), 4))


def _locate(detail: ErrorDetails, values: Any, root: type[BaseModel]) -> ShapeError:
    loc, field, models = _resolve(detail["loc"], root)
    kind = detail["type"]
    if kind == "missing" and isinstance(loc[-1], int):
        kind, loc = "too_short", loc[:-1]
    got = get_value(values, loc, _MISSING)
    return ShapeError(
        loc=loc,
        kind=kind,
        message=detail["msg"].removeprefix("Value error, "),
        context=dict(detail.get("ctx", {})),
        got=detail["input"] if got is _MISSING else got,
        field=field,
        siblings=tuple(name for model in models for name in model.model_fields),
    )


def _resolve(raw_loc: Loc, root: type[BaseModel]) -> tuple[Loc, FieldInfo | None, list[type[BaseModel]]]:
    """Drop union tags from a location; find the field it names and the models that hold the field."""
    loc: list[str | int] = []
    field: FieldInfo | None = None
    holders: list[type[BaseModel]] = [root]
    models = holders
    for part in raw_loc:
        tagged = [model for model in models if model.__name__ == part]
        if tagged or (part in _SCALAR_BRANCHES and not models):
            models = tagged
            continue
        loc.append(part)
        if isinstance(part, str):
            holders = models
            field = next((m.model_fields[part] for m in models if part in m.model_fields), None)
            models = models_in(field.annotation) if field else []
    return tuple(loc), field, holders


def _show(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else written_value(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _wanted(error: ShapeError) -> str:
    if error.field is None or not error.field.description:
        return "see `planner schema`"
    description = error.field.description
    start = description if description[1:2].isupper() else description[0].lower() + description[1:]
    example = written_example(error.field)
    return f"expected: {start}" + (f", e.g. {example}" if example else "")


def _explain_missing(error: ShapeError) -> tuple[str, str]:
    return "is missing", _wanted(error)


def _explain_unknown(error: ShapeError) -> tuple[str, str]:
    key = str(error.loc[-1])
    nearest = nearest_name(key, error.siblings)
    guess = f'did you mean "{nearest}"? ' if nearest else ""
    return "unknown key", f"{guess}known keys here: {', '.join(error.siblings)}"


def _explain_value(error: ShapeError) -> tuple[str, str]:
    message, _, hint = error.message.partition("; ")
    return message, hint


def _explain_vms(error: ShapeError) -> tuple[str, str]:
    message, hint = _explain_value(error)
    return f"{_show(error.got)} {message}", hint


def _explain_choice(error: ShapeError) -> tuple[str, str]:
    expected = str(error.context["expected"]).replace("'", "")
    nearest = (
        nearest_name(error.got, expected.replace(" or ", ", ").split(", ")) if isinstance(error.got, str) else None
    )
    guess = f'did you mean "{nearest}"? ' if nearest else ""
    return f"{_show(error.got)} is not known", f"{guess}use {expected}"


def _explain_bound(error: ShapeError) -> tuple[str, str]:
    words = {"gt": "must be more than", "ge": "must be at least", "lt": "must be less than", "le": "must be at most"}
    name, limit = next((key, error.context[key]) for key in words if key in error.context)
    is_percent = isinstance(error.got, str) and error.got.strip().endswith("%")
    bound = f"{limit * 100:g} %" if is_percent else f"{limit:g}" if isinstance(limit, float) else f"{limit}"
    return f"{_show(error.got)} {words[name]} {bound}", _wanted(error)


def _explain_bool(error: ShapeError) -> tuple[str, str]:
    return f"{_show(error.got)} is neither true nor false", "write true or false"


def _explain_int(error: ShapeError) -> tuple[str, str]:
    return f"{_show(error.got)} is not a whole number", _wanted(error)


def _explain_float(error: ShapeError) -> tuple[str, str]:
    return f"{_show(error.got)} is not a number", _wanted(error)


def _explain_text(error: ShapeError) -> tuple[str, str]:
    quoted = f', written in quotes: "{error.got}"' if isinstance(error.got, int | float) else ""
    return f"{_show(error.got)} is not text", _wanted(error) + quoted


def _explain_empty(error: ShapeError) -> tuple[str, str]:
    least = error.context.get("min_length", 1)
    if isinstance(error.got, list) and error.got:
        return f"{_show(error.got)} has too few entries", _wanted(error)
    return "is empty", f"needs at least {least}; {_wanted(error)}"


def _explain_long(error: ShapeError) -> tuple[str, str]:
    return f"{_show(error.got)} has too many entries", _wanted(error)


def _explain_list(error: ShapeError) -> tuple[str, str]:
    scalar = not isinstance(error.got, dict)
    fix = f"write [{error.got}]" if scalar else 'start each entry with "- "'
    return f"{_show(error.got)} is not a list", f"{fix}; {_wanted(error)}"


def _explain_section(error: ShapeError) -> tuple[str, str]:
    models = models_in(error.field.annotation) if error.field else [PlannerConfig]
    keys = [name for model in models for name in model.model_fields]
    switch = f", e.g. {error.loc[-1]}: {{enabled: false}}" if "enabled" in keys else ""
    return f"{_show(error.got)} is not a section", f"write keys below it: {', '.join(keys)}{switch}"


def _explain_other(error: ShapeError) -> tuple[str, str]:
    return f"{_show(error.got)} is not valid: {error.message.lower()}", _wanted(error)


_EXPLAIN: dict[str, Callable[[ShapeError], tuple[str, str]]] = {
    "missing": _explain_missing,
    "extra_forbidden": _explain_unknown,
    "value_error": _explain_value,
    "vms_kind": _explain_vms,
    "literal_error": _explain_choice,
    "greater_than": _explain_bound,
    "greater_than_equal": _explain_bound,
    "less_than": _explain_bound,
    "less_than_equal": _explain_bound,
    "bool_parsing": _explain_bool,
    "bool_type": _explain_bool,
    "int_parsing": _explain_int,
    "int_type": _explain_int,
    "int_from_float": _explain_int,
    "float_parsing": _explain_float,
    "float_type": _explain_float,
    "finite_number": _explain_float,
    "string_type": _explain_text,
    "string_too_short": _explain_empty,
    "too_short": _explain_empty,
    "too_long": _explain_long,
    "tuple_type": _explain_list,
    "list_type": _explain_list,
    "model_type": _explain_section,
    "model_attributes_type": _explain_section,
    "dict_type": _explain_section,
}
