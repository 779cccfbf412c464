"""One RVTools export: its tabs joined to VMs, hosts and clusters, before snapshots are merged."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from planner.errors import InputError
from planner.inventory.found import FoundCluster, FoundHost, FoundVm, Note
from planner.inventory.rvtools_columns import COLUMNS, EXPECTED
from planner.inventory.workbook import Workbook
from planner.inventory.workbook_tab import Tab

T = TypeVar("T")
_NAME_TIME = re.compile(r"(20\d\d)[-_.]?(\d\d)[-_.]?(\d\d)[-_. T]?(\d\d)[-_.:]?(\d\d)[-_.:]?(\d\d)(?!\d)")
_WRITTEN_TIME = re.compile(r"^\s*(20\d\d)[-/.](\d\d?)[-/.](\d\d?)[T ](\d\d?):(\d\d):(\d\d)")
_OPTIONAL = ("vMemory", "vHost", "vCluster", "vTools")
_LOST = {
    "vMemory": "consumed, active, ballooned and swapped memory, shares, reservations and limits",
    "vHost": "memory, cores and CPUs of hosts, and their own sums",
    "vCluster": "settings of high availability",
    "vTools": "whether VMs have a balloon driver",
}


@dataclass(frozen=True)
class Row:
    """A VM of one export with what identifies it there and in other exports."""

    vm: FoundVm
    vcenter: str | None
    smbios: str | None
    rules: tuple[str, str] | None = None


@dataclass
class Snapshot:
    """What one export tells.

    Attributes
    ----------
    taken_at_s : int or None
        Since 1970, its local time taken for UTC. [s]
    hosts, clusters : dict
        By name in lower case.
    """

    name: str
    taken_at_s: int | None
    read: dict[str, int]
    rows: list[Row] = field(default_factory=list)
    hosts: dict[str, FoundHost] = field(default_factory=dict)
    clusters: dict[str, FoundCluster] = field(default_factory=dict)
    vcenters: frozenset[str] = frozenset()
    skipped: list[Note] = field(default_factory=list)
    doubts: list[Note] = field(default_factory=list)


def open_tabs(workbook: Workbook) -> tuple[dict[str, Tab], list[Note]]:
    """Return the tabs that have rows, and notes on those that are missing or empty.

    Raises
    ------
    InputError
        vInfo is missing or empty, or a tab's header lacks what names its rows.
    """
    tabs = {}
    notes = []
    for name, sheet in workbook.sheets.items():
        if name != "vMetaData" and any(cell != "" for row in sheet.rows for cell in row):
            tabs[name] = Tab(sheet, COLUMNS[name], "name")
            notes += tabs[name].notes
    place = f"{workbook.name}, vInfo"
    if "vInfo" not in workbook.sheets:
        raise InputError(place, "the tab is missing, and it lists the VMs", "export all tabs, with RVTools_tabvInfo")
    if "vInfo" not in tabs or not len(tabs["vInfo"]):
        raise InputError(place, "the tab lists no VM", "was the user of the export allowed to see any? Export it again")
    for name in _OPTIONAL:
        if name not in tabs or not len(tabs[name]):
            state = "is empty" if name in workbook.sheets else "is missing"
            tabs.pop(name, None)
            notes.append(Note(name, f"the tab {state}: unknown are {_LOST[name]}", "export all tabs"))
    for name, tab in tabs.items():
        for key, shown in EXPECTED.get(name, {}).items():
            if not tab.has(key):
                notes.append(
                    Note(name, f'the column "{shown}" is missing: what it tells is unknown', "export it again")
                )
    return tabs, notes


def taken_at_s(workbook: Workbook) -> int | None:
    """Return when the export was written, by its vMetaData or its file's name; None if neither tells."""
    sheet = workbook.sheets.get("vMetaData")
    for row in sheet.rows[1:] if sheet else []:
        for cell in row:
            moment = cell if isinstance(cell, datetime) else _time(_WRITTEN_TIME, str(cell))
            if moment is not None:
                return int(moment.replace(tzinfo=UTC).timestamp())
    moment = _time(_NAME_TIME, workbook.name)
    return None if moment is None else int(moment.replace(tzinfo=UTC).timestamp())


def _time(pattern: re.Pattern[str], text: str) -> datetime | None:
    match = pattern.search(text)
    try:
        return datetime(*map(int, match.groups()), tzinfo=UTC) if match else None  # type: ignore[arg-type,misc]
    except ValueError:
        return None


class Joiner:
    """Finds the row of a tab that belongs to a VM of vInfo: by UUID, by VM ID, by name in its cluster, by name.

    A way counts only where both tabs have its columns, and only for what it names once.
    """

    _WAYS = (("uuid",), ("vcenter", "vm_id"), ("vcenter", "cluster", "host", "name"), ("cluster", "name"), ("name",))

    def __init__(self, info: Tab, tab: Tab) -> None:
        self._info_keys = []
        self._by_key: list[dict[tuple[str, ...], int | None]] = []
        for way in self._WAYS:
            used = [key for key in way if info.has(key) and tab.has(key)]
            if way[-1] not in used:
                continue
            self._info_keys.append(_keys(info, used))
            by_key: dict[tuple[str, ...], int | None] = {}
            for row_idx, key in enumerate(_keys(tab, used)):
                if key is not None:
                    by_key[key] = None if key in by_key else row_idx
            self._by_key.append(by_key)
        self._info_names = info.texts("name")
        self._names = tab.texts("name")

    def match(self) -> list[int | None]:
        """Return for each row of vInfo the row of the other tab; None: it has none, or one that cannot be told."""
        found = []
        for row_idx, name in enumerate(self._info_names):
            at = None
            for keys, by_key in zip(self._info_keys, self._by_key, strict=True):
                key = keys[row_idx]
                at = by_key.get(key) if key is not None else None
                # A UUID that two VMs share must not join one to the other's row.
                if at is not None and self._names[at] == name:
                    break
                at = None
            found.append(at)
        return found


def _keys(tab: Tab, columns: Sequence[str]) -> list[tuple[str, ...] | None]:
    values = [tab.texts(column) for column in columns]
    return [
        None if row[-1] is None else tuple((text or "").casefold() for text in row) for row in zip(*values, strict=True)
    ]


def pick(column: list[T | None], matches: list[int | None]) -> list[T | None]:
    """Order a column of another tab as the VMs of vInfo are."""
    return [None if at is None else column[at] for at in matches]


def joined(
    tabs: dict[str, Tab], name: str, matches: dict[str, list[int | None]], read: Callable[[Tab], list[T | None]]
) -> list[T | None]:
    """Read a column of a tab in the order of vInfo; None throughout where the tab is missing."""
    if name not in tabs:
        return [None] * len(tabs["vInfo"])
    return pick(read(tabs[name]), matches[name])
