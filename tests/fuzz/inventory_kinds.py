"""Kinds of mutant of `planner import`'s inventories, and of files of `planner calibrate`."""

import json
import random
import shutil
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests.fuzz.file_mutants import CELLS, JSON_VALUES, mutate_bytes, mutate_csv, mutate_json, plant
from tests.fuzz.judge import Case
from tests.fuzz.yaml_mutants import mutate_text, mutate_values
from tests.unit.inventory import rvtools_books as books
from tests.unit.inventory import test_dump_mutations as dumps
from tests.unit.inventory import test_libvirt as libvirt_dumps
from tests.unit.inventory import test_prometheus as prometheus_dumps

SECOND_NODE = {
    "kind": "Node", "metadata": {"name": "n2", "labels": {"disk": "3"}},
    "status": {"capacity": {"memory": "16Gi", "cpu": "8"}, "allocatable": {"memory": "15Gi"}},
}  # fmt: skip
KUBEVIRT = [*dumps.KUBEVIRT, SECOND_NODE]
Sheets = dict[str, list[list[Any]]]

XML_BOMB = (
    '<!DOCTYPE d [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><domain><name>&b;</name></domain>'
)
MEASURED = """\
schema_version: 1
machine: {kernel: '6.1', cpu_preset: zen3}
host:
  swap: {name: measured, description: Measured on vdb, latency: 56 us, reads_per_s: 50000, is_ram: false}
  dram_latency: 120 ns
hypervisor:
  page_sharing: {cost: {checksum: 900 ns, search: 9 us, merge: 6 us, merged: 1 us}}
figures: {load_2m: {unit: ns, median: 120.0, quartiles: [119.0, 121.0], repeats: 3, how: chase}}
unknown: {zram: no module}
"""
MEASURED_CONFIG = """\
schema_version: 1
seed: 1
fleet:
  hosts: [{name: kvm, count: 2, memory: 64 GiB, cores: 16, cpu: zen3, swap: measured, measured: here.yaml}]
  vms: {generate: managed-hosting, count: 10}
hypervisor: {preset: kvm, measured: here.yaml}
horizon: 2 h
tick: 5 min
warm_up: 0 s
"""


def rvtools(rng: random.Random, folder: Path, made: Path) -> Case:
    """A workbook, mutated by its cells, its XML or its bytes; sometimes a second, whole snapshot."""
    path = folder / "book.xlsx"
    what = rng.random()
    if what < 0.5:
        books.write_book(path, mutate_sheets(rng, books.tabs()))
    else:
        path.write_bytes(_book())
        if what < 0.85:
            member = rng.choice(_MEMBERS)
            text = _mutate_xml if rng.random() < 0.8 else mutate_bytes
            changed = folder / "changed.xlsx"
            books.rewrite_member(path, changed, member, lambda data: text(rng, data))
            changed.replace(path)
        else:
            path.write_bytes(mutate_bytes(rng, path.read_bytes()))
    second = ["second.xlsx"] if rng.random() < 0.2 else []
    for name in second:
        (folder / name).write_bytes(_book())
    return _imports("rvtools", path.name, *second)


def rvtools_csv(rng: random.Random, folder: Path, made: Path) -> Case:
    """A CSV file per tab, one or two of them mutated."""
    separator = rng.choice((",", ",", ";"))
    sheets = books.tabs() if rng.random() < 0.5 else mutate_sheets(rng, books.tabs())
    books.write_csvs(folder / "tabs", sheets, separator)
    files = sorted((folder / "tabs").iterdir())
    for victim in rng.sample(files, min(len(files), rng.choice((1, 1, 2)))):
        victim.write_bytes(mutate_csv(rng, victim.read_text(encoding="utf-8"), separator))
    if rng.random() < 0.1:
        plant(rng, folder / "tabs")
    return _imports("rvtools", "tabs")


def libvirt(rng: random.Random, folder: Path, made: Path) -> Case:
    """What virsh prints of a host: texts and XML, one of them mutated, or JSON."""
    if rng.random() < 0.25:
        return _json_dump(rng, folder, "libvirt", dumps.LIBVIRT)
    texts = {
        "domstats.txt": libvirt_dumps.DOMSTATS,
        "nodeinfo.txt": libvirt_dumps.NODEINFO,
        "nodememstats.txt": libvirt_dumps.NODEMEMSTATS,
        "web.xml": libvirt_dumps.XML,
    }
    victim = rng.choice(sorted(texts))
    (folder / "kvm-01").mkdir()
    for name, text in texts.items():
        data = mutate_text(rng, text, tuple(texts.values())) if name == victim else text.encode()
        if name == victim and victim.endswith(".xml") and rng.random() < 0.1:
            data = XML_BOMB.encode()
        (folder / "kvm-01" / name).write_bytes(data)
    if rng.random() < 0.1:
        plant(rng, folder / "kvm-01")
    return _imports("libvirt", "kvm-01")


def proxmox(rng: random.Random, folder: Path, made: Path) -> Case:
    """Answers of Proxmox VE's API by path."""
    node = {**dumps.NODE, "memory": {"total": 64 << 30, "used": 1 << 30}}
    return _json_dump(rng, folder, "proxmox", {**dumps.PROXMOX, "/nodes/n1/status": node})


def openstack(rng: random.Random, folder: Path, made: Path) -> Case:
    """Lists and answers of OpenStack, in one file."""
    return _json_dump(rng, folder, "openstack", dumps.OPENSTACK)


def kubevirt(rng: random.Random, folder: Path, made: Path) -> Case:
    """KubeVirt's objects, as JSON or YAML."""
    if rng.random() < 0.3:
        return _json_dump(rng, folder, "kubevirt", KUBEVIRT)
    text = yaml.safe_dump_all(KUBEVIRT, sort_keys=False)
    if rng.random() < 0.5:
        data = mutate_text(rng, text, (text, MEASURED))
    else:
        values = {"kind": "List", "items": deepcopy(KUBEVIRT)}
        data = mutate_values(rng, values, (), rng.random() < 0.6).encode("utf-8", "surrogatepass")
    (folder / "objects.yaml").write_bytes(data)
    return _imports("kubevirt", "objects.yaml")


def prometheus(rng: random.Random, folder: Path, made: Path) -> Case:
    """A saved answer of a range query, with two VMs."""
    gib = 1 << 30
    of = prometheus_dumps.libvirt
    answer = prometheus_dumps.answer(
        of("info_maximum_memory_bytes", "web", [8 * gib] * 4),
        of("memory_stats_rss_bytes", "web", [gib, 2 * gib, None, 3 * gib]),
        of("info_virtual_cpus", "web", [4] * 4),
        of("info_cpu_time_seconds_total", "web", [1000, 1300, 100, 250]),
        of("info_maximum_memory_bytes", "db", [2 * gib] * 4),
    )
    options = rng.choice(([], [], [], ["--exporter", "libvirt"], ["--exporter", "x"], ["--tick", "5 min"]))
    return _json_dump(rng, folder, "prometheus", answer, options)


def measured(rng: random.Random, folder: Path, made: Path) -> Case:
    """A file of `planner calibrate` that a config names."""
    if rng.random() < 0.4:
        data = mutate_text(rng, MEASURED, (MEASURED, MEASURED_CONFIG))
    else:
        text = mutate_values(rng, yaml.safe_load(MEASURED), (), rng.random() < 0.6)
        data = text.encode("utf-8", "surrogatepass")
    (folder / "here.yaml").write_bytes(data)
    (folder / "config.yaml").write_text(MEASURED_CONFIG)
    if rng.random() < 0.05:
        (folder / "config.yaml").unlink()
        shutil.copy(folder / "here.yaml", folder / "config.yaml")
    return Case(["check", "config.yaml"])


INVENTORY_KINDS: dict[str, Callable[[random.Random, Path, Path], Case]] = {
    "rvtools": rvtools,
    "rvtools-csv": rvtools_csv,
    "libvirt": libvirt,
    "proxmox": proxmox,
    "openstack": openstack,
    "kubevirt": kubevirt,
    "prometheus": prometheus,
    "measured": measured,
}
INVENTORY_SHARES = {
    "rvtools": 4, "rvtools-csv": 3, "libvirt": 3, "proxmox": 3, "openstack": 3, "kubevirt": 3, "prometheus": 3,
    "measured": 3,
}  # fmt: skip


def mutate_sheets(rng: random.Random, sheets: Sheets) -> Sheets:
    """Mutate tabs as rows of cells: cells, columns, rows and whole tabs. Changes `sheets` in place and returns it."""
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        rng.choice(_SHEETS)(rng, sheets, rng.choice(sorted(sheets)))
    return sheets


def _odd(rng: random.Random) -> Any:
    if rng.random() < 0.5:
        return rng.choice(CELLS)
    plain = [
        value
        for value in JSON_VALUES
        if (isinstance(value, str | bool) and value != "\ud800") or value in (0, 1, -1, 0.5, 1e308, 99)
    ]
    return rng.choice((*plain, "=1+1", "=VM!A1", 65536.5, -4096, 2**53, 1e18, "1.234,5", "1,234.5", "esx-1", "web"))


def _cell(rng: random.Random, sheets: Sheets, name: str) -> None:
    rows = sheets[name]
    row = rng.choice((rows if rng.random() < 0.2 else rows[1:]) or rows or [[]])
    if row:
        row[rng.randrange(len(row))] = _odd(rng)


def _column(rng: random.Random, sheets: Sheets, name: str) -> None:
    rows = sheets[name]
    if not rows or not rows[0]:
        return
    at, to, what, odd = rng.randrange(len(rows[0])), rng.randrange(len(rows[0])), rng.randrange(5), _odd(rng)
    for number, row in enumerate(rows):
        if max(at, to) >= len(row):
            continue
        if what == 0:
            del row[at]
        elif what == 1:
            row.insert(to, row.pop(at))
        elif what == 2:
            row.insert(to, row[at])
        elif what == 3:
            row[at] = odd if number else row[at]
        else:
            row.insert(to, odd)


def _row(rng: random.Random, sheets: Sheets, name: str) -> None:
    rows = sheets[name]
    if rows:
        at = rng.randrange(len(rows))
        rng.choice((lambda: rows.pop(at), lambda: rows.insert(at, []), lambda: rows.append(list(rows[at]))))()


def _tab(rng: random.Random, sheets: Sheets, name: str) -> None:
    what = rng.randrange(4)
    if what == 0 and len(sheets) > 1:
        del sheets[name]
    elif what == 1:
        sheets[name] = []
    elif what == 2:
        sheets[name] = sheets[name][:1]
    else:
        sheets[name] = deepcopy(sheets[rng.choice(sorted(sheets))])


_SHEETS = (_cell, _cell, _cell, _cell, _column, _column, _row, _tab)
_MEMBERS = (
    "xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml", "xl/worksheets/sheet3.xml", "xl/sharedStrings.xml",
    "xl/workbook.xml", "xl/styles.xml", "xl/_rels/workbook.xml.rels", "[Content_Types].xml",
)  # fmt: skip


@cache
def _book() -> bytes:
    with TemporaryDirectory() as folder:
        return books.write_book(Path(folder) / "book.xlsx").read_bytes()


def _mutate_xml(rng: random.Random, data: bytes) -> bytes:
    """Mutate XML: numbers, marks and references to others."""
    text = data.decode("utf-8")
    for _ in range(rng.choice((1, 1, 2, 5))):
        old = rng.choice(("<v>", '<c r="', 't="s"', "</row>", 's="', "rId", "<si>", "<t>", 'r="', "sheet", "1", "<"))
        places = [at for at in range(len(text)) if text.startswith(old, at)]
        if places:
            at = rng.choice(places)
            odd = rng.choice(
                ("", "9" * 20, "-1", 't="e"', 't="b"', "<!DOCTYPE x>", "ZZZ99999999", "&x;", "&#0;", old * 2)
            )
            text = text[:at] + odd + text[at + len(old) :]
    return text.encode("utf-8", "surrogatepass")


def _json_dump(
    rng: random.Random, folder: Path, kind: str, values: Any, options: list[str] | tuple[str, ...] = ()
) -> Case:
    path = folder / "h1.json"
    path.write_text(json.dumps(values))
    mutate_json(rng, path)
    if rng.random() < 0.02:
        plant(rng, folder)
    return _imports(kind, path.name, *options)


def _imports(kind: str, *words: str) -> Case:
    return Case(["import", kind, *words, "--out", "fleet"], creates=("fleet",), imports="fleet")
