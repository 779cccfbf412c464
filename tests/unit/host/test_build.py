"""The arrays of a host, by hand: frames, thresholds, caps. The oracle takes these as given: they are checked here."""

import numpy as np
import pytest

from planner.config.load import load_hypervisor
from planner.config.slo import SloSpec
from planner.config.spec import VmSpec, WorkloadSpec
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.simulator import HostSim
from planner.workload.listed import ListedSource

MIB, GIB = 2**20, 2**30


@pytest.fixture(scope="module")
def stack():
    vms = (
        VmSpec(name="a", memory="8 GiB", vcpus=2, reservation="2 GiB"),
        VmSpec(name="b", memory="4 GiB", vcpus=1, limit="3 GiB", balloon_driver=False),
        VmSpec(name="c", memory="1025 MiB", vcpus=1, shares=500),
    )
    source = ListedSource(vms, 86400.0, 300.0, 1)
    problem = HostProblem(
        host=HostHardware("h", 28 * GIB, GIB, 8, "sapphire-rapids", SwapDevice("nvme", 80e-6, 5e5)),
        hypervisor=load_hypervisor("esxi-8"),
        workload=WorkloadSpec(),
        slo=SloSpec(),
        seed=1,
        replicate=0,
        vm_idx=(0, 1, 2),
        page_scale=512,
    )
    return HostSim(source).prepare(problem)[0]


def test_pages_are_2_mib_each(stack):
    # 8 GiB = 4096 pages of 2 MiB, 4 GiB = 2048, 1025 MiB = 512.5, rounded up.
    assert np.diff(stack.vms.start).tolist() == [4096, 2048, 513]
    assert stack.knobs.pages_per_block == 1


def test_frames_are_ram_less_hypervisor_and_overhead_plus_rounding(stack):
    # Overhead: 14.4 + 4 per vCPU + 0.0074 per MiB: 83.02 + 48.71 + 25.99 MiB. 28 GiB - 1 GiB - 157.72 MiB + 1 MiB of
    # rounding = 27491.3 MiB; less 16 bytes for each of 28 GiB / 4 KiB pages = 112 MiB: 13689 frames of 2 MiB.
    assert stack.knobs.frames == 13689


def test_thresholds_are_shares_of_min_free(stack):
    # 28 GiB: 6 % of 4 + 4 % of 8 + 2 % of 16 GiB = 901.12 MiB = 450.56 frames; 64, 32, 16 % and 400 % of it.
    knobs = stack.knobs
    assert (knobs.min_free, knobs.clear_below, knobs.soft_below) == (450, 450, 288)
    assert (knobs.hard_below, knobs.low_below, knobs.break_below) == (144, 72, 1802)


def test_caps_by_vm(stack):
    # Balloon: 65 % of configured, without the reservation (1024 pages of a), none without a driver.
    assert stack.balloons.cap.tolist() == [2662, 0, 333]
    # A cache of 10 % of configured memory, in sixteenths of a page: 1.6 x 4096, 2048 and 513.
    assert stack.vms.compress_cap.tolist() == [6553, 3276, 820]
    assert stack.vms.reservation.tolist() == [1024, 0, 0]
    assert stack.vms.limit.tolist() == [4096, 1536, 513]
    assert stack.vms.shares.tolist() == [81920.0, 40960.0, 500.0]


def test_rates_per_tick(stack):
    # 200 MiB/s over 300 s = 30000 pages of 2 MiB. A pass an hour = 1/12 a tick, under 1024 pages/s x 300 s / 512 = 600.
    # The host may scan more: 4 MiB/s x 8 cores x 2.0 GHz x 300 s / 2 MiB = 9600.
    assert stack.balloons.inflate_per_tick.tolist() == [30000] * 3
    assert stack.vms.scan_per_tick == pytest.approx([4096 / 12, 2048 / 12, 513 / 12])
