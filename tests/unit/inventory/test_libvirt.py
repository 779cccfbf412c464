"""libvirt dumps in every mixture, and broken ones. Formats as virsh 9.0 writes them."""

import json

import pytest

from planner.errors import InputError
from planner.inventory.found import Power
from planner.inventory.libvirt import read_libvirt
from planner.units import GIB, KIB, MIB

DOMSTATS = """Domain: 'web-1'
  state.state=1
  state.reason=5
  balloon.current=3145728
  balloon.maximum=4194304
  balloon.swap_in=0
  balloon.swap_out=0
  balloon.unused=1048576
  balloon.available=3040000
  balloon.usable=2040000
  balloon.last-update=1700000000
  balloon.disk_caches=800000
  balloon.rss=2097152
  vcpu.current=2
  vcpu.maximum=4

Domain: 'db 2'
  state.state=5
  balloon.current=8388608
  balloon.maximum=8388608
  vcpu.current=4

"""
NODEINFO = """CPU model:           x86_64
CPU(s):              16
CPU frequency:       1400 MHz
CPU socket(s):       1
Core(s) per socket:  4
Thread(s) per core:  2
NUMA cell(s):        2
Memory size:         16777216 KiB

"""
NODEMEMSTATS = """total  :             16777216 KiB
free   :              8388608 KiB
buffers:              1048576 KiB
cached :              2097152 KiB

"""
XML = """<domain type='kvm' id='3'>
  <name>web-1</name>
  <uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid>
  <metadata>
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
      <nova:flavor name="m1.medium"><nova:memory>4096</nova:memory></nova:flavor>
      <nova:owner><nova:project uuid="abc">shop</nova:project></nova:owner>
      <nova:root type="image" uuid="img-1"/>
    </nova:instance>
  </metadata>
  <memory unit='GiB'>4</memory>
  <currentMemory unit='MiB'>3072</currentMemory>
  <memtune><hard_limit unit='KiB'>9007199254740988</hard_limit><min_guarantee unit='MB'>1000</min_guarantee></memtune>
  <vcpu placement='static' current='2'>4</vcpu>
  <devices><memballoon model='virtio'/></devices>
</domain>
"""


def write(folder, **files):
    folder.mkdir(exist_ok=True, parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".").replace("_", "-")).write_text(text)
    return folder


def test_a_host_with_all_its_dumps(tmp_path):
    folder = write(
        tmp_path / "kvm-01", domstats__txt=DOMSTATS, nodeinfo__txt=NODEINFO, mem__log=NODEMEMSTATS, web__xml=XML
    )
    (folder / "mem.log").rename(folder / "nodememstats.txt")
    found = read_libvirt([folder])
    assert found.hypervisor == "kvm"
    (host,) = found.hosts
    assert (host.name, host.memory_bytes, host.cores, host.numa_nodes) == ("kvm-01", 16 * GIB, 8, 2)  # 2 x 1 x 4
    assert host.used_bytes == 5 * GIB  # 16 - 8 - 1 - 2
    web, db = found.vms
    assert (web.name, web.host, web.power, web.vcpus) == ("web-1", "kvm-01", Power.ON, 2)
    assert (web.configured_bytes, web.ballooned_bytes, web.consumed_bytes) == (4 * GIB, GIB, 2 * GIB)
    assert web.used_bytes == 1_000_000 * KIB  # 3,040,000 - 2,040,000
    assert (web.uuid, web.group, web.image) == ("6695eb01-f6a4-8304-79aa-97f2502e193f", "shop", "img-1")
    assert (web.limit_bytes, web.reservation_bytes, web.has_balloon_driver) == (None, 10**9, True)
    assert web.active_bytes is None
    assert (db.power, db.configured_bytes, db.vcpus) == (Power.OFF, 8 * GIB, 4)
    assert db.consumed_bytes is db.used_bytes is db.ballooned_bytes is None
    # 4 - 3 GiB are ballooned while the host has 11 GiB to spare.
    assert [note.text for note in found.doubts] == ["memory is ballooned although the host has room"]
    assert not found.skipped
    assert sum(found.read.values()) == 5


def test_several_hosts_by_file_name_hostname_file_and_directory(tmp_path):
    one = DOMSTATS.replace("web-1", "a").replace("db 2", "b")
    write(tmp_path, kvm_01__domstats__txt=one, nodeinfo_kvm_01__txt=NODEINFO)
    write(tmp_path / "rack", hostname="kvm-02.example.org\n", domstats__out=one.replace("'a'", "'c'"))
    write(tmp_path / "kvm-03", domstats__txt=one.replace("'a'", "'d'"))
    found = read_libvirt([tmp_path])
    assert [(vm.name, vm.host) for vm in found.vms] == [
        ("a", "kvm-01"), ("b", "kvm-01"), ("d", "kvm-03"), ("b", "kvm-03"),
        ("c", "kvm-02.example.org"), ("b", "kvm-02.example.org"),
    ]  # fmt: skip
    assert {host.name: host.memory_bytes for host in found.hosts} == {
        "kvm-01": 16 * GIB, "kvm-02.example.org": None, "kvm-03": None,
    }  # fmt: skip
    assert [note.text for note in found.doubts].count("the memory of the host is unknown") == 2


def test_nodeinfo_without_a_name_is_of_the_only_host_of_its_directory(tmp_path):
    write(tmp_path, kvm_09__txt=DOMSTATS, nodeinfo__txt=NODEINFO)
    assert [(host.name, host.memory_bytes) for host in read_libvirt([tmp_path]).hosts] == [("kvm-09", 16 * GIB)]


def test_dommemstat_joins_its_vm_by_file_name(tmp_path):
    folder = write(tmp_path / "kvm-01", domstats__txt="Domain: 'web-1'\n  state.state=1\n  balloon.maximum=4194304\n")
    write(folder / "mem", web_1__dommemstat__txt="actual 4194304\nunused 1000000\navailable 4000000\nrss 3000000\n")
    found = read_libvirt([folder])
    (vm,) = found.vms
    # Without "usable" and disk caches: available - unused.
    assert (vm.used_bytes, vm.consumed_bytes, vm.ballooned_bytes) == (3_000_000 * KIB, 3_000_000 * KIB, 0)


def test_dommemstat_alone_is_of_no_known_host(tmp_path):
    path = tmp_path / "web-1.txt"
    path.write_text("actual 4194304\nunused 1000000\navailable 4000000\nrss 3000000\n")
    found = read_libvirt([path])
    assert found.hosts == []
    assert [(vm.name, vm.host, vm.configured_bytes, vm.power) for vm in found.vms] == [
        ("web-1", None, 4 * GIB, Power.UNKNOWN)
    ]
    assert "its maximum is unknown; what it has now is taken for it" in [note.text for note in found.doubts]


def test_all_output_in_one_file_and_lines_of_something_else(tmp_path):
    path = tmp_path / "kvm-01.txt"
    path.write_text(NODEINFO + NODEMEMSTATS + DOMSTATS + "error: failed to get domain 'gone'\n")
    found = read_libvirt([path])
    assert (len(found.hosts), len(found.vms)) == (1, 2)
    (note,) = found.skipped
    assert (note.text, note.place) == ("the line is not understood", f"{path}, line 37")


@pytest.mark.parametrize(
    "shape",
    [
        lambda stats: [{"name": "a", **stats}],
        lambda stats: {"a": stats},
        lambda stats: [{"domain": "a", "stats": stats}],
        lambda stats: {"host": "kvm-07", "domains": [{"name": "a", "stats": stats}]},
        lambda stats: [{"name": "a", "balloon": {"maximum": 2048, "current": 2048, "rss": 1024}}],
        lambda stats: {"a": {"balloon.maximum": "2048", "actual": 2048, "rss": 1024}},
    ],
)
def test_json_shapes(tmp_path, shape):
    path = tmp_path / "kvm-07.json"
    path.write_text(json.dumps(shape({"balloon.maximum": 2048, "balloon.current": 2048, "balloon.rss": 1024})))
    (vm,) = read_libvirt([path]).vms
    assert (vm.name, vm.host, vm.configured_bytes) == ("a", "kvm-07", 2 * MIB)
    assert vm.consumed_bytes is None  # it is not known to run


@pytest.mark.parametrize(
    ("unit", "number", "expected"),
    [("KiB", 1024, MIB), ("b", 1024, 1024), ("bytes", 7, 7), ("KB", 10, 10_000), ("M", 2, 2 * MIB), ("TiB", 1, 2**40)],
)
def test_xml_units(tmp_path, unit, number, expected):
    path = tmp_path / "a.xml"
    path.write_text(f"<domain><name>a</name><memory unit='{unit}'>{number}</memory></domain>")
    (vm,) = read_libvirt([path]).vms
    assert (vm.configured_bytes, vm.host, vm.power) == (expected, None, Power.UNKNOWN)


def test_json_items_that_are_no_vms_are_named(tmp_path):
    path = tmp_path / "kvm-07.json"
    path.write_text(json.dumps([{"name": "a", "balloon.maximum": 2048}, {"balloon.maximum": 1}, 7]))
    found = read_libvirt([path])
    assert [vm.name for vm in found.vms] == ["a"]
    assert [note.place.rpartition(", ")[2] for note in found.skipped] == ["item 2", "item 3"]


def test_memory_that_cannot_be_reclaimed_is_reserved_in_full_and_said(tmp_path):
    path = tmp_path / "all.xml"
    vm = "<domain id='1'><name>{}</name><memory unit='GiB'>1</memory>{}</domain>\n"
    path.write_text(
        "<?xml version='1.0'?>\n"
        + vm.format("a", "<memoryBacking><hugepages/></memoryBacking>")
        + vm.format("b", "<memoryBacking><locked/></memoryBacking><devices><memballoon model='none'/></devices>")
        + vm.format("c", "<devices><hostdev mode='subsystem' type='pci'/></devices>")
        + vm.format("d", "<devices><hostdev mode='subsystem' type='usb'/></devices>")
    )
    found = read_libvirt([path])
    assert [v.reservation_bytes for v in found.vms] == [GIB, GIB, GIB, None]
    assert [v.has_balloon_driver for v in found.vms] == [None, False, None, None]
    reasons = [note.text for note in found.doubts if "overcommitted" in note.text]
    assert [text.split(" and ")[0] for text in reasons] == [
        "its memory is on huge pages", "its memory is locked", "its memory is held by a device of the host",
    ]  # fmt: skip


def test_missing_guest_figures_are_unknown_and_said(tmp_path):
    path = tmp_path / "kvm.txt"
    path.write_text("Domain: 'a'\n  state.state=1\n  balloon.maximum=100\n  balloon.last-update=0\n  balloon.rss=300\n")
    found = read_libvirt([path])
    (vm,) = found.vms
    assert (vm.used_bytes, vm.ballooned_bytes, vm.consumed_bytes) == (None, None, 100 * KIB)
    assert any("--period" in note.remedy for note in found.doubts)


def test_vms_there_twice_and_xml_of_several_hosts(tmp_path):
    write(tmp_path, kvm_01__txt=DOMSTATS + DOMSTATS, kvm_02__txt=DOMSTATS, web__xml=XML)
    found = read_libvirt([tmp_path])
    assert len(found.vms) == 4
    assert [note.text for note in found.skipped] == [
        "the VM is there twice; the first is used", "the VM is there twice; the first is used",
        "several hosts have a VM of this name; the XML is left out",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xml", XML.replace("</domain>", ""), "cannot be read as XML"),
        ("a.xml", "<!DOCTYPE d [<!ENTITY a 'b'>]><domain><name>&a;</name></domain>", "declares a document type"),
        ("a.xml", "<domain><name>a</name><memory unit='GiB'>1e3</memory></domain>", "is no amount of memory"),
        ("a.xml", "<domain><name>a</name><memory unit='GiB'>99999999999</memory></domain>", "is no amount of memory"),
        ("a.xml", "<domain><name>a</name><memory unit='pages'>1</memory></domain>", 'unknown unit "pages"'),
        ("a.xml", "<domain><memory>1</memory></domain>", "has no name"),
        ("a.xml", "<a>" * 100 + "</a>" * 100, "nested too deeply"),
        ("a.json", '{"a": {"balloon.maximum": 1', "cannot be read as JSON"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.json", '{"a": {"balloon.maximum": 1, "balloon.maximum": 2}}', "written twice"),
        ("a.json", '{"a": {"balloon.maximum": 1' + "0" * 5000 + "}}", "cannot be read as JSON"),
        ("a.json", '{"a": {"balloon.maximum": [1]}}', "is no amount of memory"),
        ("a.json", '{"a": {"balloon.maximum": -4}}', "is no amount of memory"),
        ("a.json", '{"a": {"balloon.maximum": NaN}}', "is no amount of memory"),
        ("a.json", '{"a": {"balloon.maximum": true}}', "is no amount of memory"),
        ("a.txt", "hello world, nothing here\n", "holds no VMs of libvirt"),
        ("a.txt", NODEINFO, "holds no VMs of libvirt"),
        ("a.txt", "", "is empty"),
        ("a.txt", b"\xff\xfe\xfd\x00\x81", "is not UTF-8 text"),
    ],
)
def test_broken_files_say_what_is_wrong(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message) as caught:
        read_libvirt([path])
    assert str(path) in str(caught.value)
    assert caught.value.hint


def test_optional_figures_that_are_absurd_become_doubts(tmp_path):
    path = tmp_path / "kvm.txt"
    path.write_text(
        "Domain: 'a'\n  state.state=1\n  balloon.maximum=1024\n  balloon.available=x\n  balloon.rss=1e30\n"
        "  vcpu.current=99999999\n  unknown.key=1\n"
    )
    found = read_libvirt([path])
    (vm,) = found.vms
    assert (vm.configured_bytes, vm.used_bytes, vm.consumed_bytes, vm.vcpus) == (MIB, None, None, None)
    places = " ".join(note.place for note in found.doubts)
    assert "balloon.available: 'x'" in places
    assert "balloon.rss: '1e30'" in places
    assert "vcpu.current" in places


def test_files_of_a_directory_that_are_nothing_of_libvirt_are_named(tmp_path):
    write(tmp_path, kvm_01__txt=DOMSTATS, README__md="Collected on Monday", empty__txt="", list__json="[1, 2]")
    (tmp_path / "core.bin").write_bytes(b"\x00\x01\x02\xff")
    (tmp_path / ".hidden").write_text("x")
    notes = {note.place.rpartition("/")[2]: note.text for note in read_libvirt([tmp_path]).skipped}
    assert notes == {
        "README.md": "the file holds nothing of libvirt that is read",
        "list.json": "the file holds nothing of libvirt that is read",
        "empty.txt": "the file is empty",
        "core.bin": "the file is not UTF-8 text",
    }


def test_powershell_utf16_and_windows_line_ends(tmp_path):
    path = tmp_path / "kvm-01.txt"
    path.write_bytes(DOMSTATS.replace("\n", "\r\n").encode("utf-16"))
    assert len(read_libvirt([path]).vms) == 2


def test_a_text_that_is_cut_off_is_doubted(tmp_path):
    path = tmp_path / "kvm-01.txt"
    path.write_text(DOMSTATS.rstrip()[:-3])
    found = read_libvirt([path])
    assert any("may be cut off" in note.text for note in found.doubts)


def test_missing_source(tmp_path):
    with pytest.raises(InputError, match="is missing"):
        read_libvirt([tmp_path / "none"])
    with pytest.raises(InputError, match="no files to read"):
        read_libvirt([tmp_path])


@pytest.mark.parametrize(("later_s", "is_refused"), [(3_600, False), (3_601, True), (-7_200, True)])
def test_dumps_of_two_moments_are_refused(tmp_path, later_s, is_refused):
    stats = "Domain: 'a'\n  balloon.maximum=1024\n  balloon.last-update={}\n"
    write(tmp_path, kvm_01__txt=stats.format(1_700_000_000) + stats.format(1_700_000_000 + later_s))
    if not is_refused:
        assert len(read_libvirt([tmp_path]).vms) == 1
        return
    with pytest.raises(InputError, match=r"is of another moment than .*the same VM's clock is") as caught:
        read_libvirt([tmp_path])
    assert "domain a" in caught.value.place
