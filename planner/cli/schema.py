"""`planner schema`: print the JSON Schema of a config."""

import json

import typer

from planner.config.json_schema import config_json_schema


def schema_command() -> None:
    """Print the JSON Schema of a config, for editors."""
    typer.echo(json.dumps(config_json_schema(), indent=2, ensure_ascii=False))
