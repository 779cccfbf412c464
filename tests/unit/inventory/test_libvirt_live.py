"""libvirt live, against its own test driver where libvirt's Python library is installed, and without it."""

import sys

import pytest

from planner.errors import InputError
from planner.inventory.found import Power
from planner.inventory.libvirt_live import read_libvirt_live
from planner.units import GIB, KIB


def test_the_test_driver_reads():
    pytest.importorskip("libvirt")
    found = read_libvirt_live("test:///default")
    (host,) = found.hosts
    # The driver's only host: 3 GiB, 2 NUMA cells of 2 sockets of 2 cores.
    assert (host.memory_bytes, host.cores, host.numa_nodes, host.used_bytes) == (3 * GIB, 8, 2, None)
    (vm,) = found.vms
    assert (vm.name, vm.host, vm.power, vm.vcpus) == ("test", host.name, Power.ON, 2)
    assert (vm.configured_bytes, vm.ballooned_bytes) == (8 * GIB, 6 * GIB)
    assert vm.used_bytes == vm.consumed_bytes == 1048576 * KIB
    assert vm.uuid == "6695eb01-f6a4-8304-79aa-97f2502e193f"


def test_a_wrong_uri_is_said_without_its_password(capfd):
    pytest.importorskip("libvirt")
    with pytest.raises(InputError, match="cannot be opened") as caught:
        read_libvirt_live("nosuch://me:secret@nowhere/system")
    assert "secret" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_without_the_library_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "libvirt", None)
    with pytest.raises(InputError, match="not installed") as caught:
        read_libvirt_live("qemu:///system")
    assert "virsh domstats" in caught.value.hint
