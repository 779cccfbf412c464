"""Workbooks that users name: Excel files, or one CSV file per tab in a directory, in a zip file, or named singly.

Covers which files make up one workbook and which tabs are in it, in bounded memory. What Excel files and CSV files
look like inside is in `workbook_xlsx` and `workbook_csv`; what the cells of a tab mean, in `workbook_tab`. Not read:
the older .xls, .xlsb and OpenDocument, which any spreadsheet program turns into .xlsx.
"""

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from planner.errors import InputError
from planner.input_files import check_regular, read_bytes
from planner.inventory.archive import MAX_MEMBER_BYTES, open_archive, read_member
from planner.inventory.workbook_csv import parse_csv
from planner.inventory.workbook_sheet import Sheet
from planner.inventory.workbook_xlsx import read_xlsx

MAX_FILES = 1000
_AGAIN = "export or copy it again"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SAVE_AS = "open it in a spreadsheet program, save it as .xlsx, and import that"
_TAB_FILE = re.compile(r"^(?P<prefix>.*?)(?:tab)?(?P<tab>d?v[a-z]+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Workbook:
    """The tabs of one export. `name` is for messages: the file, or what its CSV files have in common."""

    name: str
    sheets: dict[str, Sheet]


@dataclass(frozen=True)
class _Part:
    """A file of a workbook that is not yet read: a whole workbook (`tab` is empty) or the CSV file of a tab."""

    group: tuple[str, str]
    tab: str
    label: str
    read: Callable[[], bytes] | None = None


class WorkbookFiles:
    """The workbooks in what the user named, in that order. Reads one at a time.

    Parameters
    ----------
    sources : sequence of Path
        Workbooks, CSV files, directories or zip files.
    tabs : sequence of str
        Tabs that are wanted, e.g. ("vInfo", "vHost"). Others are not read.
    needed : str
        Tab that the name of a CSV file is not needed for, if its header has all of `signature`.
    signature : sequence of str
        Headers, as `planner.inventory.workbook_tab.normal_header` writes them.

    Raises
    ------
    InputError
        Nothing there, or no such file.
    """

    def __init__(self, sources: Sequence[Path], tabs: Sequence[str], needed: str, signature: Sequence[str]) -> None:
        self._tabs = {tab.lower(): tab for tab in tabs}
        self._needed, self._signature = needed, frozenset(signature)
        groups: dict[tuple[str, str], list[_Part]] = {}
        for source in sources:
            for part in self._parts(source):
                groups.setdefault(part.group, []).append(part)
        if not groups:
            raise InputError(", ".join(map(str, sources)) or "import", "names no workbook", "name an .xlsx file")
        self._groups = groups

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Workbook]:
        """Read them. Raises InputError for one that is broken, too large or of another kind."""
        for parts in self._groups.values():
            yield self._read(parts)

    def _read(self, parts: list[_Part]) -> Workbook:
        if not parts[0].tab:
            path = Path(parts[0].group[0])
            return Workbook(path.name, {sheet.tab: sheet for sheet in read_xlsx(path, self._tabs)})
        sheets: dict[str, Sheet] = {}
        for part in parts:
            if part.tab in sheets:
                place = f"{sheets[part.tab].file}, {part.label}"
                raise InputError(place, f"both hold the tab {part.tab} of one export", "name one of them")
            assert part.read is not None
            sheets[part.tab] = parse_csv(part.read(), part.tab, part.label)
        return Workbook(PurePosixPath(parts[0].label).name if len(parts) == 1 else parts[0].group[0], sheets)

    def _parts(self, source: Path) -> list[_Part]:
        if source.is_dir():
            return self._of_directory(source)
        check_regular(source, "check the path")
        head = _head(source)
        if head.startswith(_OLE):
            raise _old_format(source)
        if head.startswith(b"PK"):
            return self._of_zip(source)
        if source.suffix.lower() in (".xlsx", ".xlsm", ".zip"):
            raise InputError(str(source), "is no Excel workbook, whatever its name says", _AGAIN)
        return [self._csv_part(str(source.parent), source.name, str(source), lambda: _bytes(source))]

    def _of_directory(self, folder: Path) -> list[_Part]:
        files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith((".", "~")))
        wanted = [file for file in files if file.suffix.lower() in (".xlsx", ".xlsm")]
        wanted += [file for file in files if file.suffix.lower() == ".csv" and self._tab_of(file.name)]
        if not wanted:
            hint = "expected .xlsx files, or CSV files such as RVTools_tabvInfo.csv"
            raise InputError(str(folder), "holds no export", hint)
        _check_count(len(wanted), folder)
        return [part for file in wanted for part in self._parts(file)]

    def _of_zip(self, source: Path) -> list[_Part]:
        with open_archive(source) as archive:
            names = archive.namelist()
        lower = {name.lower() for name in names}
        if "xl/workbook.xml" in lower:
            return [_Part((str(source), ""), "", str(source))]
        if "xl/workbook.bin" in lower or "content.xml" in lower:
            kind = "an .xlsb workbook" if "xl/workbook.bin" in lower else "an OpenDocument file"
            raise InputError(str(source), f"is {kind}, which is not read", _SAVE_AS)
        tables = [name for name in names if name.lower().endswith(".csv") and self._tab_of(PurePosixPath(name).name)]
        tables = [name for name in tables if not name.startswith("__MACOSX")]
        if not tables:
            hint = "expected CSV files such as RVTools_tabvInfo.csv; unpack workbooks and name them"
            raise InputError(str(source), "is a zip file with no tab of an export in it", hint)
        _check_count(len(tables), source)
        parts = []
        for name in tables:
            inside, label = PurePosixPath(name), f"{source}, {name}"
            folder = str(source / inside.parent)
            parts.append(self._csv_part(folder, inside.name, label, _member_reader(source, name, label)))
        return parts

    def _csv_part(self, folder: str, name: str, label: str, read: Callable[[], bytes]) -> _Part:
        stem = PurePosixPath(name).stem
        tab = self._tab_of(name)
        if tab is None:
            self._check_signature(read(), label)
            return _Part((folder, stem), self._needed, label, read)
        match = _TAB_FILE.match(stem)
        return _Part((folder, match.group("prefix") if match else ""), tab, label, read)

    def _tab_of(self, name: str) -> str | None:
        """Return the tab that a file's name tells: "RVTools_tabvInfo.csv", "vinfo.csv"."""
        match = _TAB_FILE.match(PurePosixPath(name).stem)
        return self._tabs.get(match.group("tab").lower()) if match else None

    def _check_signature(self, data: bytes, label: str) -> None:
        """Accept a CSV file of any name when its header leaves no doubt about the tab."""
        rows = parse_csv(data, self._needed, label).rows
        header = {re.sub(r"[^a-z0-9]", "", str(cell).lower()) for cell in (rows[0] if rows else [])}
        if not self._signature <= header:
            message = "neither its name nor its header tells which tab it holds"
            raise InputError(label, message, f"name it e.g. RVTools_tab{self._needed}.csv, or import the .xlsx file")


def _check_count(n_files: int, source: Path) -> None:
    if n_files > MAX_FILES:
        raise InputError(str(source), f"holds {n_files:,} files, more than {MAX_FILES:,}", "name fewer of them")


def _head(source: Path) -> bytes:
    try:
        with source.open("rb") as file:
            return file.read(8)
    except OSError as error:
        raise InputError(str(source), f"cannot be read ({error.strerror})", "check its permissions") from None


def _bytes(source: Path) -> bytes:
    return read_bytes(source, MAX_MEMBER_BYTES)


def _member_reader(source: Path, name: str, label: str) -> Callable[[], bytes]:
    def read() -> bytes:
        archive: zipfile.ZipFile
        with open_archive(source) as archive:
            return read_member(archive, name, label)

    return read


def _old_format(source: Path) -> InputError:
    """Say whether an OLE container is an encrypted workbook or one of the old format."""
    if "EncryptedPackage".encode("utf-16-le") in _bytes(source):
        return InputError(str(source), "is protected by a password", "save it without a password and import that")
    return InputError(str(source), "is a workbook of the old .xls format, which is not read", _SAVE_AS)
