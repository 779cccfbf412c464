"""Targets files: what is right is read as written, what is wrong is said with line and remedy, all at once."""

import pytest

from planner.errors import ConfigError, InputError
from planner.validation.base import Expected
from planner.validation.checks import load_checks
from planner.validation.load import check_unique, load_targets, shipped_target_files
from planner.validation.spec import targets_json_schema

SOUND = """\
- name: mine
  title: One host of mine
  kind: published
  source: my own shop
  check: min-free
  config: {memory_gib: [28], directory: runs}
  expected:
    minfree_28: {value: 900, absolute: 2, unit: MiB}
"""


def write(tmp_path, text):
    path = tmp_path / "targets.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def issues_of(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        load_targets(write(tmp_path, text))
    return [(issue.path, issue.line, issue.message, issue.hint) for issue in caught.value.issues]


def test_a_target_is_read_as_written(tmp_path):
    (target,) = load_targets(write(tmp_path, SOUND))
    assert (target.name, target.kind, target.check, target.is_slow) == ("mine", "published", "min-free", False)
    assert target.expected == {"minfree_28": Expected(900, absolute=2, unit="MiB")}
    assert target.config["memory_gib"] == [28]


def test_paths_are_relative_to_the_file_that_names_them(tmp_path):
    (target,) = load_targets(write(tmp_path, SOUND))
    assert target.config["directory"] == str(tmp_path / "runs")


def test_everything_wrong_is_said_at_once(tmp_path):
    text = SOUND + (
        "- name: other\n  title: t\n  kind: gossip\n  source: s\n  chekc: min-free\n  expected: {x: {value: much}}\n"
    )
    assert issues_of(tmp_path, text) == [
        ("[1].check", 9, "is missing", "expected: Name of the check, see `planner validate --list`"),
        (
            "[1].kind",
            11,
            'unknown kind "gossip"',
            "use one of: closed form, memory only, published, real kernel, sampled",
        ),
        (
            "[1].chekc",
            13,
            "unknown key",
            'did you mean "check"? known keys here: name, title, kind, source, check, config, expected, is_slow',
        ),
        ("[1].expected.x.value", 14, "is not a number", "write a plain number, its unit under `unit`"),
    ]


def test_unknown_check_is_refused_with_the_known_ones(tmp_path):
    ((path, line, message, hint),) = issues_of(tmp_path, SOUND.replace("check: min-free", "check: minfree"))
    assert (path, line, message) == ("[0].check", 5, 'unknown check "minfree"')
    assert hint.startswith('did you mean "min-free"? use one of: ')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("name: x\n", "is a dict, not a list"),
        ("- just text\n", "is not a target"),
        (SOUND + SOUND, '"mine" names a target above, too'),
        (SOUND.replace("absolute: 2", "absolute: -2"), "input should be greater than or equal to 0"),
        (
            SOUND.replace("{value: 900, absolute: 2, unit: MiB}", "900"),
            "is not a section",
        ),
        (SOUND.replace("absolute: 2, unit", "toleranz: 2, unit"), "unknown key"),
        (SOUND.split("  expected")[0] + "  expected: {}\n", "dictionary should have at least 1 item"),
    ],
)
def test_wrong_files_are_refused(tmp_path, text, message):
    assert any(found.startswith(message) for _, _, found, _ in issues_of(tmp_path, text))


def test_a_file_that_is_not_there_or_not_yaml(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_targets(tmp_path / "targets.yaml")
    with pytest.raises(ConfigError):
        load_targets(write(tmp_path, "- name: [unclosed\n"))


def test_two_targets_of_one_name_in_two_files_are_refused(tmp_path):
    targets = load_targets(write(tmp_path, SOUND))
    with pytest.raises(ConfigError, match="mine: is the name of another target, too"):
        check_unique([*targets, *targets], "targets")


def test_shipped_targets_are_sound():
    targets = [target for path in shipped_target_files() for target in load_targets(path)]
    check_unique(targets, "shipped")
    assert "min-free" in {target.name for target in targets}


def test_checks_are_found():
    assert "min-free" in load_checks()


def test_the_schema_for_editors_knows_the_keys():
    schema = targets_json_schema()
    assert schema["type"] == "array"
    assert set(schema["$defs"]["TargetSpec"]["required"]) == {"name", "title", "kind", "source", "check", "expected"}
