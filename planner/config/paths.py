"""Paths into a config: `fleet.hosts[0].memory` as text, a tuple of keys and positions inside."""

import re
from typing import Any

from planner.config.suggest import nearest_name
from planner.errors import Issue

Loc = tuple[str | int, ...]
_PLAIN_KEY = re.compile(r"[\w-]+")
_TOKEN = re.compile(r"\.?([\w-]+)|\[(\d+)\]|\[\"([^\"]+)\"\]")


def format_path(loc: Loc) -> str:
    """Write a path as people do: ("fleet", "hosts", 0) -> "fleet.hosts[0]"."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text or "config"


def parse_path(text: str) -> Loc:
    """Read a path; `hosts[0]` and `hosts.0` mean the same.

    Raises
    ------
    ValueError
        Not a path.
    """
    loc: list[str | int] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or (position == 0 and match.group(0).startswith(".")):
            raise ValueError(f'"{text}" is not a path; write e.g. slo.confidence or fleet.hosts[0].memory')
        word, index, quoted = match.groups()
        if index is not None or (word is not None and word.isdigit()):
            loc.append(int(index if index is not None else word))
        else:
            loc.append(word if word is not None else quoted)
        position = match.end()
    if not loc:
        raise ValueError("the path is empty; write e.g. slo.confidence or fleet.hosts[0].memory")
    return tuple(loc)


def get_value(values: Any, loc: Loc, default: Any = None) -> Any:
    """Look up a path; `default` when it does not exist."""
    for part in loc:
        in_dict = isinstance(values, dict) and part in values
        in_list = isinstance(values, list | tuple) and isinstance(part, int) and part < len(values)
        if not in_dict and not in_list:
            return default
        values = values[part]
    return values


def set_value(values: dict[str, Any], loc: Loc, value: Any, create: bool) -> Issue | None:
    """Set a path in nested dicts and lists, in place.

    Parameters
    ----------
    create : bool
        Whether keys that do not exist are made; if not, they are an issue that names the nearest valid ones.

    Returns
    -------
    Issue or None
        What is wrong with the path.
    """
    here: Any = values
    for depth, part in enumerate(loc):
        is_last = depth == len(loc) - 1
        issue = _step_problem(here, loc, depth, create)
        if issue is not None:
            return issue
        key = str(part) if isinstance(here, dict) else part
        if is_last:
            here[key] = value
        elif isinstance(here, dict):
            if key == "hypervisor" and isinstance(here.get(key), str):
                here[key] = {"preset": here[key]}
            elif here.get(key) is None:
                here[key] = {}
            here = here[key]
        else:
            here = here[key]
    return None


def _step_problem(here: Any, loc: Loc, depth: int, create: bool) -> Issue | None:
    part, parent = loc[depth], format_path(loc[:depth])
    path = format_path(loc)
    if isinstance(here, list):
        if isinstance(part, int) and part < len(here):
            return None
        if not here:
            return Issue(path, f"{parent} is empty", f"set the whole of {parent}")
        last = f"{parent}[0] to {parent}[{len(here) - 1}]" if len(here) > 1 else f"{parent}[0] only"
        return Issue(path, f"there is no {format_path(loc[: depth + 1])}", f"{parent} is a list: use {last}")
    if not isinstance(here, dict):
        return Issue(path, f"{parent} is a single value and has no parts", f"set {parent} itself")
    if create or str(part) in here:
        return None
    nearest = nearest_name(str(part), here)
    guess = f'did you mean "{nearest}"? ' if nearest else ""
    within = f"in {parent}" if depth else "at the top"
    return Issue(path, f'there is no "{part}" {within}', f"{guess}keys {within}: {', '.join(here)}")
