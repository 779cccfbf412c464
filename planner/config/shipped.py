"""Read YAML files that come with the planner: presets, laws, profiles. Fast, and trusted as the code is.

What users write is read by `yaml_source`, which bounds and explains it.
"""

from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml reads twenty times faster than PyYAML alone, which is what `planner check` would otherwise wait for."""


def load_shipped(package: str, name: str) -> Any:
    """Load a YAML file of a package; the caller gets a copy of its own.

    Parameters
    ----------
    package : str
        E.g. "planner.config".
    name : str
        File in it, with folders: "presets/kvm.yaml".
    """
    return deepcopy(_load(package, name))


@cache
def _load(package: str, name: str) -> Any:
    text = files(package).joinpath(name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=_LOADER)
