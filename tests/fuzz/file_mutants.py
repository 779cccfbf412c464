"""Mutants of other files: CSV, zip archives, Parquet, JSON, and of the directories that hold them."""

import io
import json
import os
import random
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

CELLS = (
    "", " ", "nan", "NaN", "inf", "-inf", "1e999", "-1", "-0", "1e308", "1e-320", "9" * 30, "0x10", "1,5", "1.5.5",
    "abc",
    '"', '"a;b"', "NULL", "None", "#N/A", "true", "1 000", "1e", "+5", "é", "\0", "\u202e", "x" * 5000, "1970-01-01",
    "31.12.2015 23:55:00", "99.99.9999 99:99:99", "2026-01-31T00:05:00Z", "99999999999999", "-99999999999999",
    "9223372036854775807", "9223372036854775808", "18446744073709551616", "253402300800", "1e18",
)  # fmt: skip
JSON_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 0.5, 1e308, float("nan"), float("inf"), 2**63, 10**400, "", "x", "x" * 5000,
    "<script>",
    "../../etc/passwd", "\u202e", "\ud800", [], {}, [[]], [None], {"a": 1}, [1, "x"], ["a"] * 50, 3, 2, 99, "1", "ok",
)  # fmt: skip


def mutate_csv(rng: random.Random, text: str, separator: str) -> bytes:
    """Mutate a CSV file, one to three times."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if rng.random() < 0.12:
            return rng.choice((text.encode("utf-16"), b"\xef\xbb\xbf" + text.encode(), b"", _noisy(rng, text)))
        text = rng.choice(_CSV)(rng, text, separator)
    return text.encode("utf-8", "surrogatepass")


def _noisy(rng: random.Random, text: str) -> bytes:
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(rng.choice((1, 3, 30))):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _csv_cell(rng: random.Random, text: str, separator: str) -> str:
    lines = text.split("\n")
    at = 0 if rng.random() < 0.2 else rng.randrange(len(lines))
    cells = lines[at].split(separator)
    spot = rng.randrange(len(cells))
    what = rng.randrange(5)
    if what == 0:
        del cells[spot]
    elif what == 1:
        cells.insert(spot, rng.choice(CELLS))
    else:
        cells[spot] = rng.choice(CELLS)
    lines[at] = separator.join(cells)
    return "\n".join(lines)


def _csv_row(rng: random.Random, text: str, separator: str) -> str:
    lines = text.split("\n")
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    what = rng.randrange(3)
    if what == 0:
        del lines[at]
    elif what == 1:
        lines.insert(to, lines[at])
    else:
        lines[at], lines[to] = lines[to], lines[at]
    return "\n".join(lines)


def _csv_rows(rng: random.Random, text: str, separator: str) -> str:
    lines = text.split("\n")
    return "\n".join(rng.choice((lines[:1], lines[:2], [lines[0], *reversed(lines[1:])], lines + lines[1:])))


def _csv_column(rng: random.Random, text: str, separator: str) -> str:
    header, *lines = text.split("\n")
    spot, cell = rng.randrange(len(header.split(separator))), rng.choice(CELLS)
    return "\n".join([header, *(_with_cell(line, separator, spot, cell) for line in lines)])


def _csv_separator(rng: random.Random, text: str, separator: str) -> str:
    return text.replace(separator, rng.choice((",", ";", "\t", "|", " ")))


def _csv_line_ends(rng: random.Random, text: str, separator: str) -> str:
    return text.replace("\n", rng.choice(("\r\n", "\r", "\n\n", "\0")))


def _csv_cut(rng: random.Random, text: str, separator: str) -> str:
    return text[: rng.randrange(len(text) + 1)]


def _csv_long(rng: random.Random, text: str, separator: str) -> str:
    lines = text.split("\n")
    lines[rng.randrange(len(lines))] += rng.choice(('"', separator * 5000, "x" * 200_000, "\0" * 10))
    return "\n".join(lines)


_CSV = (
    _csv_cell, _csv_cell, _csv_cell, _csv_cell, _csv_row, _csv_row, _csv_rows, _csv_column, _csv_column, _csv_separator,
    _csv_line_ends, _csv_cut, _csv_long,
)  # fmt: skip


def _with_cell(line: str, separator: str, spot: int, cell: str) -> str:
    cells = line.split(separator)
    if spot < len(cells):
        cells[spot] = cell
    return separator.join(cells)


def mutate_bytes(rng: random.Random, data: bytes) -> bytes:
    """Truncate, flip, cut, repeat or replace bytes."""
    what = rng.randrange(7)
    if what == 0 or not data:
        return data[: rng.randrange(len(data) + 1)]
    changed = bytearray(data)
    if what <= 3:
        tail = rng.random() < 0.6  # Parquet and zip keep what describes them at the end
        for _ in range(rng.choice((1, 1, 2, 8))):
            low = max(0, len(changed) - 600) if tail else 0
            changed[rng.randrange(low, len(changed))] = rng.choice((0, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        return bytes(changed)
    at = rng.randrange(len(changed))
    if what == 4:
        del changed[at : at + rng.choice((1, 4, 100))]
    elif what == 5:
        changed[at:at] = rng.randbytes(rng.choice((1, 4, 100)))
    else:
        return rng.choice((b"", b"PAR1", b"PK\x05\x06" + bytes(18), rng.randbytes(100), data * 2))
    return bytes(changed)


def mutate_table(rng: random.Random, table: pa.Table) -> pa.Table:
    """Mutate the columns of a table: drop, rename, double, other types, other values, other lengths."""
    if table.num_columns == 0:
        return table
    at = rng.randrange(table.num_columns)
    name = table.column_names[at]
    what = rng.randrange(10)
    if what == 0:
        return table.remove_column(at)
    if what == 1:
        names = list(table.column_names)
        names[at] = rng.choice(("", "x", name.upper(), names[rng.randrange(len(names))], "__index_level_0__", "\u202e"))
        return table.rename_columns(names)
    if what == 2:
        return table.append_column(rng.choice((name, "x", "time_utc")), table.column(at))
    if what == 3:
        return table.slice(0, rng.choice((0, 1, max(0, table.num_rows - 1))))
    if what == 4:
        return pa.concat_tables([table, table])
    if what == 5:
        key = rng.choice((b"pandas", b"ARROW:schema", b"x"))
        return table.replace_schema_metadata(
            {key: rng.choice((b"{}", b"\xff", b'{"index_columns": ["nope"]}', b"null"))}
        )
    return table.set_column(at, name, _other_values(rng, table.num_rows, table.column(at)))


def _other_values(rng: random.Random, n_rows: int, column: Any) -> pa.Array:
    what = rng.randrange(len(_COLUMNS) + 2)
    if what < len(_COLUMNS):
        return _COLUMNS[what](rng, n_rows)
    values = column.to_pylist()
    if values and what == len(_COLUMNS):
        values[rng.randrange(len(values))] = None
    else:
        rng.shuffle(values)
    return pa.array(values, type=column.type)


def _any_of(choices: tuple[Any, ...], kind: pa.DataType) -> Callable[[random.Random, int], pa.Array]:
    return lambda rng, n_rows: pa.array([rng.choice(choices) for _ in range(n_rows)], type=kind)


def _of_one(rng: random.Random, n_rows: int) -> pa.Array:
    """Give a column of one odd value, of a kind that nobody expects."""
    value, kind = rng.choice(
        (
            ([1, 2], pa.list_(pa.int64())),
            (b"\xff\xfe", pa.binary()),
            ({"a": 1}, pa.struct([("a", pa.int64())])),
            (0, pa.timestamp("s")),
            (0, pa.timestamp("ns", tz="Asia/Tokyo")),
            (2**62, pa.timestamp("s", tz="UTC")),
            ("a", pa.dictionary(pa.int32(), pa.string())),
            (None, pa.null()),
        )
    )
    return pa.array([value] * n_rows, type=kind)


_COLUMNS = (
    _of_one,
    _of_one,
    _any_of(("", "x", "vm-1", "\u202e", "<b>", "y" * 1000), pa.string()),
    _any_of((0, -1, 1, 2**62, -(2**63), 2**63 - 1), pa.int64()),
    _any_of((float("nan"), float("inf"), float("-inf"), -1.0, 1e300, 0.0), pa.float64()),
    _any_of((True, False, None), pa.bool_()),
)


def mutate_parquet(rng: random.Random, path: Path) -> None:
    """Mutate a Parquet file in place, by its bytes or by its columns."""
    if rng.random() < 0.4:
        path.write_bytes(mutate_bytes(rng, path.read_bytes()))
        return
    buffer = io.BytesIO()
    with suppress(pa.ArrowException):  # a value that no Parquet file can hold
        pq.write_table(mutate_table(rng, pq.read_table(path)), buffer)
        path.write_bytes(buffer.getvalue())


def mutate_json(rng: random.Random, path: Path) -> None:
    """Mutate a JSON file in place, by its text or by its values."""
    data = path.read_bytes()
    if rng.random() < 0.3:
        deep = rng.choice((b"[" * 100_000, b'{"a":' * 5000, b"9" * 5000, b"\xff", b"null", b"[]", b"{}", data + data))
        path.write_bytes(rng.choice((mutate_bytes(rng, data), deep)))
        return
    values = json.loads(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        _change_json(rng, values)
    path.write_text(json.dumps(values), encoding="utf-8", errors="surrogatepass")


def _change_json(rng: random.Random, values: Any) -> None:
    holder = values
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return
        key = rng.choice(keys)
        below = holder[key]
        if not isinstance(below, dict | list) or not below or rng.random() < 0.35:
            break
        holder = below
    if rng.random() < 0.3:
        del holder[key]
    else:
        holder[key] = deepcopy(rng.choice(JSON_VALUES))


def plant(rng: random.Random, folder: Path) -> None:
    """Put something into a directory that has no business there, or take something out of it."""
    entries = sorted(path for path in folder.rglob("*") if path.is_file())
    victim = rng.choice(entries)
    what = rng.randrange(8)
    if what == 0:
        victim.unlink()
    elif what == 1:
        victim.unlink()
        victim.mkdir()
    elif what == 2:
        victim.unlink()
        victim.symlink_to(rng.choice(("/etc/passwd", "/nowhere", "/dev/zero", ".", victim.name, "/")))
    elif what == 3:
        victim.unlink()
        os.mkfifo(victim)
    elif what == 4:
        victim.write_bytes(b"")
    elif what == 5:
        with victim.open("r+b") as file:
            file.truncate(rng.choice((1 << 33, 1 << 40)))  # sparse: takes no room on the disk
    elif what == 6:
        name = rng.choice(
            ("x.parquet", "0.parquet", "é.parquet", "-1.parquet", "a" * 200 + ".parquet", ".hidden", "x.csv")
        )
        (victim.parent / name).write_bytes(rng.choice((b"", b"PAR1", victim.read_bytes(), b"\x80\x04K\x01.")))
    else:
        other = rng.choice(entries)
        victim.write_bytes(other.read_bytes())


def zip_of(rng: random.Random, members: dict[str, bytes]) -> bytes:
    """Write an archive that holds members, and mostly something bad beside them."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # a name twice
        for name, data in members.items():
            archive.writestr(name, data)
        if rng.random() < 0.6:
            rng.choice((_zip_bomb, _zip_outside, _zip_nested, _zip_folder, _zip_many, _zip_twice))(rng, archive)
    data = buffer.getvalue()
    return rng.choice((_zip_as_is, _zip_as_is, mutate_bytes, _zip_encrypted, _zip_method, _zip_lies))(rng, data)


def _zip_bomb(rng: random.Random, archive: zipfile.ZipFile) -> None:
    archive.writestr("rnd/2013-8/9.csv", bytes(50_000_000))


def _zip_outside(rng: random.Random, archive: zipfile.ZipFile) -> None:
    names = ("../../escape.csv", "/etc/escape.csv", "a/../../b.csv", "C:\\x.csv", "a\\b.csv", "\u202e.csv", "²/²-².csv")
    archive.writestr(rng.choice(names), b"x")


def _zip_nested(rng: random.Random, archive: zipfile.ZipFile) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as nested:
        nested.writestr("9.csv", bytes(10_000_000))
    archive.writestr(rng.choice(("inner.zip", "inner.csv")), inner.getvalue())


def _zip_folder(rng: random.Random, archive: zipfile.ZipFile) -> None:
    archive.writestr(rng.choice(("rnd/2013-8/9.csv/", ".csv", "rnd/.csv", "²/²-².csv", "1.csv")), b"")


def _zip_many(rng: random.Random, archive: zipfile.ZipFile) -> None:
    for number in range(2000):
        archive.writestr(f"rnd/2013-9/{number}.csv", b"")


def _zip_twice(rng: random.Random, archive: zipfile.ZipFile) -> None:
    archive.writestr("rnd/2013-7/1.csv", rng.choice((b"", b"\0", archive.read("rnd/2013-7/1.csv"))))


def _zip_as_is(rng: random.Random, data: bytes) -> bytes:
    return data


def _patched(data: bytes, local: int, central: int, patch: bytes) -> bytes:
    """Overwrite bytes of the first member's two headers, at these offsets; a negative one leaves a header alone."""
    changed = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        if offset >= 0:
            at = changed.find(mark) + offset
            changed[at : at + len(patch)] = patch
    return bytes(changed)


def _zip_encrypted(rng: random.Random, data: bytes) -> bytes:
    return _patched(data, 6, 8, b"\x01")


def _zip_method(rng: random.Random, data: bytes) -> bytes:
    return _patched(data, 8, 10, bytes([rng.choice((1, 6, 9, 12, 14, 93, 99))]))


def _zip_lies(rng: random.Random, data: bytes) -> bytes:
    return _patched(data, -1, 20, rng.choice((b"\xff" * 8, bytes(8), b"\x10\0\0\0\xff\xff\xff\x7f")))
