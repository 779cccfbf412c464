"""YAML from users is bounded: nesting, aliases, length, numbers; and nothing in it is executed."""

import time

import pytest

from planner.config import yaml_nodes, yaml_source
from planner.config.load import load_config
from planner.config.yaml_source import parse_yaml, read_text
from planner.errors import ConfigError, InputError


def problems(text):
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "x.yaml")
    return [str(issue) for issue in caught.value.issues]


@pytest.mark.parametrize("text", ["[" * 5_000_000, "{a: " * 1_000_000, "- " * 1_000_000])
def test_endless_nesting_is_refused_where_it_is_met(text):
    started_s = time.process_time()
    assert problems(text) == ["YAML (line 1): is nested too deeply; write at most 50 levels"]
    assert time.process_time() - started_s < 2.0


def test_fifty_levels_are_read():
    assert parse_yaml("[" * 50 + "]" * 50, "x").values is not None


def test_a_billion_laughs_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    started_s = time.process_time()
    (issue,) = problems("\n".join(lines))
    assert "write the values out without aliases" in issue
    assert time.process_time() - started_s < 2.0


def test_an_alias_of_itself_is_refused():
    (issue,) = problems("a: &a [*a]")
    assert "refers to itself" in issue


def test_an_alias_without_anchor_is_named():
    (issue,) = problems("a: 1\nb: *nope")
    assert issue.startswith('YAML (line 2): syntax error: the alias "*nope" has no anchor; check ')


def test_too_many_values_are_refused(monkeypatch):
    monkeypatch.setattr(yaml_nodes, "MAX_NODES", 1000)
    (issue,) = problems("[" + "0," * 1001 + "]")
    assert issue == "YAML (line 1): holds more than 1,000 values; import long lists of VMs from tables"


def test_a_number_without_end_is_refused_and_not_computed():
    raw = parse_yaml(f"seed: {'9' * 5000}\nother: 0.{'1' * 5000}", "x")
    assert [str(issue) for issue in raw.issues] == [
        "seed (line 1): is a number of 5,000 characters; write at most 100",
        "other (line 2): is a number of 5,002 characters; write at most 100",
    ]


def test_characters_that_begin_nothing_are_named():
    assert problems("a: @b") == ["YAML (line 1): syntax error: @ cannot begin a value; put the value in quotes"]


def test_tags_are_never_followed(tmp_path):
    raw = parse_yaml("a: !!python/object/apply:os.system ['touch x']\nb: !!binary aGk=", "x")
    assert raw.values == {"a": None, "b": None}
    assert [issue.message for issue in raw.issues] == [
        'has the tag "tag:yaml.org,2002:python/object/apply:os.system"',
        'has the tag "tag:yaml.org,2002:binary"',
    ]


def test_a_giant_config_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "x.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # takes no room on the disk
    with pytest.raises(InputError, match="is larger than 16 MiB"):
        read_text(path)


def test_an_override_that_is_no_text_is_an_issue(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("schema_version: 1")
    with pytest.raises(ConfigError, match="is not YAML"):
        load_config(path, ["seed=\udcff"])


def test_without_libyaml_the_same_values_come_out(monkeypatch):
    text = "a: [1, 2.5, x, 'y', {b: &c [~, true]}]\nd: *c\ne: |\n  long\n  text\n"
    fast = parse_yaml(text, "x")
    monkeypatch.setattr(yaml_nodes, "_LOADER", yaml_nodes.yaml.SafeLoader)
    assert parse_yaml(text, "x") == fast
    assert fast.values == {"a": [1, 2.5, "x", "y", {"b": [None, True]}], "d": [None, True], "e": "long\ntext\n"}
    assert yaml_source.MAX_DEPTH == 50
