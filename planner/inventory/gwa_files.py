"""Find and parse the CSV files of the Grid Workloads Archive's VM traces (GWA-T-12 Bitbrains, GWA-T-13 Materna).

One file per VM and month, `;`-separated. GWA-T-12: `rnd/2013-7/1.csv`, tabs or blanks after the separator, epoch
seconds under a header that says ms. GWA-T-13: quoted, decimal comma, DD.MM.YYYY HH:MM:SS. "KB" is KiB, as in
VMware's counters.
"""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from planner.errors import InputError
from planner.input_files import check_regular, read_bytes
from planner.inventory.archive import MAX_MEMBER_BYTES, open_archive, read_member
from planner.inventory.grid import check_times
from planner.units import KIB

_COLUMNS = {
    "time": "Timestamp",
    "cores": "CPU cores",
    "cap_mhz": "CPU capacity provisioned [MHZ]",
    "cpu_mhz": "CPU usage [MHZ]",
    "granted_kib": "Memory capacity provisioned [KB]",
    "active_kib": "Memory usage [KB]",
    "active_percent": "Memory usage [%]",
}
_LARGEST = 2.0**50
"""In KiB 1 EiB; what is above it, and infinity, is no measurement."""
_REQUIRED = ("time", "granted_kib", "active_kib")
_MONTH = re.compile(r"\d{4}-\d{1,2}$")
_AGAIN = "copy or download it again"
_DATE_FORMAT = "%d.%m.%Y %H:%M:%S"
_MS_FROM = 1e11
"""Epoch seconds stay below this until the year 5138; milliseconds are above it since 1973."""


class Member(NamedTuple):
    """One CSV file: which VM of which data set and month it holds, and how to read it."""

    dataset: str
    month: str
    stem: str
    place: str
    path: str


class Samples(NamedTuple):
    """Columns of one file, a row per sample; NaN where the file has no such column. Bytes, seconds, MHz, vCPUs."""

    times_s: np.ndarray
    granted_bytes: np.ndarray
    active_bytes: np.ndarray
    active_percent: np.ndarray
    cpu_busy_vcpus: np.ndarray
    cores: np.ndarray


class GwaFolder:
    """A directory or zip file of GWA traces. Zip members are read in place, nothing is extracted.

    Raises
    ------
    InputError
        There is no such path, it is not a zip file, or holds no CSV file.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        self._zip = _open_zip(source)
        self.members = sorted(self._find(), key=_natural_key)
        if not self.members:
            hint = "expected files such as rnd/2013-7/1.csv"
            if self._zip is None and any(source.glob("*.zip")):
                hint += "; name the .zip file itself"
            raise InputError(str(source), "holds no CSV file", hint)

    def read(self, member: Member) -> Samples:
        """Read one file. Raises InputError when it is broken or lacks a column."""
        if self._zip:
            data = read_member(self._zip, member.path, member.place)
        else:
            check_regular(Path(member.path), _AGAIN)
            data = read_bytes(Path(member.path), MAX_MEMBER_BYTES)
        return parse_csv(data, member.place)

    def close(self) -> None:
        """Close the zip file, if it is one."""
        if self._zip:
            self._zip.close()

    def _find(self) -> Iterator[Member]:
        if self._zip:
            paths = [(name, PurePosixPath(name)) for name in self._zip.namelist()]
        else:
            found = self._source.rglob("*.csv")
            paths = [(str(path), PurePosixPath(path.relative_to(self._source).as_posix())) for path in found]
        for path, inside in paths:
            is_hidden = any(part.startswith((".", "__MACOSX")) for part in inside.parts)
            if inside.suffix.lower() == ".csv" and not is_hidden:
                place = f"{self._source}, {inside}" if self._zip else path
                yield _describe(path, inside, place)


def parse_csv(data: bytes, place: str) -> Samples:
    """Parse one file.

    Raises
    ------
    InputError
        Not text, a column is missing (named), or a row does not fit.
    """
    header, body_first = _header(data, place)
    chosen = {key: header.index(_normal(name)) for key, name in _COLUMNS.items() if _normal(name) in header}
    for key in _REQUIRED:
        if key not in chosen:
            found = ", ".join(name for name in header if name) or "nothing"
            raise InputError(place, f'lacks the column "{_COLUMNS[key]}"', f"expected GWA-T-12 columns; found: {found}")
    decimal_point = "," if b"," in body_first else "."
    types = {str(chosen[key]): pa.float64() for key in chosen if key != "time"}
    types[str(chosen["time"])] = pa.string()
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(column_names=[str(i) for i in range(len(header))], skip_rows=1, use_threads=False),
            csv.ParseOptions(delimiter=";"),
            csv.ConvertOptions(column_types=types, include_columns=list(types), decimal_point=decimal_point),
        )
    except pa.ArrowException as error:
        message = f"is not a table ({str(error).splitlines()[0]})"
        raise InputError(place, message, _AGAIN) from error
    return _samples({key: table.column(str(position)) for key, position in chosen.items()}, place)


def _open_zip(source: Path) -> zipfile.ZipFile | None:
    if source.is_dir():
        return None
    if not source.is_file():
        raise InputError(str(source), "no such file or directory", "expected a directory or zip file of GWA traces")
    return open_archive(source)


def _describe(path: str, inside: PurePosixPath, place: str) -> Member:
    """Split dataset/2013-7/1.csv. Folders that are no month are data sets of their own: numbers repeat in them."""
    folders = list(inside.parts[:-1])
    month = folders.pop() if folders and _MONTH.match(folders[-1]) else ""
    return Member("/".join(folders), month, inside.stem, place, path)


def _natural_key(member: Member) -> tuple[str, tuple[int, str], tuple[int, int]]:
    number = int(member.stem) if member.stem.isascii() and member.stem.isdigit() else 0
    year, _, month = member.month.partition("-")
    return member.dataset, (number, member.stem), (int(year or 0), int(month or 0))


def _normal(name: str) -> str:
    """Compare headers without case, blanks and quotes; the unit of the time stamp is wrong and left out."""
    short = re.sub(r"\s+", " ", name.strip().strip('"').strip().lower())
    return "timestamp" if short.startswith("timestamp") else short


def _header(data: bytes, place: str) -> tuple[list[str], bytes]:
    """Return the normalised column names and the first line under them."""
    first, _, rest = data.lstrip(b"\xef\xbb\xbf").partition(b"\n")
    try:
        names = [_normal(cell) for cell in first.decode().split(";")]
    except UnicodeDecodeError as error:
        raise InputError(place, "is not text", "expected a CSV file of GWA-T-12 or GWA-T-13") from error
    return names, rest.partition(b"\n")[0]


def _samples(columns: dict[str, Any], place: str) -> Samples:
    times_s = _times_s(columns["time"], place)
    values = {key: np.asarray(column.to_numpy(), dtype=np.float64) for key, column in columns.items() if key != "time"}
    for key, column in values.items():
        is_absurd = (column > _LARGEST) | (column < 0)
        if is_absurd.any():
            message = f'row {int(np.argmax(is_absurd)) + 1} has {column[is_absurd][0]:g} as "{_COLUMNS[key]}"'
            raise InputError(place, message, f"expected 0 to {_LARGEST:g}")
    unknown = np.full(len(times_s), np.nan)
    cores = values.get("cores", unknown)
    cap_mhz = values.get("cap_mhz", unknown)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        busy = values.get("cpu_mhz", unknown) * cores / cap_mhz
    granted = values["granted_kib"] * KIB
    is_off = ~(granted > 0)
    active = np.where(is_off, np.nan, values["active_kib"] * KIB)
    return Samples(
        times_s=times_s,
        granted_bytes=np.where(is_off, np.nan, granted),
        active_bytes=active,
        active_percent=values.get("active_percent", unknown),
        cpu_busy_vcpus=np.where(np.isfinite(busy) & ~is_off, busy, np.nan),
        cores=cores,
    )


def _times_s(column: Any, place: str) -> np.ndarray:
    text = pc.utf8_trim_whitespace(column)
    try:
        numbers = np.asarray(text.cast(pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowInvalid:
        return _dates_s(text, place)
    if not np.isfinite(numbers).all():
        raise InputError(place, "a row has no time stamp", "expected epoch seconds")
    is_ms = len(numbers) > 0 and float(np.median(numbers)) > _MS_FROM
    return check_times(numbers / 1000 if is_ms else numbers, place)


def _dates_s(text: Any, place: str) -> np.ndarray:
    try:
        dates = pc.strptime(text, format=_DATE_FORMAT, unit="s")
    except pa.ArrowInvalid as error:
        hint = "expected epoch seconds, or dates such as 31.12.2015 23:55:00"
        raise InputError(place, f"time stamps cannot be read ({error})", hint) from error
    return check_times(np.asarray(dates.cast(pa.int64()).to_numpy(), dtype=np.int64), place)
