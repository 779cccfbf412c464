"""The tabs of an Excel workbook (.xlsx, .xlsm), in bounded memory.

The members that are needed are unpacked here, looked at, and handed to the reader of cells as a file of their own:
nothing is unpacked beyond what the archive declares, and a table that claims to reach the last cell of a sheet is
refused before memory is taken for it. The reader leaves cells with errors and formulas without a stored value empty;
they are found in the XML and told from empty ones.
"""

import io
import posixpath
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from planner.errors import InputError
from planner.inventory.archive import open_archive, read_member
from planner.inventory.found import Note
from planner.inventory.workbook_sheet import Sheet, cell_name, check_rows
from planner.units import GIB, MIB, format_bytes

MAX_UNPACKED_BYTES = GIB
_MAX_INDEX_BYTES = 16 * MIB
_MAX_MERGED = 10_000
_AGAIN = "export or copy it again"
_NEEDED = ("[content_types].xml", "_rels/.rels", "xl/_rels/workbook.xml.rels", "xl/sharedstrings.xml", "xl/styles.xml")
_INDEX = "xl/workbook.xml"
# Patterns stop at the next "<", so that a page made to be slow is not searched from each of its cells to its end.
_FILLED = re.compile(rb'<(?:\w{1,20}:)?c [^<>]*?\br=["\']([A-Za-z]+)(\d+)["\'][^<>]*(?<!/)>(?!</)')
_CELL_START = re.compile(rb"<(?:\w{1,20}:)?c ")
_CELL_END = re.compile(rb"</(?:\w{1,20}:)?c>")
_FORMULA = re.compile(rb"<(?:\w{1,20}:)?f\b")
_ERROR_CELL = re.compile(rb"\bt=[\"']e[\"']")
_VALUE = re.compile(rb"<(?:\w{1,20}:)?v[^<>]*>([^<]+)</|<(?:\w{1,20}:)?is\b")
_TEXT_CELL = re.compile(rb"\bt=[\"']str[\"']")
_SIGNS_OF_FAULTS = (b't="e"', b"t='e'", b"<f", b":f>", b":f ", b":f/")
"""Looked for first: a search for bytes takes a tenth of the time of a pattern."""
_ATTRIBUTE_REFERENCE = re.compile(rb'\br=["\']([A-Za-z]+)(\d+)["\']')


def read_xlsx(path: Path, tabs: Mapping[str, str]) -> list[Sheet]:
    """Read some tabs of a workbook.

    Parameters
    ----------
    path : Path
    tabs : mapping
        Lower-case names of those that are wanted, to the names to give them.

    Raises
    ------
    InputError
        It is broken, encrypted, larger than it should be, or none of the tabs is in it.
    """
    with open_archive(path) as archive:
        members = _sheet_members(archive, path)
        wanted = {name: member for name, member in members.items() if _tab_name(name) in tabs}
        if not wanted:
            listed = ", ".join(list(members)[:12]) or "none"
            expected = ", ".join(tabs.values())
            raise InputError(str(path), f"has none of the tabs {expected}", f"it has: {listed}; is it the right file?")
        _check_once(wanted, tabs, path)
        stored, pages = _repack(archive, wanted, path)
    faults = {}
    for name, page in pages.items():
        _check_extent(page, f"{path}, {name}")
        faults[name] = _faults(page)
    pages.clear()
    try:
        workbook = CalamineWorkbook.from_filelike(stored)
        return [_sheet(workbook.get_sheet_by_name(name), tabs[_tab_name(name)], path, faults[name]) for name in wanted]
    except (CalamineError, OSError, ValueError) as error:
        raise InputError(str(path), f"is no whole workbook ({error})", _AGAIN) from None


def _tab_name(name: str) -> str:
    return re.sub(r"^(rvtools_?)?(tab)?", "", name.strip().lower())


def _check_once(wanted: Mapping[str, str], tabs: Mapping[str, str], path: Path) -> None:
    seen: dict[str, str] = {}
    for name in wanted:
        tab = tabs[_tab_name(name)]
        if tab in seen:
            raise InputError(f"{path}, {name}", f'is a second tab {tab}, beside "{seen[tab]}"', "rename one of them")
        seen[tab] = name


def _sheet_members(archive: zipfile.ZipFile, path: Path) -> dict[str, str]:
    """Return the names of the tabs and the members of the archive that hold them."""
    by_lower = {name.lower(): name for name in archive.namelist()}
    parts = []
    for lower in (_INDEX, "xl/_rels/workbook.xml.rels"):
        name = by_lower.get(lower)
        if name is None or archive.getinfo(name).file_size > _MAX_INDEX_BYTES:
            raise InputError(str(path), f"is no whole workbook ({lower} is missing or too large)", _AGAIN)
        try:
            parts.append(ElementTree.fromstring(read_member(archive, name, str(path))))
        except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError) as error:
            raise InputError(str(path), f"is no whole workbook ({lower}: {error})", _AGAIN) from None
    index, relations = parts
    targets = {item.get("Id"): item.get("Target") or "" for item in relations}
    members = {}
    for item in index.iter():
        if item.tag.rpartition("}")[2] == "sheet":
            relation = next((value for key, value in item.attrib.items() if key.endswith("}id")), None)
            target = targets.get(relation, "")
            member = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            members[item.get("name") or ""] = by_lower.get(member.lower(), member)
    return members


def _repack(archive: zipfile.ZipFile, wanted: Mapping[str, str], path: Path) -> tuple[io.BytesIO, dict[str, bytes]]:
    """Unpack what is needed into an archive without compression; return it and the XML of each tab."""
    needed = [name for name in archive.namelist() if name.lower() in (*_NEEDED, _INDEX)]
    missing = [name for name, member in wanted.items() if member not in archive.NameToInfo]
    if missing:
        raise InputError(f"{path}, {missing[0]}", "is listed, and not in the file", _AGAIN)
    total = sum(archive.getinfo(name).file_size for name in (*needed, *wanted.values()))
    if total > MAX_UNPACKED_BYTES:
        message = f"unpacks to {format_bytes(total)}, more than {format_bytes(MAX_UNPACKED_BYTES)}"
        raise InputError(str(path), message, "is it the right file? Else split it by cluster and import the parts")
    stored = io.BytesIO()
    pages = {}
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_STORED) as copy:
        for name in needed:
            copy.writestr(name, read_member(archive, name, f"{path}, {name}"))
        for name, member in wanted.items():
            pages[name] = read_member(archive, member, f"{path}, {name}")
            copy.writestr(member, pages[name])
    stored.seek(0)
    return stored, pages


def _check_extent(page: bytes, place: str) -> None:
    """Refuse a tab whose cells lie far apart: the reader takes memory for all between the first and the last.

    Only cells with something in them count: spreadsheet programs write rows with nothing but a height to the last one.
    """
    filled = _FILLED.findall(page)
    rows = max(map(int, {number[:9] for _, number in filled}), default=0)
    columns = max(map(_column_number, {letters for letters, _ in filled}), default=0)
    check_rows(rows, columns, place)


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper()[:6]:
        number = number * 26 + letter - 64
    return number


def _faults(page: bytes) -> dict[tuple[int, int], str]:
    """Return the cells that the reader leaves empty although something is in them: errors, formulas without a value."""
    if not any(sign in page for sign in _SIGNS_OF_FAULTS):
        return {}
    faults = {}
    for cell in _CELL_START.split(page)[1:]:
        attributes, _, content = _CELL_END.split(cell, maxsplit=1)[0].partition(b">")
        place = _ATTRIBUTE_REFERENCE.search(attributes)
        if place is None or attributes.endswith(b"/"):
            continue
        position = int(place.group(2)[:9]) - 1, _column_number(place.group(1)) - 1
        value = _VALUE.search(content)
        if _ERROR_CELL.search(attributes):
            text = value.group(1).decode("utf-8", "replace")[:20] if value and value.group(1) else "an error"
            faults[position] = f"holds the error {text}"
        elif _FORMULA.search(content) and value is None and not _TEXT_CELL.search(attributes):
            faults[position] = "holds a formula without a stored value"
    return faults


def _sheet(sheet: CalamineSheet, tab: str, path: Path, faults: dict[tuple[int, int], str]) -> Sheet:
    rows: list[list[Any]] = sheet.to_python(skip_empty_area=False)
    notes = []
    for (top, left), (bottom, right) in (sheet.merged_cell_ranges or [])[:_MAX_MERGED]:
        name = f"{cell_name(tab, top, left)}:{cell_name('', bottom, right).lstrip('!')}"
        if bottom > top and top < len(rows) and rows[top][left] != "":
            for row in rows[top + 1 : bottom + 1]:
                row[left] = row[left] if row[left] != "" else rows[top][left]
            notes.append(Note(name, "merged cells: the value is taken for each of their rows"))
        if right > left:
            notes.append(Note(name, "merged cells: the value is taken for the first of their columns, not the others"))
    return Sheet(tab, str(path), rows, faults, tuple(notes))
