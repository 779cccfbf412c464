"""The JSON Schema of a config or a change file, for editors that complete and check YAML while it is written."""

from typing import Any

from pydantic import BaseModel

from planner.config.fields import walk_models, written_default
from planner.config.spec import PlannerConfig


def config_json_schema(root: type[BaseModel] = PlannerConfig) -> dict[str, Any]:
    """Build the JSON Schema of a config, or of a change file: shape only, cross-field rules are not in it.

    Notes
    -----
    Pydantic writes defaults as they are inside the program (bytes, seconds); they are put back as written in YAML.
    """
    schema = root.model_json_schema()
    for model in walk_models(root):
        properties = (schema if model is root else schema["$defs"][model.__name__])["properties"]
        for name, field in model.model_fields.items():
            if "default" in properties[name]:
                properties[name]["default"] = written_default(field)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
