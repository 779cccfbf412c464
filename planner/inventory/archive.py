"""Zip archives that users name: read in place, in bounded memory and time, nothing is extracted.

An archive of kilobytes may unpack to petabytes: by members that hold one byte over and over, by members that share
their bytes, by an endless list of members. What it declares is looked at before anything is unpacked, and what is
unpacked never exceeds what it declares.
"""

import struct
import zipfile
import zlib
from pathlib import Path

from planner.errors import InputError
from planner.units import GIB, MIB, format_bytes

MAX_MEMBERS = 200_000
"""GWA-T-12 has 4,000 files."""
MAX_DIRECTORY_BYTES = 64 * MIB
MAX_MEMBER_BYTES = 512 * MIB
"""A month of samples every 20 s is 20 MiB."""
MAX_UNPACKED_BYTES = 64 * GIB
MAX_RATIO = 200.0
"""Tables of numbers shrink to a tenth, of a VM that is off to a fiftieth; deflate can do 1,032."""
RATIO_FROM_BYTES = 16 * MIB
"""Small archives may shrink as they like."""
_HINT = "unpack it yourself and name the directory"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_END, _END64, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip archive that is no bomb.

    Raises
    ------
    InputError
        It is broken, or holds more than it should.
    """
    try:
        _check_directory(path)
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise InputError(str(path), "is neither a directory nor a whole zip file", "download it again?") from error
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror or error}", "check its permissions") from error
    try:
        _check_sizes(archive, path)
    except InputError:
        archive.close()
        raise
    return archive


def read_member(archive: zipfile.ZipFile, name: str, place: str) -> bytes:
    """Unpack one member. Raises InputError when it is broken, locked, or packed in an unusual way."""
    member = archive.getinfo(name)
    if member.compress_type not in _METHODS:
        raise InputError(place, f"is packed by method {member.compress_type}", _HINT)
    if member.flag_bits & 1:
        raise InputError(place, "is encrypted", _HINT)
    try:
        return archive.read(member)
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile, struct.error) as error:
        raise InputError(place, f"cannot be read: {error}", "copy or download it again") from error


def _check_directory(path: Path) -> None:
    """Refuse a list of members that is too long to be read, before it is."""
    with path.open("rb") as file:
        length = file.seek(0, 2)
        file.seek(max(0, length - (1 << 16) - 22))
        tail = file.read()
        at = tail.rfind(_END)
        if at < 0:
            raise zipfile.BadZipFile("no end record")
        members, directory_bytes = struct.unpack_from("<HL", tail, at + 10)
        locator = at - 20
        if locator >= 0 and tail[locator : locator + 4] == _LOCATOR64:
            file.seek(struct.unpack_from("<Q", tail, locator + 8)[0])
            record = file.read(56)
            if record[:4] == _END64:
                members, directory_bytes = struct.unpack_from("<QQ", record, 32)
    if members > MAX_MEMBERS or directory_bytes > MAX_DIRECTORY_BYTES:
        raise InputError(str(path), f"lists {members:,} members, more than {MAX_MEMBERS:,}", _HINT)


def _check_sizes(archive: zipfile.ZipFile, path: Path) -> None:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise InputError(str(path), f"holds {len(members):,} members, more than {MAX_MEMBERS:,}", _HINT)
    unpacked = sum(member.file_size for member in members)
    ratio = unpacked / max(1, path.stat().st_size)
    if unpacked > MAX_UNPACKED_BYTES or (unpacked > RATIO_FROM_BYTES and ratio > MAX_RATIO):
        message = f"unpacks to {format_bytes(unpacked)}, {ratio:,.0f} times its size"
        raise InputError(str(path), message, f"is it what you meant? If so, {_HINT}")
    largest = max(members, key=lambda member: member.file_size, default=None)
    if largest is not None and largest.file_size > MAX_MEMBER_BYTES:
        message = f"unpacks to {format_bytes(largest.file_size)}, more than {format_bytes(MAX_MEMBER_BYTES)}"
        raise InputError(f"{path}, {largest.filename}", message, _HINT)
