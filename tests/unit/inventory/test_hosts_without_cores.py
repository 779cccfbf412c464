"""A host that tells of no core, or of fewer than sockets, does not tell: unknown is never zero."""

import json

import pytest
from rvtools_books import host, tabs, write_book

from planner.inventory.libvirt import read_libvirt
from planner.inventory.openstack import read_openstack
from planner.inventory.proxmox import read_proxmox
from planner.inventory.rvtools import read_rvtools

SIZE = {"Memory size": "8388608 KiB"}


@pytest.mark.parametrize(
    ("told", "cores"),
    [
        ({"CPU(s)": 0.5}, None),
        ({"CPU(s)": 0}, None),
        ({"CPU(s)": 1, "Thread(s) per core": 2}, None),
        ({"CPU(s)": 8, "Thread(s) per core": 2}, 4),  # 8 / 2
        ({"CPU(s)": 8}, 8),
    ],
)
def test_cores(tmp_path, told, cores):
    path = tmp_path / "h1.json"
    domains = [{"name": "a", "stats": {"state.state": 1, "balloon.maximum": 1024}}]
    path.write_text(json.dumps({"host": "h", "nodeinfo": SIZE | told, "domains": domains}))
    assert read_libvirt([path]).hosts[0].cores == cores


def test_no_numa_cell_is_unknown(tmp_path):
    path = tmp_path / "h1.json"
    domains = [{"name": "a", "stats": {"state.state": 1, "balloon.maximum": 1024}}]
    path.write_text(json.dumps({"host": "h", "nodeinfo": SIZE | {"NUMA cell(s)": 0}, "domains": domains}))
    assert read_libvirt([path]).hosts[0].numa_nodes is None


def test_no_core_in_proxmox_and_openstack(tmp_path):
    path = tmp_path / "h1.json"
    node = {"type": "node", "node": "n1", "status": "online", "maxmem": 64 << 30, "maxcpu": 0}
    vm = {"type": "qemu", "vmid": 1, "name": "a", "node": "n1", "status": "running", "maxmem": 1 << 30}
    path.write_text(json.dumps([node, vm]))
    assert read_proxmox([path]).hosts[0].cores is None
    path.write_text(json.dumps([{"hypervisor_hostname": "h", "id": "a", "memory_mb": 8192, "vcpus": 0}]))
    assert read_openstack([path]).hosts[0].cores is None


def test_more_sockets_than_cores_are_no_numa_nodes(tmp_path):
    told = {"# CPU": 2, "Cores per CPU": 16, "# Cores": 1}
    book = write_book(tmp_path / "book.xlsx", tabs(hosts=[host("esx-1", **told)]))
    found = read_rvtools([book])
    assert (found.hosts[0].cores, found.hosts[0].numa_nodes) == (1, None)
    assert '"# Cores" is not "# CPU" times "Cores per CPU"; "# Cores" is taken' in [note.text for note in found.doubts]
