"""A live vCenter, by a stand-in that speaks its protocol: values by hand, nothing but reading, failures in words.

The stand-in takes the traversal for granted. It was tried on govmomi's simulator: on Debian, unpack the packages
golang-github-vmware-govmomi-dev and golang-go, and build a main that serves simulator.VPX() on the loopback interface.
"""

import subprocess
import sys

import pytest
from rvtools_books import host as host_cells
from rvtools_books import tabs, write_book
from rvtools_books import vm as vm_cells

pytest.importorskip("pyVmomi")

from pyVmomi import vim
from vsphere_server import Vcenter

from planner.cli.main import main
from planner.config.load import load_config
from planner.errors import InputError
from planner.inventory.found import Power, RuleKind
from planner.inventory.rvtools import read_rvtools
from planner.inventory.vsphere import read_vsphere
from planner.inventory.vsphere_session import _STEPS, Login
from planner.units import GIB, MIB

ROOT, POOL = vim.ResourcePool("resgroup-1"), vim.ResourcePool("resgroup-2")
CLUSTER = vim.ClusterComputeResource("domain-c1")
HOSTS = [vim.HostSystem(f"host-{number}") for number in (1, 2)]
VMS = [vim.VirtualMachine(f"vm-{number}") for number in range(1, 6)]
READING = {"RetrieveServiceContent", "Login", "RetrievePropertiesEx", "ContinueRetrievePropertiesEx", "Logout"}


def allocation(shares=40_960, reservation=0, limit=-1, level="normal"):
    return vim.ResourceAllocationInfo(
        reservation=reservation,
        limit=limit,
        expandableReservation=False,
        shares=vim.SharesInfo(shares=shares, level=level),
    )


def host(name, **changed):
    hardware = vim.host.Summary.HardwareSummary(
        vendor="x", model="y", uuid="u", memorySize=64 * GIB, cpuModel="Intel(R) Xeon(R) Gold 6430", cpuMhz=2100,
        numCpuPkgs=2, numCpuCores=32, numCpuThreads=64, numNics=2, numHBAs=1,
    )  # fmt: skip
    return {
        "name": name, "parent": CLUSTER, "summary.hardware": hardware,
        "summary.quickStats": vim.host.Summary.QuickStats(overallMemoryUsage=16_384),
        "runtime.connectionState": "connected", "runtime.inMaintenanceMode": False,
        "config.product.fullName": "VMware ESXi 8.0.2 build-1",
    } | changed  # fmt: skip


def vm(name, number, host=HOSTS[0], **changed):
    stats = vim.vm.Summary.QuickStats(
        hostMemoryUsage=3040, consumedOverheadMemory=40, guestMemoryUsage=400, balloonedMemory=0, swappedMemory=0,
        sharedMemory=100, privateMemory=2900, guestHeartbeatStatus="green",
    )  # fmt: skip
    return {
        "name": name, "config.uuid": f"4200-{number}", "config.instanceUuid": f"5000-{number}",
        "config.template": False, "config.hardware.memoryMB": 4096, "config.hardware.numCPU": 2,
        "config.memoryAllocation": allocation(), "config.memoryReservationLockedToMax": False,
        "runtime.powerState": "poweredOn", "runtime.connectionState": "connected", "runtime.host": host,
        "resourcePool": ROOT, "guest.toolsRunningStatus": "guestToolsRunning", "summary.quickStats": stats,
    } | changed  # fmt: skip


def cluster(rules=(), groups=()):
    das = vim.cluster.DasConfigInfo(
        enabled=True, admissionControlEnabled=True,
        admissionControlPolicy=vim.cluster.FailoverLevelAdmissionControlPolicy(failoverLevel=1),
    )  # fmt: skip
    config = vim.cluster.ConfigInfoEx(
        dasConfig=das, drsConfig=vim.cluster.DrsConfigInfo(enabled=True, defaultVmBehavior="fullyAutomated"),
        rule=list(rules), group=list(groups),
    )  # fmt: skip
    summary = vim.ClusterComputeResource.Summary(
        totalCpu=1, totalMemory=128 * GIB, numCpuCores=64, numCpuThreads=128, effectiveCpu=1, effectiveMemory=1,
        numHosts=2, numEffectiveHosts=2, overallStatus="green", currentFailoverLevel=1, numVmotions=0,
    )  # fmt: skip
    return {"name": "c1", "configurationEx": config, "summary": summary}


def fleet(vms=None, hosts=None, **of_cluster):
    told = [vm("web-1", 1), vm("web-2", 2, HOSTS[1])] if vms is None else vms
    return [
        (CLUSTER, cluster(**of_cluster)),
        (ROOT, {"name": "Resources", "parent": CLUSTER, "config.memoryAllocation": allocation()}),
        (POOL, {"name": "prod", "parent": ROOT, "config.memoryAllocation": allocation(limit=8192, level="high")}),
        *zip(HOSTS, [host("esx-1"), host("esx-2")] if hosts is None else hosts, strict=False),
        *zip(VMS, told, strict=False),
    ]


def read(objects):
    with Vcenter(objects) as server:
        found = read_vsphere(Login(server.url, "joe", "right"))
        assert set(server.methods) <= READING
        assert server.methods[-1] == "Logout"
    return found


def texts(notes):
    return [note.text for note in notes]


def test_values_are_those_that_rvtools_exports(tmp_path):
    found = read(fleet())
    web = found.vms[0]
    assert (web.consumed_bytes, web.active_bytes, web.shared_bytes) == (3000 * MIB, 400 * MIB, 100 * MIB)
    book = tabs([vm_cells("web-1", 1), vm_cells("web-2", 2, Host="esx-2")], [host_cells("esx-1"), host_cells("esx-2")])
    exported = read_rvtools([write_book(tmp_path / "x.xlsx", book)]).vms[0]
    for name in (
        "name", "uuid", "power", "configured_bytes", "vcpus", "host", "cluster", "group", "consumed_bytes",
        "active_bytes", "ballooned_bytes", "swapped_bytes", "shared_bytes", "overhead_bytes", "shares",
        "reservation_bytes", "limit_bytes", "has_balloon_driver",
    ):  # fmt: skip
        assert getattr(web, name) == getattr(exported, name), name


def test_hosts_and_clusters():
    found = read(fleet(hosts=[host("esx-1"), host("esx-2", **{"runtime.connectionState": "notResponding"})]))
    first, second = found.hosts
    assert (first.memory_bytes, first.cores, first.numa_nodes, first.cluster) == (64 * GIB, 32, 2, "c1")
    assert first.used_bytes == 16 * GIB
    assert (first.is_usable, second.is_usable) == (True, False)
    (one,) = found.clusters
    assert (one.failover_hosts, one.memory_bytes, one.is_balanced) == (1, 128 * GIB, True)


def test_what_is_no_vm_of_the_fleet_is_left_out_and_vms_that_are_off_tell_nothing():
    vms = [
        vm("template", 1, **{"config.template": True}),
        vm("off", 2, **{"runtime.powerState": "poweredOff"}),
        vm("limited", 3, **{"config.memoryAllocation": allocation(reservation=1024, limit=2048), "resourcePool": POOL}),
    ]
    found = read(fleet(vms))
    off, limited = found.vms
    assert texts(found.skipped) == ["template"]
    assert (off.power, off.consumed_bytes) == (Power.OFF, None)
    assert (limited.reservation_bytes, limited.limit_bytes, limited.group) == (GIB, 2 * GIB, "prod")
    assert any("the pool's memory limit" in text for text in texts(found.doubts))
    assert any("high shares" in text for text in texts(found.doubts))


def test_rules():
    groups = [vim.cluster.VmGroup(name="g", vm=[VMS[0]]), vim.cluster.HostGroup(name="h", host=[HOSTS[1]])]
    rules = [
        vim.cluster.AffinityRuleSpec(key=1, enabled=True, name="pair", vm=VMS[:2]),
        vim.cluster.AntiAffinityRuleSpec(key=2, enabled=True, name="apart", vm=VMS[:2]),
        vim.cluster.VmHostRuleInfo(
            key=3, enabled=True, name="there", mandatory=True, vmGroupName="g", affineHostGroupName="h"
        ),
        vim.cluster.VmHostRuleInfo(
            key=4, enabled=True, name="wish", mandatory=False, vmGroupName="g", affineHostGroupName="h"
        ),
        vim.cluster.AffinityRuleSpec(key=5, enabled=False, name="old", vm=VMS[:2]),
    ]
    found = read(fleet(rules=rules, groups=groups))
    assert [(rule.kind, rule.vms, rule.hosts) for rule in found.rules] == [
        (RuleKind.TOGETHER, ("web-1", "web-2"), ()),
        (RuleKind.APART, ("web-1", "web-2"), ()),
        (RuleKind.MUST_RUN_ON, ("web-1",), ("esx-2",)),
    ]
    assert len([text for text in texts(found.skipped) if "rule" in text]) == 2


def test_the_traversal_reaches_all_and_ends_on_servers_that_do_not_check_types():
    tree = {
        "root": {"childEntity": ["folder"]}, "folder": {"childEntity": ["dc"]},
        "dc": {"hostFolder": ["host-dir"], "vmFolder": ["vm-dir"]},
        "host-dir": {"childEntity": ["host-sub"]}, "host-sub": {"childEntity": ["cluster"]},
        "cluster": {"host": ["host"], "resourcePool": ["root-pool"]}, "root-pool": {"resourcePool": ["pool"]},
        "pool": {"resourcePool": ["vapp"], "vm": ["vm"]}, "vapp": {"vm": ["vm-of-vapp"]},
        "vm-dir": {"childEntity": ["vm-sub", "vm"]}, "vm-sub": {"childEntity": ["template"]},
        # The ways back.
        "vm": {"resourcePool": ["pool"], "host": ["host"]}, "host": {"vm": ["vm"], "parent": ["cluster"]},
    }  # fmt: skip
    seen = set()

    def walk(item, steps, depth):
        assert depth < 20
        for name in steps:
            _, path, later = _STEPS[name]
            for reached in tree.get(item, {}).get(path, []):
                seen.add(reached)
                walk(reached, later, depth + 1)

    walk("root", list(_STEPS), 0)
    assert seen == {reached for paths in tree.values() for many in paths.values() for reached in many}


def test_ten_thousand_vms_are_eleven_requests():
    vms = [(vim.VirtualMachine(f"vm-{number}"), vm(f"web-{number}", number)) for number in range(10_000)]
    with Vcenter([*fleet([]), *vms], page=1000) as server:
        found = read_vsphere(Login(server.url, "joe", "right"))
        assert server.methods.count("ContinueRetrievePropertiesEx") == 10
    assert len(found.vms) == 10_000


def test_failures_in_words(tmp_path):
    with Vcenter(fleet()) as server:
        with pytest.raises(InputError, match="refuses user name or password"):
            read_vsphere(Login(server.url, "joe", "wrong"))
        url = server.url
    with pytest.raises(InputError, match="cannot be reached"):
        read_vsphere(Login(url, "joe", "right"))
    for bad in ("http://vcenter.example.org", "ftp://x", "https://joe:hush@x", "https://", "https://x:99999"):
        with pytest.raises(InputError, match="--url") as caught:
            read_vsphere(Login(bad, "joe", "secret"))
        assert "hush" not in str(caught.value)
    assert "secret" not in repr(Login("https://x", "joe", "secret"))


def test_without_pyvmomi_it_says_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules['pyVim'] = sys.modules['pyVmomi'] = None; from planner.cli.main import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    words = ["import", "vsphere", "--url", "https://127.0.0.1:1", "--username", "joe", "--out", str(tmp_path / "f")]
    environment = {"VSPHERE_PASSWORD": "x", "PATH": "/usr/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 2
    assert "needs pyVmomi, which is not installed; pip install planner[vsphere]" in done.stderr


def test_from_a_server_to_a_config(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("VSPHERE_PASSWORD", "right")
    out = tmp_path / "fleet"
    with Vcenter(fleet()) as server:
        assert main(["import", "vsphere", "--url", server.url, "--username", "joe", "--out", str(out)]) == 0
    assert "memory of its hosts" not in capsys.readouterr().out  # it agrees with its cluster
    config = load_config(out / "fleet.yaml")
    assert [group.name for group in config.fleet.hosts] == ["esx-1", "esx-2"]
    assert config.placement_rules.ha_reserve.hosts == 1
    assert b"right" not in b"".join(path.read_bytes() for path in out.iterdir() if path.suffix in (".json", ".yaml"))
