"""What page sharing is built from: rates, pauses, scopes, memory of its own. By hand."""

import numpy as np
import pytest

from planner.config.load import load_hypervisor
from planner.config.page_sharing import KsmSpec
from planner.config.slo import SloSpec
from planner.config.spec import WorkloadSpec
from planner.host.pages import UNIQUE_KEY, ZERO_KEY, FleetPages
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.sharing import build_contents, home_nodes, pause_ns, scan_budget
from planner.kernels.state import NO_CONTENT
from planner.workload.overhead import sharing_kept_bytes, sharing_table_bytes

GIB = 2**30


def make_problem(page_scale=1, cores=32, numa_nodes=1, sharing=None, preset="esxi-8"):
    spec = load_hypervisor(preset)
    if sharing is not None:
        spec = spec.model_copy(update={"page_sharing": spec.page_sharing.model_copy(update=sharing)})
    return HostProblem(
        host=HostHardware("h", 64 * GIB, 0, cores, "haswell", SwapDevice("nvme", 80e-6, 5e5), numa_nodes),
        hypervisor=spec,
        workload=WorkloadSpec(),
        slo=SloSpec(),
        seed=1,
        replicate=0,
        vm_idx=(0,),
        page_scale=page_scale,
    )


def test_esxi_scans_an_hour_per_vm_up_to_its_caps():
    # 1 GiB = 262,144 pages an hour: 21,845 in 300 s. 64 GiB would be 16.8 million: capped at 1024/s = 307,200.
    budget = scan_budget(make_problem(), np.array([262_144, 16_777_216]), 300.0)
    assert budget == pytest.approx([262_144 / 12, 307_200])


def test_esxi_host_cap_goes_by_the_clock_of_its_cores():
    # Haswell at 2.5 GHz x 32 cores x 4 MiB/s = 320 MiB/s = 81,920 pages/s; 100 VMs want 1024 pages/s each.
    budget = scan_budget(make_problem(), np.full(100, 16_777_216), 1.0)
    assert budget.sum() == pytest.approx(81_920)
    assert scan_budget(make_problem(cores=8), np.full(100, 16_777_216), 1.0).sum() == pytest.approx(20_480)


@pytest.mark.parametrize(
    ("sleep_millisecs", "timer_hz", "expected_ms"),
    # 10 ms are 2.5 ticks of 4 ms: 3 whole ones, and half a tick on average until the first.
    [(10, 250, 14.0), (20, 250, 22.0), (20, 1000, 20.5), (20, 100, 25.0), (0, 250, 0.001)],
)
def test_pauses_last_whole_timer_ticks(sleep_millisecs, timer_hz, expected_ms):
    assert pause_ns(KsmSpec(sleep_millisecs=sleep_millisecs, timer_hz=timer_hz)) == pytest.approx(expected_ms * 1e6)


def test_vms_go_to_the_emptiest_node():
    # 8 to node 0, 5 to 1, 2 to 1 (5 < 8), 4 to 1 (7 < 8), 1 to 0 (8 < 11).
    assert home_nodes(np.array([8, 5, 2, 4, 1]), 2).tolist() == [0, 1, 1, 1, 0]


def make_pages(*vms):
    content = np.array([key for vm in vms for key in vm], dtype=np.int32)
    start = np.cumsum([0, *(len(vm) for vm in vms)])
    nothing = np.zeros(content.size, np.uint8)
    return FleetPages(start, content, nothing, nothing)


@pytest.mark.parametrize(
    ("sharing", "expected"),
    [
        # Content 7 is in VMs 0 and 2, 8 in 0 and 1, 9 twice in VM 1. Nodes: VM 0 on 0; VMs 1 and 2 on 1 (equal sizes:
        # 0, 1, 0), so 7 is met twice on node 0 and 8 on neither.
        ({"salting": False, "numa_local": False}, {7, 8, 9}),
        ({"salting": False, "numa_local": True}, {7, 9}),
        ({"salting": True, "numa_local": False}, {9}),
    ],
)
def test_scope_of_sharing(sharing, expected):
    pages = make_pages([7, 8, UNIQUE_KEY, UNIQUE_KEY], [8, 9, 9, UNIQUE_KEY], [7, 6, UNIQUE_KEY, UNIQUE_KEY])
    keys = pages.content_key.copy()
    home, _, _ = build_contents(make_problem(sharing=sharing, numa_nodes=2), pages)
    assert set(keys[home != NO_CONTENT].tolist()) == expected


@pytest.mark.parametrize(
    ("page_scale", "preset", "use_zero_pages", "expected"),
    [
        (1, "esxi-8", False, 0),
        (64, "esxi-8", False, 0),
        (1, "kvm", False, 1),
        (1, "kvm", True, 0),
        (64, "kvm", False, 0),
    ],
)
def test_zero_pages_share_with_themselves_when_sampled_or_mapped_to_the_zero_page(
    page_scale, preset, use_zero_pages, expected
):
    sharing = {"ksm": KsmSpec(use_zero_pages=use_zero_pages)}
    _, zero, contents = build_contents(
        make_problem(page_scale, sharing=sharing, preset=preset), make_pages([ZERO_KEY, 3, 3])
    )
    assert contents.frame_cost[zero[0]] == expected
    assert sorted(contents.frame_cost.tolist()) == sorted([expected, 1])


def test_only_esxi_has_a_table_of_all_pages():
    # 64 GiB / 4 KiB x 16 B = 256 MiB.
    assert sharing_table_bytes(64 * GIB, load_hypervisor("esxi-8")) == 256 * 2**20
    assert sharing_table_bytes(64 * GIB, load_hypervisor("kvm")) == 0


def test_guests_cannot_have_what_sharing_may_need():
    # KSM: 64 bytes for each of 64 GiB / 4 KiB pages = 1 GiB; ESXi its table; nothing where sharing is off.
    assert sharing_kept_bytes(64 * GIB, load_hypervisor("kvm")) == GIB
    assert sharing_kept_bytes(64 * GIB, load_hypervisor("esxi-8")) == 256 * 2**20
    assert sharing_kept_bytes(64 * GIB, load_hypervisor("hyper-v")) == 0
