"""`planner schema`: print the JSON Schema of a config, or of a targets file."""

import json

import typer

from planner.config.json_schema import config_json_schema
from planner.validation.spec import targets_json_schema


def schema_command(of_targets: bool) -> None:
    """Print a JSON Schema, for editors.

    Parameters
    ----------
    of_targets : bool
        Of a targets file of `planner validate`, not of a config.
    """
    schema = targets_json_schema() if of_targets else config_json_schema()
    typer.echo(json.dumps(schema, indent=2, ensure_ascii=False))
