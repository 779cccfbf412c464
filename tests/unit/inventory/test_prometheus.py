import json
from pathlib import Path

import numpy as np
import pytest

from planner.errors import InputError
from planner.inventory.found import Found, Power
from planner.inventory.prometheus import read_prometheus
from planner.inventory.prometheus_exporters import NODE, VM_EXPORTERS, metric_names
from planner.inventory.prometheus_http import PrometheusOptions
from planner.units import GIB, KIB, MIB

JAN = 1_767_225_600  # 2026-01-01 00:00 UTC
TICK = 300


def series(name: str, values: list, first: int = 0, /, **labels: str) -> dict:
    """A series with a sample per tick; None leaves one out."""
    stamped = [[JAN + (first + i) * TICK, str(value)] for i, value in enumerate(values) if value is not None]
    return {"metric": {"__name__": name, **labels}, "values": stamped}


def answer(*results: dict, kind: str = "matrix", **more: object) -> dict:
    return {"status": "success", "data": {"resultType": kind, "result": list(results)}, **more}


def read(folder: Path, *results: dict, exporter: str | None = None, **more: object) -> Found:
    (folder / "dump.json").write_text(json.dumps(answer(*results, **more)))
    return read_prometheus([folder / "dump.json"], PrometheusOptions(exporter=exporter))


def libvirt(name: str, domain: str, values: list, first: int = 0, *, host: str = "kvm1", **labels: str) -> dict:
    return series(f"libvirt_domain_{name}", values, first, domain=domain, instance=f"{host}:9177", **labels)


def texts(notes) -> str:
    return "\n".join(f"{note.place}: {note.text} {note.remedy}" for note in notes)


def test_libvirt_of_both_spellings(tmp_path):
    found = read(
        tmp_path,
        libvirt("info_maximum_memory_bytes", "web", [8 * GIB] * 4),
        libvirt("memory_stats_rss_bytes", "web", [1 * GIB, 2 * GIB, None, 9 * GIB]),
        libvirt("memory_stats_current_balloon_bytes", "web", [6 * GIB] * 4),
        libvirt("memory_stats_available_bytes", "web", [5 * GIB] * 4),
        libvirt("memory_stats_usable_bytes", "web", [3 * GIB] * 4),
        libvirt("info_virtual_cpus", "web", [4] * 4),
        libvirt("info_cpu_time_seconds_total", "web", [1000, 1300, 100, 250]),
        libvirt("info_maximum_memory_bytes", "db", [2 * GIB] * 4),
        libvirt("memory_stats_actual_balloon_bytes", "db", [2 * GIB] * 4),
        libvirt("memory_stats_swap_in_bytes", "db", [GIB] * 4),
    )
    db, web = found.vms
    assert found.hypervisor == "kvm"
    assert (web.configured_bytes, web.vcpus, web.host, web.power) == (8 * GIB, 4, "kvm1", Power.ON)
    # A process larger than its VM holds memory of its own: 9 of 8 GiB is 8.
    assert (web.consumed_bytes, web.used_bytes, web.ballooned_bytes) == (8 * GIB, 2 * GIB, 2 * GIB)
    assert (web.active_bytes, web.swapped_bytes, db.consumed_bytes, db.ballooned_bytes) == (None, None, None, 0)
    assert (db.swapped_bytes, db.vcpus) == (None, None)
    assert found.series is not None
    assert (found.series.first_time_s, found.series.tick_s) == (JAN, TICK)
    np.testing.assert_array_equal(found.series.granted_bytes[1], np.float32([GIB, 2 * GIB, np.nan, 8 * GIB]))
    assert np.isnan(found.series.granted_bytes[0]).all()
    assert np.isnan(found.series.active_bytes).all()
    # 300 s of CPU time in 300 s; then a reset; then 150 s in 300 s.
    np.testing.assert_array_equal(found.series.cpu_busy_vcpus[1], np.float32([np.nan, 1.0, np.nan, 0.5]))
    assert any("active memory is not measured" in text for text in found.assumptions)
    assert "swap_in_bytes" in texts(found.skipped)


def test_vmware_counters_are_kib_and_sizes_mib(tmp_path):
    vm = {"vm_name": "app", "host_name": "esx1", "cluster_name": "prod", "dc_name": "dc"}
    host = {"host_name": "esx1", "cluster_name": "prod", "dc_name": "dc"}
    found = read(
        tmp_path,
        series("vmware_vm_memory_max", [4096] * 2, **vm),
        series("vmware_vm_mem_consumed_average", [1_048_576, 2_097_152], **vm),
        series("vmware_vm_mem_active_average", [524_288, 262_144], **vm),
        series("vmware_vm_mem_vmmemctl_average", [0, 1024], **vm),
        series("vmware_vm_mem_swapped_average", [0, 0], **vm),
        series("vmware_vm_num_cpu", [2] * 2, **vm),
        series("vmware_vm_power_state", [1] * 2, **vm),
        series("vmware_vm_template", [0] * 2, **vm),
        series("vmware_vm_memory_max", [2048] * 2, vm_name="off", host_name="n/a", cluster_name="prod"),
        series("vmware_vm_power_state", [0] * 2, vm_name="off", host_name="n/a", cluster_name="prod"),
        series("vmware_vm_memory_max", [2048] * 2, vm_name="gold", host_name="esx1", cluster_name="prod"),
        series("vmware_vm_template", [1] * 2, vm_name="gold", host_name="esx1", cluster_name="prod"),
        series("vmware_host_memory_max", [262_144] * 2, **host),
        series("vmware_host_memory_usage", [131_072] * 2, **host),
        series("vmware_host_maintenance_mode", [1] * 2, **host),
    )
    app, off = found.vms
    assert found.hypervisor == "esxi-8"
    assert (app.configured_bytes, app.consumed_bytes, app.active_bytes) == (4 * GIB, 2 * GIB, 256 * MIB)
    assert (app.ballooned_bytes, app.swapped_bytes, app.cluster) == (1 * MIB, 0, "prod")
    assert (off.power, off.host, off.consumed_bytes) == (Power.OFF, None, None)
    assert [(h.name, h.memory_bytes, h.used_bytes, h.is_usable) for h in found.hosts] == [
        ("esx1", 256 * GIB, 128 * GIB, False)
    ]
    assert [cluster.name for cluster in found.clusters] == ["prod"]
    assert found.series is not None
    np.testing.assert_array_equal(found.series.active_bytes[0], np.float32([512 * MIB, 256 * MIB]))
    assert "templates" in texts(found.skipped)


def test_vmware_granted_goes_before_consumed(tmp_path):
    found = read(
        tmp_path,
        series("vmware_vm_memory_max", [4096] * 2, vm_name="a"),
        series("vmware_vm_mem_consumed_average", [100 * KIB] * 2, vm_name="a"),
        series("vmware_vm_mem_granted_average", [300 * KIB] * 2, vm_name="a"),
    )
    assert found.vms[0].consumed_bytes == 100 * MIB
    np.testing.assert_array_equal(found.series.granted_bytes[0], np.float32([300 * MIB] * 2))


def test_proxmox(tmp_path):
    found = read(
        tmp_path,
        series("pve_memory_size_bytes", [8 * GIB] * 2, id="qemu/100"),
        series("pve_memory_usage_bytes", [3 * GIB] * 2, id="qemu/100"),
        series("pve_cpu_usage_limit", [4] * 2, id="qemu/100"),
        series("pve_cpu_usage_ratio", [0.25] * 2, id="qemu/100"),
        series("pve_up", [1] * 2, id="qemu/100"),
        series("pve_guest_info", [1, None], id="qemu/100", name="web", node="pve1", template="0", type="qemu"),
        series("pve_guest_info", [1], 1, id="qemu/100", name="web", node="pve2", template="0", type="qemu"),
        series("pve_memory_size_bytes", [8 * GIB] * 2, id="qemu/900"),
        series("pve_guest_info", [1] * 2, id="qemu/900", name="gold", node="pve1", template="1", type="qemu"),
        series("pve_memory_size_bytes", [1 * GIB] * 2, id="lxc/101"),
        series("pve_memory_size_bytes", [64 * GIB] * 2, id="node/pve1"),
        series("pve_memory_usage_bytes", [10 * GIB] * 2, id="node/pve1"),
        series("pve_up", [0] * 2, id="node/pve1"),
    )
    assert found.hypervisor == "proxmox"
    [web] = found.vms
    assert (web.name, web.host, web.configured_bytes, web.used_bytes) == ("web", "pve2", 8 * GIB, 3 * GIB)
    assert (web.consumed_bytes, web.active_bytes) == (None, None)
    assert found.series is None
    assert "pve1 to pve2" in texts(found.doubts)
    assert "containers are no VMs" in texts(found.skipped)
    by_name = {host.name: host for host in found.hosts}
    assert (by_name["pve1"].memory_bytes, by_name["pve1"].used_bytes) == (64 * GIB, 10 * GIB)
    assert not by_name["pve1"].is_usable
    assert by_name["pve2"].memory_bytes is None


def test_kubevirt_names_are_unique_in_a_namespace(tmp_path):
    found = read(
        tmp_path,
        series("kubevirt_vmi_memory_domain_bytes", [GIB] * 2, name="vm", namespace="a", node="n1"),
        series("kubevirt_vmi_memory_resident_bytes", [512 * MIB] * 2, name="vm", namespace="a", node="n1"),
        series("kubevirt_vmi_memory_available_bytes", [1000 * MIB] * 2, name="vm", namespace="a", node="n1"),
        series("kubevirt_vmi_memory_unused_bytes", [100 * MIB] * 2, name="vm", namespace="a", node="n1"),
        series("kubevirt_vmi_memory_cached_bytes", [300 * MIB] * 2, name="vm", namespace="a", node="n1"),
        series("kubevirt_vmi_memory_domain_bytes", [2 * GIB] * 2, name="vm", namespace="b", node="n1"),
    )
    first, second = found.vms
    assert (first.group, first.configured_bytes, first.consumed_bytes) == ("a", GIB, 512 * MIB)
    assert first.used_bytes == 600 * MIB  # 1000 - 100 free - 300 cache
    assert (second.group, second.configured_bytes, second.consumed_bytes) == ("b", 2 * GIB, None)


def test_otel_usage_is_active_memory(tmp_path):
    vm = {"vcenter_vm_name": "app", "vcenter_vm_id": "u1", "vcenter_host_name": "esx1", "vcenter_cluster_name": "c"}
    usage = [81.92 * share for share in range(1, 41)]  # 1 to 40 % of 8,192 MiB
    found = read(
        tmp_path,
        series("vcenter_vm_memory_usage_mebibytes", usage, **vm),
        series("vcenter_vm_memory_utilization_percent", list(range(1, 41)), **vm),
        series("vcenter_vm_memory_ballooned_mebibytes", [64] * 40, **vm),
        series("vcenter_host_memory_usage_mebibytes", [1024] * 40, vcenter_host_name="esx1", vcenter_cluster_name="c"),
    )
    [app] = found.vms
    assert (app.uuid, app.configured_bytes, app.ballooned_bytes) == ("u1", 8 * GIB, 64 * MIB)
    assert app.active_bytes == pytest.approx(0.4 * 8 * GIB, rel=1e-6)
    assert (found.hosts[0].used_bytes, found.hosts[0].memory_bytes) == (GIB, None)


def test_node_exporter_tells_of_the_hosts_of_another_exporter(tmp_path):
    node = {"instance": "10.0.0.1:9100"}
    found = read(
        tmp_path,
        libvirt("info_maximum_memory_bytes", "web", [GIB] * 2, host="10.0.0.1"),
        series("node_uname_info", [1] * 2, nodename="kvm1", **node),
        series("node_memory_MemTotal_bytes", [64 * GIB] * 2, **node),
        series("node_memory_MemAvailable_bytes", [48 * GIB] * 2, **node),
        series("node_memory_SwapTotal_bytes", [8 * GIB] * 2, **node),
        series("node_memory_SwapFree_bytes", [7 * GIB] * 2, **node),
        series("node_vmstat_pswpin", [500] * 2, **node),
        *(series("node_cpu_seconds_total", [1] * 2, cpu=str(cpu), mode=mode, **node) for cpu in range(3)
          for mode in ("idle", "user")),
    )  # fmt: skip
    [host] = found.hosts
    assert (host.name, host.memory_bytes, host.used_bytes, host.swap_bytes) == ("kvm1", 64 * GIB, 16 * GIB, 8 * GIB)
    assert (host.cores, host.swapped_bytes) == (3, None)
    assert found.vms[0].host == "kvm1"
    assert "it may be stale" in texts(found.doubts)


def test_a_vm_that_moved_is_on_its_last_host(tmp_path):
    found = read(
        tmp_path,
        libvirt("info_maximum_memory_bytes", "web", [GIB] * 5, host="kvm1"),
        libvirt("memory_stats_rss_bytes", "web", [1 * MIB, 2 * MIB, 3 * MIB, 4 * MIB, 5 * MIB], host="kvm1"),
        libvirt("info_maximum_memory_bytes", "web", [GIB] * 4, 4, host="kvm2"),
        libvirt("memory_stats_rss_bytes", "web", [60 * MIB, 70 * MIB, 80 * MIB, 90 * MIB], 4, host="kvm2"),
    )
    [web] = found.vms
    assert (web.host, web.consumed_bytes) == ("kvm2", 90 * MIB)
    expected = np.float32([1, 2, 3, 4, 60, 70, 80, 90]) * MIB
    np.testing.assert_array_equal(found.series.granted_bytes[0], expected)
    assert "web: kvm1 to kvm2: moved" in texts(found.doubts)


def test_two_vms_of_one_name_stay_two_unless_a_uuid_says_otherwise(tmp_path):
    both = [
        libvirt("info_maximum_memory_bytes", "test", [GIB] * 9, host="kvm1"),
        libvirt("info_maximum_memory_bytes", "test", [2 * GIB] * 9, host="kvm2"),
    ]
    found = read(tmp_path, *both)
    assert sorted((vm.host, vm.configured_bytes) for vm in found.vms) == [("kvm1", GIB), ("kvm2", 2 * GIB)]
    assert "different VMs" in texts(found.doubts)
    for one in both:
        one["metric"]["uuid"] = "1bac351f"
    assert len(read(tmp_path, *both).vms) == 1


def test_an_instant_answer_has_no_series(tmp_path):
    results = [
        {"metric": {"__name__": "libvirt_domain_info_maximum_memory_bytes", "domain": d, "instance": "k:1"},
         "value": [JAN + 0.123, str(GIB)]}
        for d in ("a", "b")
    ]  # fmt: skip
    found = read(tmp_path, *results, kind="vector")
    assert [vm.configured_bytes for vm in found.vms] == [GIB, GIB]
    assert (found.series, found.taken_at_s) == (None, (JAN,))


def test_what_promtool_prints_and_lists_of_answers(tmp_path):
    bare = [libvirt("info_maximum_memory_bytes", "a", [GIB] * 2)]
    (tmp_path / "bare.json").write_text(json.dumps(bare))
    unnamed = {"metric": {"domain": "a", "instance": "kvm1:9177"}, "values": [[JAN, "1024"], [JAN + TICK, "2048"]]}
    (tmp_path / "libvirt_domain_memory_stats_rss_bytes.json").write_text(json.dumps([answer(unnamed)]))
    found = read_prometheus([tmp_path], PrometheusOptions())
    assert (found.vms[0].configured_bytes, found.vms[0].consumed_bytes) == (GIB, 2048)
    assert sorted(found.read.values()) == [1, 1]


def test_gaps_strange_numbers_warnings_and_histograms(tmp_path):
    rss = libvirt("memory_stats_rss_bytes", "a", ["1024", "NaN", "+Inf", "-5", "1e30", "2048"])
    histogram = {"metric": {"__name__": "latency", "instance": "k:1"}, "histograms": [[JAN, {"count": "1"}]]}
    found = read(
        tmp_path, libvirt("info_maximum_memory_bytes", "a", [GIB] * 6), rss, histogram, warnings=["store was down"]
    )
    expected = np.float32([1024, np.nan, np.nan, np.nan, np.nan, 2048])
    np.testing.assert_array_equal(found.series.granted_bytes[0], expected)
    told = texts(found.doubts)
    assert "Prometheus says: store was down" in told
    assert "infinite values" in told
    assert "below 0 or above 1 EiB" in told
    assert "histograms are not read" in texts(found.skipped)


def test_doubled_and_contradicting_series_are_told(tmp_path):
    size = libvirt("info_maximum_memory_bytes", "a", [GIB] * 3)
    first = libvirt("memory_stats_rss_bytes", "a", [1024, None, 1024], job="one")
    same = libvirt("memory_stats_rss_bytes", "a", [1024, 4096, 1024], job="two")
    found = read(tmp_path, size, first, same)
    np.testing.assert_array_equal(found.series.granted_bytes[0], np.float32([1024, 4096, 1024]))
    assert "tell the same" in texts(found.doubts)
    other = libvirt("memory_stats_rss_bytes", "a", [2048] * 3, job="two")
    assert "contradict" in texts(read(tmp_path, size, first, other).doubts)


def test_a_vm_that_vanished_is_not_called_running(tmp_path):
    found = read(
        tmp_path,
        libvirt("info_maximum_memory_bytes", "gone", [GIB] * 2),
        libvirt("info_maximum_memory_bytes", "here", [GIB] * 9),
    )
    assert [vm.power for vm in found.vms] == [Power.UNKNOWN, Power.ON]
    assert "no samples at the end" in texts(found.doubts)


def test_wrong_units_are_doubted(tmp_path):
    found = read(
        tmp_path,
        series("vmware_vm_memory_max", [4096] * 2, vm_name="a"),
        series("vmware_vm_mem_consumed_average", [1024.0**3] * 2, vm_name="a"),  # bytes, not KiB
    )
    assert "other units" in texts(found.doubts)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"status":"error","errorType":"bad_data","error":"parse error"}', "bad_data: parse error"),
        ("not json", "cannot be read as JSON"),
        (
            '{"data":{"result":[{"metric":{"__name__":"x"},"values":[[1,"one"]]}]}}',
            "sample 1 cannot be read: [1, 'one']",
        ),
        (
            '{"data":{"result":[{"metric":{"__name__":"x"},"values":[[1,[["2"]]]]}]}}',
            "sample 1 cannot be read: [1, [['2']]]",
        ),
        ('{"data":{"result":[{"metric":{"__name__":"x"},"values":[[-1,"1"]]}]}}', "between 1970 and 9999"),
        ('{"data":{"result":[{"values":[]}]}}', "series 1: has no labels"),
        ('{"data":{"resultType":"scalar","result":[1,"2"]}}', "no series at all"),
        ('{"data":{"result":{}}}', "no list of series"),
        ("[]", "no series at all"),
        ("7", "is no answer of Prometheus"),
        ('[{"metric":{"__name__":"up"},"values":[[1,"1"]]}]', "no metric of a known exporter"),
    ],
)
def test_broken_files_say_where_and_why(tmp_path, text, told):
    (tmp_path / "dump.json").write_text(text)
    with pytest.raises(InputError) as caught:
        read_prometheus([tmp_path / "dump.json"], PrometheusOptions())
    assert told in str(caught.value)
    assert "dump.json" in str(caught.value)


def test_several_exporters_need_a_choice(tmp_path):
    mixed = [libvirt("info_maximum_memory_bytes", "a", [GIB] * 2), series("pve_up", [1], id="qemu/1")]
    with pytest.raises(InputError, match="libvirt and pve_exporter; choose one with --exporter"):
        read(tmp_path, *mixed)
    assert [vm.name for vm in read(tmp_path, *mixed, exporter="libvirt").vms] == ["a"]
    with pytest.raises(InputError, match="unknown exporter"):
        read(tmp_path, *mixed, exporter="nagios")
    with pytest.raises(InputError, match="has no metric of kubevirt"):
        read(tmp_path, *mixed, exporter="kubevirt")


def test_hosts_alone(tmp_path):
    found = read(tmp_path, series("node_memory_MemTotal_bytes", [GIB] * 2, instance="h:9100"))
    assert ([host.name for host in found.hosts], found.vms, found.series) == (["h"], [], None)
    assert "only hosts" in texts(found.doubts)


def test_no_metric_is_of_two_exporters():
    names = [name for exporter in (*VM_EXPORTERS, NODE) for name in metric_names(exporter)]
    assert len(names) == len(set(names))
