"""What can be said of a config's fields without a config: models they lead to, defaults and examples as written."""

from collections.abc import Iterator
from typing import Any, get_args

import yaml
from pydantic import BaseModel, PlainSerializer, WithJsonSchema
from pydantic.fields import FieldInfo


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """List the models that a type leads to, through unions, tuples and annotations."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in models_in(inner)]


def walk_models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield a model and all models below it, depth first, each once."""
    seen: set[type[BaseModel]] = set()
    waiting = [model]
    while waiting:
        current = waiting.pop(0)
        if current in seen:
            continue
        seen.add(current)
        yield current
        below = [inner for field in current.model_fields.values() for inner in models_in(field.annotation)]
        waiting = below + waiting


def written_default(field: FieldInfo) -> Any:
    """Give a field's default as it would be written in YAML: quantities with their unit, sections as dicts."""
    if isinstance(field.default, BaseModel):
        return field.default.model_dump(mode="json")
    writers = [item.func for item in field.metadata if isinstance(item, PlainSerializer)]
    if writers and field.default is not None:
        return writers[0](field.default)  # type: ignore[call-arg]
    return list(field.default) if isinstance(field.default, tuple) else field.default


def written_value(value: Any) -> str:
    """Write a value on one line as YAML would have it, text without quotes."""
    if isinstance(value, list | dict):
        return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).strip()
    return str(value).lower() if isinstance(value, bool) else str(value)


def written_example(field: FieldInfo) -> str:
    """Give a value that the field takes: its default, else an example of its kind; empty when there is neither."""
    if isinstance(field.default, str | int | float | tuple) and field.default != ():
        return written_value(written_default(field))
    for item in field.metadata:
        if isinstance(item, WithJsonSchema) and item.json_schema and item.json_schema.get("examples"):
            return str(item.json_schema["examples"][0])
    return ""
