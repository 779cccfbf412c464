"""`planner schema`: print the JSON Schema of a config, of a targets file, or of a change file."""

import json

import typer

from planner.config.change import ChangeSpec
from planner.config.json_schema import config_json_schema
from planner.config.spec import PlannerConfig
from planner.errors import InputError
from planner.validation.spec import targets_json_schema


def schema_command(of_targets: bool, of_changes: bool) -> None:
    """Print a JSON Schema, for editors.

    Parameters
    ----------
    of_targets : bool
        Of a targets file of `planner validate`, not of a config.
    of_changes : bool
        Of a change file of `planner whatif`.

    Raises
    ------
    InputError
        Both are asked for.
    """
    if of_targets and of_changes:
        raise InputError("planner schema", "prints one schema at a time", "give --targets or --changes")
    schema = targets_json_schema() if of_targets else config_json_schema(ChangeSpec if of_changes else PlannerConfig)
    typer.echo(json.dumps(schema, indent=2, ensure_ascii=False))
