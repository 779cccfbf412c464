"""An experiment plays exactly the contents and touches that it is given."""

from dataclasses import replace

import numpy as np
import pytest

from planner.config.catalog import load_hypervisor_preset
from planner.config.hypervisor import HypervisorSpec
from planner.config.slo import SloSpec
from planner.config.spec import WorkloadSpec
from planner.host.experiment import Experiment, ExperimentRun
from planner.host.pages import UNIQUE_KEY, FleetPages
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.touches import VmTouches
from planner.kernels import timeline
from planner.schema import TIMELINE_COLUMNS
from planner.units import MIB, PAGE_BYTES
from planner.workload.fleet import VmTable

N_PAGES, N_TICKS = 16, 40


def make_experiment():
    hypervisor = load_hypervisor_preset("kvm") | {"large_pages": False, "vm_overhead_base": 0}
    # Batches of 16 pages of 32, a pause of 1.5 ticks of 1 s: a pass each three seconds.
    hypervisor["page_sharing"]["ksm"] |= {"pages_to_scan": 16, "sleep_millisecs": 1000, "timer_hz": 24}
    vms = VmTable(
        names=("a", "b"),
        configured_bytes=np.full(2, N_PAGES * PAGE_BYTES),
        vcpus=np.ones(2, np.int64),
        groups=(None, None),
        images=(None, None),
        hosts=(None, None),
        shares=np.full(2, 1000),
        reservation_bytes=np.zeros(2, np.int64),
        limit_bytes=np.full(2, N_PAGES * PAGE_BYTES),
        has_balloon_driver=np.ones(2, bool),
    )
    # Pages 0-3 of both VMs hold the same four contents; the rest equals nothing.
    content = np.full(N_PAGES, UNIQUE_KEY)
    content[:4] = [101, 102, 103, 104]
    pages = FleetPages(
        start=np.array([0, N_PAGES, 2 * N_PAGES]),
        content_key=np.concatenate([content, content]),
        guest_class=np.zeros(2 * N_PAGES, np.uint8),
        compressed_units=np.full(2 * N_PAGES, 16, np.uint8),
    )
    problem = HostProblem(
        host=HostHardware("host", 64 * MIB, 0, 2, "zen3", SwapDevice("nvme", 80e-6, 5e5)),
        hypervisor=HypervisorSpec.model_validate(hypervisor),
        workload=WorkloadSpec(),
        slo=SloSpec(),
        seed=1,
        replicate=0,
        vm_idx=(0, 1),
        page_scale=1,
    )
    none = VmTouches(np.zeros(0, np.int32), np.zeros(N_TICKS + 1, np.int64))
    return Experiment(problem, vms, pages, np.full((2, N_TICKS), N_PAGES, np.int32), (none, none), tick_s=1.0)


def test_equal_pages_are_shared_and_no_others():
    run = ExperimentRun(make_experiment())
    shared = [int(run.out.timeline[tick, timeline.SHARED]) for tick in run.ticks()]
    assert shared[0] == 0  # the first pass only takes checksums
    assert shared[-1] == 8
    assert run.out.timeline[-1, timeline.SHARED_SAVED] == 4


def test_kernel_columns_are_those_of_the_schema():
    names = [column.name.removesuffix("_bytes") for column in TIMELINE_COLUMNS]
    assert tuple(names) == timeline.COLUMNS


def test_pages_that_a_vm_does_not_have_are_refused():
    experiment = make_experiment()
    more = experiment.granted + np.array([[0], [1]], dtype=np.int32)
    with pytest.raises(ValueError, match="VM 1 is granted 17 pages and has 16"):
        ExperimentRun(replace(experiment, granted=more))
    touches = VmTouches(np.array([16], np.int32), np.ones(N_TICKS + 1, np.int64))
    with pytest.raises(ValueError, match="VM 0 touches pages beyond its 16"):
        ExperimentRun(replace(experiment, touches=(touches, experiment.touches[1])))
