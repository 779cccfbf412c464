"""Mutants of YAML: of the text, and of the values by the shape that the models declare."""

import random
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from typing import Any

import annotated_types
import yaml
from pydantic import BaseModel

from planner.config.fields import models_in

RAW = (
    ".nan", ".inf", "-.inf", "1e999", "-1e999", "0x1F", "0o17", "0b101", "017", "1_000", "+5", "--5", "1e",
    "2024-01-01",
    "2001-12-14t21:59:43.10-05:00", "12:30:45", "!!python/object/apply:os.system ['true']", "!!binary aGk=",
    "!!timestamp 2024-01-01", "!!set {a, b}", "!!str 5", "!local x", "&a [*a]", "&a {b: *a}", "*nope", "*", "&", "~",
    "null", "''", '""', '"\\ud800"', '"\\0"', '"\\x1b[31m"', "|\n  x", ">-\n  x", "? x", "- x", "{}", "[]", "[[]]",
    "{a: 1, a: 2}", "{<<: {a: 1}}", "<<", "=", "{[a]: b}", "{? [a, b] : c}", "yes", "on", "No", "TRUE", "%", "@x",
    "`x`",
    "# nothing", "--- 1", "...", "\t1", "'unclosed", '"unclosed', "[unclosed", "{unclosed", "]", "}", "a: b: c",
    "1" * 400, "1" * 5000, "0." + "1" * 5000, "-" + "9" * 40, "1e400 GiB", "[" * 60 + "]" * 60, "[" * 5000,
    "{a: " * 60 + "1" + "}" * 60, "\u202e", "\u0000", "\ufeff", "\U0001f4a5", "é" * 300, "x" * 20_000,
    "[&b [x, x, x, x, x, x, x, x, x], " + ", ".join(["*b"] * 9) + "]",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    0, 1, -1, 2, 3, 7, 0.5, 1.5, -0.5, 1e-9, 1e-300, 1e300, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63),
    10**6, 10**12, 10**18, 10**30, 10**100, 10**400, True, False, None, "", " ", "x", "nan", "inf", "-inf", "1e9",
    "0", "1",
    "0 B", "1 B", "-1 B", "4095 B", "4 KiB", "1 GiB", "64 GiB", "1.5 GiB", "0.1 B", "8388607 TiB", "8388608 TiB",
    "99999999999999999999 TiB", "1e9 GiB", "1 gib", "1 Gb", "1 XiB", "512GiB", "5 min", "0 s", "-5 min", "1 ns", "1 s",
    "0.5 s", "1 day", "10 weeks", "1000000 weeks", "99999999999999999999 weeks", "0.0000000001 ns", "5 m", "5 parsec",
    "0 %", "1 %", "50 %", "100 %", "100.0001 %", "101 %", "-1 %", "1e400 %", "1 MiB/s", "0 B/s", "1 /s", "/s",
    "1 GiB/h",
    "first-fit", "worst-fit", "as-is", "peak-aware", "random", "esxi-8", "kvm", "hyper-v", "managed-hosting", "nvme",
    "hdd",
    "low", "middle", "high", "esx", "esx-01", "*", "group: *", "..", "/", "/etc/passwd", "nowhere", "a b", "a\nb",
    "a\0b",
    "\u202e", "\U0001f4a5", "<script>", "${HOME}", "%s%n", "x" * 300, [], {}, [[]], [{}], [None], {"": 1},
    {"a": {"b": 1}},
    [1, 2, 3], ["x"], [1, "x", None], {"preset": "kvm"}, {"preset": []}, {"enabled": False}, {"any": 1},
    {"hosts": ["esx-01"]},
)  # fmt: skip
NAMES = (
    "first-fit", "worst-fit", "best-fit", "peak-aware", "sharing-aware", "random", "as-is", "kvm", "esxi-8", "hyper-v",
    "ovirt", "proxmox", "nvme", "hdd", "sata-ssd", "low", "high", "esx-01", "esx-02", "web-*", "consolidate", "grow",
    "skylake-sp", "ice-lake-sp", "esx", "mom", "linux", "sampled", "n-sigma", "ratio", "percentile",
)  # fmt: skip
_ALPHABET = [*"abcxyz0189 \t\n\r:-,.[]{}'\"&*!|>%@#?~<=_/\\", "\0", "é", "\u2028", "\ufeff", "\U0001f600"]
_RAW_MARK = "raw9mark"


def mutate_text(rng: random.Random, text: str, others: tuple[str, ...]) -> bytes:
    """Mutate YAML as text, one to four times; what comes out may be no text at all."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        text = rng.choice(_TEXT)(rng, text, others)
    data = text.encode("utf-8", "surrogatepass")
    return rng.choice(_BYTES)(rng, data) if rng.random() < 0.15 else data


def mutate_values(rng: random.Random, values: Any, fields: tuple["Field", ...], wild: bool = True) -> str:
    """Mutate values by their shape and write them as YAML.

    Parameters
    ----------
    fields : tuple of Field
        What the models declare; a mutant sets one of them to a value at a limit, or beyond it.
    wild : bool
        False: values near those that are there, so that what comes after the checks is reached.
    """
    values = deepcopy(values)
    raw: list[str] = []
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        if not wild and rng.random() < 0.9:
            _nudge(rng, values)
        elif fields and rng.random() < 0.5:
            values = _set_field(rng, values, rng.choice(fields), raw)
        else:
            values = _change_some(rng, values, raw)
    text = yaml.safe_dump(
        values, sort_keys=False, allow_unicode=True, default_flow_style=rng.choice((None, None, True))
    )
    for piece in raw:
        text = text.replace(_RAW_MARK, piece, 1)
    return text


class Field:
    """A declared key: where it stands, and values at its limits."""

    def __init__(self, path: tuple[str | int, ...], limits: tuple[Any, ...]) -> None:
        self.path = path
        self.limits = limits


def fields_of(model: type[BaseModel], path: tuple[str | int, ...] = (), depth: int = 0) -> tuple[Field, ...]:
    """List every key that a model leads to, lists by their first entry."""
    found: list[Field] = []
    for name, field in model.model_fields.items():
        here = (*path, name)
        found.append(Field(here, _limits(field.metadata)))
        is_list = "tuple" in str(field.annotation)
        for inner in models_in(field.annotation) if depth < 6 else ():
            found += fields_of(inner, (*here, 0) if is_list else here, depth + 1)
    return tuple(found)


def _limits(metadata: list[Any]) -> tuple[Any, ...]:
    found: list[Any] = []
    for item in metadata:
        for kind in (annotated_types.Ge, annotated_types.Gt, annotated_types.Le, annotated_types.Lt):
            if isinstance(item, kind):
                limit = getattr(item, kind.__name__.lower())
                if isinstance(limit, int | float):
                    found += [limit, limit - 1, limit + 1, limit * 2, limit / 2]
    texts = [f"{value} {unit}" for value in found[:5] for unit in ("B", "s", "%", "B/s", "GiB")]
    return tuple(found + texts)


def _nudge(rng: random.Random, values: Any) -> None:
    """Change one plain value to one of its kind: another number of the same unit, the other truth, another name."""
    place = rng.choice([place for place in _places(values, ()) if place])
    holder = values
    for part in place[:-1]:
        holder = holder[part]
    holder[place[-1]] = _near(rng, holder[place[-1]])


def _near(rng: random.Random, value: Any) -> Any:
    factor = rng.choice((0, 0.1, 0.5, 0.9, 1.1, 2, 3, 10))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((0, 1, 2, value + 1, value - 1, int(value * factor)))
    if isinstance(value, float):
        return rng.choice((0.0, 1.0, value * factor))
    if isinstance(value, str):
        number, _, unit = value.partition(" ")
        with suppress(ValueError):
            return f"{float(number) * factor:.12g} {unit}"
        return rng.choice(NAMES)
    if isinstance(value, list) and value:
        return rng.choice((value[:1], value[::-1], value + value[:1]))
    return rng.choice((None, value, value, 1, "1 GiB", "1 h"))


def _value(rng: random.Random, raw: list[str]) -> Any:
    if rng.random() < 0.25:
        raw.append(rng.choice(RAW))
        return _RAW_MARK
    return deepcopy(rng.choice(VALUES))


def _set_field(rng: random.Random, values: Any, field: Field, raw: list[str]) -> Any:
    here = values
    for part, following in zip(field.path[:-1], field.path[1:], strict=True):
        here = _step(here, part, following)
        if here is None:
            return values
    if isinstance(here, dict):
        near_limit = field.limits and rng.random() < 0.7
        here[field.path[-1]] = rng.choice(field.limits) if near_limit else _value(rng, raw)
    return values


def _step(here: Any, part: str | int, following: str | int) -> Any:
    """Go one step down, making what is not there."""
    if isinstance(here, dict):
        below = here.get(part)
        if isinstance(below, dict | list):
            return below
        if part == "hypervisor" and isinstance(below, str):
            here[part] = {"preset": below}
        else:
            here[part] = [{}] if isinstance(following, int) else {}
        return here[part]
    if isinstance(here, list) and isinstance(part, int):
        if not here or not isinstance(here[0], dict):
            here.insert(0, {})
        return here[0]
    return None


def _change_some(rng: random.Random, values: Any, raw: list[str]) -> Any:
    places = [place for place in _places(values, ()) if place]
    if not places:
        return _value(rng, raw)
    place = rng.choice(places)
    holder = values
    for part in place[:-1]:
        holder = holder[part]
    rng.choice(_CHANGES)(rng, holder, place[-1], lambda: _value(rng, raw))
    return values


def _places(values: Any, place: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    found = [place]
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in items:
        found += _places(value, (*place, key))
    return found


def _replace(rng: random.Random, holder: Any, key: Any, value: Callable[[], Any]) -> None:
    holder[key] = value()


def _drop(rng: random.Random, holder: Any, key: Any, value: Callable[[], Any]) -> None:
    del holder[key]


def _rename(rng: random.Random, holder: Any, key: Any, value: Callable[[], Any]) -> None:
    if isinstance(holder, dict):
        kept = holder.pop(key)
        name = str(key)
        at = rng.randrange(len(name) + 1)
        renamed = rng.choice((name[:at] + name[at + 1 :], name[:at] + "x" + name[at:], name.upper(), value()))
        holder[renamed if isinstance(renamed, str | int | float | bool) else "x"] = kept


def _wrap(rng: random.Random, holder: Any, key: Any, value: Callable[[], Any]) -> None:
    holder[key] = rng.choice(([holder[key]], {"x": holder[key]}, [holder[key], deepcopy(holder[key])]))


def _unwrap(rng: random.Random, holder: Any, key: Any, value: Callable[[], Any]) -> None:
    inner = holder[key]
    if isinstance(inner, list) and inner:
        holder[key] = inner[0]
    elif isinstance(inner, dict) and inner:
        holder[key] = next(iter(inner.values()))


def _add(rng: random.Random, holder: Any, key: Any, value: Callable[[], Any]) -> None:
    inner = holder[key]
    if isinstance(inner, list):
        inner.extend(deepcopy(rng.choice(inner)) if inner else value() for _ in range(rng.choice((1, 1, 3, 40))))
    elif isinstance(inner, dict):
        inner[rng.choice(("x", "count", "name", "enabled", "1", "a.b", "preset"))] = value()
    elif isinstance(inner, str):
        holder[key] = rng.choice((inner + " x", inner.upper(), inner[:-1], inner * 50, " " + inner, f"-{inner}"))
    elif isinstance(inner, int | float):
        holder[key] = rng.choice((-inner, inner * 1000, inner / 3, str(inner), [inner], inner + 1))


def _swap(rng: random.Random, holder: Any, key: Any, value: Callable[[], Any]) -> None:
    other = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    holder[key], holder[other] = holder[other], holder[key]


_CHANGES = (_replace, _replace, _replace, _drop, _rename, _wrap, _unwrap, _add, _add, _swap)


def _at(rng: random.Random, text: str) -> int:
    return rng.randrange(len(text) + 1)


def _insert(rng: random.Random, text: str, others: tuple[str, ...]) -> str:
    at = _at(rng, text)
    return text[:at] + rng.choice(_ALPHABET) * rng.choice((1, 1, 1, 3, 100)) + text[at:]


def _insert_raw(rng: random.Random, text: str, others: tuple[str, ...]) -> str:
    at = _at(rng, text)
    return text[:at] + rng.choice(RAW) + text[at:]


def _cut(rng: random.Random, text: str, others: tuple[str, ...]) -> str:
    at = _at(rng, text)
    return text[:at] + text[at + rng.choice((1, 1, 2, 5, 30)) :]


def _truncate(rng: random.Random, text: str, others: tuple[str, ...]) -> str:
    return text[: _at(rng, text)]


def _flip(rng: random.Random, text: str, others: tuple[str, ...]) -> str:
    at = _at(rng, text)
    return text[:at] + chr((ord(text[at]) ^ (1 << rng.randrange(8))) if at < len(text) else 65) + text[at + 1 :]


def _lines(rng: random.Random, text: str, others: tuple[str, ...]) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    line = lines[at]
    what = rng.randrange(7)
    if what == 0:
        del lines[at]
    elif what == 1:
        lines.insert(to, line)
    elif what == 2:
        lines[at], lines[to] = lines[to], lines[at]
    elif what == 3:
        lines[at] = " " * rng.choice((1, 2, 3, 8)) + line
    elif what == 4:
        lines[at] = line.lstrip()
    elif what == 5:
        lines[at] = "\t" + line
    else:
        key, colon, _ = line.partition(":")
        lines[at] = f"{key}{colon or ':'} {rng.choice(RAW)}\n"
    return "".join(lines)


def _splice(rng: random.Random, text: str, others: tuple[str, ...]) -> str:
    other = rng.choice(others)
    return text[: _at(rng, text)] + other[_at(rng, other) :]


def _repeat(rng: random.Random, text: str, others: tuple[str, ...]) -> str:
    return rng.choice((text * 2, text.replace("\n", "\r\n"), text.replace("\n", "\r"), text.replace("  ", " "), ""))


def _anchor(rng: random.Random, text: str, others: tuple[str, ...]) -> str:
    """Blow up with aliases, as "billion laughs" does."""
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, rng.choice((3, 9, 12))))
    return f"a0: &a0 [x, x]\n{levels}{text}"


_TEXT = (
    _insert, _insert, _insert_raw, _insert_raw, _cut, _truncate, _flip, _lines, _lines, _lines, _splice, _repeat,
    _anchor,
)  # fmt: skip


def _utf16(rng: random.Random, data: bytes) -> bytes:
    return data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig")))


def _wrong_byte(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice((b"\xff", b"\x80", b"\x00", b"\xc0\xaf", b"\xed\xa0\x80", b"\x1b[2J")) + data[at:]


def _noise(rng: random.Random, data: bytes) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 10, 1000)))


_BYTES = (_utf16, _wrong_byte, _wrong_byte, _noise)
