"""Dumps that users collect from a hypervisor: files and directories of them, found and read in bounded memory.

A file is told by what is in it; its path only says which host or VM it is of, where the content does not. Reads UTF-8
and, with a mark, UTF-16, as PowerShell writes it. Knows nothing of any hypervisor.
"""

import codecs
import io
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import iterparse

from planner.errors import InputError
from planner.input_files import check_regular, loads_json, read_bytes
from planner.inventory.found import Note
from planner.inventory.progress import Progress
from planner.units import GIB, MIB, format_bytes

MAX_DUMP_BYTES = 128 * MIB
"""10,000 VMs of KubeVirt in JSON are 80 MiB."""
MAX_TOTAL_BYTES = 4 * GIB
MAX_FILES = 100_000
"""Two for each of 10,000 VMs are a fifth of this."""
MAX_XML_BYTES = 64 * MIB
MAX_XML_DEPTH = 50
MAX_XML_ELEMENTS = 2_000_000
_AGAIN = "export it again"
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_XML_TYPE = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
_XML_DECLARATION = re.compile(r"<\?xml[^>]{0,200}\?>")


class Dump(NamedTuple):
    """Text of one file.

    Attributes
    ----------
    path : Path
        As the user wrote it or found in a directory of his.
    parts : tuple of str
        Directories below the named one, and the file's name.
    is_named : bool
        Whether the user named the file itself.
    """

    path: Path
    parts: tuple[str, ...]
    is_named: bool
    text: str

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return str(self.path)

    @property
    def looks_like_json(self) -> bool:
        """Whether the text begins as JSON does."""
        return self.text.lstrip()[:1] in ("{", "[")

    @property
    def looks_like_xml(self) -> bool:
        """Whether the text begins as XML does."""
        return self.text.lstrip()[:1] == "<"


def read_dumps(sources: Sequence[Path], skipped: list[Note], progress: Progress) -> Iterator[Dump]:
    """Read files, and all files of directories, one after the other.

    Parameters
    ----------
    sources : sequence of Path
    skipped : list of Note
        Takes a note for each file in a directory that is empty or no text.
    progress : Progress

    Raises
    ------
    InputError
        A source is missing, unreadable or too large; a named file is empty or no text; there are no files.
    """
    files = [found for source in sources for found in _find(source)]
    if not files:
        raise InputError(", ".join(map(str, sources)) or "import", "no files to read", "name files or directories")
    total_bytes = 0
    for done, (path, parts, is_named) in enumerate(files):
        progress(done, len(files))
        check_regular(path, _AGAIN)
        data = read_bytes(path, MAX_DUMP_BYTES)
        total_bytes += len(data)
        if total_bytes > MAX_TOTAL_BYTES:
            message = f"more than {format_bytes(MAX_TOTAL_BYTES)} in all"
            raise InputError(str(path), message, "is it the right directory? Import fewer hosts at a time")
        text = _decode(data)
        if text is not None and text.strip():
            yield Dump(path, parts, is_named, text)
            continue
        message = "is empty" if not data.strip() else "is not UTF-8 text"
        if is_named:
            raise InputError(str(path), message, "save it as UTF-8 and try again" if data.strip() else _AGAIN)
        skipped.append(Note(str(path), f"the file {message}"))
    progress(len(files), len(files))


def parse_json(dump: Dump) -> Any:
    """Turn the text of a file into values. Raises InputError where it is broken or a key is there twice."""
    try:
        return loads_json(dump.text, _unique)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise InputError(dump.place, f"cannot be read as JSON: {reason}", f"is it cut off? {_AGAIN}") from None


def parse_xml(text: str, place: str) -> list[Element]:
    """Turn XML into elements: several documents one after the other give several.

    Raises
    ------
    InputError
        It is broken, declares entities or a document type, or is too deep or too long.
    """
    if len(text) > MAX_XML_BYTES:
        raise InputError(place, f"is XML of more than {format_bytes(MAX_XML_BYTES)}", "write a file per VM")
    if _XML_TYPE.search(text):
        message = "declares a document type or entities"
        raise InputError(place, message, "dumps of VMs have none; is it the right file?")
    wrapped = f"<all>{_XML_DECLARATION.sub('', text)}</all>"
    depth = n_elements = 0
    root: Element | None = None
    try:
        for event, element in iterparse(io.BytesIO(wrapped.encode()), events=("start", "end"), forbid_dtd=True):
            depth += 1 if event == "start" else -1
            n_elements += event == "start"
            root = element if root is None else root
            if depth > MAX_XML_DEPTH or n_elements > MAX_XML_ELEMENTS:
                what = "nested too deeply" if depth > MAX_XML_DEPTH else "too long"
                raise InputError(place, f"is XML that is {what}", "write a file per VM")
    except (ParseError, ValueError) as error:  # what defusedxml refuses is a ValueError
        raise InputError(place, f"cannot be read as XML: {error}", f"is it cut off? {_AGAIN}") from None
    return list(root) if root is not None else []


def _find(source: Path) -> Iterator[tuple[Path, tuple[str, ...], bool]]:
    """List a file, or the files of a directory in the order of their names, hidden ones left out."""
    if not os.path.isdir(source):  # noqa: PTH112 (false where Path raises: a name too long)
        yield source, (source.name,), True
        return
    n_files = 0
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            n_files += 1
            if n_files > MAX_FILES:
                raise InputError(str(source), f"holds more than {MAX_FILES:,} files", "is it the right directory?")
            path = Path(folder) / name
            yield path, path.relative_to(source).parts, False


def _decode(data: bytes) -> str | None:
    encoding = "utf-16" if data.startswith(_UTF16_MARKS) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f'the key "{double[:80]}" is written twice')
    return values
