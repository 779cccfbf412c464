"""Watermarks, swap space that runs out, VMs that are killed or not let on."""

import math

import numpy as np
import pytest

from planner.config.hypervisor import WatermarkSpec
from planner.config.load import load_hypervisor
from planner.config.slo import SloSpec
from planner.config.spec import VmSpec, WorkloadSpec
from planner.host.invariants import find_violation
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.simulator import HostSim
from planner.host.slowdown import PARTS
from planner.kernels import state
from planner.kernels.outage import kill_largest, may_power_on
from planner.kernels.policy import update_state
from planner.kernels.reclaim import reclaim_now, step_reclaim
from planner.workload.listed import ListedSource
from planner.workload.overhead import watermark_bytes
from tests.unit.host.stacks import build_small_stack, grant

KIB, GIB = 2**10, 2**30


def test_watermarks_of_a_512_gib_host():
    # min = 4 x root of 536,870,912 KiB = 92,681.9, which the kernel's integer root rounds down; then steps of 0.1 %.
    marks = watermark_bytes(512 * GIB, WatermarkSpec())
    step = int(512 * GIB * 0.001)
    assert marks == (92_681 * KIB, 92_681 * KIB + step, 92_681 * KIB + 2 * step)


def test_watermarks_are_clamped_and_a_quarter_apart_at_least():
    # 16 TiB: the root would be 512 MiB, the kernel stops at 256 MiB.
    assert watermark_bytes(2**44, WatermarkSpec()).min == 256 * 2**20
    # 1 GiB: min 4 MiB, and a quarter of it is about 0.1 % of RAM; with a scale of 0.01 % the quarter decides.
    marks = watermark_bytes(GIB, WatermarkSpec(scale=0.0001))
    assert marks == (4096 * KIB, 5120 * KIB, 6144 * KIB)


LINUX = {
    "is_linux": True, "clear_below": 60, "soft_below": 50, "hard_below": 40, "low_below": 20, "fault_below": 40,
    "hard_goal": 60, "is_lru": True, "is_sharing": False,
}  # fmt: skip


def test_background_reclaim_starts_below_low_and_lasts_until_high():
    stack = build_small_stack(1000, **LINUX)
    steps = [(60, "HIGH"), (59, "CLEAR"), (49, "SOFT"), (40, "SOFT"), (39, "HARD"), (19, "LOW"), (20, "HARD")]
    for free, name in [*steps, (55, "HARD"), (59, "HARD"), (60, "HIGH"), (45, "SOFT")]:
        assert update_state(stack, free) == getattr(state, f"STATE_{name}")


def pressed(n_pages=100, frames=100, **changes):
    limits = changes.pop("limits", {})
    stack = build_small_stack(frames, n_pages=[n_pages], limits=limits, **(LINUX | changes))
    grant(stack, 0, n_pages)
    stack.balloons.cap[0] = 0
    stack.pages.last_touch[:] = np.arange(n_pages)
    return stack


def test_a_fault_below_low_makes_the_background_fill_up_to_high():
    stack = pressed(n_pages=61)
    assert reclaim_now(stack, 0, 200) == 60
    assert stack.vms.tick[0, state.TICK_DIRECT] == 0
    assert stack.vms.counts[0, state.SWAPPED] == 21


def test_where_the_background_cannot_keep_up_the_fault_reclaims_below_min():
    stack = pressed(n_pages=90, limits={"background_per_tick": 5, "direct_batch": 3})
    # 10 free: 5 by the background, still below 20, so 3 by the fault itself, and 3 by the next one.
    assert reclaim_now(stack, 0, 200) == 18
    assert reclaim_now(stack, 0, 200) == 21
    # Above min a fault takes what is free, though it is below low.
    assert reclaim_now(stack, 0, 200) == 21
    assert stack.vms.tick[0, state.TICK_DIRECT] == 2
    # The next tick has a background of its own.
    step_reclaim(stack, 200)
    assert reclaim_now(stack, 0, 201) == 26


def test_the_largest_vm_is_killed_and_all_it_held_is_free():
    stack = build_small_stack(40, n_pages=[10, 20, 20], is_sharing=False, is_swapping=False, limits={"may_kill": True})
    for v, pages in enumerate((10, 15, 15)):
        grant(stack, v, pages)
    assert kill_largest(stack, 3)
    assert stack.vms.granted.tolist() == [10, 0, 15]
    assert stack.swap.down_tick.tolist() == [-2, 3, -2]
    assert stack.vms.tick[:, state.TICK_KILLED].tolist() == [0, 1, 0]
    assert find_violation(stack) is None


def test_power_on_needs_ram_for_the_reservation_and_swap_space_for_the_rest():
    stack = build_small_stack(20, n_pages=[10, 10, 10], limits={"space": 12})
    stack.vms.reservation[:] = [8, 8, 8]
    assert may_power_on(stack, 0)
    stack.vms.granted[:2] = 0
    # 16 of 20 frames are promised and 8 more wanted.
    assert not may_power_on(stack, 2)
    stack.vms.reservation[:] = [4, 4, 4]
    # Frames: 12 of 20. Swap space: 3 x 6 of 12.
    assert not may_power_on(stack, 2)
    stack.vms.reservation[:] = [6, 6, 6]
    # Frames: 18 of 20. Swap space: 3 x 4 of 12.
    assert may_power_on(stack, 2)


def simulate(preset, memory_gib, swap, hypervisor_changes=(), **vm_values):
    vms = (VmSpec(name="a", count=12, memory="4 GiB", granted=0.95, active=0.3, **vm_values),)
    source = ListedSource(vms, 86400.0, 300.0, 7)
    hypervisor = load_hypervisor(preset)
    values = hypervisor.model_dump(mode="json")
    for path, value in hypervisor_changes:
        section, key = path.split(".")
        values[section][key] = value
    problem = HostProblem(
        host=HostHardware("h", memory_gib * GIB, 0, 16, "zen3", swap),
        hypervisor=type(hypervisor).model_validate(values),
        workload=WorkloadSpec(),
        slo=SloSpec(),
        seed=7,
        replicate=0,
        vm_idx=tuple(range(12)),
        page_scale=4096,
    )
    return HostSim(source).run(problem, keep_timeline=True)


OFF = (("ballooning.enabled", False), ("page_sharing.enabled", False))


def test_a_full_swap_device_kills_on_kvm_and_denies_on_esxi():
    swap = SwapDevice("nvme", 80e-6, 5e5, size_bytes=2 * GIB)
    kvm = simulate("kvm", 36, swap, OFF)
    assert kvm.host_row["killed_vms"] > 0
    assert kvm.host_row["denied_bytes"] == 0
    assert kvm.vm_rows["killed_count"].sum() == kvm.host_row["killed_vms"]
    assert kvm.host_row["slo_is_broken"]
    esxi = simulate("esxi-8", 36, swap, (*OFF, ("compression.enabled", False), ("swap.power_on_check", False)))
    assert esxi.host_row["killed_vms"] == 0
    assert esxi.host_row["denied_bytes"] > 0
    assert esxi.host_row["slowdown_denied_mean"] > 0


def test_esxi_powers_on_only_what_it_has_swap_space_for():
    # 12 VMs of 4 GiB, each with 1 GiB reserved: 3 GiB of swap each. 20 GiB are enough for six.
    swap = SwapDevice("nvme", 80e-6, 5e5, size_bytes=20 * GIB)
    result = simulate("esxi-8", 64, swap, reservation="1 GiB")
    assert result.host_row["refused_vms_max"] == 6
    assert (result.vm_rows["refused_s"] == 86400.0).sum() == 6
    assert np.isnan(result.vm_rows["slowdown_mean"]).sum() == 6
    assert result.host_row["slo_is_broken"]
    assert simulate("esxi-8", 64, SwapDevice("nvme", 80e-6, 5e5)).host_row["refused_vms_max"] == 0


@pytest.mark.parametrize(
    ("preset", "swap"),
    [
        ("esxi-8", SwapDevice("nvme", 80e-6, 5e5)),
        ("kvm", SwapDevice("hdd", 10e-3, 100.0)),
        ("kvm", SwapDevice("zram", 2e-6, 5.4e5, is_ram=True)),
        ("kvm", SwapDevice("nvme", 80e-6, 5e5, size_bytes=GIB)),
    ],
)
def test_parts_of_the_slowdown_add_up_exactly(preset, swap):
    result = simulate(preset, 38, swap, OFF)
    row = result.host_row
    parts = [row[f"slowdown_{name}_mean"] for name in PARTS]
    assert row["slowdown_mean"] == 1.0 + math.fsum(parts)
    assert row["slowdown_mean"] == pytest.approx(np.nanmean(result.vm_rows["slowdown_mean"]), rel=1e-12)
    assert row["slowdown_mean"] > 1.0


def test_a_storm_on_a_rotating_disk_is_felt_as_pressure():
    storm = simulate("kvm", 30, SwapDevice("hdd", 10e-3, 100.0), OFF).host_row
    calm = simulate("kvm", 30, SwapDevice("nvme", 80e-6, 7e5), OFF).host_row
    assert storm["pressure_full_mean"] > 0.5 > calm["pressure_full_mean"]
    assert storm["pressure_over_limit_s"] > 3600 > calm["pressure_over_limit_s"]
    assert storm["slowdown_swap_in_mean"] > 50 * calm["slowdown_swap_in_mean"]
