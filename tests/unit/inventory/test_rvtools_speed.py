"""A large RVTools workbook is read in time: 300 hosts, 10,000 VMs, all columns."""

import time

import pytest
from rvtools_books import cluster, host, tabs, vm, write_book

from planner.inventory.rvtools import read_rvtools
from planner.units import GIB

MAX_CPU_S = 6.0
COLUMNS = {"vInfo": 98, "vMemory": 34, "vHost": 70}
"""As many as RVTools 4.7 writes, and a few custom attributes."""


def padded(name, rows):
    """Return rows with columns of text before the last, up to the number that RVTools writes."""
    n_more = COLUMNS.get(name, 0) - len(rows[0])
    header = [f"Attribute {number}" for number in range(n_more)]
    return [[*row[:-1], *(header if row is rows[0] else ["some text"] * n_more), row[-1]] for row in rows]


@pytest.mark.slow
def test_ten_thousand_vms(tmp_path):
    names = [(f"esx-{number:03}", f"c{number // 30}") for number in range(300)]
    vms = []
    for number in range(10_000):
        host_name, cluster_name = names[number % 300]
        vms.append(vm(f"vm-{number:05}", number, Host=host_name, Cluster=cluster_name, Size_MiB=1024, Memory=1024))
    hosts = [host(name, Cluster=cluster_name) for name, cluster_name in names]
    sheets = tabs(vms, hosts, [cluster(f"c{number}", NumHosts=30) for number in range(10)])
    path = write_book(tmp_path / "large.xlsx", {name: padded(name, rows) for name, rows in sheets.items()})
    started_s = time.process_time()
    found = read_rvtools([path])
    used_s = time.process_time() - started_s
    assert (len(found.vms), len(found.hosts), len(found.clusters)) == (10_000, 300, 10)
    assert sum(item.configured_bytes for item in found.vms) == 10_000 * GIB
    assert used_s <= MAX_CPU_S
