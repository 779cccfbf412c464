"""The JSON Schema says what the models say, in the words of YAML."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from planner.cli.schema import schema_command
from planner.config.fields import walk_models
from planner.config.json_schema import config_json_schema
from planner.config.load import load_raw
from planner.config.spec import PlannerConfig

SCHEMA = config_json_schema()
EXAMPLES = sorted((Path(__file__).parents[3] / "cluster_configs").glob("*.yaml"))


def test_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    schema_command(of_targets=False, of_changes=False)
    assert json.loads(capsys.readouterr().out) == SCHEMA


def test_defaults_are_written_as_in_yaml() -> None:
    host = SCHEMA["$defs"]["HostGroupSpec"]["properties"]
    assert host["reserved"]["default"] == "512 MiB"
    assert SCHEMA["properties"]["slo"]["default"]["hosts_affected"] == "5 %"


def test_defaults_match_their_own_pattern() -> None:
    for definition in (SCHEMA, *SCHEMA["$defs"].values()):
        for name, field in definition["properties"].items():
            if "pattern" in field and "default" in field:
                assert re.search(field["pattern"], field["default"]), name


def test_hypervisor_is_a_name_or_a_section() -> None:
    name, section = SCHEMA["properties"]["hypervisor"]["anyOf"]
    assert name == {"type": "string", "enum": ["esxi-8", "hyper-v", "kvm", "ovirt", "proxmox"]}
    assert section == {"$ref": "#/$defs/HypervisorSpec"}


def test_presets_are_listed_for_editors() -> None:
    host = SCHEMA["$defs"]["HostGroupSpec"]["properties"]
    assert "sapphire-rapids" in host["cpu"]["enum"]
    assert "nvme" in host["swap"]["enum"]


@pytest.mark.parametrize("model", tuple(walk_models(PlannerConfig)), ids=lambda model: model.__name__)
def test_every_field_is_described(model) -> None:
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name}"
    assert model.__doc__


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_valid_for_editors_too(path: Path) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(load_raw(path).values)


@pytest.mark.parametrize("change", [{"horizonn": "1 day"}, {"horizon": 5}, {"hypervisor": "esx"}, {"tick": "5 GiB"}])
def test_editors_see_what_check_sees(change: dict) -> None:
    values = {**load_raw(EXAMPLES[0]).values, **change}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(values)
