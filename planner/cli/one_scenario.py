"""A config narrowed down to one ratio and one placement, for commands that look at a single scenario."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from planner.cli.check import known_names
from planner.config.load import load_config
from planner.config.spec import PlannerConfig
from planner.errors import ConfigError, InputError

_NO_AXES = ("sweep.axes={}", "sweep.zip=[]", "sweep.scenarios=[]")
_POSITION = re.compile(r"[\[ ]")


def load_one_scenario(
    config_path: Path, overrides: Sequence[str], ratio: float | None, placement: str | None
) -> PlannerConfig:
    """Load a config with one ratio and one placement; what is wrong with these is said of their options.

    Parameters
    ----------
    overrides : sequence of str
        `path=value`, as given to `--set`.
    ratio, placement : float, str or None
        Of `--ratio` and `--placement`; None: what the config lists first.

    Raises
    ------
    ConfigError, InputError
        The config, an override or an option is wrong.
    """
    options = {}
    if ratio is not None:
        if not math.isfinite(ratio):
            raise InputError("--ratio", f"{ratio:g} is not a finite number", "write a ratio, e.g. 1.5")
        options["sweep.overcommit_ratio"] = ("--ratio", yaml.safe_dump([ratio]))
    if placement is not None:
        options["sweep.placement"] = ("--placement", yaml.safe_dump([placement]))
    changed = [*overrides, *_NO_AXES, *(f"{path}={value}" for path, (_, value) in options.items())]
    try:
        return load_config(config_path, changed, known_names())
    except ConfigError as error:
        issues = []
        for issue in error.issues:
            option = options.get(_POSITION.split(issue.path)[0])
            issues.append(issue._replace(path=option[0]) if option else issue)
        raise ConfigError(tuple(issues), error.source) from None
