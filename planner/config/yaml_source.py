"""Read YAML into plain values and remember on which line each stands.

Refuses what surprises people: duplicate keys, merge keys, tags, numbers with a leading zero. Reads plain scalars by the
rules of YAML 1.2 (only true and false are booleans, 1e9 is a number, 1:30 is text), not by those of YAML 1.1.
"""

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from planner.config.paths import Loc, format_path
from planner.config.yaml_nodes import MAX_DEPTH, BoundError, Node, compose
from planner.errors import ConfigError, InputError, Issue
from planner.input_files import read_text as read_bounded_text
from planner.units import MIB

MAX_TEXT_BYTES = 16 * MIB
"""48,000 VMs written out one by one, with ten keys each, are a third of this."""
MAX_ALIASED_NODES = 10_000
MAX_DIGITS = 100
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_NUMBER_START = re.compile(r"[-+.0-9]")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_CONSTANTS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_TAG_NAMES = ("str", "int", "float", "bool", "null", "map", "seq", "timestamp", "value")
_CORE_TAGS = {None, "!", *(f"tag:yaml.org,2002:{name}" for name in _TAG_NAMES)}


class RawConfig(NamedTuple):
    """A config as written: plain values, the line of each path, and what was wrong with the text itself."""

    values: Any
    lines: dict[Loc, int]
    issues: tuple[Issue, ...]


def read_text(path: Path, kind: str = "config file") -> str:
    """Read a config file, or one of another `kind`: the word for it in messages.

    Raises
    ------
    InputError
        The file is missing, a directory, unreadable or not text.
    """
    if os.path.isdir(path):  # noqa: PTH112 (false where Path raises: a name too long)
        example = next(iter(sorted(path.glob("*.yaml"))), path / "demo.yaml")
        raise InputError(str(path), f"is a directory, not a {kind}", f"name a file in it, e.g. {example}")
    try:
        return read_bounded_text(path, MAX_TEXT_BYTES)
    except FileNotFoundError:
        raise InputError(str(path), "no such file", _other_files(path, kind)) from None


def parse_yaml(text: str, source: str) -> RawConfig:
    """Turn YAML text into values.

    Raises
    ------
    ConfigError
        The text is not YAML at all. Lesser problems are in `issues` of the result.
    """
    reader = _Reader()
    try:
        node = compose(text)
        values = reader.read(node, ()) if node is not None else None
    except BoundError as error:
        raise ConfigError((error.issue,), source) from None
    except yaml.MarkedYAMLError as error:
        raise ConfigError((_syntax_issue(error, text),), source) from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError((Issue("YAML", f"cannot be read: {reason}", "save it as plain text"),), source) from None
    return RawConfig(values, reader.lines, tuple(reader.issues))


class _Reader:
    """Walks YAML nodes; collects lines and issues."""

    def __init__(self) -> None:
        self.lines: dict[Loc, int] = {}
        self.issues: list[Issue] = []
        self._seen: set[int] = set()
        self._aliased_nodes = 0

    def read(self, node: Node, loc: Loc) -> Any:
        self.lines.setdefault(loc, node.line)
        self._aliased_nodes += id(node) in self._seen
        self._seen.add(id(node))
        if len(loc) > MAX_DEPTH or self._aliased_nodes > MAX_ALIASED_NODES:
            message = "is nested too deeply or refers to itself"
            hint = "write the values out without aliases"
            raise BoundError(Issue(format_path(loc[:3]), message, hint, node.line))
        if node.tag not in _CORE_TAGS:
            self._add(loc, node, f'has the tag "{node.tag}"', "leave tags out; they are not supported")
            return None
        if isinstance(node.value, str):
            return self._read_scalar(node, node.value, loc)
        if node.kind is yaml.MappingStartEvent:
            return self._read_mapping(node, loc)
        return [self.read(item, (*loc, position)) for position, item in enumerate(node.value)]

    def _read_mapping(self, node: Node, loc: Loc) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.pairs():
            key = key_node.value
            here = (*loc, key if isinstance(key, str) else "?")
            if not isinstance(key, str):
                self._add(here, key_node, "a key must be a single word", "quantities need no braces: memory: 4 GiB")
            elif key == "<<":
                self._add(here, key_node, "merge keys are not supported", "write the values out")
            elif key in values:
                first = self.lines[here]
                self._add(here, key_node, f"is written twice (first on line {first})", "keep one of the two")
            else:
                self.lines[here] = key_node.line
                values[key] = self.read(value_node, here)
        return values

    def _read_scalar(self, node: Node, text: str, loc: Loc) -> Any:
        if node.is_quoted:
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        return self._read_number(node, text, loc) if _NUMBER_START.match(text) else text

    def _read_number(self, node: Node, text: str, loc: Loc) -> Any:
        if len(text) > MAX_DIGITS and (_INT.fullmatch(text) or _FLOAT.fullmatch(text)):
            self._add(loc, node, f"is a number of {len(text):,} characters", f"write at most {MAX_DIGITS}")
            return None
        if _LEADING_ZERO.fullmatch(text):
            plain = text.lstrip("+-0_") or "0"
            self._add(
                loc, node, f"{text} starts with a zero, which some readers take for octal", f'write {plain} or "{text}"'
            )
            return text
        if _INT.fullmatch(text):
            return int(text.replace("_", ""))
        if _FLOAT.fullmatch(text):
            return float(text.replace("_", ""))
        return text

    def _add(self, loc: Loc, node: Node, message: str, hint: str) -> None:
        self.issues.append(Issue(format_path(loc), message, hint, node.line))


def _syntax_issue(error: yaml.MarkedYAMLError, text: str) -> Issue:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else None
    problem = error.problem or error.context or "not YAML"
    if "cannot start any token" in problem and mark:
        character = text.splitlines()[mark.line][mark.column : mark.column + 1]
        if character == "\t":
            return Issue("YAML", "a tab is used for indentation", "indent with spaces", line)
        return Issue("YAML", f"syntax error: {character} cannot begin a value", "put the value in quotes", line)
    if "expected a single document" in str(error):
        return Issue("YAML", "there is more than one document in the file", 'keep one, without "---" lines', line)
    hint = 'check indentation, brackets and quotes near this line; a key and its value are written "key: value"'
    return Issue("YAML", f"syntax error: {problem}", hint, line)


def _other_files(path: Path, kind: str) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"there is no directory {folder}, either; check the path"
    others = sorted(entry.name for entry in folder.glob("*.y*ml"))[:5]
    return f"{kind}s there: {', '.join(others)}" if others else f"there are no {kind}s in {folder}; check the path"
