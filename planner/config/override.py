"""Change single values of a config, by path: `--set` on the command line and the axes of a sweep."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from planner.config.paths import Loc, format_path, parse_path, set_value
from planner.config.spec import PlannerConfig
from planner.config.translate import explain, locate_errors
from planner.config.yaml_source import parse_yaml
from planner.errors import ConfigError, Issue


def apply_overrides(
    values: dict[str, Any], overrides: tuple[str, ...]
) -> tuple[dict[str, Any], list[Loc], list[Issue]]:
    """Apply `path=value` texts to the values of a config as written.

    Returns
    -------
    tuple
        The changed copy, the paths that were set, what is wrong with the overrides themselves.
    """
    changed = deepcopy(values)
    locs: list[Loc] = []
    issues: list[Issue] = []
    for text in overrides:
        loc, value, issue = _parse_override(text)
        issue = issue or set_value(changed, loc, value, create=True)
        if issue is not None:
            issues.append(issue._replace(path=f"--set {issue.path}"))
        else:
            locs.append(loc)
    return changed, locs, issues


def override_config(config: PlannerConfig, changes: Mapping[str, object]) -> PlannerConfig:
    """Make a config that differs in some values, through the same validation as a file.

    Parameters
    ----------
    changes : mapping
        Path -> value as it would be written in YAML, e.g. {"fleet.hosts[0].memory": "1 TiB"}. `hypervisor` takes the
        name of a preset, and replaces the whole policy.

    Raises
    ------
    ConfigError
        A path does not exist or a value is not valid there. Cross-field rules are not checked.
    """
    values = config.model_dump(mode="json")
    issues = []
    for path, value in changes.items():
        issue = _set_existing(values, path, value)
        if issue is not None:
            issues.append(issue)
    if issues:
        raise ConfigError(tuple(issues))
    try:
        return PlannerConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(tuple(explain(item) for item in locate_errors(error, values))) from None


def find_path_problem(config: PlannerConfig, path: str) -> Issue | None:
    """Say what is wrong with a path that `override_config` is to change; None when it exists."""
    return _set_existing(config.model_dump(mode="json"), path, None)


def _set_existing(values: dict[str, Any], path: str, value: object) -> Issue | None:
    try:
        loc = parse_path(path)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        return Issue(path, message, hint)
    if loc == ("hypervisor", "preset"):
        return Issue(path, "would change the name of the preset and none of its values", 'use the path "hypervisor"')
    return set_value(values, loc, value, create=False)


def _parse_override(text: str) -> tuple[Loc, Any, Issue | None]:
    path, equals, value_text = text.partition("=")
    how = 'write --set path=value, e.g. --set "slo.confidence=90 %"'
    if not equals:
        return (), None, Issue(text, "has no =", how)
    if not value_text.strip():
        return (), None, Issue(path, "has no value after =", how)
    try:
        loc = parse_path(path.strip())
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        return (), None, Issue(path, message, hint)
    try:
        raw = parse_yaml(value_text, "")
    except ConfigError as error:
        return (), None, Issue(path, f"{value_text!r} is not YAML: {error.issues[0].message}", how)
    if raw.issues:
        return (), None, raw.issues[0]._replace(path=format_path(loc), line=None)
    return loc, raw.values, None
