"""Read YAML into plain values and remember on which line each stands.

Refuses what surprises people: duplicate keys, merge keys, tags, numbers with a leading zero. Reads plain scalars by the
rules of YAML 1.2 (only true and false are booleans, 1e9 is a number, 1:30 is text), not by those of YAML 1.1.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from planner.config.paths import Loc, format_path
from planner.errors import ConfigError, InputError, Issue

MAX_ALIASED_NODES = 10_000
MAX_DEPTH = 50
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_CONSTANTS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_CORE_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp", "value")
}


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
    if path.is_dir():
        example = next(iter(sorted(path.glob("*.yaml"))), path / "demo.yaml")
        raise InputError(str(path), f"is a directory, not a {kind}", f"name a file in it, e.g. {example}")
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(str(path), "no such file", _other_files(path, kind)) from None
    except UnicodeDecodeError as error:
        place = f"byte {error.start}"
        raise InputError(str(path), f"is not UTF-8 text ({place})", "save it as UTF-8 and try again") from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", "check its permissions") from None


def parse_yaml(text: str, source: str) -> RawConfig:
    """Turn YAML text into values.

    Raises
    ------
    ConfigError
        The text is not YAML at all. Lesser problems are in `issues` of the result.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise ConfigError((_syntax_issue(error),), source) from None
    except (yaml.YAMLError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError((Issue("YAML", f"cannot be read: {reason}", "save it as plain text"),), source) from None
    reader = _Reader()
    try:
        values = reader.read(node, ()) if node is not None else None
    except _EndlessAliasesError as error:
        raise ConfigError((error.issue,), source) from None
    return RawConfig(values, reader.lines, tuple(reader.issues))


class _EndlessAliasesError(Exception):
    """Aliases blow the text up beyond reason, or lead back to themselves."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(issue)
        self.issue = issue


class _Reader:
    """Walks YAML nodes; collects lines and issues."""

    def __init__(self) -> None:
        self.lines: dict[Loc, int] = {}
        self.issues: list[Issue] = []
        self._seen: set[int] = set()
        self._aliased_nodes = 0

    def read(self, node: yaml.Node, loc: Loc) -> Any:
        self.lines.setdefault(loc, node.start_mark.line + 1)
        self._aliased_nodes += id(node) in self._seen
        self._seen.add(id(node))
        if len(loc) > MAX_DEPTH or self._aliased_nodes > MAX_ALIASED_NODES:
            message = "is nested too deeply or refers to itself"
            hint = "write the values out without aliases"
            raise _EndlessAliasesError(Issue(format_path(loc[:3]), message, hint, node.start_mark.line + 1))
        if node.tag not in _CORE_TAGS:
            self._add(loc, node, f'has the tag "{node.tag}"', "leave tags out; they are not supported")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._read_mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*loc, position)) for position, item in enumerate(node.value)]
        return self._read_scalar(node, loc) if isinstance(node, yaml.ScalarNode) else None

    def _read_mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            here = (*loc, key if isinstance(key, str) else "?")
            if not isinstance(key_node, yaml.ScalarNode):
                self._add(here, key_node, "a key must be a single word", "quantities need no braces: memory: 4 GiB")
            elif key == "<<":
                self._add(here, key_node, "merge keys are not supported", "write the values out")
            elif key in values:
                first = self.lines[here]
                self._add(here, key_node, f"is written twice (first on line {first})", "keep one of the two")
            else:
                self.lines[here] = key_node.start_mark.line + 1
                values[key] = self.read(value_node, here)
        return values

    def _read_scalar(self, node: yaml.ScalarNode, loc: Loc) -> Any:
        text: str = node.value
        if node.style is not None:
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
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

    def _add(self, loc: Loc, node: yaml.Node, message: str, hint: str) -> None:
        self.issues.append(Issue(format_path(loc), message, hint, node.start_mark.line + 1))


def _syntax_issue(error: yaml.MarkedYAMLError) -> Issue:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else None
    problem = error.problem or error.context or "not YAML"
    if "'\\t'" in problem:
        return Issue("YAML", "a tab is used for indentation", "indent with spaces", line)
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
