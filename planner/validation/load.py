"""Read targets files: ours and others'. Everything that is wrong in a file is reported at once, with its line."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from planner.config.paths import Loc, format_path, get_value
from planner.config.suggest import name_problem, nearest_name
from planner.config.yaml_source import RawConfig, parse_yaml, read_text
from planner.errors import ConfigError, Issue
from planner.validation.base import Target
from planner.validation.checks import load_checks
from planner.validation.spec import ExpectedSpec, TargetSpec

_PATH_KEYS = ("directory", "file")
_REMEDY = "docs/validation.md has an example"


def shipped_target_files() -> list[Path]:
    """List the targets files that come with the planner, sorted."""
    folder = Path(str(files("planner.validation") / "targets"))
    return sorted(folder.glob("*.yaml"))


def load_targets(path: Path) -> list[Target]:
    """Read a targets file.

    Raises
    ------
    InputError
        The file cannot be read.
    ConfigError
        Something is wrong in it: `issues` lists everything found, sorted by line.
    """
    raw = parse_yaml(read_text(path, "targets file"), str(path))
    if not isinstance(raw.values, list) or not raw.values:
        found = "is empty" if raw.values is None else f"is a {type(raw.values).__name__}, not a list"
        hint = f'start each target with "- name:"; {_REMEDY}'
        raise ConfigError((*raw.issues, Issue("targets", found, hint, 1)), str(path))
    issues, targets = list(raw.issues), []
    for position, values in enumerate(raw.values):
        found_issues = _shape_issues(values, position, raw)
        issues += found_issues
        if not found_issues:
            spec = TargetSpec.model_validate(values)
            config = {key: _resolve(key, value, path.parent) for key, value in spec.config.items()}
            targets.append(spec.model_copy(update={"config": config}).to_target())
            issues += _check_issues(spec, position, raw)
    issues += _twice_issues([values.get("name") if isinstance(values, dict) else None for values in raw.values], raw)
    if issues:
        raise ConfigError(tuple(sorted(set(issues), key=lambda issue: (issue.line or 0, issue.path))), str(path))
    return targets


def check_unique(targets: Iterable[Target], place: str) -> None:
    """Refuse two targets of one name.

    Raises
    ------
    ConfigError
        There are such targets.
    """
    seen: set[str] = set()
    twice: list[str] = []
    for target in targets:
        (twice.append if target.name in seen else seen.add)(target.name)
    issues = [Issue(name, "is the name of another target, too", "give it a name of its own") for name in twice]
    if issues:
        raise ConfigError(tuple(issues), place)


def _shape_issues(values: Any, position: int, raw: RawConfig) -> list[Issue]:
    if not isinstance(values, dict):
        return [Issue(f"[{position}]", "is not a target", _REMEDY, raw.lines.get((position,)))]
    try:
        TargetSpec.model_validate(values)
    except ValidationError as error:
        return [_issue(item, (position, *item["loc"]), raw) for item in error.errors(include_url=False)]
    return []


def _issue(item: ErrorDetails, loc: Loc, raw: RawConfig) -> Issue:
    place, line = format_path(loc), _line(loc, raw)
    fields = ExpectedSpec.model_fields if len(loc) == 4 else TargetSpec.model_fields
    field = fields.get(str(loc[-1]))
    wanted = f"expected: {field.description}" if field and field.description else _REMEDY
    if item["type"] == "extra_forbidden":
        nearest = nearest_name(str(loc[-1]), fields)
        guess = f'did you mean "{nearest}"? ' if nearest else ""
        return Issue(place, "unknown key", f"{guess}known keys here: {', '.join(fields)}", line)
    if item["type"] == "missing":
        return Issue(place, "is missing", wanted, line)
    if item["type"] == "literal_error":
        return Issue(place, *name_problem("kind", str(get_value(raw.values, loc)), _kinds()), line)
    if item["type"] in ("model_type", "dict_type"):
        return Issue(place, "is not a section", "write keys and values below it, e.g. {value: 4, relative: 0.05}", line)
    message = item["msg"].removeprefix("Value error, ")
    text, _, hint = message.partition("; ")
    return Issue(place, text[0].lower() + text[1:], hint or wanted, line)


def _kinds() -> list[str]:
    schema = TargetSpec.model_json_schema()["properties"]["kind"]
    return [str(kind) for kind in schema["enum"]]


def _check_issues(spec: TargetSpec, position: int, raw: RawConfig) -> list[Issue]:
    checks = load_checks()
    if spec.check in checks:
        return []
    loc = (position, "check")
    return [Issue(format_path(loc), *name_problem("check", spec.check, checks), _line(loc, raw))]


def _twice_issues(names: list[Any], raw: RawConfig) -> list[Issue]:
    return [
        Issue(f"[{n}].name", f'"{name}" names a target above, too', "give it another name", _line((n, "name"), raw))
        for n, name in enumerate(names)
        if name is not None and name in names[:n]
    ]


def _line(loc: Loc, raw: RawConfig) -> int | None:
    while loc and loc not in raw.lines:
        loc = loc[:-1]
    return raw.lines.get(loc)


def _resolve(key: str, value: Any, folder: Path) -> Any:
    return str((folder / value).resolve()) if key in _PATH_KEYS and isinstance(value, str) else value
