"""From YAML text to a tree of nodes, in bounded time and memory.

Built from libyaml's events, which come one by one: text that is nested without end is refused when the nesting is met,
and not after a tree of it was built. Where PyYAML comes without libyaml, its own parser gives the same events, twenty
times slower. Knows nothing of what values mean (`yaml_source`).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from planner.errors import Issue

MAX_DEPTH = 50
MAX_NODES = 2_000_000
"""48,000 VMs written out one by one, with ten keys each, are half of this, and read in 10 s."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Node(NamedTuple):
    """A scalar, a list or a mapping as written; in `value` its text, its items, or its pairs of nodes."""

    kind: type[yaml.NodeEvent]
    value: str | list["Node"]
    line: int
    tag: str | None
    is_quoted: bool = False

    def pairs(self) -> Iterator[tuple["Node", "Node"]]:
        """Pair the keys of a mapping with their values."""
        items = iter(self.value)
        return zip(items, items, strict=True)  # type: ignore[arg-type]


class BoundError(Exception):
    """The text is nested too deeply, too long, or blows up by its aliases; `issue` says where."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(issue)
        self.issue = issue


def compose(text: str) -> Node | None:
    """Compose the only document of a text; None where there is none.

    Raises
    ------
    yaml.YAMLError
        It is not YAML, or holds more than one document, or an alias without an anchor.
    BoundError
        It is nested too deeply, or holds too many values.
    """
    root: list[Node] = []
    open_nodes: list[Node] = []
    anchors: dict[str, Node] = {}
    n_nodes = n_documents = 0
    for event in yaml.parse(text, Loader=_LOADER):
        mark: Any = event.start_mark
        line = mark.line + 1
        if isinstance(event, yaml.CollectionEndEvent):
            open_nodes.pop()
        n_documents += isinstance(event, yaml.DocumentStartEvent)
        if n_documents > 1:
            raise yaml.MarkedYAMLError("expected a single document", None, "there are more", mark)
        if not isinstance(event, yaml.NodeEvent):
            continue
        n_nodes += 1
        node = _aliased(event, anchors) if isinstance(event, yaml.AliasEvent) else _node(event, line)
        if len(open_nodes) > MAX_DEPTH or n_nodes > MAX_NODES:
            raise BoundError(_too_much(n_nodes, line))
        (open_nodes[-1].value if open_nodes else root).append(node)  # type: ignore[union-attr]
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append(node)
        if event.anchor is not None:
            anchors[event.anchor] = node
    return root[0] if root else None


def _node(event: Any, line: int) -> Node:
    if isinstance(event, yaml.ScalarEvent):
        # libyaml writes the style of plain scalars as "", PyYAML as None.
        return Node(yaml.ScalarEvent, event.value, line, event.tag, bool(event.style))
    return Node(type(event), [], line, event.tag)


def _aliased(event: Any, anchors: dict[str, Node]) -> Node:
    if event.anchor not in anchors:
        problem = f'the alias "*{event.anchor}" has no anchor'
        raise yaml.MarkedYAMLError(None, None, problem, event.start_mark)
    return anchors[event.anchor]


def _too_much(n_nodes: int, line: int) -> Issue:
    if n_nodes > MAX_NODES:
        return Issue("YAML", f"holds more than {MAX_NODES:,} values", "import long lists of VMs from tables", line)
    return Issue("YAML", "is nested too deeply", f"write at most {MAX_DEPTH} levels", line)
