"""Set one value of a config by its path, with the same validation as the config's own reading."""

import re
from typing import Any

from pydantic import BaseModel, ValidationError

from planner.config.catalog import expand_hypervisor
from planner.config.spec import PlannerConfig
from planner.errors import ConfigError, Issue

_INDEX = re.compile(r"\[(\d+)\]")


def with_value(config: PlannerConfig, path: str, value: bool | float | str) -> PlannerConfig:
    """Return the config with one value replaced.

    Parameters
    ----------
    path : str
        Like `hypervisor.ballooning.enabled` or `fleet.hosts[0].memory`; `hypervisor` alone takes a preset's name.
    value : bool, float or str
        As it would be written in YAML, quantities with their unit.

    Raises
    ------
    ConfigError
        There is no such path, or the value does not validate there.
    """
    keys = _INDEX.sub(r".\1", path).split(".")
    issue_path = f"sweep.axes.{path}"
    changed: PlannerConfig = _replaced(config, keys, value, issue_path)
    return changed


def _replaced(node: Any, keys: list[str], value: object, issue_path: str) -> Any:
    key, rest = keys[0], keys[1:]
    if isinstance(node, tuple) and key.isdigit() and int(key) < len(node):
        if not rest:
            raise ConfigError((Issue(issue_path, "names a whole list entry", "name one of its fields"),))
        idx = int(key)
        return (*node[:idx], _replaced(node[idx], rest, value, issue_path), *node[idx + 1 :])
    if not isinstance(node, BaseModel) or key not in type(node).model_fields:
        known = ", ".join(type(node).model_fields) if isinstance(node, BaseModel) else "none: it is a plain value"
        raise ConfigError((Issue(issue_path, f'there is no "{key}" here', f"known: {known}"),))
    new = _replaced(getattr(node, key), rest, value, issue_path) if rest else _validated(node, key, value, issue_path)
    return node.model_copy(update={key: new})


def _validated(node: BaseModel, key: str, value: object, issue_path: str) -> Any:
    """Validate one field beside its unchanged neighbours; only its own new value is taken over."""
    try:
        raw = expand_hypervisor(value) if isinstance(node, PlannerConfig) and key == "hypervisor" else value
        return getattr(type(node).model_validate({**node.model_dump(mode="json"), key: raw}), key)
    except ValidationError as error:
        issues = tuple(Issue(issue_path, f"{value!r}: {item['msg']}") for item in error.errors())
        raise ConfigError(issues) from error
    except ValueError as error:
        raise ConfigError((Issue(issue_path, str(error)),)) from error
