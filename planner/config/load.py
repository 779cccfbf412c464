"""From a YAML file to a checked config, or to a list of everything that is wrong with it.

Two stages: shape (pydantic, unknown keys refused) and cross-field rules (`check.py`). Presets are laid under what the
file says, overrides over it, before the first stage.
"""

import re
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from planner.config.catalog import load_hypervisor_preset
from planner.config.check import KnownNames, check_config
from planner.config.hypervisor import HypervisorSpec
from planner.config.measured import include_measured
from planner.config.override import apply_overrides
from planner.config.paths import Loc, format_path, get_value
from planner.config.spec import PlannerConfig
from planner.config.translate import ShapeError, explain, locate_errors
from planner.config.yaml_source import RawConfig, parse_yaml, read_text
from planner.errors import ConfigError, Issue

_LAST_PART = re.compile(r"(\.[\w-]+|\[[^\]]*\])$")
_NUMBER = re.compile(r"(\d+)")


def load_raw(path: Path | str) -> RawConfig:
    """Read a config file into plain values, with the line of each.

    Raises
    ------
    InputError
        The file cannot be read.
    ConfigError
        It is not YAML, empty, or not a mapping.
    """
    raw = parse_yaml(read_text(Path(path)), str(path))
    if raw.values is None and not raw.issues:
        hint = "start from a file in cluster_configs/, e.g. cluster_configs/demo.yaml"
        raise ConfigError((Issue("config", "the file is empty", hint),), str(path))
    if not isinstance(raw.values, dict):
        hint = 'write "key: value" lines, starting with "schema_version: 1"'
        issue = Issue("config", f"is a {_kind_name(raw.values)}, not a mapping", hint, 1)
        raise ConfigError((*raw.issues, issue), str(path))
    return raw._replace(issues=(*raw.issues, *include_measured(raw.values, Path(path).parent)))


def load_config(path: Path | str, overrides: Sequence[str] = (), known: KnownNames | None = None) -> PlannerConfig:
    """Load, override and check a config.

    Parameters
    ----------
    path : Path or str
        YAML file. Relative paths inside it are relative to its directory.
    overrides : sequence of str
        `path=value`, as given to `--set`; later ones win.
    known : KnownNames, optional
        Names that layers above know (placements, generators); without them these names are not checked.

    Raises
    ------
    InputError
        The file cannot be read.
    ConfigError
        Something is wrong in it: `issues` lists everything found, sorted by path.
    """
    raw = load_raw(path)
    values, override_locs, override_issues = apply_overrides(raw.values, tuple(overrides))
    config, shape_errors = _validate(values)
    issues = [*raw.issues, *override_issues]
    origin = Origin(raw, override_locs)
    issues += [origin.mark(explain(error)) for error in shape_errors]
    checked = config or _validate_sound_part(values, shape_errors)
    if checked is not None:
        issues += [origin.mark(issue) for issue in check_config(checked, Path(path).parent, known or KnownNames())]
    if issues or config is None:
        raise ConfigError(tuple(sorted(set(issues), key=_sort_key)), str(path))
    return config


def load_hypervisor(name: str) -> HypervisorSpec:
    """Load the policy of a hypervisor preset.

    Raises
    ------
    ConfigError
        No preset of that name.
    """
    return HypervisorSpec.model_validate(load_hypervisor_preset(name))


def _validate(values: dict[str, Any]) -> tuple[PlannerConfig | None, list[ShapeError]]:
    try:
        return PlannerConfig.model_validate(values), []
    except ValidationError as error:
        return None, locate_errors(error, values)


def _validate_sound_part(values: dict[str, Any], errors: list[ShapeError]) -> PlannerConfig | None:
    """Leave out what is wrong and optional, so that cross-field rules can be checked on the rest at the same time."""
    pruned = deepcopy(values)
    for error in errors:
        holder = get_value(pruned, error.loc[:-1])
        if isinstance(holder, dict):
            holder.pop(error.loc[-1] if error.loc else None, None)
    return _validate(pruned)[0]


class Origin:
    """Where each value came from: a line of the file, or `--set`."""

    def __init__(self, raw: RawConfig, override_locs: list[Loc]) -> None:
        self._lines = {format_path(loc): line for loc, line in raw.lines.items()}
        self._overridden = {format_path(loc) for loc in override_locs}

    def mark(self, issue: Issue) -> Issue:
        """Add the line of the value or of the nearest section around it, or say that it came from `--set`."""
        around = [issue.path]
        while (shorter := _LAST_PART.sub("", around[-1])) != around[-1]:
            around.append(shorter)
        if any(path in self._overridden for path in around):
            return issue._replace(path=f"{issue.path} (from --set)")
        line = next((self._lines[path] for path in around if path in self._lines), None)
        return issue if line is None else issue._replace(line=line)


_IS_POSITION = re.compile(r"[0-9]{1,9}").fullmatch  # a key may be any text, "²" or five thousand digits, too


def _sort_key(issue: Issue) -> tuple[list[tuple[int, str]], str]:
    parts = _NUMBER.split(issue.path)
    return [(int(part), "") if _IS_POSITION(part) else (-1, part) for part in parts], issue.message


def _kind_name(value: object) -> str:
    return "list" if isinstance(value, list) else "single value"
